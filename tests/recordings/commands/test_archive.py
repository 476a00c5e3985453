"""``fewact index``, ``find``, ``suggest``, ``discover``, ``watch --index`` as a user runs them."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fewact.cli import main
from fewact.recordings.formats import read_events
from fewact.recordings.index import indexed_files
from fewact.video import EveryNth, read_frames, write_video
from tests.classifier.conftest import STEPS, render
from tests.cli.conftest import Ran

MOTIONS = ["left", "down", "right", "down", "left", "right", "down"]

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recordings")
    clips = [
        render(root.parent / f"archive {i}.mp4", motion, 40 + i) for i, motion in enumerate(MOTIONS)
    ]
    frames = np.concatenate([read_frames(clip, EveryNth(1)) for clip in clips])
    write_video(root / "monday.mkv", frames, 12)
    (root / "bad.mp4").write_text("no video")
    return root


@pytest.fixture(scope="module")
def index(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index") / "index"
    assert main(["index", str(recordings), "-o", str(folder)]) == 3
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("clip") / "right.mp4", "right", 17)


def test_a_bad_file_is_listed_and_what_is_known_is_not_read(
    index: Path, recordings: Path, run: Run
) -> None:
    again = run("index", recordings, "-o", index)
    assert again.code == 3
    assert "Skipped: " in again.err
    assert "bad.mp4" in again.err
    assert "Indexed: 0 new, 1 known, 1 skipped" in again.out


@pytest.mark.slow
def test_an_action_is_found_marked_and_found_again(
    index: Path, clip: Path, recordings: Path, tmp_path: Path, run: Run
) -> None:
    table, page = tmp_path / "found.csv", tmp_path / "found.html"
    found = run("find", index, clip, "--top", 4, "-o", table, "--page", page)
    assert found.code == 0, found.err
    assert "similarity" in found.out
    events = read_events(table).events
    assert [event.mark for event in events] == ["?"] * 4
    assert {(tmp_path / event.recording).resolve() for event in events} == {
        (recordings / "monday.mkv").resolve()
    }
    assert all(0 < (event.confidence or 0) < 1 for event in events)
    html = page.read_text()
    assert html.count("<video") == 4
    assert f"monday.mkv#t={events[0].start:.3f},{events[0].end:.3f}" in html
    assert "media-src" in html

    refused = run("find", index, clip, "--marks", table)
    assert refused.code == 2
    assert "no segment is marked" in refused.err
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    rows[0]["mark"], rows[3]["mark"] = "wrong", "right"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    better = tmp_path / "better.csv"
    assert run("find", index, clip, "--marks", table, "--top", 4, "-o", better).code == 0
    starts = [event.start for event in read_events(better).events]
    assert starts[0] == pytest.approx(float(rows[3]["start"]), abs=0.5)

    marked = [{**row, "rater": "anna"} for row in rows]
    marked.append({**rows[3], "mark": "wrong", "rater": "bob"})
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, marked[0])
        writer.writeheader()
        writer.writerows(marked)
    words = ("find", index, clip, "--top", 4, "--overwrite", "-o", better)
    of_two = run(*words, "--marks", table)
    assert (of_two.code, "--rater NAME" in of_two.err) == (2, True)
    assert run(*words, "--marks", table, "--rater", "anna").code == 0
    assert [event.start for event in read_events(better).events] == starts
    unused = run(*words, "--rater", "anna")
    assert (unused.code, "--marks FILE" in unused.err) == (2, True)


@pytest.mark.slow
def test_segments_to_mark_and_groups_are_events(
    index: Path,
    clip: Path,
    recordings: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(recordings)
    chosen, groups = tmp_path / "suggested.csv", tmp_path / "groups.csv"
    one = write_video(tmp_path / "one frame.mp4", read_frames(clip, EveryNth(1))[:1], 12)
    suggested = run("suggest", index, clip, one, "--top", 2, "-o", chosen)
    assert suggested.code == 0, suggested.err
    assert "one frame.mp4: only one or two pictures; record the full" in suggested.err
    assert "right.mp4" not in suggested.err
    assert len(read_events(chosen).events) == 2
    assert suggested.out.splitlines()[1].startswith("monday.mkv  ")
    assert run("discover", index, "--length", 1, "-o", groups).code == 0
    labels = {str(event.label) for event in read_events(groups).events}
    assert labels >= {"group 1"}


@pytest.mark.slow
def test_a_model_finds_and_watches_what_is_indexed(index: Path, tmp_path: Path, run: Run) -> None:
    for motion in STEPS:
        for seed in range(2):
            render(tmp_path / "clips" / motion / f"{seed}.mp4", motion, seed)
    model = tmp_path / "model"
    assert run("teach", tmp_path / "clips", "-o", model, "-q").code == 0
    found = run("find", index, model, "--top", 7)
    assert found.code == 0, found.err
    assert {"left", "right", "down"} >= {line.split()[3] for line in found.out.splitlines()[1:]}
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    (file,) = indexed_files(index)
    assert run("watch", model, file, "-o", whole).code == 0
    watched = run("watch", model, "--index", index, "--part", 1, "-o", part)
    assert watched.code == 0, watched.err
    assert part.read_bytes() == whole.read_bytes()
    assert run("watch", model).code == 2


def test_a_folder_without_an_index_is_refused(clip: Path, tmp_path: Path, run: Run) -> None:
    ended = run("find", tmp_path, clip)
    assert ended.code == 2
    assert "Traceback" not in ended.err
