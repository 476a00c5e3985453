"""Pages that are taught clips of noise, by commands and by requests."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from fewact import FewShotClassifier
from fewact.cli import main
from fewact.page.facts import PageFacts
from fewact.video import write_video

if TYPE_CHECKING:
    from tests.page.conftest import Server

Serve = Callable[..., "Server"]


FACTS = TypeAdapter(PageFacts)
"""What the page expects of a state, and its code is checked against; see test_facts."""


def video(path: Path, seed: int, frames: int = 12) -> Path:
    """Write a second of noise."""
    draw = np.random.default_rng(seed)
    return write_video(path, draw.integers(0, 255, (frames, 48, 64, 3), np.uint8), 12)


def begun_in(folder: Path) -> Path:
    """Return a model of a method that needs no weights."""
    clips = {name: [video(folder / f"{name}.mp4", 10 + i)] for i, name in enumerate("xy")}
    return FewShotClassifier(method="pixels").fit(clips).save(folder / "begun")


def idle(server: "Server") -> Any:
    """Return the state when nothing is left to do."""
    works = ("waiting", "running")
    return server.wait(lambda state: all(job["state"] not in works for job in state["jobs"]))


def taught(server: "Server") -> Any:
    """Teach; return the state at the end."""
    assert server.post("/api/teach")[0] == 202
    state = idle(server)
    FACTS.validate_python(state, strict=True)
    (*_, job) = (job for job in state["jobs"] if job["kind"] == "teach")
    assert (job["state"], job["error"], state["changes"]) == ("done", None, 0)
    return state


def page_of(serve: Serve, begun: Path, videos: list[bytes]) -> "tuple[Server, list[str]]":
    """Return a page that was taught two clips of each of two actions, and their ids."""
    server = serve(begun)
    idle(server)
    labels = ("wave", "wave", "throw", "throw")
    sent = zip(labels, videos, strict=False)
    ids = [
        server.upload(one, f"name={label}.mp4&label={label}")[1]["ids"][0] for label, one in sent
    ]
    for name in "xy":
        assert server.post("/api/classes/remove", name=name)[0] == 200
    assert taught(server)["model"]["clips"] == {"wave": 2, "throw": 2}
    return server, ids


def command(*arguments: str) -> str:
    """Return what a command writes."""
    with redirect_stdout(io.StringIO()) as written:
        assert main([*arguments]) == 0
    return written.getvalue()
