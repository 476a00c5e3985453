"""EfficientNet-Lite against a second, compact writing of the same networks, and the pair of two."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fewact.lab import networks as lab
from fewact.lab.networks.torch_weights import tensors_of
from fewact.video import Segments, read_frames

PAIR = "efficientnet-lite0-lite1"
STRIDES = {
    "first": {0: 1, 1: 2, 3: 2, 5: 2, 8: 1, 11: 2, 15: 1},
    "second": {0: 1, 1: 2, 4: 2, 7: 2, 11: 1, 15: 2, 20: 1},
}
"""Stride of the first block of each stage, by its number, of Lite0 and Lite1."""


def reference(
    weights: dict[str, torch.Tensor], image: torch.Tensor, which: str = "first"
) -> dict[str, torch.Tensor]:
    """Return all levels of an image (1 3 h w), from the tensors' names and shapes."""
    strides = STRIDES[which]
    last = max(strides)

    def conv(x, name, stride=1):
        weight = weights[f"{name}.weight"]
        kernel, (h, w) = weight.shape[-1], x.shape[-2:]
        down, across = (
            max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in (h, w)
        )
        x = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return F.conv2d(x, weight, stride=stride, groups=x.shape[1] // weight.shape[1])

    def norm(x, name):
        shift, size = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
        gain, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        column = (slice(None), None, None)
        return (x - shift[column]) / (size[column] + 1e-3).sqrt() * gain[column] + bias[column]

    levels = {}
    x = norm(conv(image, "_conv_stem", 2), "_bn0").clamp(0, 6)
    for index in range(last + 1):
        block, before = f"_blocks.{index}", x
        if f"{block}._expand_conv.weight" in weights:
            x = norm(conv(x, f"{block}._expand_conv"), f"{block}._bn0").clamp(0, 6)
        x = conv(x, f"{block}._depthwise_conv", strides.get(index, 1))
        x = norm(x, f"{block}._bn1").clamp(0, 6)
        x = norm(conv(x, f"{block}._project_conv"), f"{block}._bn2")
        if index not in strides:
            x = x + before
        if index == sorted(strides)[5] - 1:
            levels["middle"] = x
    levels["maps"] = norm(conv(x, "_conv_head"), "_bn1").clamp(0, 6)
    levels["vectors"] = levels["maps"].mean((2, 3))
    return levels


@pytest.mark.parametrize("weights", ["random", "default"])
def test_all_levels_agree_with_a_second_implementation(weights):
    network = lab.create(weights=weights, device="cpu", precision="float32").network
    image = torch.randn(1, 3, 70, 65, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        got = network(image)
    for name, expected in reference(tensors_of(network), image).items():
        assert (got[name] - expected).norm() <= 1e-5 * expected.norm(), name


@pytest.mark.parametrize("weights", ["random", "default"])
def test_the_last_stage_of_a_pair_is_that_of_both_networks(weights):
    network = lab.create(PAIR, weights=weights, device="cpu", precision="float32").network
    image = torch.randn(1, 3, 70, 65, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        got = network(image)
    first, second = (
        reference(tensors_of(network.get_submodule(which)), image, which) for which in STRIDES
    )
    expected = {
        "middle": first["middle"],
        **{level: torch.cat([first[level], second[level]], 1) for level in ("maps", "vectors")},
    }
    for name, value in expected.items():
        assert (got[name] - value).norm() <= 1e-5 * value.norm(), name


def test_the_second_network_of_a_pair_runs_for_the_last_stage_alone(random_backbone, monkeypatch):
    network = random_backbone(PAIR).network

    def refuse(*args):
        raise RuntimeError("the second network ran")

    monkeypatch.setattr(network.second, "forward", refuse)
    assert set(network(torch.zeros(1, 3, 64, 64), ("middle", "shallow"))) == {"middle", "shallow"}
    with pytest.raises(RuntimeError, match="second network ran"):
        network(torch.zeros(1, 3, 64, 64), ("vectors",))


def test_the_middle_is_the_last_block_at_stride_16(random_backbone):
    network = random_backbone("efficientnet-lite0").network
    sides = []
    hooks = [
        block.register_forward_hook(lambda *call: sides.append(call[2].shape[-1]))
        for block in network._blocks
    ]
    with torch.no_grad():
        levels = network(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    assert sides.index(2) == sides.count(32) + sides.count(16) + sides.count(8) + sides.count(4)
    assert levels["middle"].shape[-1] == 4
    assert sides[10:12] == [4, 2]
    assert not [name for name in tensors_of(network) if re.match("_fc", name)]


@pytest.mark.assets
def test_frames_are_normalised_as_in_training(assets: Path):
    """The first norm of a network knows the variances of its training images."""
    pair = lab.create(PAIR, device="cpu", precision="float32")
    clips = sorted((assets / "clips" / "ucf7").rglob("*.mp4"))[::35]
    frames = torch.from_numpy(
        np.concatenate([pair.prepare(read_frames(clip, Segments(2))) for clip in clips])
    )
    for network in pair.network.children():
        trained = network._bn0.running_var
        with torch.inference_mode():
            seen = network._conv_stem(pair.normalise(frames)).var((0, 2, 3))
        used = trained > 1e-3
        # 0.5 and 0.7; with the mean and standard deviation of ImageNet 2.2 and 3.7.
        assert used.sum() > 20
        assert 0.3 < (seen / trained)[used].median() < 1.3
