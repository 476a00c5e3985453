"""Answers one by one: clips of a generator are read only a few ahead of them."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import FewShotClassifier, Frames
from fewact.classifier import Skipped
from fewact.core.errors import DataError
from fewact.data import FeatureClip
from fewact.video import Segments, read_frames
from tests.classifier.features import NEW, TRAINING

MOST_AHEAD = 40


@pytest.fixture(scope="module")
def by_features() -> FewShotClassifier:
    return FewShotClassifier(method="protonet", device="cpu").fit(TRAINING)


def test_an_endless_generator_of_features_gives_answers(by_features: FewShotClassifier) -> None:
    read = 0

    def endless() -> Iterator[FeatureClip]:
        nonlocal read
        for clip in cycle(NEW):
            read += 1
            yield clip

    answers = by_features.predict_each(endless())
    assert not read
    for number, answer in enumerate(islice(answers, 3 * MOST_AHEAD)):
        assert answer == by_features.predict(NEW[number % len(NEW)])
        assert read <= number + MOST_AHEAD


def test_an_endless_generator_of_videos_gives_answers(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    quick.fit(actions)
    paths = [tmp_path / "gone.mp4", *queries.values()]
    listed = list(quick.predict_each(paths))
    answers = list(islice(quick.predict_each(cycle(paths)), 2 * len(paths)))
    assert [type(one) for one in answers] == 2 * [type(one) for one in listed]
    assert answers[1:4] == answers[5:] == listed[1:]
    assert isinstance(answers[4], Skipped)


def test_a_generator_may_reuse_its_arrays(
    quick: FewShotClassifier,
    by_features: FewShotClassifier,
    actions: Path,
    queries: dict[str, Path],
) -> None:
    clips = [read_frames(path, Segments(16)) for path in queries.values()]
    expected = quick.fit(actions).predict(clips)

    def frames(*, named: bool) -> Iterator[Any]:
        buffer = np.empty_like(clips[0])
        for clip in clips:
            buffer[:] = clip
            yield Frames(buffer) if named else buffer

    def vectors() -> Iterator[FeatureClip]:
        buffer = np.empty_like(NEW[0].vectors)
        for clip in NEW:
            buffer[:] = clip.vectors
            yield replace(clip, vectors=buffer)

    assert len(set(expected.labels)) == len(clips)
    for named in (False, True):
        assert list(quick.predict_each(frames(named=named))) == expected
    assert list(by_features.predict_each(vectors())) == by_features.predict(NEW)


def test_an_iterable_without_a_length_may_be_endless(by_features: FewShotClassifier) -> None:
    class Camera:
        def __iter__(self) -> Iterator[FeatureClip]:
            return cycle(NEW)

    answers = by_features.predict_each(Camera())
    assert list(islice(answers, len(NEW))) == by_features.predict(NEW)


@pytest.mark.parametrize("fault", ["no clip", "an error", "another size"])
def test_an_error_of_a_generator_follows_the_answers_before_it(
    by_features: FewShotClassifier, fault: str
) -> None:
    def broken() -> Iterator[FeatureClip]:
        yield from NEW
        if fault == "an error":
            raise RuntimeError("the camera is off")
        yield 5 if fault == "no clip" else FeatureClip("x", NEW[0].vectors[1:])  # type: ignore[misc]

    answers = by_features.predict_each(broken())
    assert list(islice(answers, len(NEW))) == by_features.predict(NEW)
    expected = RuntimeError if fault == "an error" else DataError
    with pytest.raises(expected):
        next(answers)


def test_an_empty_generator_gives_no_answer(by_features: FewShotClassifier) -> None:
    assert list(by_features.predict_each(iter(()))) == []
