"""``fewact agree`` and ``fewact budget``, and ``teach`` from scored events."""

import csv
import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.video import write_video
from tests.video.conftest import ClipMaker

Run = Callable[..., Any]

QUICK = ("--method", "protonet", "--option", "frames=2", "--precision", "float32")
SCORED = "video,label,start,end\na.mp4,wave,1,3\na.mp4,clap,4,6\nb.mp4,wave,2,4\nb.mp4,clap,5,5\n"


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Two recordings of 8 s at 10 frames a second, and what a person scored."""
    frames = np.random.default_rng(0).integers(0, 255, (80, 48, 64, 3), dtype=np.uint8)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, frames, 10)
    (tmp_path / "scored.csv").write_text(SCORED)
    return tmp_path


def test_a_model_is_taught_from_scored_events(run: Run, night: Path) -> None:
    (night / "scored.csv").write_text(SCORED + "b.mp4,clap,5,7\n")
    taught = run("teach", night / "scored.csv", "-o", night / "model", *QUICK)
    assert taught.code == 3
    assert "scored.csv, line 5: a point event" in taught.err
    classifier = FewShotClassifier.load(night / "model")
    assert sorted((c.label, c.name) for c in classifier.fitted_.clips) == [
        ("clap", "a.mp4"),
        ("clap", "b.mp4"),
        ("wave", "a.mp4"),
        ("wave", "b.mp4"),
    ]


def test_agreement_is_printed_with_what_to_look_at(run: Run, night: Path) -> None:
    found = "recording,start,end,label,confidence,repetitions\na.mp4,1.2,3,wave,0.9,1\n"
    (night / "found.csv").write_text(found + "other.mp4,1,2,wave,0.9,1\n")
    shown = run("agree", night / "found.csv", night / "scored.csv")
    assert shown.code == 0
    assert "left out, not in" in shown.err
    assert "other (1 events)" in shown.err
    assert "no events were found in b: all of" in shown.err
    assert "Missed: a.mp4 00:00:04.000 to 00:00:06.000 clap\n" in shown.out
    assert "Missed: b.mp4 00:00:02.000 to 00:00:04.000 wave\n" in shown.out
    shown = run("agree", night / "found.csv", night / "scored.csv", "--format", "json")
    document: dict[str, Any] = json.loads(shown.out)
    assert document["f1"] == pytest.approx(2 / 5)
    assert document["kappa_per_second"]["units"] == 16
    assert document["kappa_per_frame"]["units"] == 160
    (night / "b.csv").write_text("recording,start,end,label\nb.avi,2,4,wave\n")
    shown = run("agree", night / "found.csv", night / "b.csv", night / "scored.csv")
    numbers = next(line.split() for line in shown.out.splitlines() if line.startswith("all "))
    assert numbers[:7] == ["all", "4", "2", "2", "2", "0", "0.67"]
    # Time that a person scored as none, or as predictions say it, is time of no class.
    times = "a.mp4,none,0,1\nb.mp4,None,5,8\na.mp4,none,1.5,3\na.mp4,(none),6,8\n"
    (night / "none.csv").write_text(SCORED + times)
    shown = run("agree", night / "found.csv", night / "none.csv", "--format", "json")
    assert json.loads(shown.out) == document
    none = run("agree", night / "found.csv", night / "a.mp4")
    assert (none.code, "not text in UTF-8" in none.err) == (2, True)


def test_subjects_are_counted_and_compared_apart(run: Run, night: Path) -> None:
    head = "video,label,start,end,subject\n"
    rows = ["a.mp4,wave,1,3,rat", "a.mp4,wave,2,4,dog", "a.mp4,clap,5,6,dog"]
    (night / "true.csv").write_text(head + "\n".join(rows))
    (night / "found.csv").write_text(head + "\n".join([rows[0], "a.mp4,wave,2,4,rat"]))
    shown = run("budget", night / "true.csv", "--subjects", "--format", "csv")
    counts = {
        (r["subject"], r["class"]): r["total (s)"] for r in csv.DictReader(shown.out.splitlines())
    }
    assert counts == {
        ("rat", "clap"): "0.00",
        ("rat", "wave"): "2.00",
        ("dog", "clap"): "1.00",
        ("dog", "wave"): "2.00",
    }
    words = ("agree", night / "found.csv", night / "true.csv")
    together: dict[str, Any] = json.loads(run(*words, "--no-subjects", "--format", "json").out)
    assert together["f1"] == pytest.approx(4 / 5)
    apart: dict[str, Any] = json.loads(run(*words, "--subjects", "--format", "json").out)
    assert apart["f1"] == pytest.approx(2 / 5)
    assert {name: one["f1"] for name, one in apart["subjects"].items()} == {"dog": 0, "rat": 2 / 3}
    assert "Missed: a.mp4 00:00:05.000 to 00:00:06.000 clap dog" in run(*words, "--subjects").out
    default = run(*words, "--format", "json")
    assert json.loads(default.out) == apart
    assert "Each subject apart: rat in both" in default.err
    # Names that no table has in common, or a side without names, are counted together.
    numbered = (night / "found.csv").read_text().replace("rat", "1")
    (night / "numbered.csv").write_text(numbered)
    (night / "unnamed.csv").write_text(numbered.replace(",subject", "").replace(",1\n", "\n")[:-2])
    for name, said in [("numbered", "(found: 1; scored: dog, rat)"), ("unnamed", "(found: none; ")]:
        shown = run("agree", night / f"{name}.csv", night / "true.csv", "--format", "json")
        assert json.loads(shown.out)["f1"] == together["f1"]
        assert f"Subjects together: no name is in both {said}" in shown.err
    shown = run("report", night / "true.csv", "-o", night / "report.html")
    page = (night / "report.html").read_text()
    rows = [name for name in ("rat: wave", "rat: clap", "dog: wave", "dog: clap") if name in page]
    assert rows == ["rat: wave", "dog: wave", "dog: clap"]
    assert re.search(r"<th[^>]*>subject</th>", page)
    (night / "none.csv").write_text(SCORED)
    assert "no event has a subject" in run("budget", night / "none.csv", "--subjects").err


def test_a_table_of_frames_has_a_row_a_frame_at_variable_rates_too(run: Run, night: Path) -> None:
    times = [0, 100, 150, 400, 900, 1000, 2500, 2600]
    ClipMaker(night)("odd.mkv", range(8), times=times, unit=Fraction(1, 1000))
    (night / "e.csv").write_text("video,label,start,end\nodd.mkv,wave,0.14,0.95\n")
    words = ("budget", night / "e.csv", "--frames", night / "f.csv", "-o", night / "e.svg")
    shown = run(*words, "--format", "csv")
    assert shown.code == 0, shown.err
    rows = list(csv.DictReader((night / "f.csv").read_text().splitlines()))
    assert [round(1000 * float(row["time"])) for row in rows] == times
    assert [row["wave"] for row in rows] == list("00110000")
    assert "<svg" in (night / "e.svg").read_text()
    (line,) = csv.DictReader(shown.out.splitlines())
    assert (line["count"], line["total (s)"], line["latency (s)"]) == ("1", "0.81", "0.14")
    assert run(*words).code == 2  # the files exist
    video = (night / "odd.mkv").read_bytes()
    shown = run("budget", night / "e.csv", "--frames", night / "odd.mkv", "--overwrite")
    assert "the input would be replaced" in shown.err
    assert (night / "odd.mkv").read_bytes() == video
    (night / "whole.csv").write_text("video,label\ngone.mp4,wave\n")
    assert "needs the recording" in run("budget", night / "whole.csv").err


@pytest.mark.parametrize("name", ["e.eaf", "e.srt"])
def test_files_of_one_recording_are_refused_for_several_before_they_are_watched(
    run: Run, model: Path, night: Path, name: str
) -> None:
    shown = run("watch", model, night / "a.mp4", night / "b.mp4", "-o", night / name)
    assert shown.code == 2
    assert "this output is of one recording" in shown.err


def test_a_class_is_taught_against_the_rest_where_labels_overlap(run: Run, night: Path) -> None:
    rows = ["a.mp4,wave,1,3", "a.mp4,sit,1,3", "a.mp4,sit,2,5", "a.mp4,sit,5,7", "b.mp4,sit,0,2"]
    rows += ["b.mp4,wave,4,6", "b.mp4,clap,6,7.5"]
    (night / "both.csv").write_text("\n".join(["video,label,start,end", *rows]))
    taught = run("teach", night / "both.csv", "-o", night / "m", "--only", "wave", *QUICK)
    assert taught.code == 0, taught.err
    assert "wave against the rest: 3 clips of other events" in taught.err
    classifier = FewShotClassifier.load(night / "m")
    clips = {(c.label, c.start, c.end) for c in classifier.fitted_.clips}
    rest = {("not wave", *times) for times in ((5, 7), (None, 2), (6, 7.5))}
    assert clips == {("wave", 1, 3), ("wave", 4, 6), *rest}
    found = run("watch", night / "m", night / "b.mp4", "-o", night / "w.csv", "--only", "wave")
    assert found.code == 0, found.err
    missing = run("teach", night / "both.csv", "-o", night / "n", "--only", "rear", *QUICK)
    assert "no event of this class" in missing.err
