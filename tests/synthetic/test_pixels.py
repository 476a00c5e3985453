"""The synthetic benchmark's pictures: the same for ever, true to the truth, and mute one by one."""

import hashlib
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fewact import networks
from fewact.core.random import NamedDraws
from fewact.synthetic import MotionsBenchmark, motions

CHANCE = 8
PICKED = (0, 4, 8, 12, 13, 16, 20, 21)
"""Eight test classes: at least one of each family."""


def video(benchmark: MotionsBenchmark, place: int, index: int = 0) -> str:
    return f"{benchmark.name}/{place:03d}-{index:03d}"


KNOWN = {
    ("plain", 112, 0): "99a7df1e0b84b8c8dfb485ecb8a53062",
    ("plain", 112, 99): "c3b9877eea2d33b7660b428cdef84399",
    ("plain", 57, 85): "84b95914b837ebd3357fa962c1adebce",
    ("misaligned", 112, 42): "f3d12d7a70228113d9c030c19654bbc3",
    ("moving-camera", 112, 91): "8b79c797268344c4dc33536ad902aa76",
    ("moving-camera", 224, 60): "ebe65de8f34e426894e84a28c22628ef",
    ("distractors", 112, 70): "68f1a1fee6a9f77b179dff94a87101e1",
    ("appearance-biased", 112, 77): "0f6ef94aff79b032dada196ef88fc0d4",
    ("long", 112, 95): "a9d2f82df8fee674716011533ee1e3da",
}


@pytest.mark.parametrize(("name", "size", "place"), KNOWN)
def test_pixels_and_truth_of_a_version_never_change(name: str, size: int, place: int) -> None:
    """Where this fails the version in the name has to go up."""
    benchmark = motions(name, videos=1, size=size)
    digest = hashlib.sha256(benchmark.render(video(benchmark, place)).tobytes())
    truth = benchmark.truth(video(benchmark, place))
    digest.update(np.rint(truth.progress * 1e6).astype("<i8").tobytes())
    digest.update(truth.pause.tobytes())
    assert digest.hexdigest()[:32] == KNOWN[name, size, place]


