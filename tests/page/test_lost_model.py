"""A model that cannot be read any more: the page teaches its clips again."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact.classifier.file import MODEL, MODEL_VERSION
from tests.classifier.models import edit
from tests.page.conftest import Here
from tests.page.test_clip_names import command
from tests.page.test_same_model import Serve, begun_in, idle, page_of, taught, videos

__all__ = ["videos"]
pytestmark = pytest.mark.slow  # each starts servers

TAUGHT = {"wave": 3, "throw": 2}


@pytest.fixture(scope="module")
def original(
    videos: list[bytes], tmp_path_factory: pytest.TempPathFactory, shared: Any
) -> tuple[Path, list[str]]:
    """A model whose page has four clips, and a fifth that a command added."""
    folder = tmp_path_factory.mktemp("page")
    server, ids = page_of(lambda model: Here(model, *shared), begun_in(folder), videos)
    more = folder / "more.mp4"
    more.write_bytes(videos[5])
    command("add", str(server.model), "wave", str(more))
    assert taught(server)["model"]["clips"] == TAUGHT
    server.stop()
    return server.model, ids


@pytest.fixture
def page(original: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, list[str]]:
    """A copy of the model, and the clips of its page."""
    return shutil.copytree(original[0], tmp_path / "model"), list(original[1])


def make_older(model: Path) -> None:
    edit(model, lambda content: content.update(version=MODEL_VERSION - 1))


def damage_tensors(model: Path) -> None:
    content = bytearray((model / MODEL).read_bytes())
    content[-1] ^= 1
    (model / MODEL).write_bytes(content)


def cut_header(model: Path) -> None:
    (model / MODEL).write_bytes((model / MODEL).read_bytes()[:100])


def contents(model: Path) -> list[bytes]:
    """Return the content of the file that a model is read from, if it exists."""
    return [(model / MODEL).read_bytes()] if (model / MODEL).exists() else []


LOST = {
    "older": (make_older, "the model was written by an older version of fewact"),
    "tensors": (damage_tensors, "the file was damaged or edited after it was saved"),
    "header": (cut_header, "not a saved classifier"),
    "no file": (lambda model: (model / MODEL).unlink(), None),
}


def check_lost(state: Any, ids: list[str]) -> None:
    """Check that the page has its clips for the next teaching, and the other one in the bin."""
    assert state["model"] is None
    assert state["changes"] == len(ids)
    assert {id for id, clip in state["clips"].items() if not clip["binned"]} == set(ids)
    assert more(state)["binned"]


def more(state: Any) -> Any:
    """Return the clip that a command added."""
    (found,) = (clip for clip in state["clips"].values() if clip["name"] == "wave/more.mp4")
    return found


@pytest.mark.parametrize(("lose", "what"), LOST.values(), ids=LOST)
def test_clips_of_the_page_are_taught_again(
    serve: Serve, page: tuple[Path, list[str]], lose: Callable[[Path], object], what: str | None
) -> None:
    model, ids = page
    lose(model)
    before = contents(model)
    server = serve(model)
    state = idle(server)
    check_lost(state, ids)
    assert [job["error"]["what"] for job in state["jobs"] if job["error"]] == [what] * bool(what)
    if lose is make_older:
        assert state["jobs"][0]["error"]["hint"] == "Teach again from the clips."
    assert contents(model) == before
    assert taught(server)["model"]["clips"] == {"wave": 2, "throw": 2}
    kept = {one.read_bytes() for one in model.rglob("history/*") if one.is_file()}
    assert kept.issuperset(before)


def test_a_clip_that_another_method_encoded_cannot_come_back(
    serve: Serve, page: tuple[Path, list[str]]
) -> None:
    """A former version has the clip, but of another method than the new model's."""
    damage_tensors(page[0])
    server = serve(page[0])
    idle(server)
    state = taught(server)
    (id,) = (id for id, one in state["clips"].items() if one["name"] == "x/x.mp4")
    assert server.post("/api/clips/restore", ids=[id])[0] == 200
    assert server.post("/api/teach")[0] == 202
    state = idle(server)
    (*_, job) = state["jobs"]
    assert job["error"]["what"].startswith('the clip "x/x.mp4" cannot be taught: it has no video')
    assert job["error"]["hint"] == "Add the clip again, or remove it."
    assert state["model"]["clips"] == {"wave": 2, "throw": 2}


def test_a_model_that_is_restored_has_its_clips_again(
    serve: Serve, page: tuple[Path, list[str]], tmp_path: Path
) -> None:
    model, ids = page
    whole = shutil.copy2(model / MODEL, tmp_path)
    damage_tensors(model)
    server = serve(model)
    check_lost(idle(server), ids)
    shutil.copy2(whole, model / MODEL)
    assert server.post(f"/api/clips/{ids[0]}/predict")[0] == 202
    state = idle(server)
    assert state["model"]["clips"] == TAUGHT
    assert state["changes"] == 0
    assert not any(id in ids and clip["binned"] for id, clip in state["clips"].items())
    assert not more(state)["binned"]


def test_the_version_before_is_restored_by_a_command(
    serve: Serve, page: tuple[Path, list[str]]
) -> None:
    model, ids = page
    damage_tensors(model)
    server = serve(model)
    state = idle(server)
    (hint,) = (job["error"]["hint"] for job in state["jobs"])
    assert hint == f"Restore the version before: fewact undo {model}"
    command("undo", str(model))
    assert server.post(f"/api/clips/{ids[0]}/predict")[0] == 202
    state = idle(server)
    assert state["model"]["clips"] == {"wave": 2, "throw": 2}
    assert state["changes"] == 0
