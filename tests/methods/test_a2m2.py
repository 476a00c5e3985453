"""A²M²-Net against vectors, against slow references, and against what its note promises."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from fewact import align, methods
from fewact.errors import OptionError, ShapeError
from fewact.features.request import FeatureRequest, Request, View
from fewact.methods.a2m2 import A2M2
from fewact.methods.common.matching import problems
from tests.methods.made_up import make_card

AS_WRITTEN = {
    "tap": "maps",
    "reduction": "none",
    "centre_clip": False,
    "intra_class_weight": 0.0,
    "time_weight": 0.0,
}
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])


def create(**options: Any) -> A2M2:
    method = methods.create("a2m2", **options)
    assert isinstance(method, A2M2)
    return method.eval()


def assert_near(got: torch.Tensor, expected: np.ndarray, dtype: torch.dtype) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    tolerance = 1e-8 if dtype == torch.float64 else 2e-4 * scale
    np.testing.assert_allclose(got.detach().double().numpy(), expected, atol=tolerance, rtol=0)


@DTYPES
def test_a2m2_vector(
    vectors_npz: Callable[[str], dict[str, np.ndarray]], dtype: torch.dtype
) -> None:
    file = vectors_npz("a2m2.npz")
    n, k, t = file["support_maps"].shape[:3]
    tap = FeatureRequest("maps", View(t))
    support_maps = torch.tensor(file["support_maps"], dtype=dtype).flatten(0, 1)
    query_maps = torch.tensor(file["query_maps"], dtype=dtype)
    labels = torch.arange(n).repeat_interleave(k)[None]
    for rule in ("mean", "average", "union"):
        method = create(shots=rule, frames=t, **AS_WRITTEN).to(dtype)
        support = {"nodes": method.encode({tap: support_maps})["nodes"][None]}
        query = {"nodes": method.encode({tap: query_maps})["nodes"][None]}
        assert_near(support["nodes"][0].unflatten(0, (n, k)), file["support_nodes"], dtype)
        assert_near(query["nodes"][0], file["query_nodes"], dtype)
        logits = method.score(method.support(support, labels, n), query)[0]
        assert_near(logits, file[f"logits_{rule}"], dtype)
        if rule == "mean":
            first = method.support(support, labels, n).nodes[0, 0]  # class 0
            posed = problems(
                query["nodes"][:, :1],
                first[None, None],
                first.new_ones(1, 1, len(first)),
                weights="cross",
            )
            assert_near(posed.cost[0, 0, 0], file["cost"], dtype)
            assert_near(posed.a[0, 0, 0], file["a"], dtype)
            assert_near(posed.b[0, 0, 0], file["b"], dtype)
            assert_near(method.match(query["nodes"][0, 0], first).value, file["emd_value"], dtype)


def videos(*leading: int, channels: int = 5, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*leading, 8, channels, 3, 2, generator=generator, dtype=torch.float64)


def nodes_of(method: A2M2, maps: torch.Tensor) -> dict[str, torch.Tensor]:
    return dict(method.encode({FeatureRequest("maps", View(8)): maps}))


def score(
    method: A2M2, support: torch.Tensor, query: torch.Tensor, labels: list[int]
) -> torch.Tensor:
    state = method.support(nodes_of(method, support), torch.tensor([labels]), max(labels) + 1)
    return method.score(state, nodes_of(method, query))


@pytest.mark.parametrize("alignment", ["emd", "hungarian", "diagonal", "cosine", "bi_mhm"])
def test_identical_videos_score_tau(alignment: str) -> None:
    maps = videos(1, 2)
    method = create(alignment=alignment, shots="mean", tau=7.0, **AS_WRITTEN).double()
    torch.testing.assert_close(
        score(method, maps, maps, [0, 1])[0].diagonal(), torch.full((2,), 7.0, dtype=torch.float64)
    )


def test_order_of_nodes_is_irrelevant_to_transport_alone() -> None:
    query, support = torch.rand(2, 14, 15, generator=torch.Generator().manual_seed(0)).double()
    order = torch.randperm(14, generator=torch.Generator().manual_seed(1))
    for alignment, blind in [
        ("emd", True),
        ("hungarian", True),
        ("otam", False),
        ("diagonal", False),
    ]:
        method = create(alignment=alignment, shots="mean", **AS_WRITTEN).double()
        state = method.support({"nodes": support[None, None]}, torch.tensor([[0]]), 1)
        plain = method.score(state, {"nodes": query[None, None]})
        mixed = method.score(state, {"nodes": query[order][None, None]})
        assert torch.allclose(plain, mixed, atol=1e-9) == blind, alignment


def test_uniform_weights_equal_the_best_assignment() -> None:
    support, query = videos(1, 3), videos(1, 4, seed=1)
    emd = create(weights="uniform", **AS_WRITTEN).double()
    hungarian = create(alignment="hungarian", **AS_WRITTEN).double()
    torch.testing.assert_close(
        score(emd, support, query, [0, 1, 2]), score(hungarian, support, query, [0, 1, 2])
    )


def test_weights_and_plan_of_one_match() -> None:
    method = create(**AS_WRITTEN).double()
    x, y = nodes_of(method, videos(2))["nodes"]
    found = method.match(x, y)
    raw = (x @ y.mean(0)).relu() + 1e-3
    assert found.plan is not None
    torch.testing.assert_close(found.plan.sum(1), 14 * raw / raw.sum())
    torch.testing.assert_close(found.plan.sum(), torch.tensor(14.0, dtype=torch.float64))
    assert int((found.plan > 1e-12).sum()) <= 27
    cost = 1 - functional.cosine_similarity(x[:, None], y[None], dim=-1)
    torch.testing.assert_close(found.value, (found.plan * cost).sum())


def test_time_weight_makes_distant_windows_dear() -> None:
    support, query = videos(1, 2), videos(1, 3, seed=1)
    expected = []
    method = create(**{**AS_WRITTEN, "time_weight": 0.7}).double()
    centres = [(i + 0.5) / 8 for i in range(8)] + [(i + 1) / 8 for i in (0, 2, 4, 6)] + [0.25, 0.75]
    times = torch.tensor(centres, dtype=torch.float64)
    for x in nodes_of(method, query)["nodes"][0]:
        for y in nodes_of(method, support)["nodes"][0]:
            cost = 1 - functional.cosine_similarity(x[:, None], y[None], dim=-1)
            cost = cost + 0.7 * (times[:, None] - times[None]).abs()
            a, b = (x @ y.mean(0)).relu() + 1e-3, (y @ x.mean(0)).relu() + 1e-3
            value = align.emd(cost, 14 * a / a.sum(), 14 * b / b.sum()).value
            expected.append(12.5 * (1 - value / 14))
    torch.testing.assert_close(
        score(method, support, query, [0, 1])[0].flatten(), torch.stack(expected)
    )


def test_union_takes_uneven_shots_without_padding_them_in() -> None:
    support, query = videos(1, 4), videos(1, 2, seed=1)
    method = create(shots="union", **AS_WRITTEN).double()
    uneven = score(method, support, query, [0, 0, 0, 1])
    torch.testing.assert_close(
        uneven[..., 0], score(method, support[:, :3], query, [0, 0, 0])[..., 0]
    )
    torch.testing.assert_close(uneven[..., 1], score(method, support[:, 3:], query, [0])[..., 0])


def test_intra_class_weight_subtracts_half_the_mean_score_inside_a_class() -> None:
    support, query = videos(1, 3), videos(1, 2, seed=1)
    method = create(**{**AS_WRITTEN, "intra_class_weight": 0.5}).double()
    plain = create(**AS_WRITTEN).double()
    pair = score(plain, support[:, :1], support[:, 1:2], [0])
    expected = score(plain, support, query, [0, 0, 1]) - 0.5 * pair
    torch.testing.assert_close(score(method, support, query, [0, 0, 1]), expected)


def test_centre_uses_the_support_alone() -> None:
    support, query = videos(1, 2), videos(1, 3, seed=1)
    method = create(normalise="centre", **AS_WRITTEN).double()
    together = score(method, support, query, [0, 1])
    alone = score(method, support, query[:, 1:2], [0, 1])
    torch.testing.assert_close(alone, together[:, 1:2])
    assert not torch.allclose(
        together, score(create(**AS_WRITTEN).double(), support, query, [0, 1])
    )


@pytest.mark.parametrize("weights", ["cross", "self", "uniform"])
@pytest.mark.parametrize("shots", ["mean", "average", "union"])
def test_gradients_are_those_of_finite_differences(weights: str, shots: str) -> None:
    method = create(weights=weights, shots=shots, **AS_WRITTEN).double()
    query = nodes_of(method, videos(1, 1, seed=5))["nodes"]
    # Away from ReLU's corner and from uniform weights, where the duals are unique.
    support = nodes_of(method, videos(1, 4))["nodes"]
    labels = torch.tensor([[0, 1, 0, 1]])
    if weights == "uniform":
        query = query + 0.01 * torch.rand(query.shape, generator=torch.Generator().manual_seed(0))

    def logits(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return method.score(method.support({"nodes": y}, labels, 2), {"nodes": x})

    x, y = query.requires_grad_(), support.requires_grad_()
    assert torch.autograd.gradcheck(logits, (x, y), eps=1e-6, atol=1e-4, fast_mode=True)


def test_tau_learns_only_where_asked() -> None:
    assert not create().tau.requires_grad
    method = create(learn_tau=True, **AS_WRITTEN).double()
    score(method, videos(1, 2), videos(1, 2, seed=1), [0, 1]).sum().backward()
    assert method.tau.grad is not None
    assert method.tau.grad.abs() > 0


@pytest.mark.parametrize("alignment", ["sinkhorn", "otam", "bi_mhm", "euclidean", "diagonal"])
def test_every_alignment_ranks_a_copy_first(alignment: str) -> None:
    maps = videos(1, 4)
    noise = 0.02 * torch.rand(maps.shape, generator=torch.Generator().manual_seed(1))
    method = create(alignment=alignment, shots="average", **AS_WRITTEN).double()
    logits = score(method, maps, maps + noise, [0, 1, 2, 3])
    assert logits.argmax(-1).tolist() == [[0, 1, 2, 3]]


def test_bi_mhm_of_a_union_ignores_padding() -> None:
    support, query = videos(1, 3), videos(1, 2, seed=1)
    method = create(alignment="bi_mhm", shots="union", **AS_WRITTEN).double()
    uneven = score(method, support, query, [0, 0, 1])
    torch.testing.assert_close(uneven[..., 1], score(method, support[:, 2:], query, [0])[..., 0])


@pytest.mark.parametrize(
    "options",
    [
        {"alignment": "otam", "grid": 2},
        {"alignment": "otam", "shots": "union"},
        {"alignment": "diagonal", "shots": "union"},
    ],
)
def test_ordered_alignments_refuse_unordered_nodes(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="in order"):
        create(**options)


def test_a_learned_reduction_must_know_its_input() -> None:
    with pytest.raises(OptionError, match="in_channels"):
        create(reduction="learned")
    method = create(reduction="learned", in_channels=5, width=4, tap="maps").double()
    assert nodes_of(method, videos(2))["nodes"].shape == (2, 14, 10)


def test_pca_must_be_fitted_and_keeps_what_varies() -> None:
    method = create(reduction="pca", width=2, tap="maps").double()
    with pytest.raises(OptionError, match="not fitted"):
        nodes_of(method, videos(1))
    plane = torch.randn(3, 8, 2, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    mix = torch.randn(5, 2, generator=torch.Generator().manual_seed(1)).double()
    maps = torch.einsum("dc,btchw->btdhw", mix, plane)
    method.fit_reduction({FeatureRequest("maps", View(8)): maps})
    reduced = method.reduction(maps)

    # Two directions hold all of it: distances between places are kept.
    def distances(x: torch.Tensor) -> torch.Tensor:
        return torch.pdist(x.movedim(2, -1).flatten(0, -2))

    torch.testing.assert_close(distances(reduced), distances(maps))
    with pytest.raises(ShapeError, match="principal"):
        method.fit_reduction({FeatureRequest("maps", View(8)): maps[:, :, :1]})


def test_many_channels_are_projected_on_orthonormal_directions() -> None:
    maps = torch.rand(1, 8, 200, 2, 2, generator=torch.Generator().manual_seed(0))
    method = create(tap="maps")
    reduced = method.reduction(maps)
    assert reduced.shape == (1, 8, 128, 2, 2)
    assert torch.equal(reduced, create(tap="maps").reduction(maps))
    assert (reduced.norm() < maps.norm()).item()


def test_missing_features_say_what_was_asked() -> None:
    with pytest.raises(OptionError, match="no features of this tap"):
        create(tap="middle").encode({FeatureRequest("maps", View(8)): videos(1)})


@pytest.mark.parametrize("share", [0.9, 0.3])
def test_class_names_join_as_a_product_of_powers(share: float) -> None:
    generator = torch.Generator().manual_seed(3)
    requests = FeatureRequest("maps", View(8)), FeatureRequest("vectors", View(8))

    def features(number: int) -> dict[Request, torch.Tensor]:
        shapes = (1, number, 8, 5, 3, 2), (1, number, 8, 7)
        drawn = (torch.rand(*shape, generator=generator, dtype=torch.float64) for shape in shapes)
        return dict(zip(requests, drawn, strict=True))

    support, query, labels = features(3), features(4), torch.tensor([[0, 1, 1]])
    text = torch.randn(1, 2, 7, generator=generator, dtype=torch.float64)
    method = create(text_share=share, **AS_WRITTEN).double()
    assert method.uses_text
    assert method.requests(make_card()) == requests
    state = method.support(method.encode(support), labels, 2, text=text)
    logits, pairs = method.score_and_pairs(state, method.encode(query))
    assert pairs is None
    alone = create(**AS_WRITTEN).double()
    assert not alone.uses_text
    seen = alone.score(alone.support(alone.encode(support), labels, 2), alone.encode(query))
    mean = query[requests[1]][0].mean(1)
    named = 100 * functional.cosine_similarity(mean[:, None], text, dim=-1)
    expected = named.softmax(-1) ** share * seen[0].softmax(-1) ** (1 - share)
    torch.testing.assert_close(logits[0].exp(), expected)
