"""One model in several places: files of it, clips without videos, clips that were deleted."""

import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from fewact import FewShotClassifier, methods
from fewact.classifier.file import MODEL, MODEL_VERSION
from fewact.classifier.info import model_info
from fewact.classifier.revision import change_model
from fewact.cli import main
from fewact.page.facts import LiveFacts, ResultFacts
from fewact.page.session import PageSession
from fewact.page.worker import Worker
from fewact.video.regions import RegionFinder
from tests.classifier.models import edit
from tests.page.conftest import Here, Server
from tests.page.teaching import FACTS, Serve, begun_in, command, idle, page_of, taught, video

pytestmark = pytest.mark.slow  # each starts a server


def test_a_page_has_texts_for_classes_that_are_integers(
    begun: Path, videos: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the worker replaces it
    clips = {i: [tmp_path / f"{name}.mp4"] for i, name in enumerate("xy")}
    classifier = FewShotClassifier(method="pixels", false_alarms=1.0).fit(clips)
    model = classifier.save(tmp_path / "integers")
    (model / "page").mkdir()
    (model / "page" / "a.mp4").write_bytes(videos[0])
    worker = Worker(str(model), {"device": "cpu", "engine": "torch"})
    opened, info = worker.open()["model"], model_info(model)
    assert opened["classes"] == ["0", "1"]
    assert opened["details"] == [*info.held_out_accuracy, *info.none_of_these]
    place = {"start": None, "end": None, "box": None}
    clip = {"source": True, "file": "a.mp4", "name": "a.mp4", **place}
    found = worker.predict(clip)
    assert found["label"] in ("0", "1")
    assert set(found["probabilities"]) == {"0", "1"}
    searched = worker.watch("job", clip, begin=True)
    while not searched["ended"]:
        searched = worker.watch("job", clip, begin=False)
    TypeAdapter(ResultFacts).validate_python(searched | {"model": "1"})
    assert [event["label"] for event in searched["events"]] in (["0"], ["1"])
    noise = np.random.default_rng(5).integers(0, 255, (30, 48, 64, 4), np.uint8)
    live = [worker.look("s", 64, 48, i / 10, blob=b.tobytes()) for i, b in enumerate(noise)]
    assert live[-1]["label"] in ("0", "1")
    TypeAdapter(LiveFacts).validate_python(live[-1], strict=True)
    shares = live[-1]["probabilities"]
    assert shares[live[-1]["label"]] == max(shares.values()) > 0
    after_a_gap = worker.look("s", 64, 48, 500.0, blob=noise[0].tobytes())
    labels = {event["label"] for event in after_a_gap["events"]}
    assert labels
    assert labels <= {"0", "1"}
    classifier.rename_class(0, 2).rename_class(1, 3).save(model)  # the camera follows
    live = [worker.look("s", 64, 48, 501 + i / 10, blob=b.tobytes()) for i, b in enumerate(noise)]
    assert live[-1]["label"] in ("2", "3")


def test_each_subject_is_answered_by_one_reading_and_searched_with_progress(
    begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr("fewact.page.worker.SECONDS_OF_A_STEP", 0.01)
    monkeypatch.setattr(FewShotClassifier, "predict", None)
    (begun / "page").mkdir()
    video(begun / "page" / "a.mp4", 3, frames=240)
    worker = Worker(str(begun), {"device": "cpu", "engine": "torch"})
    place = {"start": None, "end": None, "box": None}
    clip = {"source": True, "file": "a.mp4", "name": "a.mp4", **place}
    answer = worker.predict(clip | {"start": 0.0, "end": 1.0}, apart=True)
    TypeAdapter(ResultFacts).validate_python(answer | {"model": "1"})
    assert answer.keys() == {"movers", "subjects", "faults"}
    assert answer["movers"] == len(answer["subjects"]) > 0
    times, before, tracks = list[float](), list[int](), RegionFinder.tracks

    def followed(finder: RegionFinder) -> Any:
        before.append(len(times))
        return tracks(finder)

    monkeypatch.setattr(RegionFinder, "tracks", followed)
    ended = False
    while not ended:
        step = worker.watch("job", clip, begin=not times, apart=True)
        ended = step["ended"]
        times.append(step["time"])
    assert times == sorted(times)
    assert max(times[: before[0]]) > 0  # before it is read again
    assert times[-1] == pytest.approx(20, abs=0.2)


def test_one_action_and_anything_else_are_taught(serve: Serve, begun: Path) -> None:
    server = serve(begun)
    state = server.wait(lambda state: len(state["clips"]) == 2)
    ids = {clip["label"]: id for id, clip in state["clips"].items()}
    server.post("/api/clips/label", ids=[ids["y"]], label="none")
    state = taught(server)
    assert (state["model"]["classes"], state["model"]["none"]) == (["x"], 1)
    assert state["model"]["clips"] == {"x": 1, "none": 1}
    assert set(FewShotClassifier.load(begun).classes_) == {"anything else", "x"}
    film = (begun.parent / "y.mp4").read_bytes()
    (tried,) = server.upload(film, "name=new.mp4")[1]["ids"]
    result = server.wait(
        lambda state: server.post(f"/api/clips/{tried}/predict") and state["results"].get(tried)
    )["results"][tried]
    assert (result["label"], set(result["probabilities"])) == ("(none)", {"x", "none"})
    FACTS.validate_python(server.state(), strict=True)
    server.stop()
    server = serve(begun)  # what the model calls anything else is that for the page
    state = server.wait(lambda state: state["model"])
    assert (state["changes"], state["clips"][ids["y"]]["label"]) == (0, "none")
    server.post(
        "/api/clips/label", ids=[tried], label="y"
    )  # a second action: two classes, and none
    state = taught(server)
    assert (state["model"]["classes"], state["model"]["none"]) == (["x", "y"], 1)
    assert set(FewShotClassifier.load(begun).classes_) == {"x", "y"}


def counted(state: Any) -> tuple[int, int]:
    """Return how many clips there are, and how many of them are removed."""
    return len(state["clips"]), sum(one["binned"] for one in state["clips"].values())


def tried(server: Server, content: bytes) -> str:
    """Try a clip; return its id."""
    (id,) = server.upload(content)[1]["ids"]
    assert server.post(f"/api/clips/{id}/predict")[0] == 202
    assert idle(server)["results"][id]["probabilities"]
    return str(id)


def test_a_model_of_a_page_is_taught_more_on_another_page(
    serve: Serve, begun: Path, videos: list[bytes], tmp_path: Path
) -> None:
    first, _ = page_of(serve, begun, videos)
    file = first.request("GET", "/api/export")[2]
    other = serve(tmp_path / 'the coach\'s & "other" model')
    assert other.request("POST", "/api/import?name=a.zip", file)[0] == 200
    assert counted(idle(other)) == (4, 0)
    for i in (4, 5):
        id = tried(other, videos[i])
        assert counted(other.state()) == (i + 1, 0)
    why = other.request("GET", f"/why/{id}")[2].decode()
    assert "no frames: this page does not have the video" in why
    assert "--clips" not in why
    assert str(tmp_path) not in why
    other.upload(videos[6], "label=wave")
    state = taught(other)
    assert state["model"]["clips"] == {"wave": 3, "throw": 2}
    assert counted(state) == (7, 0)
    other.stop()
    again = serve(other.model)
    assert counted(idle(again)) == (7, 0)
    assert again.post("/api/classes/rename", name="wave", to="hello")[0] == 200
    assert taught(again)["model"]["clips"] == {"hello": 3, "throw": 2}
    assert counted(again.state()) == (7, 0)


def test_opening_another_model_is_undone_and_taught(
    serve: Serve, begun: Path, videos: list[bytes], tmp_path: Path
) -> None:
    start = shutil.copytree(begun, tmp_path / "second")
    first, _ = page_of(serve, begun, videos)
    file = first.request("GET", "/api/export")[2]
    second, _ = page_of(serve, start, videos)
    assert second.request("POST", "/api/import?name=a.zip", file)[0] == 200
    idle(second)
    second.upload(videos[4], "label=jump")
    for what in ("add", "import"):
        assert second.state()["undo"]["what"] == what
        assert second.post("/api/undo")[0] == 200
    state = taught(second)
    assert state["model"]["clips"] == {"wave": 2, "throw": 2}
    playable = [bool(one["source"]) for one in state["clips"].values() if one["model_label"]]
    assert playable == [True] * 4


def test_a_clip_that_is_deleted_for_good_stays_away(
    serve: Serve, begun: Path, videos: list[bytes]
) -> None:
    server, ids = page_of(serve, begun, videos)
    for again in range(2):
        assert server.post("/api/clips/remove", ids=[ids[again]])[0] == 200
        assert server.post("/api/clips/forget", ids=[ids[again]])[0] == 200
        tried(server, videos[4 + again])  # the saved model still has the clip
        state = server.state()
        assert state["changes"] == 1
        assert ids[again] not in state["clips"]
        assert all(one["source"] for one in state["clips"].values() if not one["binned"])
        if again:
            break
        server.kill()
        server = serve(server.model)
        idle(server)
        assert taught(server)["model"]["clips"] == {"wave": 1, "throw": 2}
    server.upload(videos[6], "label=wave")
    state = taught(server)
    assert state["model"]["clips"] == {"wave": 1, "throw": 2}


def test_answers_and_advice_come_back_with_the_server(
    serve: Serve, begun: Path, videos: list[bytes]
) -> None:
    server, _ = page_of(serve, begun, videos)
    ids = [tried(server, videos[i]) for i in (4, 5)]
    before = idle(server)
    server.kill()
    server = serve(server.model)
    after = server.wait(lambda state: set(state["results"]) >= set(ids) and state["advice"])
    assert after["results"] == before["results"]
    assert after["advice"] == before["advice"]


def test_a_clip_that_cannot_be_taught_is_named(
    serve: Serve, begun: Path, videos: list[bytes]
) -> None:
    server, _ = page_of(serve, begun, videos)
    (id,) = server.upload(videos[4], "name=broken.mp4&label=wave")[1]["ids"]
    (server.model / "page" / f"{id}.mp4").write_bytes(b"no video")
    server.post("/api/teach")
    (*_, job) = idle(server)["jobs"]
    assert (job["kind"], job["state"]) == ("teach", "failed")
    assert job["error"]["what"].startswith('the clip "broken.mp4" of the action "wave" cannot be')
    assert "none" not in job["error"]["what"]
    assert str(server.model) not in job["error"]["what"]


def test_what_is_missing_in_a_clip_is_said_once_in_the_terminal(
    serve_apart: Serve, begun: Path, videos: list[bytes], tmp_path: Path
) -> None:
    server = serve_apart(begun)
    whole = video(tmp_path / "whole.mkv", 5, 48).read_bytes()
    (id,) = server.upload(whole[:-5000], "name=me%20waving.mkv")[1]["ids"]
    for _ in range(2):
        assert server.post(f"/api/clips/{id}/predict")[0] == 202
        assert idle(server)["results"][id]["probabilities"]
        assert server.request("GET", f"/why/{id}")[0] == 200
        server.upload(videos[4], "name=1.mp4&label=x")
        taught(server)
    lines = [one for one in server.stop().splitlines() if "Keep this window" not in one]
    assert len(lines) == 1, lines
    cut = r"Warning: me waving\.mkv: the file is cut short, \d .* at its end"
    assert re.fullmatch(cut, lines[0]), lines


METHOD = """
from fewact import methods
from fewact.methods.pixels import Pixels


@methods.register("ours")
class Ours(Pixels):
    pass
"""


def test_a_page_teaches_a_model_of_the_users_method(
    serve_apart: Serve, tmp_path: Path, videos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods.REGISTRY, "_entries", dict(methods.REGISTRY._entries))
    file, model = tmp_path / "mine.py", tmp_path / "model"
    file.write_text(METHOD)
    clips, imports = tmp_path / "clips", ("--import", str(file))
    for i, name in enumerate("xy"):
        (clips / name).mkdir(parents=True)
        video(clips / name / "1.mp4", 10 + i)
    assert main(["teach", str(clips), "-o", str(model), "--method", "ours", *imports]) == 0
    server = serve_apart(model, options=imports)
    idle(server)
    server.upload(videos[0], "name=wave.mp4&label=x")
    taught(server)
    assert server.state()["model"]["clips"] == {"x": 2, "y": 1}
    assert json.loads((model / "config.json").read_text())["method"]["name"] == "ours"


def test_a_page_that_is_loaded_again_shows_what_a_command_changed(
    serve: Serve, begun: Path
) -> None:
    server = serve(begun)
    assert idle(server)["classes"] == ["x", "y"]
    classifier = FewShotClassifier.load(server.model)
    classifier.rename_class("x", "z")
    classifier.save(server.model)
    assert server.request("GET", "/")[0] == 200
    assert set(idle(server)["classes"]) == {"y", "z"}


def test_a_change_that_a_command_makes_while_clips_are_encoded_stays(
    serve: Serve, begun: Path, videos: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, old = PageSession._work, ["x"]

    async def other(page: PageSession, method: str, *arguments: Any, seconds: float) -> Any:
        result = await work(page, method, *arguments, seconds=seconds)
        if method == "encode" and old:
            with change_model(page.folder.model, "rename", corrected=True) as classifier:
                classifier.rename_class(old.pop(), "z")
        return result

    monkeypatch.setattr(PageSession, "_work", other)
    server = serve(begun)
    idle(server)
    server.upload(videos[0], "name=new.mp4&label=y")
    assert taught(server)["model"]["clips"] == {"y": 2, "z": 1}
    assert set(server.state()["classes"]) == {"y", "z"}


def test_a_folder_that_is_moved_away_is_not_begun_again(
    serve: Serve, begun: Path, videos: list[bytes], tmp_path: Path
) -> None:
    server = serve(begun)
    idle(server)
    moved = server.model.rename(tmp_path / "moved")
    for status, answer in (
        server.post("/api/classes", name="wave"),
        server.upload(videos[0], "name=wave.mp4&label=wave"),
    ):
        assert (status, answer["error"]["what"]) == (
            507,
            "the folder of the model is not there any more",
        )
        assert not server.model.exists()
    moved.rename(server.model)
    assert server.post("/api/classes", name="wave")[0] == 200


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
