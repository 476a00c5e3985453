"""MoLo: its head against a vector, its branches against slow versions."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from fewact.features.request import FeatureRequest, Features, View
from fewact.lab import methods
from fewact.lab.methods.base import TorchMethod, TrainingBatch
from fewact.methods.cards import made_up_card

MAPS, PIXELS = (FeatureRequest(level, View(4)) for level in ("maps", "pixels"))


@pytest.mark.vectors("molo.json")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_molo_vector(
    case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]
) -> None:
    params, inputs = case["params"], case["inputs"]
    method = methods.create(
        "molo",
        map_channels=8,
        hidden=8,
        eps=params["eps"],
        motion_weight=params["motion_weight"],
        reconstruct=False,
    )

    def nodes(which: str) -> dict[str, torch.Tensor]:
        names = {"appearance": which, "motion": f"{which}_motion"}
        return {ours: torch.tensor(inputs[name], dtype=dtype)[None] for ours, name in names.items()}

    labels = torch.tensor([inputs["labels"]])
    state = method.support(nodes("support"), labels, int(labels.max()) + 1)
    got = {"logits": method.score(state, nodes("query"))[0]}
    for scores, suffix, scale in zip(
        method.scores(state, nodes("query")),
        ("", "_motion"),
        (params["scale"], params["scale_motion"]),
        strict=True,
    ):
        got[f"dist{suffix}"] = scores[0][0]
        got[f"logits_s2q{suffix}"] = -scale * scores[1][0]
        got[f"logits_q2s{suffix}"] = -scale * scores[2][0]
    compare(case, got, float32=dtype == torch.float32)


def small(**options: Any) -> TorchMethod:
    return methods.create("molo", frames=4, map_channels=16, heads=2, hidden=8, **options).eval()


def features(*leading: int, seed: int = 0) -> Features:
    generator = torch.Generator().manual_seed(seed)
    return {
        MAPS: torch.rand(*leading, 4, 16, 3, 3, generator=generator),
        PIXELS: (torch.rand(*leading, 4, 3, 24, 24, generator=generator) * 255).to(torch.uint8),
    }


def test_motion_is_the_convolved_next_frame_minus_the_frame() -> None:
    motion = small().differences
    maps = features(1)[MAPS]
    with torch.no_grad():
        got = motion(maps)[0]
        reduced = motion.reduce(maps.transpose(1, 2))[0]  # (c' t h w)
        for t in range(3):
            expected = motion.convolve(reduced[None, :, t + 1])[0] - reduced[:, t]
            torch.testing.assert_close(got[t], expected)
        vectors = motion.vectors(got[None])
        restored = motion.restore(got).relu().mean((-2, -1))
    assert vectors.shape == (1, 3, 16)
    torch.testing.assert_close(vectors[0], restored)


def test_nodes_are_a_token_and_frames_of_each_branch() -> None:
    nodes = small().encode(features(2, 3))
    assert nodes["appearance"].shape == (2, 3, 5, 16)
    assert nodes["motion"].shape == (2, 3, 4, 16)


def test_without_motion_weight_only_appearance_counts() -> None:
    labels = torch.tensor([[0, 1]])
    method = small(motion_weight=0.0)
    nodes, query = method.encode(features(1, 2)), method.encode(features(1, 3, seed=1))
    state = method.support(nodes, labels, 2)
    other = {**query, "motion": torch.rand_like(query["motion"])}
    assert torch.equal(method.score(state, query), method.score(state, other))
    with_motion = small()
    assert not torch.allclose(with_motion.score(state, query), with_motion.score(state, other))


def batch() -> TrainingBatch:
    labels = torch.tensor([[0, 1]])
    return TrainingBatch(features(1, 2), labels, features(1, 2, seed=1), labels, 2)


def test_the_scale_changes_the_contrast_alone() -> None:
    method = small(reconstruct=False)
    before = method.losses(batch())
    with torch.no_grad():
        method.appearance.contrast_scale.mul_(3)
    after = method.losses(batch())
    assert before.keys() == {"cross_entropy", "contrast"}
    assert before["cross_entropy"] == after["cross_entropy"]
    assert before["contrast"] != after["contrast"]


def test_the_contrast_by_hand() -> None:
    """Each branch: global tokens of queries with frames of classes, and the other way round."""
    method, given = small(reconstruct=False), batch()
    support, query = (method.encode(features(1, count, seed=count)) for count in (2, 3))
    labels = torch.tensor([[0, 1, 1]])
    given = replace(given, query_labels=labels)
    expected = torch.zeros(())
    with torch.no_grad():
        for name, branch, scale in (
            ("appearance", method.appearance, 2.0),
            ("motion", method.motion, 0.5),
        ):
            assert branch.contrast_scale == 1
            branch.contrast_scale.fill_(scale)
            to_query, to_support = torch.zeros(2, 3, 2)
            for i, j in itertools.product(range(3), range(2)):
                (own, *frames), (other, *others) = query[name][0, i], support[name][0, j]
                to_query[i, j] = sum(cost(own, x) for x in others)
                to_support[i, j] = sum(cost(x, other) for x in frames)
            for costs in (to_query, to_support):
                expected += functional.cross_entropy(-scale * costs, labels[0])
        got = method.losses_of_nodes(support, query, given)["contrast"]
    torch.testing.assert_close(got, expected)


def cost(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return 1 - first @ second / (first.norm() * second.norm() + 0.01)


def test_pixels_are_requested_in_training_alone() -> None:
    card = made_up_card()
    assert small().requests(card) == (MAPS,)
    assert small().training_requests(card) == (MAPS, PIXELS)
    assert small(reconstruct=False).training_requests(card) == (MAPS,)


def test_the_decoder_learns_the_differences_of_pixels() -> None:
    method, found = small(), features(1, 2)
    loss = method.losses(batch())["reconstruction"]
    gradients = torch.autograd.grad(loss, list(method.differences.reduce.parameters()))
    assert all(float(one.abs().sum()) > 0 for one in gradients)
    with torch.no_grad():
        # A decoder that returns zeros leaves the mean square of the target, resized to 96 × 96.
        last = method.decoder[-1]
        last.weight.zero_()
        last.bias.zero_()
        got = method.reconstruction(found)
    steps = found[PIXELS].float().diff(dim=2).flatten(0, 2) / 255
    large = torch.nn.functional.interpolate(steps, (96, 96), mode="bilinear", antialias=True)
    std = torch.tensor([0.229, 0.224, 0.225])  # of ImageNet
    expected = (large / std[:, None, None]).square().mean()
    torch.testing.assert_close(got, expected)
    static = {MAPS: found[MAPS], PIXELS: found[PIXELS][:, :, :1].expand(-1, -1, 4, -1, -1, -1)}
    with torch.no_grad():
        assert float(method.reconstruction(static)) == 0
