"""Server, decoder and worker are killed at random moments: nothing that was kept or taught is lost.

FEWACT_KILLS sets the number of moments (default: 2). Each is within one and a half times the time
that a new server needs to take over the folder and to teach a correction.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.page.conftest import Server

pytestmark = [pytest.mark.slow, pytest.mark.assets]
MOMENTS = int(os.environ.get("FEWACT_KILLS", "2"))
MOST_CLIPS = 12
OTHER = {"wave": "throw", "throw": "wave"}


def children_of(pid: int) -> list[int]:
    """Return the processes of decoder and worker (Linux)."""
    with suppress(OSError):
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for one in tasks for child in (one / "children").read_text().split()]
    return []


def strike(server: Server, target: str, moment: float) -> int:
    """Kill the server, or one of its children, after so many seconds; return which process."""
    time.sleep(moment)
    children = children_of(server.process.pid)
    pid = server.process.pid if target == "server" or not children else children[-1]
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return pid


def correct(server: Server, kept: dict[str, str]) -> None:
    """Give a clip another label, and wait until it is taught."""
    id = next(iter(kept))
    kept[id] = OTHER[kept[id]]
    assert server.post("/api/clips/label", ids=[id], label=kept[id])[0] == 200
    server.post("/api/teach")
    server.wait(lambda state: state["changes"] == 0 and state["clips"][id]["model_label"])


def work(server: Server, clip: bytes, kept: dict[str, str], struck: Callable[[], bool]) -> str:
    """Upload, teach and correct until something is killed; note what was acknowledged.

    Returns:
        Id of the clip whose correction may have been kept without an answer.
    """
    asked = ""
    with suppress(OSError, HTTPException, ValueError, AssertionError):
        while not struck():
            if len(kept) < MOST_CLIPS:
                status, answer = server.upload(clip, "label=wave&name=wave.mp4")
                if status == 201:
                    kept[answer["ids"][0]] = "wave"
            server.post("/api/teach")
            server.wait(lambda state: state["changes"] == 0 or struck())
            asked = next(iter(kept))
            label = OTHER[kept[asked]]
            if server.post("/api/clips/label", ids=[asked], label=label)[0] == 200:
                kept[asked], asked = label, ""
    return asked


def opened(state: Any) -> bool:
    """Whether the server has taken over what is in the folder."""
    waits = ("waiting", "running")
    return not any(job["kind"] == "open" and job["state"] in waits for job in state["jobs"])


def test_nothing_that_was_kept_or_taught_is_lost(
    serve_apart: Callable[..., Server], assets: Path
) -> None:
    folder = assets / "clips" / "utd5_rgb"
    clips = {
        name: [path.read_bytes() for path in sorted((folder / action).glob("*_s1_t*.mp4"))[:2]]
        for name, action in (("wave", "a03_wave"), ("throw", "a05_throw"))
    }
    noise = random.Random(MOMENTS)
    server, kept = serve_apart(), {}
    for label, contents in clips.items():
        for content in contents:
            kept[server.upload(content, f"label={label}&name={label}.mp4")[1]["ids"][0]] = label
    correct(server, kept)
    server.kill()
    begun = time.monotonic()
    server = serve_apart(server.model)
    correct(server, kept)
    longest = 1.5 * (time.monotonic() - begun)
    taught, times_taught = dict(kept), 0
    for i in range(MOMENTS):
        target = noise.choice(["server", "child"])
        case = i, target, noise.uniform(0, longest)
        with ThreadPoolExecutor() as pool:
            killer = pool.submit(strike, server, *case[1:])
            asked = work(server, clips["wave"][0], kept, killer.done)
        if killer.result() == server.process.pid:
            server.process.wait()
        if server.process.poll() is not None or i == MOMENTS - 1:
            server.kill()
            server = serve_apart(server.model)
        state = server.wait(opened)
        found = {id: clip["label"] for id, clip in state["clips"].items() if not clip["binned"]}
        if asked:
            assert found[asked] in (kept[asked], OTHER[kept[asked]]), case
            kept[asked] = found[asked]
        assert {id: found.get(id) for id in kept} == kept, case
        now = {
            id: clip["model_label"] for id, clip in state["clips"].items() if clip["model_label"]
        }
        assert taught.keys() <= now.keys(), case
        assert not (taught and state["model"] is None), (case, state["jobs"])
        times_taught += now != taught
        taught = now
        for id in kept:
            assert server.request("GET", f"/media/{id}")[0] == 200
    server.post("/api/teach")
    state = server.wait(lambda state: state["changes"] == 0)
    assert state["model"]["classes"] == ["throw", "wave"]
    names = {path.name for path in (server.model / "page").iterdir()}
    assert not [name for name in names if name.endswith(".new")]
    print(f"{MOMENTS} kills within {longest:.0f} s; {times_taught} times the model was another one")
