"""Ctrl+C: the program stops soon, and says nothing."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fewact.page.folder import Journal
from tests.page.conftest import START, Server

pytestmark = pytest.mark.slow  # each starts a server


@pytest.mark.skipif(os.name == "nt", reason="there are no process groups")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6, 1.0])
def test_processes_that_are_being_started(seconds: float, tmp_path: Path) -> None:
    """A terminal sends the signal to the children too, which may not have begun yet."""
    command = [sys.executable, "-c", START, "serve", str(tmp_path / "model"), "--no-browser"]
    (tmp_path / "model" / "page").mkdir(parents=True)
    Journal(tmp_path / "model" / "page" / "journal.jsonl")
    (tmp_path / "model" / "page" / f"{'a' * 16}.mp4").write_bytes(b"no video")
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        assert "Ctrl+C" in process.stderr.readline()
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == 130


def test_a_request_that_is_not_answered_yet(serve_apart: Callable[..., Server]) -> None:
    server = serve_apart()
    headers = (
        f"Host: 127.0.0.1:{server.port}",
        f"Cookie: fewact-{server.port}={server.token}",
        f"Origin: {server.origin}",
        "Content-Length: 1000000",
    )
    head = "\r\n".join(("POST /api/clips?name=a.mp4 HTTP/1.1", *headers, "", ""))
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + b"begin")
        while not list(server.model.glob("page/*.new")):
            time.sleep(0.01)
        assert server.stop().splitlines() == ["Keep this window open. Ctrl+C stops."]
