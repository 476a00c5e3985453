"""A study of totals: what was drawn stays, and other options are refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError, OptionError
from fewact.data.event_options import EventOptions
from fewact.recordings.study import CHECK_TABLE, CHECK_VIDEO, Study
from fewact.video import probe, write_video

OPTIONS = {"check": "10", "window": 2.0, "seed": 0}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    frames = np.zeros((240, 36, 48, 3), np.uint8)
    path = write_video(tmp_path / "a.mp4", frames, 10)
    (tmp_path / "found.csv").write_text("recording,start,end,label\na.mp4,1,2,wave\n")
    folder = tmp_path / "study"
    folder.mkdir()
    return Study(folder, [path], OPTIONS)


def test_a_study_is_prepared_once_and_scored(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not study.is_prepared
    found, classes, skipped = study.find(tmp_path / "found.csv", {}, quiet=True)
    assert (found, classes, skipped) == (tmp_path / "found.csv", ["wave"], 0)
    plan = study.prepare(found, classes, quiet=True)
    assert study.is_prepared
    assert study.plan == plan
    assert len(plan.checked) == 10
    assert probe(study.folder / CHECK_VIDEO).duration == pytest.approx(10 * 4, abs=0.2)
    table = study.folder / CHECK_TABLE
    table.write_text(table.read_text().replace(",,", ",none,"))
    person, results = study.totals(plan, None)
    assert person.checked == 10
    assert [(label, name, one.found) for label, name, one in results] == [
        ("wave", "count", 1.0),
        ("wave", "seconds", 1.0),
    ]
    new = shutil.copy(study.paths[0], tmp_path / "new.mp4")
    assert Study(study.folder, [Path(new)], OPTIONS).plan == plan
    assert "new.mp4" in capsys.readouterr().err
    with pytest.raises(OptionError) as refused:
        _ = Study(study.folder, study.paths, OPTIONS | {"seed": 1}).plan
    assert refused.value.where == str(study.folder)


def test_of_two_raters_one_is_chosen_for_each_file(study: Study, tmp_path: Path) -> None:
    found, scored = tmp_path / "found.csv", tmp_path / "scored.csv"
    head = "recording,start,end,label,rater\n"
    found.write_text(head + "a.mp4,1,2,wave,anna\na.mp4,5,9,throw,bob\na.mp4,soon,2,wave,anna\n")
    with pytest.raises(DataError) as refused:
        study.find(found, {}, quiet=True)
    assert refused.value.where == str(found)
    chosen = Study(study.folder, study.paths, OPTIONS, EventOptions(rater="anna"))
    assert chosen.find(found, {}, quiet=True) == (found, ["wave"], 1)
    plan = chosen.prepare(found, ["wave"], quiet=True)
    with pytest.raises(OptionError):  # the next run has to name the same person
        _ = study.plan
    rows = [
        f"{CHECK_VIDEO},{at},{at + 1},{label},{rater}"
        for at, label, rater in ((plan.shown[0], "wave", "carl"), (plan.shown[1], "throw", "dora"))
    ]
    scored.write_text(head + "\n".join(rows))
    with pytest.raises(DataError):
        chosen.totals(plan, scored)
    _, results = chosen.totals(plan, scored, EventOptions(rater="carl"))
    assert [(label, name, one.found) for label, name, one in results] == [
        ("wave", "count", 1.0),
        ("wave", "seconds", 1.0),
    ]


def test_recordings_that_cannot_be_read_are_refused(study: Study, tmp_path: Path) -> None:
    study.paths[0].write_text("no video")
    with pytest.raises(DataError):
        study.prepare(tmp_path / "found.csv", ["wave"], quiet=True)
    assert not study.is_prepared
