"""Long still ends of clips are left out, and nothing else."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.data import Clip, Frames
from fewact.video import EveryNth, Reading, Sampler, Segments, Timeline, read_frames
from fewact.video.source import (
    KeepFrames,
    Part,
    ProcessedVideo,
    Span,
    Trim,
    VideoSource,
    active_part,
    as_predicted,
    changes_of,
)
from tests.classifier.conftest import render

FPS = 12


def padded(path: Path, before: float, after: float, noise: float = 2.0) -> np.ndarray:
    """The frames of a clip after and before still ones, with the noise of a camera."""
    frames = read_frames(path, EveryNth(1))
    ends = [np.repeat(frames[[i]], round(t * FPS), 0) for i, t in ((0, before), (-1, after))]
    whole = np.concatenate([ends[0], frames, ends[1]]).astype(np.float32)
    whole += np.random.default_rng(0).normal(0, noise, whole.shape)
    return whole.clip(0, 255).astype(np.uint8)


def trimmed(source: VideoSource) -> ProcessedVideo:
    return ProcessedVideo(source).then(Trim())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("active") / "left.mp4", "left", 5)


@pytest.mark.parametrize(("before", "after"), [(2.0, 0.0), (0.0, 2.0), (2.0, 2.0), (4.0, 4.0)])
def test_long_still_ends_are_left_out(clip: Path, before: float, after: float) -> None:
    reading = trimmed(Frames(padded(clip, before, after), fps=FPS)).read([EveryNth(1)])
    (frames,), active = reading, reading.active
    assert active is not None
    assert active.start == pytest.approx(before, abs=0.5)
    assert active.end == pytest.approx(before + 1.0, abs=0.5)
    assert reading.duration == pytest.approx(active.end - active.start)
    assert reading.chosen[0].tolist() == list(range(reading.timeline.n))
    first = int(active.start * FPS + 1e-6)
    assert np.array_equal(frames, padded(clip, before, after)[first : first + len(frames)])


@pytest.mark.parametrize(
    ("samplers", "own"),
    [
        ([Segments(8), Segments(24)], 0),  # 24 instead of 20
        ([Segments(48)], 0),  # every other one of them
        ([Segments(24, seed=3)], 20),
        ([Segments(8), EveryNth(3)], 20),
        ([Segments(13)], 20),
    ],
)
def test_frames_that_are_read_anyway_are_compared(samplers: list[Sampler], own: int) -> None:
    """A clip of 2.5 s is compared in 20 frames, or in others that are about as many."""
    read: list[list[Sampler]] = []
    frames = np.zeros((60, 48, 64, 3), np.uint8)
    frames[:30, :, :20] = 255

    class Source(Frames):
        def read(self, samplers: Sequence[Sampler], **options: Any) -> Reading:
            read.append(list(samplers))
            return super().read(samplers, **options)

    reading = trimmed(Source(frames, fps=24)).read(samplers)
    assert len(reading.frames) == len(reading.chosen) == len(samplers)
    timeline = Timeline(np.arange(60) / 24, end=2.5)
    *given, compared = (set(sampler(timeline).tolist()) for sampler in read[0])
    assert len(compared - set().union(*given)) > 0 if own else compared <= set().union(*given)
    assert len(compared) == (own or 24)


def moving_camera(rng: np.random.Generator) -> np.ndarray:
    scene = rng.integers(0, 256, (48, 164, 3)).astype(np.uint8)
    return np.stack([scene[:, i : i + 64] for i in range(60)])


@pytest.mark.parametrize(
    "made",
    [
        lambda rng: np.full((60, 48, 64, 3), 90, np.uint8),
        lambda rng: rng.integers(80, 100, (60, 48, 64, 3)).astype(np.uint8),
        lambda rng: rng.integers(0, 256, (60, 48, 64, 3)).astype(np.uint8),
        moving_camera,
        lambda rng: rng.integers(0, 256, (1, 48, 64, 3)).astype(np.uint8),
    ],
    ids=["black", "noise", "flicker", "moving camera", "one frame"],
)
def test_other_clips_stay_what_they_are(
    made: Callable[[np.random.Generator], np.ndarray],
) -> None:
    clip = made(np.random.default_rng(0))
    reading = trimmed(Frames(clip, fps=FPS)).read([Segments(8)])
    expected = Frames(clip, fps=FPS).read([Segments(8)])
    assert reading.active is None
    assert np.array_equal(reading.frames, expected.frames)


def test_clips_without_padding_and_short_ends_stay(clip: Path) -> None:
    for before in (0.0, 0.5):
        source = trimmed(Frames(padded(clip, before, 0.0), fps=FPS))
        assert source.read([Segments(8)]).active is None


def test_off_reads_the_full_clip(clip: Path) -> None:
    source = as_predicted(Frames(padded(clip, 4, 4), fps=FPS), "off")
    reading = source.read([EveryNth(1)])
    assert reading.active is None
    assert len(reading.frames[0]) == reading.duration * FPS


def test_parts_of_files_keep_their_times(clip: Path) -> None:
    reading = trimmed(Clip(clip, start=0.25, end=0.75)).read([Segments(4)])
    assert reading.duration == pytest.approx(0.5)


def test_a_part_of_a_source_is_another_source(clip: Path) -> None:
    source = Clip(clip)
    parts: list[VideoSource] = [
        source,
        trimmed(source),
        trimmed(trimmed(source)),
        ProcessedVideo(source).then(Part(Span(0.25, 0.75))),
        ProcessedVideo(source).then(Part(Span(0.25, 0.5))),
        trimmed(source).then(Part(Span(0.25, 0.5))),
    ]
    for facts in ({one.fingerprint() for one in parts}, {changes_of(one) for one in parts}):
        assert len(facts) == len(parts)
    again = ProcessedVideo(Clip(clip)).then(Part(Span(0.25, 0.5)))
    assert again == parts[4]
    assert again.fingerprint() == parts[4].fingerprint()


def test_one_cut_between_still_images_is_no_action() -> None:
    frames = np.zeros((33, 20, 20, 3), np.uint8)
    frames[16:, 5:10, 5:10] = 255
    times = np.arange(33) / 8
    assert active_part(times, frames, 33 / 8) is None


class Counted(Frames):
    """A clip that counts how often it is read."""

    reads = 0

    def read(self, samplers: Sequence[Sampler], **options: Any) -> Reading:
        Counted.reads += 1
        return super().read(samplers, **options)


def test_a_part_of_kept_frames_is_not_read_again(clip: Path) -> None:
    source = Counted(padded(clip, 2.0, 2.0), fps=FPS)
    exact = trimmed(source).read([Segments(8)])
    Counted.reads = 0
    keep = KeepFrames(6.0, 3.0, 99)
    reading = ProcessedVideo(source).then(keep).then(Trim()).read([Segments(8)])
    assert Counted.reads == 1
    assert (reading.active, reading.duration) == (exact.active, exact.duration)
    assert np.abs(reading.chosen[0] - exact.chosen[0]).max() == 1  # every other frame is kept
    assert reading.active is not None
    first = round(reading.active.start * FPS)
    assert np.array_equal(reading.frames[0], source.array[reading.chosen[0] + first])
    assert reading.kept is not None
    assert np.array_equal(reading.kept.frames, source.array[reading.kept.chosen])
    assert reading.kept.times.tolist() == [(i + 0.5) / 6 for i in range(30)]


def test_frames_that_ends_were_found_in_are_kept_if_needed(clip: Path) -> None:
    source = Frames(padded(clip, 2.0, 2.0), fps=FPS)
    assert trimmed(source).read([Segments(8)]).compared is None
    reading = as_predicted(source, keep=KeepFrames(6.0, 99.0, 99)).read([Segments(8)])
    assert reading.active is not None
    assert reading.compared is not None
    assert np.array_equal(reading.compared.frames, source.array[reading.compared.chosen])
    assert reading.compared.times[0] < 0.2 < 2.0 < reading.active.end < reading.compared.times[-1]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (KeepFrames(8.0, 2.0, 20), 20),
        (KeepFrames(8.0, 2.5, 20), 0),  # not longer
        (KeepFrames(8.0, 2.0, 19), 0),  # too many
        (KeepFrames(100.0, 2.0, 999), 60),  # each frame once
    ],
)
def test_frames_of_long_clips_are_kept(keep: KeepFrames, kept: int) -> None:
    source = Frames(np.zeros((60, 48, 64, 3), np.uint8), fps=24)
    reading = keep.read(source, [Segments(8)], None)
    assert [len(frames) for frames in reading.frames] == [8]
    assert (0 if reading.kept is None else len(reading.kept.frames)) == kept
