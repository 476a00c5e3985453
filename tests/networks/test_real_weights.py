"""Real weights on real clips: features equal those of independent implementations."""

import csv
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from fewact import networks
from fewact.video import Segments, read_frames
from fewact.video.resizing import planes

MOBILENET = "weights/mobilenet_v2_1.0_imagenet_fp16.safetensors"
STORED = "features/mobilenet_v2_t8"


@pytest.fixture(scope="module")
def mobilenet(assets: Path):
    return networks.create("mobilenet-v2", weights=assets / MOBILENET, device="cpu")


@pytest.fixture(scope="module")
def stored(assets: Path) -> list[tuple[Path, np.ndarray]]:
    """Every 190th clip with its stored features (8 1280)."""
    with (assets / STORED).with_suffix(".tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    with np.load((assets / STORED).with_suffix(".npz"), allow_pickle=False) as arrays:
        features = arrays["features"]
    return [(assets / rows[i]["clip"], features[i]) for i in range(0, len(rows), 190)]


def cosine(got: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The least cosine of vectors (t d)."""
    a, b = (x.astype(np.float64) for x in (got, expected))
    products = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(products.min())


def squash_with_ffmpeg(path: Path) -> NDArray[np.uint8]:
    """The frames at 8 segments' centres, as those who stored the features resized them."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    chosen = [frames[int((k + 0.5) * len(frames) / 8)] for k in range(8)]
    resized = [
        frame.reformat(width=224, height=224, format="rgb24", interpolation="BILINEAR")
        for frame in chosen
    ]
    return planes(np.stack([frame.to_ndarray() for frame in resized]))


@pytest.mark.slow
@pytest.mark.assets
def test_mobilenet_agrees_with_independent_features(mobilenet, stored):
    for path, expected in stored:
        got = mobilenet.features(squash_with_ffmpeg(path), ("vectors",))["vectors"]
        assert cosine(got, expected) > 0.9999, path


@pytest.mark.assets
def test_resizing_by_other_means_changes_little(mobilenet, stored):
    path, expected = stored[0]
    frames = mobilenet.prepare(read_frames(path, Segments(8)))
    got = mobilenet.features(frames, ("vectors",))["vectors"]
    assert cosine(got, expected) > 0.97


@pytest.mark.assets
def test_the_header_of_the_file_is_on_the_card(mobilenet):
    assert mobilenet.card.licence == "Apache-2.0"
    assert mobilenet.card.trained_on == ("ImageNet-1k",)
    assert mobilenet.card.mean == mobilenet.card.std == (128 / 255,) * 3


@pytest.mark.slow
@pytest.mark.assets
def test_vectors_of_a_real_clip_do_not_depend_on_other_clips(stored):
    backbone = networks.create(device="cpu")
    first, second = (
        backbone.prepare(read_frames(path, Segments(count)))
        for (path, _), count in zip(stored[:2], (5, 8), strict=True)
    )
    together = backbone.features(np.concatenate([first, second]), ("vectors",))["vectors"]
    alone = backbone.features(second, ("vectors",))["vectors"]
    np.testing.assert_array_equal(alone, together[5:])
