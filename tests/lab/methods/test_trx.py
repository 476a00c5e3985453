"""TRX against vectors, and against what its note promises."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fewact.core.errors import OptionError
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.common import shots
from fewact.lab.methods.trx import TRX
from tests.lab.methods.weights import load, tensors, under
from tests.methods.made_up import drawn
from tests.refused import refused

DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
T, D = 5, 6
SMALL = {"frames": T, "vector_width": D, "key_width": 4}
WEIGHTS = {
    "Wk": "keys.weight",
    "bk": "keys.bias",
    "Wv": "values.weight",
    "bv": "values.bias",
    "ln_g": "norm.weight",
    "ln_b": "norm.bias",
}


def attention(values: dict[str, Any]) -> dict[str, torch.Tensor]:
    """State of a ``TupleAttention``."""
    return {WEIGHTS[name]: value for name, value in tensors(values).items()}


def create(**options: Any) -> TRX:
    method = methods.create("trx", **{**SMALL, **options})
    assert isinstance(method, TRX)
    return method.eval().double()


def scores(
    method: TRX, support: torch.Tensor, labels: torch.Tensor, query: torch.Tensor
) -> torch.Tensor:
    """Logits (q n) of one episode: (s t d), (s), (q t d)."""
    request = FeatureRequest("vectors", View(method.options.frames))
    nodes, asked = (method.encode({request: x[None]}) for x in (support, query))
    with torch.no_grad():
        return method.score(method.support(nodes, labels[None], int(labels.max()) + 1), asked)[0]


@pytest.mark.vectors("trx.json")
@DTYPES
def test_trx_vector(case: dict[str, Any], dtype: torch.dtype, compare: Callable[..., None]) -> None:
    support, query = (
        torch.tensor(case["inputs"][name], dtype=dtype)[None] for name in ("support", "query")
    )
    labels = torch.tensor(case["inputs"]["labels"])[None]
    sizes = case["params"]["cardinalities"]
    weights = {size: case["weights"][f"card{size}"] for size in sizes}
    t, d = support.shape[-2:]
    method = create(
        frames=t,
        vector_width=d,
        cardinalities=tuple(sizes),
        key_width=len(weights[sizes[0]]["bk"]),
        position_scale=case["params"]["pe_scale"],
    )
    state = {}
    for size in sizes:
        state |= under(f"attention.{size}", attention(weights[size]))
    load(method, state)
    method = method.to(dtype)
    request = FeatureRequest("vectors", View(t))
    nodes, asked = (method.encode({request: x}) for x in (support, query))
    summary = method.support(nodes, labels, int(labels.max()) + 1)
    got = {
        "logits": method.score(summary, asked)[0],
        "positional_table": method.attention[str(sizes[0])].positions.table(support)[:t],
    }
    for size, value in zip(sizes, method.scores(summary, asked), strict=True):
        got[f"logits_card{size}"] = value[0]
    compare(case, got, float32=dtype == torch.float32)


def test_chunks_change_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    method, labels = create(), torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 1]])
    request = FeatureRequest("vectors", View(T))
    nodes, asked = (
        method.encode({request: drawn(3, videos, T, D, seed=videos)}) for videos in (3, 5)
    )
    state = method.support(nodes, labels, 2)
    expected = method.score(state, asked)
    for limit in (1, 2 * 10 * 2 * 20, 10**6):
        monkeypatch.setattr(shots, "MAX_ELEMENTS", limit)
        torch.testing.assert_close(method.score(state, asked), expected)


def test_repeated_shots_change_nothing_and_no_score_is_positive() -> None:
    method, support, query = create(), drawn(3, T, D), drawn(4, T, D, seed=1)
    labels = torch.tensor([0, 1, 2])
    once = scores(method, support, labels, query)
    twice = scores(method, support.repeat(2, 1, 1), labels.repeat(2), query)
    torch.testing.assert_close(twice, once)
    assert (once < 0).all()


def test_order_of_frames_matters() -> None:
    method, support, query = create(), drawn(2, T, D), drawn(3, T, D, seed=1)
    labels = torch.tensor([0, 1])
    forward = scores(method, support, labels, query)
    assert (scores(method, support, labels, query.flip(1)) - forward).abs().max() > 1e-3


def test_sharp_keys_find_the_same_tuple() -> None:
    method, video = create(), drawn(1, T, D)
    other = drawn(1, T, D, seed=1)
    for part in method.attention.values():
        part.norm.weight.data.fill_(100.0)
    logits = scores(method, torch.cat([video, other]), torch.tensor([0, 1]), video)[0]
    assert logits[0] > -1e-9
    assert logits[1] < -1e-2


def test_one_cardinality_needs_no_list() -> None:
    assert create(cardinalities=2).options.cardinalities == (2,)


@pytest.mark.parametrize("sizes", [(6,), (2, 2)], ids=str)
def test_impossible_tuples_are_refused(sizes: tuple[int, ...]) -> None:
    with refused(OptionError, where="cardinalities", expected="from 1 to 5"):
        create(cardinalities=sizes)
