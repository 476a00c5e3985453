"""TEAM against the numbers of its public code, and by what the paper says."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.team import TEAM
from tests.lab.methods.weights import load, tensors
from tests.methods.made_up import drawn

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
NAMES = {
    **{"tokens": "patterns", "ln_g": "norm.weight", "ln_b": "norm.bias"},
    **{"w1": "mlp.0.weight", "b1": "mlp.0.bias", "w2": "mlp.2.weight", "b2": "mlp.2.bias"},
}


@pytest.mark.vectors("team.json")
@DTYPES
def test_team_vector(
    case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]
) -> None:
    support, query = (
        torch.tensor(case["inputs"][name], dtype=dtype)[None] for name in ("support", "query")
    )
    labels = torch.tensor(case["inputs"]["labels"])[None]
    t, d = support.shape[2:]
    given = tensors(case["weights"])
    method = methods.create(
        *("team",),
        frames=t,
        vector_width=d,
        tokens=len(given["tokens"]),
        **{"heads": case["params"]["heads"]},
    ).eval()
    assert isinstance(method, TEAM)
    load(method, {NAMES[name]: value for name, value in given.items()})
    method.to(dtype)
    request = FeatureRequest("vectors", View(t))
    with torch.no_grad():
        nodes, asked = (method.encode({request: x}) for x in (support, query))
        state = method.support(nodes, labels, int(labels.max()) + 1)
        near, far = method.distances(state, asked)
        got = {
            "logits_pos": -near[0],
            "logits_neg": -far[0],
            "logits": method.score(state, asked)[0],
        }
    compare(case, got, float32=dtype == torch.float32)


def test_without_positions_the_order_of_frames_is_irrelevant() -> None:
    options = {"frames": 5, "vector_width": 16, "tokens": 4}
    frames = drawn(3, 5, 16).float()
    request = FeatureRequest("vectors", View(5))
    for scale in (0.0, 0.1):
        method = methods.create("team", **options, position_scale=scale).eval()
        forward, backward = (
            method.encode({request: x})["instance"] for x in (frames, frames.flip(1))
        )
        assert torch.allclose(forward, backward, atol=1e-5) == (scale == 0)


def test_one_class_has_no_others() -> None:
    method = methods.create("team", frames=5, vector_width=16, tokens=4).eval()
    request = FeatureRequest("vectors", View(5))
    nodes = method.encode({request: drawn(1, 2, 5, 16).float()})
    logits = method.score(method.support(nodes, torch.zeros(1, 2, dtype=torch.long), 1), nodes)
    assert logits.shape == (1, 2, 1)
    assert bool(logits.isfinite().all())
