"""Real weights on real clips: features equal those of independent implementations."""

import csv
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fewact import networks
from fewact.video import Segments, read_frames

MOBILENET = "weights/mobilenet_v2_1.0_imagenet_fp16.safetensors"
STORED = "features/mobilenet_v2_t8"


@pytest.fixture(scope="module")
def mobilenet(assets: Path):
    return networks.create(
        "mobilenet-v2", weights=assets / MOBILENET, device="cpu", precision="float32"
    )


@pytest.fixture(scope="module")
def stored(assets: Path) -> list[tuple[Path, np.ndarray]]:
    """Every 190th clip with its stored features (8 1280)."""
    with (assets / STORED).with_suffix(".tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    with np.load((assets / STORED).with_suffix(".npz"), allow_pickle=False) as arrays:
        features = arrays["features"]
    return [(assets / rows[i]["clip"], features[i]) for i in range(0, len(rows), 190)]


def squash_with_ffmpeg(path: Path) -> torch.Tensor:
    """The frames at 8 segments' centres, as those who stored the features resized them."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    chosen = [frames[int((k + 0.5) * len(frames) / 8)] for k in range(8)]
    resized = [
        frame.reformat(width=224, height=224, format="rgb24", interpolation="BILINEAR")
        for frame in chosen
    ]
    return torch.from_numpy(np.stack([frame.to_ndarray() for frame in resized])).permute(0, 3, 1, 2)


@pytest.mark.slow
@pytest.mark.assets
def test_mobilenet_agrees_with_independent_features(mobilenet, stored):
    for path, expected in stored:
        got = mobilenet.features(squash_with_ffmpeg(path), ("vectors",))["vectors"]
        assert F.cosine_similarity(got, torch.tensor(expected).float()).min() > 0.9999, path


@pytest.mark.assets
def test_resizing_by_other_means_changes_little(mobilenet, stored):
    path, expected = stored[0]
    frames = mobilenet.prepare(read_frames(path, Segments(8)))
    got = mobilenet.features(frames, ("vectors",))["vectors"]
    assert F.cosine_similarity(got, torch.tensor(expected).float()).min() > 0.97


@pytest.mark.assets
def test_the_header_of_the_file_is_on_the_card(mobilenet):
    assert mobilenet.card.licence == "Apache-2.0"
    assert mobilenet.card.trained_on == ("ImageNet-1k",)
    assert mobilenet.card.mean == mobilenet.card.std == (128 / 255,) * 3


@pytest.mark.assets
def test_frames_are_normalised_as_in_training(assets: Path):
    """The first norm of a network knows the variances of its training images."""
    pair = networks.create("efficientnet-lite0-lite1", device="cpu", precision="float32")
    clips = sorted((assets / "clips" / "ucf7").rglob("*.mp4"))[::35]
    frames = torch.cat([pair.prepare(read_frames(clip, Segments(2))) for clip in clips])
    for network in pair.network.children():
        trained = network._bn0.running_var
        with torch.inference_mode():
            seen = network._conv_stem(pair.normalise(frames)).var((0, 2, 3))
        used = trained > 1e-3
        # 0.5 and 0.7; with the mean and standard deviation of ImageNet 2.2 and 3.7.
        assert used.sum() > 20
        assert 0.3 < (seen / trained)[used].median() < 1.3


@pytest.mark.slow
@pytest.mark.assets
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_vectors_of_a_real_clip_do_not_depend_on_other_clips(stored, precision):
    backbone = networks.create(device="cpu", precision=precision)
    frames = torch.cat(
        [
            backbone.prepare(read_frames(path, Segments(count)))
            for (path, _), count in zip(stored[:2], (5, 8), strict=True)
        ]
    )
    together = backbone.features(frames, ("vectors",))["vectors"]
    alone = backbone.features(frames[5:], ("vectors",))["vectors"]
    assert ((alone - together[5:]).norm(dim=1) / alone.norm(dim=1)).max() <= 1e-5
