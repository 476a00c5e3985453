"""Faults of recordings that are watched: corrected, and named."""

from pathlib import Path

import pytest

from fewact import FewShotClassifier
from fewact.recordings.stream import Stream
from fewact.video import EveryNth, read_frames
from tests.classifier.damage import DARK, dark
from tests.video.test_source import FPS


def test_windows_of_a_dark_recording_are_corrected_too(
    examples: FewShotClassifier, queries: dict[str, Path]
) -> None:
    for label, path in queries.items():
        stream = Stream.of(examples, fps=FPS)
        for i, frame in enumerate(dark(path)):
            stream._ring.add((i + 0.5) / FPS, frame)
        assert stream._window(0.0, 1.0).result().label == label


@pytest.mark.parametrize(("bright", "faults"), [(0, [DARK]), (1, [DARK]), (4, [])])
def test_a_recording_has_the_faults_of_most_of_its_windows(
    taught: FewShotClassifier, queries: dict[str, Path], bright: int, faults: list[str]
) -> None:
    frames = read_frames(queries["left"], EveryNth(1))
    stream = Stream.of(taught, fps=FPS)
    assert stream.faults == ()
    for frame in [*dark(queries["left"])] * (4 - bright) + [*frames] * bright:
        stream.push(frame)
    stream.close()
    assert stream.faults == tuple(faults)
