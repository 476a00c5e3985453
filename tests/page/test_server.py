"""Listening: sockets are closed on a fault, and an address that is open to others is named."""

import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request

from fewact import FewShotClassifier
from fewact.cli import main
from fewact.core.errors import ModelError, OptionError
from fewact.page import server
from fewact.page.folder import Journal, PageFolder
from fewact.page.security import Guard
from fewact.page.server import MOST_CONNECTIONS
from fewact.video import write_video
from tests.page.conftest import START, Server, files_of


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """All sockets that are made."""
    made, real = [], socket.socket

    def make(*arguments: Any) -> socket.socket:
        made.append(real(*arguments))
        return made[-1]

    monkeypatch.setattr(server.socket, "socket", make)
    return made


def test_a_socket_that_cannot_listen_is_closed(sockets: list[socket.socket]) -> None:
    with pytest.raises(OptionError):
        server._listen("192.0.2.1", 0)  # an address for documentation, which no computer has
    assert [one.fileno() for one in sockets] == [-1]


def test_a_damaged_page_leaves_neither_socket_nor_lock(
    sockets: list[socket.socket], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    PageFolder(model).close()
    (model / "page" / "journal.jsonl").write_text("{}x")
    with pytest.raises(ModelError):
        server.serve(model, browser=False, options={}, say=lambda line: None)
    assert sockets == []
    (model / "page" / "journal.jsonl").unlink()
    PageFolder(model).close()


@pytest.mark.parametrize("host", ["ä" * 70, "x" * 300, "a\0b"])
def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(OptionError):
        server._listen(host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "::1"])
def test_loopback_addresses_are_for_this_computer_only(host: str) -> None:
    try:
        listener = server._listen(host, 0)
    except OptionError:
        pytest.skip(f"{host} is no address of this computer")
    with listener:
        assert server._is_loopback(listener)


@pytest.mark.parametrize("address", ["192.0.2.1", "fe80::1%eth0", "2001:db8::1"])
def test_other_addresses_are_not(address: str) -> None:
    listener: Any = SimpleNamespace(getsockname=lambda: (address, 80))
    assert not server._is_loopback(listener)


@pytest.mark.parametrize(
    ("host", "address", "sent"),
    [
        ("127.0.0.1", ("127.0.0.1", 80), "127.0.0.1"),
        ("::1", ("::1", 80, 0, 0), "[::1]"),
        ("Computer.Local", ("192.0.2.1", 8000), "computer.local:8000"),
        ("Computer.Local", ("192.0.2.1", 80), "computer.local"),
        ("2001:DB8:0::1", ("2001:db8::1", 8000, 0, 0), "[2001:db8::1]:8000"),
    ],
)
def test_the_page_opens_at_the_address_as_browsers_send_it(
    host: str, address: tuple[Any, ...], sent: str
) -> None:
    listener: Any = SimpleNamespace(getsockname=lambda: address)
    hosts = server._hosts(host, listener)
    assert sent in hosts
    assert ("127.0.0.1" in hosts) == (address[1] == 80)

    app: Any = object()
    guard = Guard(app, token="secret", hosts=hosts)

    def status(origin: str, name: str = sent) -> int:
        headers = {"host": name, "origin": origin, "cookie": f"fewact-{address[1]}=secret"}
        scope = {
            **{"type": "http", "method": "POST", "path": "/api/undo", "query_string": b""},
            "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
        }
        answer: Any = guard._respond_to(Request(scope))
        return 200 if answer is app else int(answer.status_code)

    assert status(f"http://{sent}") == 200
    assert status(f"http://{sent}", sent.upper()) == 200
    assert status(f"https://{sent}") == 403
    assert status("http://example.org") == 403
    assert status("http://example.org", "example.org") == 421


