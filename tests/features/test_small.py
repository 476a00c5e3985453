"""Small frames, and images of what changes between frames."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.datasets import read_index
from fewact import networks
from fewact.core.errors import OptionError
from fewact.data import Clip
from fewact.features.request import (
    DifferenceImageRequest,
    DifferenceRequest,
    SmallFrameRequest,
    View,
)
from fewact.features.ring import FeatureRing
from fewact.features.views import (
    DIFFERENCE_GAIN,
    Views,
    difference_images,
    repeats,
    small_frames,
    without_repeats,
)
from fewact.lab.synthetic.conditions import compress
from fewact.methods import quality_of
from fewact.methods.cards import made_up_card
from fewact.video import EveryNth, read_frames
from fewact.video.cleaning.light import same_light
from fewact.video.resizing import planes

Pixels = NDArray[np.uint8]


def test_an_image_has_the_changes_before_at_and_after_its_frame() -> None:
    levels = np.array([10, 30, 30, 25, 125], np.uint8)
    frames = np.full((5, 3, 112, 224), 80, np.uint8)
    frames[..., 84:] = levels[:, None, None, None]  # less than the rest is not the light
    frames[..., 182:] = 80
    images = difference_images(frames)
    changes = [
        0,
        0,
        20 * DIFFERENCE_GAIN,
        0,
        5 * DIFFERENCE_GAIN,
        255,
        0,
    ]  # of neighbours; the last one is cut off
    expected = np.array([changes[i : i + 3] for i in range(5)])
    assert images.dtype == np.uint8
    assert images.shape == (5, 3, 64, 128)
    assert (images[..., 52:98] == expected[..., None, None]).all()
    assert not images[..., :44].any()
    assert not images[..., 108:].any()


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([10, 20, 5], [10, 20, 5]),
        ([0, 0, 10, 10, 10, 40, 50, 50], [0, 5, 10, 20, 30, 40, 50, 50]),
        ([0, 10, 20, 30, 30, 40], [0, 10, 20, 30, 30, 40]),  # one is not many
        ([30, 30, 0, 0, 0], [30, 15, 0, 0, 0]),
        ([7, 7, 7], [7, 7, 7]),
        ([7], [7]),
    ],
)
def test_repeated_frames_move_evenly_to_the_next(levels: list[int], expected: list[int]) -> None:
    frames = np.broadcast_to(np.uint8(levels)[:, None, None, None], (len(levels), 3, 4, 6))
    found = without_repeats(frames, repeats(frames))
    assert found.dtype == np.uint8
    assert found[:, 0, 0, 0].tolist() == expected
    assert (found == found[:, :1, :1, :1]).all()


def with_changes(changes: list[float]) -> Pixels:
    """Return frames whose pixels change by so much on average, one pixel at least."""
    frames = np.full((len(changes) + 1, 3, 20, 20), 100, np.uint8)
    for i, change in enumerate(changes):
        frames[i + 1] = frames[i]
        rows = frames[i + 1].reshape(3, -1)[:, : round(40 * change)]
        rows[:] = np.where(rows > 100, 100, 110)
    return frames


def repeated(changes: list[float]) -> list[bool]:
    frames = with_changes(changes)
    return repeats(frames).tolist()


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ([5.0, 0.5, 6.0, 0.1, 0.1, 5.0, 4.0, 0.2, 5.0], 0.6),
        ([0.2, 5.0, 0.2, 5.0, 0.2, 5.0, 0.2], 5.0),  # neighbours on one side only
        ([5.0, *[0.1] * 4, 5.0, 5.0], 5.0),  # up to four times
        ([5.0, 1.0, 5.0, 1.0, 5.0, 1.0], 0.0),  # only slower
        ([0.1, 0.1, 0.1, 0.1, 0.1, 5.0, 5.0], 0.0),  # a person begins to move
        ([5.0, 5.0, 0.1, 0.1, 0.1, 0.1, 0.1], 0.0),
        ([5.0, 5.0, 5.0, 0.1, 5.0, 5.0, 5.0, 5.0], 0.0),  # and turns back
    ],
)
def test_frames_that_hardly_change_between_others_that_do_repeat_them(
    changes: list[float], most: float
) -> None:
    assert repeated(changes) == [False, *(change < most for change in changes)]


def test_a_person_who_stands_still_between_repeats_does_not_repeat() -> None:
    thrice = [5.0, *[0.2] * 3, 5.0, *[0.2] * 3, 5.0]
    still = [*[0.1] * 8, 5.0]
    assert repeated([*thrice, *still]) == [False, *(change == 0.2 for change in [*thrice, *still])]


def test_few_frames_that_equal_others_are_left() -> None:
    frames = with_changes([5.0, 0.0, 5.0, 0.0, 5.0, 5.0, 5.0])
    assert not repeats(frames).any()  # 2 of 7
    many = repeats(frames[:7])
    assert np.flatnonzero(many).tolist() == [2, 4]  # 2 of 6
    assert repeats(frames[:1]).tolist() == [False]


def test_an_encoder_does_not_hide_repeats(assets: Path) -> None:
    (video, *_) = read_index(assets)["utd5_rgb"].videos
    assert isinstance(video.source, Clip)
    frames = read_frames(video.source.path, EveryNth(2))[6:]
    shown = compress(frames.repeat(2, 0), 30, 23.0)
    found = planes(shown)
    assert not any(map(np.array_equal, found[0::2], found[1::2]))
    repeated = repeats(found)
    assert repeated[1::2].mean() > 0.6
    assert repeated[0::2].mean() < 0.1
    once = planes(compress(frames, 15, 23.0))
    assert not repeats(once).any()


def flickering(factors: list[float]) -> Pixels:
    """Return frames of a still body of some brightness before black, under changing light."""
    body = np.zeros((3, 112, 112))
    body[:, 30:90, 40:70] = np.linspace(60, 120, 30)
    return np.stack([(factor * body).round() for factor in factors]).astype(np.uint8)


def test_light_that_changes_is_no_movement() -> None:
    frames = flickering([1.0, 1.3, 0.8, 1.1, 0.7, 1.0])
    assert difference_images(frames).max() <= 2 * DIFFERENCE_GAIN  # levels were rounded
    frames[3:, :, 30:90, 66:70] = 0  # as large as an arm
    images = difference_images(frames)
    assert images[2, 1].max() <= 2 * DIFFERENCE_GAIN < 100 < images[2, 2].max()


def test_light_that_hardly_changes_is_left() -> None:
    grey = flickering([1.0, 1.04, 0.97, 1.0])[:, 0].astype(np.float32)
    assert same_light(grey) is None
    dark = flickering([0.1, 0.15, 0.1, 0.15])[:, 0].astype(np.float32)  # nothing is bright enough
    assert same_light(dark) is None


def test_a_still_clip_and_one_frame_have_black_images() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    frames = np.broadcast_to(image, (6, 3, 32, 32))
    assert not difference_images(frames).any()
    assert not difference_images(frames[:1]).any()


@pytest.mark.parametrize("size", [32, 64, 192, 224])
def test_shapes_are_those_of_the_maps_of_images(size: int) -> None:
    card = networks.create(weights="random", size=size).card
    images = difference_images(np.zeros((2, 3, size, size), np.uint8))
    rows, columns = (side // 8 for side in images.shape[-2:])
    assert DifferenceRequest(View(2)).shape(card) == (2, 40, rows, columns)
    assert SmallFrameRequest(View(2)).shape(card) == (2, 40, rows, columns)


def test_a_network_without_shallow_maps_is_refused() -> None:
    card = made_up_card(maps=False)
    with pytest.raises(OptionError) as caught:
        DifferenceRequest(View(6)).shape(card)
    assert caught.value.got == "'shallow'"


@pytest.mark.assets
@pytest.mark.slow
def test_the_best_quality_classifies_clips_and_windows_of_a_recording(assets: Path) -> None:
    from fewact import FewShotClassifier, methods

    every = read_index(assets)["utd27_depth"]
    clips = {
        label: [video.source for video in every.videos if video.label == label][:4]
        for label in every.classes[:2]
    }
    quality = quality_of("best", "fusion")
    method = methods.create("fusion")
    backbone = networks.create(quality.backbone, size=quality.size)
    classifier = FewShotClassifier(backbone, method, text="off").fit(
        {label: each[:3] for label, each in clips.items()}
    )
    assert [classifier.predict(each[3]).label for each in clips.values()] == list(clips)
    request = DifferenceRequest(View(24, "auto"))
    ring = FeatureRing(backbone, [request])
    for number, frame in enumerate(read_frames(clips[every.classes[0]][0].path, EveryNth(1))):
        ring.add(number / 30, frame)
    found = ring.features(0.0, number / 30)[request]
    assert found.shape == (24, 40, 8, 8)
    assert found.std(0).max() > 0


def test_images_themselves_are_requested_without_a_network() -> None:
    request = DifferenceImageRequest(View(6, "auto"))
    frames = flickering([1.0, 0.9, 1.0, 0.9, 1.0, 0.9])
    frames[3:, :, 30:90, 66:70] = 0
    found = request.prepare(Views({6: frames}, 1.0))
    assert np.array_equal(found, difference_images(frames)[:, 1])
    assert (found.dtype, request.dtype) == (np.uint8, "uint8")
    assert found.shape == (6, 64, 64)


def test_small_frames_show_what_the_frames_show() -> None:
    """A pattern of large cells keeps its levels, one of single pixels becomes its mean."""
    coarse = np.zeros((2, 3, 224, 224), np.uint8)
    coarse[:, :, 112:] = 200
    fine = np.full_like(coarse, 50)
    fine[..., ::2] = 150
    for frames in (coarse, fine):
        small = small_frames(frames)
        assert (small.shape, small.dtype) == ((2, 3, 64, 64), np.uint8)
    assert (small_frames(coarse)[:, :, :30] == 0).all()
    assert (small_frames(coarse)[:, :, 34:] == 200).all()
    inside = small_frames(fine)[..., 2:-2].astype(int)
    assert np.abs(inside - 100).max() < 10