@pytest.mark.parametrize("place", [0, 21, 85])
def test_a_frame_of_noise_holds_nothing(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame is each of the 2^784 images with equal probability, whatever the objects do.

    Changing the low bits of all random bytes by any pattern changes every frame by this pattern and
    no object. Random bytes are uniform before and after. So the probability of an image and of the
    image changed by the pattern are equal, for all patterns.
    """
    benchmark = motions("noise", videos=1, frames=24)
    one = video(benchmark, place)
    frames, scene = benchmark.render(one), benchmark.scene(one)
    pattern = np.random.default_rng(place).integers(0, 2, 28 * 28, dtype=np.uint8)
    octets = NamedDraws.octets

    def changed(self: NamedDraws, name: object, count: int) -> NDArray[np.uint8]:
        return octets(self, name, count) ^ pattern

    monkeypatch.setattr(NamedDraws, "octets", changed)
    other = benchmark.render(one)
    big = pattern.reshape(28, 28).repeat(4, 0).repeat(4, 1)[..., None]
    assert ((frames ^ other) == 255 * big).all()
    assert set(np.unique(frames)) == {0, 255}
    again = benchmark.scene(one)
    assert all((a.x == b.x).all() for a, b in zip(scene.objects, again.objects, strict=True))
    # Over time, only cells of what moves change.
    change = (frames[1:, ::4, ::4, 0] != frames[:-1, ::4, ::4, 0]).mean((1, 2))  # (t−1)
    assert 0 < change.max() < 0.25
    moving = ~benchmark.truth(one).pause[1:]
    assert change[moving].mean() > change[~moving].mean()


def test_no_pixel_hangs_on_the_last_bit_of_a_sine_or_power(monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = motions("moving-camera", videos=1)
    videos = [video(benchmark, place) for place in (1, 50, 99)]
    expected = [benchmark.render(one) for one in videos]

    def nudged(function: Callable[[float], float]) -> Callable[[float], float]:
        return lambda x: math.nextafter(function(x), math.inf)

    exp2 = np.exp2
    for name in ("sin", "cos", "log2"):
        monkeypatch.setattr(math, name, nudged(getattr(math, name)))
    monkeypatch.setattr(np, "exp2", lambda x: np.nextafter(exp2(x), np.inf))
    for one, frames in zip(videos, expected, strict=True):
        np.testing.assert_array_equal(benchmark.render(one), frames)


@pytest.mark.parametrize("size", [16, 57, 112, 200])
def test_frames_of_any_size_show_the_same(size: int) -> None:
    benchmark, usual = motions(videos=1, size=size), motions(videos=1)
    frame = benchmark.render(video(benchmark, 30), [5])
    assert frame.shape == (1, size, size, 3)
    assert frame.dtype == np.uint8
    coarse = [
        functional.adaptive_avg_pool2d(torch.from_numpy(f).permute(0, 3, 1, 2).float(), 8)
        for f in (frame, usual.render(video(usual, 30), [5]))
    ]
    assert (coarse[0] - coarse[1]).abs().mean() < 6


def test_some_frames_are_those_of_the_whole_video() -> None:
    benchmark = motions("moving-camera", videos=1)
    whole = benchmark.render(video(benchmark, 20))
    np.testing.assert_array_equal(benchmark.render(video(benchmark, 20), [9, 2]), whole[[9, 2]])


@pytest.mark.slow
def test_pictures_change_where_the_truth_says_that_something_moves() -> None:
    benchmark = motions("misaligned", videos=1, frames=48)
    ratios = []
    for place in range(0, 100, 5):
        truth = benchmark.truth(video(benchmark, place))
        still = truth.pause[1:] & (np.diff(truth.progress) == 0)
        if still.any():
            frames = benchmark.render(video(benchmark, place)).astype(np.float32)
            change = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
            ratios.append(change[~truth.pause[1:]].mean() / change[still].mean())
    assert len(ratios) > 15
    assert np.median(ratios) > 1.1


def one_frame_each(benchmark: MotionsBenchmark) -> tuple[NDArray[np.uint8], Tensor]:
    """A frame drawn at random of each video of eight test classes, and its class."""
    draw = np.random.default_rng(0)
    kinds = [benchmark.videos.of("test").classes[place] for place in PICKED]
    frames, labels = [], []
    for one in benchmark.videos.videos:
        if one.label in kinds:
            at = int(draw.integers(len(benchmark.truth(one.id).part)))
            frames.append(benchmark.render(one.id, [at])[0])
            labels.append(kinds.index(one.label))
    return np.stack(frames), torch.tensor(labels)


def best_accuracy(features: Tensor, labels: Tensor) -> float:
    """Of linear and Gaussian ridge classifiers in four folds, in chances.

    The best of twelve is taken by the test folds themselves: more than one could hope for.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x, y = features[order], labels[order]
    x = (x - x.mean(0)) / (x.std(0) + 1e-4) / x.shape[1] ** 0.5
    folds = torch.arange(len(y)) % 4
    far = torch.cdist(x, x).square()
    found = []
    for kernel in (x @ x.T, torch.exp(-0.3 * far), torch.exp(-far)):
        for ridge in (0.1, 1.0, 10.0, 100.0):
            right = 0
            for fold in range(4):
                examples, asked = folds != fold, folds == fold
                target = functional.one_hot(y[examples], CHANCE) - 1 / CHANCE
                gram = kernel[examples][:, examples]
                weights = torch.linalg.solve(gram + ridge * torch.eye(len(gram)), target)
                right += int(((kernel[asked][:, examples] @ weights).argmax(1) == y[asked]).sum())
            found.append(CHANCE * right / len(y))
    return max(found)


def small(frames: NDArray[np.uint8]) -> Tensor:
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    return functional.adaptive_avg_pool2d(pixels, 14).flatten(1)


def lite0(frames: NDArray[np.uint8]) -> Tensor:
    network = networks.create("efficientnet-lite0", device="cpu")
    found = []
    for batch in np.array_split(frames, len(frames) // 50):
        found.append(network.features(network.prepare(batch), ["vectors"])["vectors"])
    return torch.from_numpy(np.concatenate(found))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("describe", "videos"), [(small, 150), (lite0, 60)], ids=["pixels", "network"]
)
def test_a_single_frame_says_next_to_nothing_of_the_class(
    describe: Callable[[NDArray[np.uint8]], Tensor], videos: int
) -> None:
    frames, labels = one_frame_each(motions(videos=videos))
    assert best_accuracy(describe(frames), labels) < 1.5


@pytest.mark.slow
def test_the_same_classifier_does_see_looks_that_go_with_the_class() -> None:
    frames, labels = one_frame_each(motions("appearance-biased", videos=60))
    assert best_accuracy(small(frames), labels) > 3