def test_help_says_which_addresses_other_computers_can_reach(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serve", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "unless it is a loopback address, such as 127.0.0.1, ::1 or localhost" in text


Serve = Callable[..., Server]


def test_a_request_needs_host_origin_and_token(server: Server) -> None:
    port = server.port
    assert server.request("GET", "/", Cookie="")[0] == 401
    assert server.request("GET", "/?token=wrong", Cookie="")[0] == 401
    assert server.request("GET", "/api/state", Cookie=f"fewact-{port}=wrong")[0] == 401
    assert server.request("GET", "/", Host="example.org")[0] == 421
    assert server.request("GET", "/", Host=f"example.org:{port}")[0] == 421
    assert server.request("POST", "/api/undo", b"", Origin="http://example.org")[0] == 403
    assert server.request("POST", "/api/undo", b"", Origin="null")[0] == 403
    assert server.request("POST", "/api/undo", b"", Origin="")[0] == 403
    assert server.request("GET", "/", Origin="", Sec_Fetch_Site="cross-site")[0] == 403
    status, headers, _ = server.request("GET", f"/?token={server.token}", Cookie="", Origin="")
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly; SameSite=Strict" in headers["set-cookie"]
    status, headers, body = server.request("GET", "/", Origin="")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert server.token not in body.decode()


def test_the_page_has_no_inline_code_and_no_other_address(server: Server) -> None:
    html = server.request("GET", "/")[2].decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html)
    assert all(
        "src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*", html)
    )
    for file in ["page.js", "page.css", "base.css", "icon.svg"]:
        status, _, content = server.request("GET", f"/static/{file}")
        assert status == 200
        addresses = set(re.findall(rb"https?://[\w.]+", content))
        assert addresses <= {b"http://www.w3.org"}


@pytest.mark.slow
def test_the_report_of_a_model_is_a_page_without_code(
    serve: Serve, clip: bytes, tmp_path: Path
) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), np.uint8)
    throw = write_video(tmp_path / "throw.mp4", frames, 12)
    classifier = FewShotClassifier(method="pixels").fit({"<b>wave": [clip], "throw": [throw]})
    server = serve(classifier.save(tmp_path / "mine", thumbnails=True))
    status, headers, body = server.request("GET", "/report")
    assert status == 200
    assert headers["content-security-policy"].endswith("img-src data:; sandbox")
    content = body.decode()
    assert "&lt;b&gt;wave" in content
    assert "<b>" not in content
    assert content.count('<img src="data:image/jpeg;base64,') == 2
    empty = serve(tmp_path / "empty")
    assert empty.request("GET", "/report")[0] == 422
    for path, status in (("/report", 422), ("/why/0123456789abcdef", 404)):
        error = json.loads(empty.request("GET", path)[2])["error"]
        answer = empty.request("GET", path, Accept="text/html,*/*;q=0.8")
        assert (answer[0], answer[1]["content-type"]) == (status, "text/html; charset=utf-8")
        assert "script" not in answer[1]["content-security-policy"]
        text = html.unescape(answer[2].decode())
        assert (error.get("what") or "It is not there any more.") in text


@pytest.mark.slow
def test_clips_of_the_command_line_are_kept_apart_and_may_have_equal_names(
    serve: Serve, clip: bytes, tmp_path: Path
) -> None:
    long = ("someone waves " * 6).strip()
    draw = np.random.default_rng(0)
    for label in (long, "throw"):
        for name in ("1.mp4", "2.mp4"):
            path = tmp_path / "clips" / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, draw.integers(0, 255, (12, 48, 64, 3), np.uint8), 12)
    model = tmp_path / "mine"
    classifier = FewShotClassifier(method="pixels").fit(tmp_path / "clips")
    classifier.add_clips("throw", [tmp_path / "clips" / long / "1.mp4"]).save(model)
    for _ in range(2):
        server = serve(model)
        state = server.wait(lambda state: state["clips"] and state["model"])
        assert sorted(one["label"] for one in state["clips"].values()) == [
            *[long] * 2,
            *["throw"] * 3,
        ]
        assert not state["changes"] + sum(one["binned"] for one in state["clips"].values())
        server.stop()
    server = serve(model)
    server.wait(lambda state: state["clips"] and state["model"])
    (id,) = server.upload(clip)[1]["ids"]
    assert server.post("/api/clips/label", ids=[id], label=long)[0] == 200
    one = next(id for id, one in state["clips"].items() if one["name"] == "throw/2.mp4")
    assert server.post("/api/clips/label", ids=[one], label=long)[0] == 200
    assert server.post(f"/api/clips/{one}/predict")[0] == 202
    assert server.post("/api/teach")[0] == 202
    server.wait(lambda state: state["model"]["clips"] == {long: 4, "throw": 2})
    state = server.wait(
        lambda state: all(job["state"] in ("done", "failed") for job in state["jobs"])
    )
    assert not state["changes"]
    assert [job["state"] for job in state["jobs"] if job["kind"] == "predict"] == ["failed"]


