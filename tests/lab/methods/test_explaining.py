"""What explanations show of methods: attention among frames, and of tuples of two videos."""

from typing import Any

import pytest
import torch

from fewact.lab import methods
from fewact.lab.methods.base import TorchMethod
from fewact.lab.methods.common.attention import TemporalAttention
from fewact.lab.methods.common.transformer import Transformer
from fewact.lab.methods.common.tuples import matched_frames
from fewact.lab.methods.hyrsm import Attention
from fewact.lab.methods.promises.subject import made_up_features
from fewact.methods.cards import made_up_card

ATTENDING: dict[str, dict[str, Any]] = {
    "a2m2": {
        "moments.attention": True,
        "moments.reduction": "linear",
        "moments.in_channels": 6,  # fewer than the default width
    },
    "hyrsm": {"heads": 2},
    "molo": {"heads": 2, "hidden": 16, "reconstruct": False},
}
NO_ATTENTION: dict[str, dict[str, Any]] = {"a2m2": {}, "hyrsm": {"relations": "none"}}
MATCHING: dict[str, dict[str, Any]] = {
    "trx": {"key_width": 6, "cardinalities": (1, 3)},
    "strm": {"key_width": 6},
}


def create(name: str, options: dict[str, Any]) -> TorchMethod:
    return methods.create(name, **methods.fitting(name, made_up_card()), **options).eval()


@pytest.mark.parametrize("name", ATTENDING)
def test_each_frame_attends_to_all_frames_with_a_weight(name: str) -> None:
    method = create(name, ATTENDING[name])
    with torch.inference_mode():
        found = method.attend_frames(made_up_features(method, made_up_card()))
    assert found is not None
    assert found.compares == "attention"
    assert len(found.query) == len(found.support) == len(found.plan) == 8
    weights = torch.tensor(found.plan)
    assert weights.shape == (8, 8)
    assert weights.sum().item() == pytest.approx(1)
    if name != "molo":  # the rest of a frame's attention goes to the global token
        torch.testing.assert_close(weights.sum(1), torch.full((8,), 1 / 8))
    assert weights.std() > 1e-6


def test_fusion_without_a_term_of_motion_aligns_no_frames() -> None:
    still = ("motion", "learned_motion")
    method = create("fusion", {"weights": dict.fromkeys(still, 0)})
    with torch.inference_mode():
        nodes = method.encode(made_up_features(method, made_up_card()))
    assert method.match_frames(nodes, nodes) is None


@pytest.mark.parametrize("name", NO_ATTENTION)
def test_options_without_attention_have_none_to_show(name: str) -> None:
    method = create(name, NO_ATTENTION[name])
    assert method.attend_frames(made_up_features(method, made_up_card())) is None


def test_the_shown_weights_are_those_that_mix_the_frames() -> None:
    draws = torch.Generator().manual_seed(0)
    tokens = torch.rand(5, 6, generator=draws)
    inside = Attention(6, heads=1, dropout=0.0, out_dropout=0.0).eval()
    mixed = inside.out(inside.weights(tokens) @ inside.projected(tokens)[2][0])
    torch.testing.assert_close(mixed, inside(tokens))

    block = Transformer(6, heads=1, head_width=4, hidden=8).eval()
    value = block.project(block.norm(tokens)).chunk(3, -1)[2]
    torch.testing.assert_close(
        block.finish(tokens, block.out(block.attention(tokens) @ value)), block(tokens)
    )

    temporal = TemporalAttention(6)
    torch.nn.init.eye_(temporal.values.weight)
    maps = torch.rand(5, 6, 2, 2, generator=draws)
    mixed = torch.einsum("uv,vdhw->udhw", temporal.weights(maps), maps)
    torch.testing.assert_close(temporal(maps), maps + mixed)


@pytest.mark.parametrize("name", MATCHING)
def test_the_attention_of_tuples_joins_frames_of_two_videos(name: str) -> None:
    method = create(name, MATCHING[name])
    with torch.inference_mode():
        nodes = method.encode(made_up_features(method, made_up_card(), 2))
        query, support = ({key: value[i] for key, value in nodes.items()} for i in range(2))
        found = method.match_frames(query, support)
    assert found is not None
    weights = torch.tensor(found.plan)
    assert weights.shape == (8, 8)
    assert weights.sum().item() == pytest.approx(1)


def test_a_tuple_shares_its_weight_among_its_frames() -> None:
    """Three frames have the pairs 01, 02, 12; each of the first video attends to 02 alone."""
    keys = 100 * torch.tensor([[1.0, 0.0]]).expand(3, -1)
    support = 100 * torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    plan = matched_frames(keys, support, t=3, size=2)
    torch.testing.assert_close(plan, torch.tensor([[1 / 6, 0, 1 / 6]]).expand(3, -1))
