"""Server, decoder and worker are killed at random moments: nothing that was kept or taught is lost.

FEWACT_KILLS sets the number of moments (default: 3).
"""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.web.conftest import Server

pytestmark = [pytest.mark.slow, pytest.mark.assets]
MOMENTS = int(os.environ.get("FEWACT_KILLS", "3"))
LONGEST = 6.0
"""Seconds within which a kill comes."""


def children_of(pid: int) -> list[int]:
    """Return the processes of decoder and worker (Linux)."""
    with suppress(OSError):
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for one in tasks for child in (one / "children").read_text().split()]
    return []


def strike(server: Server, target: str, moment: float) -> None:
    """Kill the server, or one of its children, after so many seconds."""
    time.sleep(moment)
    children = children_of(server.process.pid)
    pid = server.process.pid if target == "server" or not children else children[-1]
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def work(server: Server, clips: dict[str, list[bytes]], kept: dict[str, str]) -> None:
    """Upload and teach until the server dies; note each clip that was acknowledged."""
    with suppress(OSError, HTTPException, ValueError, AssertionError):
        while True:
            for label, contents in clips.items():
                for content in contents:
                    status, answer = server.upload(content, f"label={label}&name={label}.mp4")
                    if status == 201:
                        kept[answer["ids"][0]] = label
            server.post("/api/teach")
            time.sleep(0.3)
            if len(kept) > 12:
                server.wait(lambda state: state["changes"] == 0, 2 * LONGEST)
                return


def test_nothing_that_was_kept_or_taught_is_lost(
    serve: Callable[..., Server], assets: Path
) -> None:
    folder = assets / "clips" / "utd5_rgb"
    clips = {
        name: [path.read_bytes() for path in sorted((folder / action).glob("*_s1_t*.mp4"))[:2]]
        for name, action in (("wave", "a03_wave"), ("throw", "a05_throw"))
    }
    noise = random.Random(MOMENTS)
    server, kept = serve(), {}
    taught: dict[str, str] = {}
    for i in range(MOMENTS):
        target = noise.choice(["server", "child"])
        moment = noise.uniform(0, LONGEST)
        killer = threading.Thread(target=strike, args=(server, target, moment))
        killer.start()
        work(server, clips, kept)
        killer.join()
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(0.5)
        if server.process.poll() is not None or i == MOMENTS - 1:
            server.kill()
            server = serve(server.model)
        state = server.wait(
            lambda state: (
                not any(
                    job["kind"] == "open" and job["state"] in ("waiting", "running")
                    for job in state["jobs"]
                )
            )
        )
        found = {id: clip["label"] for id, clip in state["clips"].items() if not clip["binned"]}
        assert {id: found.get(id) for id in kept} == kept, (i, target, moment)
        now = {id: clip["taught"] for id, clip in state["clips"].items() if clip["taught"]}
        assert taught.items() <= now.items(), (i, target, moment)
        taught = now
        for id in kept:
            assert server.request("GET", f"/media/{id}")[0] == 200
    server.post("/api/teach")
    state = server.wait(lambda state: state["changes"] == 0)
    assert state["model"]["classes"] == ["throw", "wave"]
    names = {path.name for path in (server.model / "page").iterdir()}
    assert not [name for name in names if name.endswith(".new")]
