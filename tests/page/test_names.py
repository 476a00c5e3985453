"""Clips have the user's own names in the model, unique within a class."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.classifier.info import model_info
from fewact.classifier.pictures import STRIP_FRAMES
from fewact.data.files import numbered
from fewact.page.names import LONGEST_FILE_NAME, file_name
from tests.page.conftest import Server
from tests.page.teaching import command, idle, page_of, taught

Serve = Callable[..., Server]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("me in the garden.mp4", "me in the garden.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\clips\\me.MOV", "me.MOV"),
        ("..", ""),
        (".", ""),
        ("a/..", ""),
        ("", ""),
        (" \t ", ""),
        ("/", ""),
        ("a\x00b\x1b[31m\n.mp4", "ab[31m .mp4"),
        ("gnp\u202e4pm.exe.mp4", "gnp4pm.exe.mp4"),
        ("at 10.15.30\u202fAM.mov", "at 10.15.30 AM.mov"),
        ("a\ud800.mp4", "a.mp4"),
        ("e\u0301.mp4", "é.mp4"),
        ("می\u200cخورد.mp4", "می\u200cخورد.mp4"),
        ("🏋️\u200d♀️.mp4", "🏋️\u200d♀️.mp4"),
        ("x" * 500 + ".mp4", "x" * (LONGEST_FILE_NAME - 4) + ".mp4"),
        ("a." + "x" * 500, "a." + "x" * (LONGEST_FILE_NAME - 2)),
    ],
)
def test_a_file_name_is_shown_without_folders_and_what_is_not_visible(
    sent: str, shown: str
) -> None:
    assert file_name(sent) == shown
    assert file_name(shown) == shown


@given(st.text(max_size=300), st.integers(2, 99))
def test_any_file_name_is_one_visible_part_of_a_path(text: str, number: int) -> None:
    name = file_name(text)
    assert len(name) <= LONGEST_FILE_NAME
    assert "/" not in name
    assert name not in (".", "..")
    assert name.encode().decode() == name
    assert not re.search(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", name)
    assert file_name(name) == name
    assert numbered(name, number) != numbered(name, 1) == name


def saved(model: Path) -> list[str]:
    """Return the titles of the clips of a model."""
    return [one.title for one in model_info(model).clips]


@pytest.mark.slow
@pytest.mark.assets
def test_commands_name_real_clips_as_their_owner_does(
    serve: Serve, assets: Path, tmp_path: Path
) -> None:
    server = serve()
    folder = assets / "clips" / "utd5_rgb"
    waves = [folder / "a03_wave" / f"a3_s{i}_t1_color.mp4" for i in (1, 2, 3, 4, 6)]
    throws = [next((folder / "a05_throw").glob(f"*_s{i}_t1_*.mp4")) for i in (1, 2)]

    def upload(file: Path, query: str) -> str:
        status, answer = server.upload(file.read_bytes(), query)
        assert status == 201
        return str(answer["ids"][0])

    garden = "name=..%2Fme+in+the+garden.mp4"
    first = upload(waves[0], f"{garden}&label=wave")
    second = upload(waves[1], f"{garden}&label=wave")
    upload(throws[0], f"{garden}&label=throw")
    upload(throws[1], "name=ball.mp4&label=throw")
    upload(waves[0], "name=ball.mp4&label=throw")  # a copy, of which a review warns
    upload(waves[2], "name=sitting.mp4&label=none&pieces=2")
    upload(waves[3], "name=sitting.mp4&label=none&pieces=2")
    taught(server)
    found = {clip["name"] for clip in server.state()["clips"].values()}
    assert found == {
        "me in the garden.mp4",
        "me in the garden (2).mp4",
        "ball.mp4",
        "ball (2).mp4",
        "sitting.mp4",
        "sitting (2).mp4",
    }
    titles = saved(server.model)
    assert [re.sub(r" \[.*", "", title) for title in titles] == [
        *("throw/ball (2).mp4", "throw/ball.mp4", "throw/me in the garden.mp4"),
        *("wave/me in the garden (2).mp4", "wave/me in the garden.mp4"),
        *(["none/sitting (2).mp4"] * 2 + ["none/sitting.mp4"] * 2),
    ]
    assert len(set(titles)) == len(titles)

    model, try_it, page = str(server.model), str(waves[4]), tmp_path / "why.html"
    (answer,) = json.loads(command("predict", model, try_it, "--format", "json"))["predictions"]
    assert answer["nearest"] in titles
    advice = command("review", model)
    assert "throw/ball (2).mp4 and wave/me in the garden.mp4 are nearly the same clip" in advice
    command("explain", model, try_it, "-o", str(page))
    content = page.read_text()
    assert "me in the garden" in content
    assert (
        len(set(re.findall('data:image/jpeg;base64,[^"]+', content))) > STRIP_FRAMES
    )  # not its own
    for text in (*titles, advice, content, command("info", model, "--clips")):
        assert not re.search(r"[0-9a-f]{16}\.mp4", text)

    (tried,) = server.upload(waves[4].read_bytes(), "name=new.mp4")[1]["ids"]
    server.post(f"/api/clips/{tried}/predict")
    state = idle(server)
    nearest = state["clips"][state["results"][tried]["nearest"]]
    assert f"{nearest['label']}/{nearest['name']}" == answer["nearest"]
    assert any("throw/ball (2).mp4" in sentence for sentence in state["advice"])

    # Changes of a class change the name that is saved, and no clip is encoded or lost.
    assert server.post("/api/classes/rename", name="wave", to="hello")[0] == 200
    assert server.post("/api/clips/label", ids=[second], label="throw")[0] == 200
    assert server.post("/api/clips/remove", ids=[first])[0] == 200
    third = upload(waves[0], f"{garden}&label=hello")
    taught(server)
    assert [title for title in saved(server.model) if "garden" in title] == [
        "hello/me in the garden (2).mp4",
        "throw/me in the garden (2).mp4",
        "throw/me in the garden.mp4",
    ]
    state = server.state()
    assert state["clips"][third]["name"] == "me in the garden (2).mp4"
    assert all(one["source"] for one in state["clips"].values())


@pytest.mark.slow
def test_another_page_keeps_the_names_of_a_model_file(
    serve: Serve, begun: Path, videos: list[bytes], tmp_path: Path
) -> None:
    first, _ = page_of(serve, begun, videos)
    file = first.request("GET", "/api/export")[2]
    other = serve(tmp_path / "other")
    other.upload(videos[5], "name=wave.mp4&label=wave")
    assert other.request("POST", "/api/import?name=a.zip", file)[0] == 200
    state = idle(other)
    assert sorted(bool(one["source"]) for one in state["clips"].values()) == [False] * 4 + [True]
    other.upload(videos[4], "name=wave.mp4&label=wave")
    taught(other)
    found = saved(other.model)
    assert len(set(found)) == len(found) == 6
    assert set(saved(first.model)) < set(found)
    assert all(re.fullmatch(r"(wave|throw)/\1( \(\d\))?\.mp4", name) for name in found)


@pytest.mark.slow
def test_clips_and_names_of_commands_stay_beside_those_of_the_page(
    serve: Serve, begun: Path, videos: list[bytes], tmp_path: Path
) -> None:
    server, ids = page_of(serve, begun, videos)
    model, more = str(server.model), tmp_path / "wave.mp4"
    more.write_bytes(videos[5])
    command("add", model, "wave", str(more))  # wave/wave (3).mp4: the page has two of this name
    command("move", model, "wave/wave (2).mp4", "throw")
    command("rename", model, "throw", "cast")
    server.upload(videos[4], "name=new.mp4&label=cast")
    state = taught(server)
    assert [(state["clips"][id]["name"], state["clips"][id]["label"]) for id in ids] == [
        ("wave.mp4", "wave"),
        ("wave (2).mp4", "cast"),
        ("throw.mp4", "cast"),
        ("throw (2).mp4", "cast"),
    ]
    assert all(state["clips"][id]["source"] for id in ids)
    assert saved(server.model) == [
        *("cast/new.mp4", "cast/throw (2).mp4", "cast/throw.mp4", "cast/wave (2).mp4"),
        *("wave/wave (3).mp4", "wave/wave.mp4"),
    ]
