"""Conditions of pictures, of time and of videos, at three severities."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import OptionError
from fewact.data import Clip, Video, VideoList
from fewact.lab.synthetic.conditions import (
    CONDITIONS,
    PICTURES,
    Condition,
    InCondition,
    compress,
    parse_condition,
    picture,
    timeline,
    with_condition,
)
from fewact.lab.synthetic.simulated_cameras import with_simulated_camera
from fewact.video import EveryNth, Segments, Timeline, read_frames, write_video
from fewact.video.source import ProcessedVideo

TIMES = np.arange(6) / 6


@pytest.fixture
def frames() -> np.ndarray:
    """A soft square that moves over a textured picture."""
    rng = np.random.default_rng(0)
    found = np.repeat(rng.integers(60, 200, (1, 48, 64, 3)), 6, 0)
    for t in range(6):
        found[t, 10:30, 5 + 6 * t : 25 + 6 * t] = (220, 40, 90)
    return found.astype(np.uint8)


def change(frames: np.ndarray, text: str, seed: int = 0, times: np.ndarray = TIMES) -> np.ndarray:
    return picture(frames, times, parse_condition(text), seed)


@pytest.mark.parametrize("name", PICTURES)
def test_a_frame_does_not_depend_on_the_others(name: str, frames: np.ndarray) -> None:
    for severity in (1, 2, 3):
        every = change(frames, f"{name}:{severity}", 7)
        assert every.dtype == np.uint8
        assert np.array_equal(every, change(frames, f"{name}:{severity}", 7))
        some = change(frames[[1, 4]], f"{name}:{severity}", 7, TIMES[[1, 4]])
        assert np.array_equal(some, every[[1, 4]])


@pytest.mark.parametrize("name", ["dark", "low-contrast", "bright", "flicker", "blur", "grain"])
def test_a_greater_severity_changes_more(name: str, frames: np.ndarray) -> None:
    errors = [
        np.abs(change(frames, f"{name}:{severity}").astype(float) - frames).mean()
        for severity in (1, 2, 3)
    ]
    assert 0 < errors[0] < errors[1] < errors[2]


def test_dark_pictures_are_dark_and_their_noise_differs_from_frame_to_frame() -> None:
    grey = np.full((2, 32, 32, 3), 128, np.uint8)
    found = change(grey, "dark:3", times=TIMES[:2]).astype(float)
    assert found.mean() < 128 / 8
    assert found[0].std() > 1
    assert not np.array_equal(found[0], found[1])


def test_sizes(frames: np.ndarray) -> None:
    tall = np.repeat(frames, 4, 1)[:, :192]
    assert change(tall, "small:3").shape[1:3] == (64, round(64 * 64 / 192))
    assert change(frames, "small:1").shape == frames.shape  # never enlarged
    assert change(frames, "cropped:2").shape[1:3] == (34, 45)
    bars = change(frames, "letterbox:2", 1)
    assert bars.shape[1:3] in ((48 + 2 * 10, 64), (48, 64 + 2 * 13))
    inner = bars[:, 10:-10] if bars.shape[1] > 48 else bars[:, :, 13:-13]
    assert np.array_equal(inner, frames)


def test_flips(frames: np.ndarray) -> None:
    assert np.array_equal(change(frames, "flipped:1"), frames[:, :, ::-1])
    assert np.array_equal(change(frames, "flipped:2"), np.rot90(frames, 1, (1, 2)))
    assert np.array_equal(change(frames, "flipped:3"), frames[:, ::-1, ::-1])


def test_grey_pictures_have_no_colour(frames: np.ndarray) -> None:
    assert np.ptp(change(frames, "grey:2").astype(int), axis=-1).max() == 0
    assert len(np.unique(change(frames, "grey:3"))) <= 8
    assert np.ptp(change(frames, "grey:1").astype(int), axis=-1).mean() > 0


def test_the_background_changes_only_where_nothing_is_shown(frames: np.ndarray) -> None:
    frames[:, :, :4] = 0
    for severity in (1, 2, 3):
        found = change(frames, f"background:{severity}", 3)
        assert np.array_equal(found[:, :, 4:], frames[:, :, 4:])
        assert found[:, :, :4].mean() > 20
        moves = np.abs(np.diff(found[:, :, :4].astype(float), axis=0)).mean()
        assert (moves > 1) == (severity == 3)


def test_low_rate_shows_few_pictures_for_longer() -> None:
    shown = Timeline(np.arange(60) / 30, 2.0)
    same, frames = timeline(Condition("low-rate", 3), 1, shown)
    assert same is shown
    assert 8 <= len(np.unique(frames)) <= 11
    assert (np.diff(frames) >= 0).all()
    assert (frames <= np.arange(60)).all()


@pytest.mark.parametrize(("text", "count"), [("fast:3", 30), ("slow:3", 120), ("slow:1", 75)])
def test_speed_keeps_the_rate_of_the_frames(text: str, count: int) -> None:
    shown = Timeline(np.arange(60) / 30, 2.0)
    changed, frames = timeline(parse_condition(text), 0, shown)
    assert changed.n == len(frames) == count
    assert changed.fps == pytest.approx(30)
    assert frames[0] == 0
    assert frames[-1] >= 57


def test_compression_is_that_of_a_real_encoder(frames: np.ndarray) -> None:
    errors = []
    for strength in CONDITIONS["compressed"]:
        found = compress(frames, 12, strength)
        assert found.shape == frames.shape
        errors.append(np.abs(found.astype(float) - frames).mean())
    assert 2 < errors[0] < errors[-1] < 60
    assert compress(frames[:, :47, :63], 12, 40).shape == (6, 46, 62, 3)
    assert np.array_equal(compress(frames, 12, 40), compress(frames, 12, 40))


@pytest.mark.parametrize("text", ["darq:2", "dark:4", "dark:", "dark:x", ""])
def test_unknown_conditions_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"unknown condition|no such severity"):
        parse_condition(text)
    assert str(parse_condition("dark")) == "dark:2"


@pytest.fixture
def videos(tmp_path: Path) -> VideoList:
    """Grey videos: the brightness of a frame tells the video and the time."""
    found = []
    for number, (label, group) in enumerate([("x", "g"), ("y", "g"), ("y", "h"), ("z", "g")]):
        size = (24, 32) if number != 1 else (30, 20)
        levels = 40 * number + 2 * np.arange(12)
        frames = np.broadcast_to(levels[:, None, None, None], (12, *size, 3)).astype(np.uint8)
        write_video(tmp_path / f"{number}.mkv", frames, 12, "ffv1")
        clip = Clip(tmp_path / f"{number}.mkv")
        found.append(Video(str(number), label, group=group, source=clip))
    return VideoList("few", tuple(found), "shared")


def in_condition(clip: Clip, *values: Any) -> ProcessedVideo:
    return ProcessedVideo(clip).then(InCondition(*values))


@pytest.mark.parametrize("name", CONDITIONS)
def test_samplers_and_transforms_get_what_the_condition_shows(name: str, videos: VideoList) -> None:
    source = with_condition(videos, f"{name}:2").videos[0].source
    assert source is not None
    whole, four = source.read([EveryNth(1), Segments(4)])
    assert whole.dtype == four.dtype == np.uint8
    assert four.shape[1:] == whole.shape[1:]
    middle = ((np.arange(4) + 0.5) * len(whole) / 4).astype(int)
    assert np.array_equal(four, whole[middle])
    (corner,) = source.read([Segments(4)], transform=lambda frame: frame[:2, :1, 0])
    assert np.array_equal(corner, four[:, :2, :1, 0])


def test_pictures_are_changed_at_the_times_when_they_are_shown(videos: VideoList) -> None:
    clip = videos.videos[0].source
    assert isinstance(clip, Clip)
    condition = Condition("grain", 3)
    found = in_condition(clip, condition, 5).read([EveryNth(1)]).frames[0]
    plain = read_frames(clip.path, EveryNth(1))
    assert np.array_equal(found, picture(plain, np.arange(12) / 12, condition, 5))
    found = in_condition(clip, Condition("compressed", 1)).read([EveryNth(1)]).frames[0]
    assert np.array_equal(found, compress(plain, 12, 40))


@pytest.mark.parametrize(("severity", "length"), [(1, 24), (2, 36), (3, 60)])
def test_a_loose_clip_shows_other_classes_of_the_same_group_around_the_action(
    severity: int, length: int, videos: VideoList
) -> None:
    for seed in range(4):
        source = with_condition(videos, f"loose:{severity}", seed).videos[0].source
        assert source is not None
        (frames,) = source.read([EveryNth(1)])
        assert frames.shape == (length, 24, 32, 3)
        number = np.round(frames[:, 0, 0, 0] / 40 - 0.3).astype(int)  # of the video
        (own,) = np.nonzero(number == 0)
        assert len(own) == 12
        assert np.array_equal(own, own[0] + np.arange(12))
        assert 0.25 * (length - 12) <= own[0] <= 0.75 * (length - 12)
        assert np.array_equal(frames[own, 0, 0, 0], 2 * np.arange(12))
        assert set(number) <= {0, 1, 3}  # not video 2, of another group


def test_the_fingerprint_depends_on_videos_condition_and_seed(videos: VideoList) -> None:
    clip, other = videos.videos[0].source, videos.videos[1].source
    assert clip is not None
    assert other is not None
    found = {
        in_condition(clip, Condition(name, severity), seed).fingerprint()
        for name in ("dark", "loose")
        for severity in (1, 2)
        for seed in (0, 1)
    }
    found |= {in_condition(clip, Condition("loose", 1), 0, (other, other)).fingerprint()}
    assert len(found | {clip.fingerprint()}) == 10


def test_a_condition_comes_after_the_camera(videos: VideoList) -> None:
    changed = with_condition(with_simulated_camera(videos, "hand"), "dark:1", 3)
    assert changed.digest == videos.digest
    assert changed.flags == ("camera: hand", "condition: dark:1")
    source = changed.videos[0].source
    assert isinstance(source, ProcessedVideo)
    step = source.steps[-1]
    assert isinstance(step, InCondition)
    assert "shake" in source.changes
    assert source.changes.endswith(f"dark:1 {step.seed}")
    assert source.read([Segments(2)]).frames[0].shape == (2, 18, 24, 3)