def test_a_clip_is_kept_shown_and_played(server: Server, clip: bytes) -> None:
    status, answer = server.upload(clip, "name=..%2F..%2Fme%20waving.MOV&label=wave")
    assert status == 201
    (id,) = answer["ids"]
    state = server.state()
    facts = state["clips"][id]
    assert (facts["name"], facts["label"], state["classes"]) == ("me waving.MOV", "wave", ["wave"])
    assert facts["seconds"] == pytest.approx(1, abs=0.1)
    assert files_of(server.model) == {f"page/{id}.mov", f"page/{id}.strip"}
    status, headers, content = server.request("GET", f"/strip/{id}")
    assert (status, headers["content-type"], content[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
    assert headers["cache-control"] == "no-store"  # what is deleted for good is not in the browser
    assert server.request("GET", f"/media/{id}")[2] == clip
    status, headers, content = server.request("GET", f"/media/{id}", Range="bytes=10-19")
    assert (status, content) == (206, clip[10:20])


def test_pieces_of_a_recording_are_clips(server: Server, clip: bytes) -> None:
    _, answer = server.upload(clip, "label=none&pieces=4")
    clips = server.state()["clips"]
    assert [clips[id]["label"] for id in answer["ids"]] == ["none"] * 4
    assert [clips[id]["start"] for id in answer["ids"]] == pytest.approx([0, 0.25, 0.5, 0.75])
    assert len(files_of(server.model)) == 2


@pytest.mark.slow
def test_changes_are_undone_and_survive_a_kill(serve_apart: Serve, clip: bytes) -> None:
    server = serve_apart()
    (id,) = server.upload(clip, "label=wave")[1]["ids"]
    assert server.post("/api/classes/rename", name="wave", to="hello")[0] == 200
    assert server.post("/api/clips/label", ids=[id], label="none")[0] == 200
    assert server.post("/api/clips/remove", ids=[id])[0] == 200
    server.kill()
    server = serve_apart(server.model)
    state = server.state()
    assert state["clips"][id]["binned"]
    undone = []
    while state["undo"]:
        undone.append(state["undo"]["what"])
        assert server.post("/api/undo")[0] == 200
        state = server.state()
    assert undone == ["remove", "label", "rename", "add"]
    assert server.post("/api/undo")[0] == 422
    assert state["clips"][id]["binned"]  # the upload itself is not lost
    assert server.post("/api/clips/restore", ids=[id])[0] == 200
    assert server.state()["clips"][id]["label"] == "wave"


def test_only_removed_clips_are_deleted_for_good(server: Server, clip: bytes) -> None:
    (kept,) = server.upload(clip, "label=wave")[1]["ids"]
    (gone,) = server.upload(clip, "label=wave")[1]["ids"]
    server.post("/api/clips/remove", ids=[gone])
    assert server.post("/api/clips/forget", ids=[kept, gone])[0] == 200
    assert set(server.state()["clips"]) == {kept}
    assert files_of(server.model) == {f"page/{kept}.mp4", f"page/{kept}.strip"}


@pytest.mark.slow
def test_an_upload_that_a_killed_server_did_not_list_is_recovered(
    serve_apart: Serve, clip: bytes
) -> None:
    server = serve_apart()
    server.post("/api/classes", name="wave")
    server.kill()
    (server.model / "page" / "0123456789abcdef.mp4").write_bytes(clip)
    server = serve_apart(server.model)
    state = server.wait(lambda state: state["clips"])
    assert state["clips"]["0123456789abcdef"]["label"] is None
    assert state["clips"]["0123456789abcdef"]["source"]
    assert state["clips"]["0123456789abcdef"]["name"] == "interrupted upload.mp4"


@pytest.mark.slow
def test_a_second_server_says_so(serve_apart: Serve, tmp_path: Path) -> None:
    server = serve_apart()
    other = [sys.executable, "-c", START, "serve", str(server.model), "--no-browser"]
    second = subprocess.run(other, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2
    assert "another `fewact serve` has this model open" in second.stderr
    assert server.request("GET", "/")[0] == 200
    assert "Traceback" not in server.stop()
    serve_apart(server.model)


@pytest.mark.parametrize("entry", ["notes.txt", "page/notes.txt"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, entry: str) -> None:
    from fewact.core.errors import ModelError
    from fewact.page.folder import PageFolder

    (tmp_path / "model" / entry).mkdir(parents=True)
    with pytest.raises(ModelError):
        PageFolder(tmp_path / "model")
    assert list(tmp_path.rglob("notes.txt"))
    assert not list(tmp_path.rglob("lock"))


def test_headers_that_do_not_come_are_not_awaited(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = ("127.0.0.1", server.port)
    with monkeypatch.context() as hurried:  # the last request has the time that requests have
        hurried.setattr("fewact.page.security.SECONDS_FOR_HEADERS", 0.5)
        with socket.create_connection(address, timeout=30) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        with socket.create_connection(address, timeout=30) as silent:
            assert silent.recv(100) == b""  # what a browser does not take for an answer
    assert server.request("GET", "/")[0] == 200


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\n", b"refused"])
def test_connections_without_a_token_do_not_keep_the_page_from_its_user(
    server: Server, begun: bytes
) -> None:
    if begun == b"refused":  # the rest of a refused upload is awaited
        host = f"127.0.0.1:{server.port}"
        begun = f"POST /api/clips HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n".encode()
    with ExitStack() as until_end:
        for _ in range(MOST_CONNECTIONS + 10):
            address = ("127.0.0.1", server.port)
            until_end.enter_context(socket.create_connection(address, timeout=30)).sendall(begun)
        for _ in range(3):
            assert server.request("GET", "/api/state")[0] == 200


@pytest.mark.parametrize("cookie", ["right", "wrong"])
def test_an_answer_before_the_end_of_an_upload_arrives(
    capsys: pytest.CaptureFixture[str],
    server: Server,
    cookie: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.post("/api/classes", name="wave")
    server.post("/api/classes/remove", name="wave")
    size = 5_000_000
    lines = [
        "POST /api/clips?name=a.mp4&label=wave HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Origin: {server.origin}",
        f"Cookie: fewact-{server.port}={server.token if cookie == 'right' else 'x'}",
        f"Content-Length: {size}",
    ]
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        begun = client.recv(20)
        client.sendall(bytes(size))
        with client.makefile("rb") as file:
            answer = begun + file.read()
    assert answer.startswith(b"HTTP/1.1 409" if cookie == "right" else b"HTTP/1.1 401")
    assert b"action_removed" in answer or cookie == "wrong"
    # An upload that does not go on is not awaited.
    monkeypatch.setattr("fewact.page.security.SECONDS_FOR_A_DROPPED_PART", 0.5)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        with client.makefile("rb") as file:
            assert file.read().startswith(answer[:12])
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
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


@pytest.mark.slow
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
