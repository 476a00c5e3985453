"""Many recordings: one table that is resumed after a kill, and that no other command writes."""

import contextlib
import csv
import io
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import pytest

from fewact import FewShotClassifier
from fewact.cli import main
from fewact.core.atomic import write_text
from fewact.recordings.watch import watching
from tests.classifier.conftest import render


def dated(source: Path, target: Path, created: str) -> Path:
    """Copy a video with the date and time at which it was recorded."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        written.metadata["creation_time"] = created
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    return target


def test_many_recordings_are_one_table_that_is_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = {
        motion: [render(tmp_path / f"{motion} {seed}.mp4", motion, seed) for seed in range(2)]
        for motion in ("left", "right")
    }
    classifier = FewShotClassifier(method="pixels", false_alarms=1.0).fit(clips)
    night = tmp_path / "night"
    night.mkdir()
    for name, motion in (("b.mp4", "right"), ("c.mp4", "left")):
        shutil.copy(clips[motion][0], night / name)
    dated(clips["left"][0], night / "a.mp4", "2026-03-04T05:06:07Z")
    bad = night / "bad.mp4"
    bad.write_bytes(b"no video")
    opened: list[str] = []
    interrupt_at: list[str] = ["c.mp4"]

    def noted(classifier: FewShotClassifier, source: str, **options: Any) -> Any:
        opened.append(Path(source).name)
        if opened[-1] in interrupt_at:
            signal.raise_signal(signal.SIGINT)
        return watching(classifier, source, **options)

    monkeypatch.setattr("fewact.recordings.interruption.watching", noted)
    out, model = tmp_path / "events.csv", classifier.save(tmp_path / "model")
    words = ["watch", str(model), str(night / "*.mp4"), "-o", str(out), "--format", "csv"]

    def run(code: int, *more: str) -> tuple[list[str], list[str], str]:
        """Return the recordings that were opened, those of the table, and stderr."""
        opened.clear()
        capsys.readouterr()
        assert main([*words, *more]) == code
        shown = capsys.readouterr()
        rows = list(csv.DictReader(io.StringIO(out.read_text())))
        if code != 2:
            printed = list(csv.DictReader(io.StringIO(shown.out)))
            assert Counter(row["recording"] for row in printed) == Counter(
                row["recording"] for row in rows
            )
        return [*opened], [*dict.fromkeys(row["recording"] for row in rows)], shown.err

    names = [f"night/{letter}.mp4" for letter in "abc"]
    assert run(130)[:2] == (["a.mp4", "b.mp4", "bad.mp4", "c.mp4"], names[:2])
    interrupt_at.clear()
    watched, listed, said = run(3)
    assert (watched, listed) == (["bad.mp4", "c.mp4"], names)
    assert f"Skipped: {bad}: " in said
    assert "2 of 4 recordings are finished" in said
    assert "it is of another model or of other options" in run(2, "--min-duration", "0.1")[2]
    shutil.copy(clips["left"][0], bad)
    assert run(0)[:2] == (["bad.mp4"], [*names[:2], "night/bad.mp4", names[2]])
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    for row in rows:
        moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC) + timedelta(seconds=float(row["start"]))
        assert bool(row["clock"]) == (row["recording"] == names[0])
        assert not row["clock"] or datetime.fromisoformat(row["clock"]) == moment
    assert "the file exists already" in run(2)[2]
    assert run(0, "--overwrite")[0] == ["a.mp4", "b.mp4", "bad.mp4", "c.mp4"]
    assert not list(tmp_path.glob("*.finished.json"))
    assert run(2, "--overwrite", "--video", str(tmp_path / "drawn.mp4"))[0] == []


def test_events_of_other_recordings_in_the_same_file_are_not_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = {name: [render(tmp_path / f"{name}.mp4", name, 0)] for name in ("left", "right")}
    model = FewShotClassifier(method="pixels", false_alarms=1.0).fit(clips).save(tmp_path / "m")
    night, out = tmp_path / "night", tmp_path / "events.csv"
    night.mkdir()
    for name in "abcd":
        shutil.copy(clips["left"][0], night / f"{name}.mp4")
    during: dict[str, Callable[[], Any]] = {}

    def noted(classifier: FewShotClassifier, source: str, **options: Any) -> Any:
        during.pop(Path(source).name, lambda: None)()
        return watching(classifier, source, **options)

    monkeypatch.setattr("fewact.recordings.interruption.watching", noted)

    def run(*names: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["watch", str(model), *names, "-o", str(out)])
        return code, capsys.readouterr().err

    def listed() -> set[str]:
        return {row["recording"] for row in csv.DictReader(io.StringIO(out.read_text()))}

    first, second = ([str(night / f"{name}.mp4") for name in pair] for pair in ("ab", "cd"))
    # Another command begins while the first one watches: it is refused, and leaves no file.
    others: list[tuple[int, str]] = []
    during["a.mp4"] = lambda: others.append(run(*second))
    assert (run(*first)[0], listed()) == (0, {"night/a.mp4", "night/b.mp4"})
    assert others[0][0] == 2
    assert "another command writes this file" in others[0][1]
    assert sorted(path.name for path in tmp_path.iterdir() if "events" in path.name) == [out.name]
    # Or writes the file although it has not the lock, as on a disk without locks.
    out.unlink()
    during["a.mp4"] = lambda: out.write_text("of another command")
    code, said = run(*first)
    assert (code, out.read_text()) == (2, "of another command")
    assert "another command writes this file" in said
    out.unlink()
    # An interrupted command is continued with its own recordings only, from any folder.
    during["b.mp4"] = lambda: signal.raise_signal(signal.SIGINT)
    assert run(*first)[0] == 130
    code, said = run(*second)
    assert (code, listed()) == (2, {"night/a.mp4"})
    assert "recordings that are not named now (got night/a.mp4)" in said
    out.unlink()  # as after a kill before it was written
    monkeypatch.chdir(night)
    code, said = run("a.mp4", "b.mp4")
    assert (code, listed()) == (0, {"night/a.mp4", "night/b.mp4"})
    assert "1 of 2 recordings are finished" in said
    # Killed between the two files of a recording.
    table = out.read_text()
    out.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("fewact.recordings.many.write_text", killed_after_one_file())
        with contextlib.suppress(SystemExit):
            run("a.mp4", "b.mp4")
    assert run("a.mp4", "b.mp4")[0] == 0
    assert out.read_text() == table


def killed_after_one_file() -> Callable[[Path, str], Path]:
    """Return a ``write_text`` that ends the command when it would write a second file."""
    written: list[Path] = []

    def write(file: Path, text: str) -> Path:
        if written:
            raise SystemExit(1)
        written.append(file)
        return write_text(file, text)

    return write
