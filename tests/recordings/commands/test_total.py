"""``fewact total``: windows are drawn and shown, a person scores them, totals have intervals."""

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.recordings.formats import Event, events_text
from fewact.video import probe, write_video

Run = Callable[..., Any]

TRUE = {"a.mp4": [(3.0, 6.0), (14.0, 15.0), (31.0, 33.0)], "b.mp4": [(8.0, 12.0), (41.0, 42.0)]}


@pytest.fixture
def week(tmp_path: Path) -> Path:
    """Two recordings of 50 s whose frames are their tenths of a second; events of a model."""
    rows = ["recording,start,end,label,confidence,repetitions"]
    for name, times in TRUE.items():
        frames = np.zeros((500, 36, 48, 3), np.uint8) + np.arange(500)[:, None, None, None] // 2
        write_video(tmp_path / name, frames.astype(np.uint8), 10)
        rows += [f"{name},{start + 0.2},{end},wave,0.9,1" for start, end in times[1:]]
    (tmp_path / "found.csv").write_text("\n".join([*rows, "b.mp4,20,22,wave,0.5,1\n"]))
    return tmp_path


def _in_video(folder: Path) -> list[tuple[float, float]]:
    """Return the true events in times of the video, of what it shows."""
    events = []
    for row in csv.DictReader((folder / "check.csv").read_text().splitlines()):
        name, first, _, _, last, _ = row["shows"].split()
        shift = float(row["start"]) - float(first)
        for start, end in TRUE[Path(name).name]:
            begin, stop = max(start, float(first)), min(end, float(last))
            if begin < stop:
                events.append((begin + shift, stop + shift))
    return events


def test_a_study_without_the_library_that_draws_is_refused_first(
    run: Run, week: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    ended = run("total", week / "found.csv", week / "a.mp4", "-o", week / "study")
    assert (ended.code, (week / "study").exists()) == (2, False)
    assert 'pip install "fewact[draw]"' in ended.err


@pytest.mark.slow
def test_a_person_checks_windows_and_gets_totals(run: Run, week: Path) -> None:
    study = week / "study"
    words = ("total", week / "found.csv", week / "a.mp4", week / "b.mp4", "-o", study)
    words += ("--check", "60%", "--window", "5")
    assert "too few windows" in run(*words[:-4], "-q").err
    few = run(*words[:-4], "--window", "25", "--check", "0%").err
    assert "expected: 10 or more in all" in few
    (hint,) = re.findall(r"--window [0-9.]+ --check 100%", few)
    assert run(*words[:-5], week / "hint", *hint.split(), "-q").code == 0
    drawn = run(*words, "-q")
    assert drawn.code == 0, drawn.err
    assert "12 of 20 windows" in drawn.out
    assert probe(study / "check.mp4").duration == pytest.approx(12 * 7, abs=0.2)
    unscored = run(*words)
    assert (unscored.code, "too few windows are scored" in unscored.err) == (2, True)
    lines = (study / "check.csv").read_text().splitlines()
    scored = [line.replace(",,", ",none,") for line in lines]
    seen = _in_video(study)
    scored += [f"check.mp4,{start:.3f},{end:.3f},wave,," for start, end in seen]
    (study / "check.csv").write_text("\n".join(scored))
    shown = run(*words, "--format", "json")
    assert shown.code == 0, shown.err
    count, seconds = json.loads(shown.out)
    assert (count["class"], count["found"]) == ("wave", 4)
    assert seconds["found"] == pytest.approx(1 - 0.2 + 2 - 0.2 + 1 - 0.2 + 2)
    assert "Checked: 12 of 20 windows." in shown.err
    # BORIS gives the same.
    events = [Event("wave", *times, recording="check.mp4") for times in seen]
    (study / "check.boris").write_text(events_text(study / "check.boris", events))
    boris = run(*words, "--format", "json", "--scored", study / "check.boris")
    assert json.loads(boris.out) == [count, seconds]
    other = run(*words[:-1], "4")
    assert (other.code, "drawn with other options" in other.err) == (2, True)


@pytest.mark.slow
def test_each_subject_has_totals_where_both_sides_name_it(run: Run, week: Path) -> None:
    rows = (week / "found.csv").read_text().splitlines()
    named = [f"{row},{'subject' if i == 0 else 'anna'}" for i, row in enumerate(rows)]
    (week / "found.csv").write_text("\n".join([*named, "b.mp4,30,32,wave,0.9,1,bob"]))
    words = ("total", week / "found.csv", week / "a.mp4", week / "b.mp4", "-o", week / "study")
    words += ("--check", "100%", "--window", "5")
    assert run(*words, "-q").code == 0
    table = week / "study" / "check.csv"
    head, *lines = table.read_text().splitlines()
    assert head == "video,start,end,label,subject,window,shows"
    scored = [line.replace(",,,", ",none,,") for line in lines]
    seen = [
        f"check.mp4,{start:.3f},{end:.3f},wave,anna,," for start, end in _in_video(week / "study")
    ]
    table.write_text("\n".join([head, *scored, *seen]))
    shown = run(*words, "--format", "json")
    assert "Each subject apart: anna in both" in shown.err
    totals = {(r["class"], r["measure"]): (r["found"], r["value"]) for r in json.loads(shown.out)}
    assert totals["anna: wave", "count"] == (4, 5)
    assert totals["bob: wave", "count"] == (1, 0)


@pytest.mark.slow
def test_the_windows_are_shown_at_their_times(run: Run, week: Path) -> None:
    from fewact.video import EveryNth, read_frames

    words = ("total", week / "found.csv", week / "b.mp4", "-o", week / "s", "--check", "10")
    assert run(*words, "--window", "5", "-q").code == 0
    for row in csv.DictReader((week / "s" / "check.csv").read_text().splitlines()):
        at = float(row["start"])
        (frame,) = read_frames(week / "s" / "check.mp4", EveryNth(1), start=at, end=at + 0.05)
        tenths = float(row["shows"].split()[1]) * 10
        assert frame[: frame.shape[0] // 2].mean() == pytest.approx(tenths / 2, abs=4)


@pytest.mark.slow
def test_a_model_finds_the_events_first(run: Run, model: Path, week: Path) -> None:
    words = ("total", model, week, "-o", week / "s", "--check", "10", "--window", "5", "-q")
    drawn = run(*words)
    assert drawn.code == 0, drawn.err
    assert (week / "s" / "events.csv").exists()
    scored = (week / "s" / "check.csv").read_text().replace(",,", ",none,")
    (week / "s" / "check.csv").write_text(scored)
    shown = run(*words)
    assert shown.code == 0, shown.err
    assert "Too few of the windows" in shown.err
