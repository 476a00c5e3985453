"""Warnings name the line of the caller, whatever part of fewact issues them."""

import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.data import Frames, list_clips
from fewact.video import EveryNth, read_frames
from tests.classifier.damage import cut_short
from tests.classifier.features import NEW, TRAINING

BROKEN = replace(NEW[0], name="broken", vectors=np.full_like(NEW[0].vectors, np.nan))


@contextmanager
def warns_at(call: str, match: str) -> Iterator[None]:
    """Expect a warning that names the line of this file with a call."""
    with pytest.warns(UserWarning, match=match) as caught:
        yield
    for one in caught:
        assert one.filename == __file__
        assert call in linecache.getline(one.filename, one.lineno)


def learn() -> FewShotClassifier:
    return FewShotClassifier(method="protonet", device="cpu").fit(TRAINING)


def test_skipped_clips_of_every_change_name_the_caller() -> None:
    classifier = learn()
    with warns_at("classifier.add_class(", "skipped"):
        classifier.add_class("lie", [NEW[0], BROKEN])
    with warns_at("classifier.add_clips(", "skipped"):
        classifier.add_clips("lie", [NEW[1], BROKEN])
    with warns_at("classifier.add_none(", "skipped"):
        classifier.add_none([*NEW[2:4], BROKEN])
    with warns_at("classifier.fit(", "skipped"):
        classifier.fit([*TRAINING, replace(BROKEN, label="clap")])


def test_a_single_clip_of_no_class_names_the_caller() -> None:
    classifier = learn()
    with warns_at("classifier.add_none(", "only one clip of no class"):
        classifier.add_none(NEW[0])
    with warns_at("classifier.remove_class(", "only one clip of no class"):
        classifier.remove_class("jump")
    with warns_at("classifier.fit(", "only one clip of no class"):
        classifier.fit(TRAINING, none=NEW[0])


def test_damaged_and_ignored_files_name_the_caller(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    whole = read_frames(queries["left"], EveryNth(1))
    cut = cut_short(tmp_path / "cut.mkv", np.concatenate([whole, whole]))
    stray = tmp_path / "actions" / "stray.mp4"
    quick.fit(actions)
    with warns_at("quick.predict(", "the file is cut short"):
        quick.predict(cut)
    with warns_at("quick.predict_each(", "the file is cut short"):
        list(quick.predict_each([cut]))
    with warns_at("quick.add_clips(", "the file is cut short"):
        quick.add_clips("left", cut)
    with warns_at("read_frames(", "the file is cut short"):
        read_frames(cut, EveryNth(1))
    for path in (stray, stray.parent / "a" / "1.mp4", stray.parent / "b" / "1.mp4"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with warns_at("list_clips(", "ignored, in no class folder"):
        list_clips(stray.parent)


def moving(height: int, width: int, seconds: float, start: int) -> Frames:
    """Return a clip of a bright block that moves."""
    frames = np.zeros((16, height, width, 3), np.uint8)
    for t, frame in enumerate(frames):
        frame[8:24, start + t : start + t + 16] = 200
    return Frames(frames, fps=16 / seconds, name=f"{height} x {width}, {start}")


def test_a_clip_in_another_format_is_named(
    quick: FewShotClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [moving(36, 64, 2, 0), moving(36, 64, 2, 9), moving(64, 36, 2, 0), moving(36, 64, 2, 5)]
    quick.fit(clips, ["a", "a", "b", "b"])
    text = "1 of 4 training clips: in portrait format, unlike the others"
    assert text in caplog.text
    assert "64 x 36, 0" in caplog.text
    caplog.clear()
    quick.add_clips("a", moving(36, 64, 2, 3))
    assert "format" not in caplog.text
    quick.add_clips("a", moving(64, 36, 2, 3))
    assert "1 of 1 training clips: in portrait format" in caplog.text


def test_training_clips_that_are_all_long_are_named(
    quick: FewShotClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    quick.fit([moving(36, 64, 20, 0), moving(36, 64, 20, 9)], ["a", "b"])
    assert "the training clips last 20 s" in caplog.text
    caplog.clear()
    quick.fit([moving(36, 64, 2, 0), moving(36, 64, 20, 9), moving(36, 64, 2, 5)], ["a", "b", "b"])
    assert "the training clips last" not in caplog.text
