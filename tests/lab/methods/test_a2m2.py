"""A²M²-Net against vectors, against slow references, and against what its note promises."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from fewact import align
from fewact.core.errors import OptionError, ShapeError, UnknownNameError
from fewact.core.options import flatten_options, make_options
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab import methods
from fewact.lab.methods.a2m2 import A2M2, A2M2Options, MomentOptions, problems
from fewact.lab.methods.base import TrainingBatch
from fewact.methods.cards import made_up_card
from tests.methods.made_up import drawn
from tests.refused import refused

AS_WRITTEN = {
    "moments.level": "maps",
    "moments.reduction": "none",
    "moments.subtract_clip_mean": False,
    "intra_class_weight": 0.0,
    "alignment.time_weight": 0.0,
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
    for rule, name in (("prototype", "mean"), ("mean", "average"), ("union", "union")):
        method = create(shot_aggregation=rule, frames=t, **AS_WRITTEN).to(dtype)
        support = {"nodes": method.encode({tap: support_maps})["nodes"][None]}
        query = {"nodes": method.encode({tap: query_maps})["nodes"][None]}
        assert_near(support["nodes"][0].unflatten(0, (n, k)), file["support_nodes"], dtype)
        assert_near(query["nodes"][0], file["query_nodes"], dtype)
        logits = method.score(method.support(support, labels, n), query)[0]
        assert_near(logits, file[f"logits_{name}"], dtype)
        if rule == "prototype":
            first = method.support(support, labels, n).nodes[0, 0]  # class 0
            cost, a, b = problems(
                query["nodes"][:, :1],
                first[None, None],
                first.new_ones(1, 1, len(first)),
                weights="cross",
            )
            assert_near(cost[0, 0, 0], file["cost"], dtype)
            assert_near(a[0, 0, 0], file["a"], dtype)
            assert_near(b[0, 0, 0], file["b"], dtype)
            value = len(first) * method.match(query["nodes"][0, 0], first).value
            assert_near(value, file["emd_value"], dtype)


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
def test_identical_videos_score_one_over_the_temperature(alignment: str) -> None:
    maps = videos(1, 2)
    options = {"alignment.name": alignment, "shot_aggregation": "prototype", "temperature": 1 / 7}
    method = create(**options, **AS_WRITTEN).double()
    torch.testing.assert_close(
        score(method, maps, maps, [0, 1])[0].diagonal(), torch.full((2,), 7.0, dtype=torch.float64)
    )


def test_order_of_nodes_is_irrelevant_to_transport_alone() -> None:
    query, support = torch.rand(2, 14, 15, generator=torch.Generator().manual_seed(0)).double()
    order = torch.randperm(14, generator=torch.Generator().manual_seed(1))
    for alignment, invariant in [
        ("emd", True),
        ("hungarian", True),
        ("otam", False),
        ("diagonal", False),
    ]:
        options = {"alignment.name": alignment, "shot_aggregation": "prototype"}
        method = create(**options, **AS_WRITTEN).double()
        state = method.support({"nodes": support[None, None]}, torch.tensor([[0]]), 1)
        plain = method.score(state, {"nodes": query[None, None]})
        mixed = method.score(state, {"nodes": query[order][None, None]})
        assert torch.allclose(plain, mixed, atol=1e-9) == invariant, alignment


@pytest.mark.parametrize(
    "options",
    [
        *({"moments.descriptor": name} for name in ("sqrt", "covariance", "mean")),
        {"moments.cross_frame": 1.0},
    ],
)
@pytest.mark.parametrize("t", [5, 8])
def test_a_static_clip_has_no_changes(options: dict[str, Any], t: int) -> None:
    method = create(frames=t, **options)
    still = videos(1, 1)[:, :, :1].expand(-1, -1, t, -1, -1, -1)
    assert not method.encode({FeatureRequest("maps", View(t)): still})["nodes"].any()


def test_cosines_of_short_nodes_are_exact() -> None:
    first, second = (1e-3 * drawn(1, 1, 2, 4, seed=seed) for seed in (0, 1))
    cost = problems(first, second, torch.ones(1, 1, 2), weights="uniform")[0][0, 0, 0]
    cosines = torch.nn.functional.cosine_similarity(first[0, 0, :, None], second[0, 0], dim=-1)
    torch.testing.assert_close(cost, 1 - cosines)


def test_uniform_weights_equal_the_best_assignment() -> None:
    support, query = videos(1, 3), videos(1, 4, seed=1)
    emd = create(**{"alignment.weights": "uniform"}, **AS_WRITTEN).double()
    hungarian = create(**{"alignment.name": "hungarian"}, **AS_WRITTEN).double()
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
    torch.testing.assert_close(14 * found.value, (found.plan * cost).sum())


def test_time_weight_increases_the_cost_of_distant_windows() -> None:
    support, query = videos(1, 2), videos(1, 3, seed=1)
    expected = []
    method = create(**{**AS_WRITTEN, "alignment.time_weight": 0.7}).double()
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


def test_intra_class_weight_subtracts_the_mean_score_inside_a_class() -> None:
    support, query = videos(1, 3), videos(1, 2, seed=1)
    method = create(**{**AS_WRITTEN, "intra_class_weight": 0.5}).double()
    plain = create(**AS_WRITTEN).double()
    pair = score(plain, support[:, :1], support[:, 1:2], [0])
    expected = score(plain, support, query, [0, 0, 1]) - 0.5 * pair
    torch.testing.assert_close(score(method, support, query, [0, 0, 1]), expected)


def test_support_mean_uses_the_support_alone() -> None:
    support, query = videos(1, 2), videos(1, 3, seed=1)
    method = create(**{"moments.normalise": "support_mean"}, **AS_WRITTEN).double()
    together = score(method, support, query, [0, 1])
    alone = score(method, support, query[:, 1:2], [0, 1])
    torch.testing.assert_close(alone, together[:, 1:2])
    assert not torch.allclose(
        together, score(create(**AS_WRITTEN).double(), support, query, [0, 1])
    )


@pytest.mark.parametrize("weights", ["cross", "self", "uniform"])
@pytest.mark.parametrize("shots", ["prototype", "mean", "union"])
def test_gradients_are_those_of_finite_differences(weights: str, shots: str) -> None:
    options = {"alignment.weights": weights, "shot_aggregation": shots}
    method = create(**options, **AS_WRITTEN).double()
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


def test_temperature_is_trained_only_on_request() -> None:
    assert not list(create().parameters())
    method = create(learn_temperature=True, temperature=0.2, **AS_WRITTEN).double()
    logits = score(method, videos(1, 2), videos(1, 2, seed=1), [0, 1])
    fixed = create(temperature=0.2, **AS_WRITTEN).double()
    torch.testing.assert_close(logits, score(fixed, videos(1, 2), videos(1, 2, seed=1), [0, 1]))
    logits.sum().backward()
    assert method.log_temperature is not None
    assert method.log_temperature.grad is not None
    assert method.log_temperature.grad.abs() > 0


@pytest.mark.parametrize("alignment", ["bi_mhm", "hungarian", "sinkhorn", "emd", "cosine"])
def test_union_ignores_padding(alignment: str) -> None:
    support, query = videos(1, 3), videos(1, 2, seed=1)
    options = {"alignment.name": alignment, "shot_aggregation": "union"}
    method = create(**options, **AS_WRITTEN).double()
    uneven = score(method, support, query, [0, 0, 1])
    torch.testing.assert_close(uneven[..., 1], score(method, support[:, 2:], query, [0])[..., 0])


@pytest.mark.parametrize(
    "options",
    [
        {"alignment.name": "otam", "moments.grid": 2},
        {"alignment.name": "dtw", "moments.grid": 2},
        {"alignment.name": "otam", "shot_aggregation": "union"},
        {"alignment.name": "soft_dtw", "shot_aggregation": "union"},
        {"alignment.name": "diagonal", "shot_aggregation": "union"},
    ],
)
def test_ordered_alignments_refuse_unordered_nodes(options: dict[str, Any]) -> None:
    with refused(OptionError, where="alignment.name", expected="shot_aggregation"):
        create(**options)


def test_a_learned_reduction_must_know_its_input() -> None:
    with refused(OptionError, where="moments.in_channels"):
        create(**{"moments.reduction": "learned"})
    options = {"reduction": "learned", "in_channels": 5, "width": 4, "level": "maps"}
    method = create(moments=options).double()
    assert nodes_of(method, videos(2))["nodes"].shape == (2, 14, 10)


def test_pca_must_be_fitted_and_keeps_the_variance() -> None:
    method = create(moments={"reduction": "pca", "width": 2, "level": "maps"}).double()
    with refused(OptionError, where="moments.reduction", hint="fit_reduction"):
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
    with refused(ShapeError, where="samples", got="(144, 1)"):
        method.fit_reduction({FeatureRequest("maps", View(8)): maps[:, :, :1]})


def test_many_channels_are_projected_on_orthonormal_directions() -> None:
    maps = torch.rand(1, 8, 200, 2, 2, generator=torch.Generator().manual_seed(0))
    method = create(moments={"level": "maps"})
    reduced = method.reduction(maps)
    assert reduced.shape == (1, 8, 128, 2, 2)
    assert torch.equal(reduced, create(moments={"level": "maps"}).reduction(maps))
    assert (reduced.norm() < maps.norm()).item()


def test_missing_features_are_an_error() -> None:
    with refused(OptionError, where="moments.level", got="middle, 8 frames"):
        create(moments={"level": "middle"}).encode({FeatureRequest("maps", View(8)): videos(1)})


@pytest.mark.parametrize("weight", [0.9, 0.3])
def test_text_and_visual_probabilities_are_combined(weight: float) -> None:
    generator = torch.Generator().manual_seed(3)
    requests = FeatureRequest("maps", View(8)), FeatureRequest("vectors", View(8))

    def features(number: int) -> dict[Request, torch.Tensor]:
        shapes = (1, number, 8, 5, 3, 2), (1, number, 8, 7)
        drawn = (torch.rand(*shape, generator=generator, dtype=torch.float64) for shape in shapes)
        return dict(zip(requests, drawn, strict=True))

    support, query, labels = features(3), features(4), torch.tensor([[0, 1, 1]])
    text = torch.randn(1, 2, 7, generator=generator, dtype=torch.float64)
    method = create(text_weight=weight, **AS_WRITTEN).double()
    assert method.uses_text
    assert method.requests(made_up_card()) == requests
    state = method.support(method.encode(support), labels, 2, text=text)
    logits, pairs = method.score_and_pairs(state, method.encode(query))
    assert pairs is None
    alone = create(**AS_WRITTEN).double()
    assert not alone.uses_text
    seen = alone.score(alone.support(alone.encode(support), labels, 2), alone.encode(query))
    mean = query[requests[1]][0].mean(1)
    named = 100 * functional.cosine_similarity(mean[:, None], text, dim=-1)
    expected = named.softmax(-1) ** weight * seen[0].softmax(-1) ** (1 - weight)
    torch.testing.assert_close(logits[0].exp(), expected)


def test_the_loss_with_names_classifies_each_video_among_all_training_classes() -> None:
    generator = torch.Generator().manual_seed(4)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    maps, vectors = FeatureRequest("maps", View(8)), FeatureRequest("vectors", View(8))
    support = {maps: drawn(1, 2, 8, 5, 3, 2), vectors: drawn(1, 2, 8, 7) - 0.5}
    query = {maps: drawn(1, 3, 8, 5, 3, 2), vectors: drawn(1, 3, 8, 7) - 0.5}
    every = drawn(4, 7) - 0.5
    base = torch.tensor([[3, 1]])
    batch = TrainingBatch(
        support,
        torch.tensor([[0, 1]]),
        query,
        torch.tensor([[1, 0, 0]]),
        2,
        text=every[base],
        base_text=every,
        base_classes=base,
    )
    named = create(text_weight=0.9, contrast_weight=0.25, text_temperature=0.1, **AS_WRITTEN)
    losses = named.double().losses(batch)
    alone = create(**AS_WRITTEN).double().losses(replace(batch, text=None, base_text=None))
    assert losses.keys() == {"cross_entropy", "contrast"}
    torch.testing.assert_close(losses["cross_entropy"], alone["cross_entropy"])
    frames = torch.cat([support[vectors], query[vectors]], 1)[0]
    expected = 0.0
    for video, label in zip(frames, (3, 1, 1, 3, 3), strict=True):
        mean = video.sum(0) / 8
        cosines = [mean @ text / (mean.norm() * text.norm()) for text in every]
        scaled = torch.stack(cosines) / 0.1
        expected += float(scaled.exp().sum().log() - scaled[label]) / 5
    assert losses["contrast"].item() == pytest.approx(0.25 * expected, rel=1e-12)


def test_preset_of_the_paper() -> None:
    method = create(preset="paper", **{"moments.in_channels": 5})
    options = method.options
    assert (options.moments.level, options.moments.reduction) == ("maps", "learned")
    assert not options.moments.subtract_clip_mean
    assert options.alignment.time_weight == options.intra_class_weight == 0
    assert options.shot_aggregation == "prototype"
    assert (options.moments.descriptor, options.moments.steps) == ("sqrt", 3)
    assert not method.trained


def test_options_that_were_set_take_precedence_over_the_preset() -> None:
    changes = {"moments.subtract_clip_mean": True, "shot_aggregation": "mean"}
    by_name = make_options(A2M2Options, {"preset": "paper", **changes}, of="a2m2")
    by_object = A2M2Options(
        preset="paper", moments=MomentOptions(subtract_clip_mean=True), shot_aggregation="mean"
    )
    assert by_name == by_object
    assert by_name.moments.subtract_clip_mean
    assert by_name.moments.level == "maps"
    assert by_name.alignment.time_weight == 0
    assert replace(by_name, frames=4).moments == by_name.moments
    assert make_options(A2M2Options, flatten_options(by_name), of="a2m2") == by_name


WITHOUT_EFFECT = [
    *[
        ({"alignment.name": name, "alignment.weights": "uniform"}, "alignment.weights")
        for name in ("cosine", "euclidean", "diagonal", "otam", "bi_mhm", "hungarian", "dtw")
    ],
    *[
        ({"alignment.name": name, "alignment.time_weight": 0.3}, "alignment.time_weight")
        for name in ("cosine", "euclidean", "diagonal")
    ],
    ({"moments.descriptor": "covariance", "moments.steps": 5}, "moments.steps"),
    ({"moments.width": 64}, "moments.width"),
    ({"moments.reduction": "none", "moments.width": 64}, "moments.width"),
    ({"moments.in_channels": 64}, "moments.in_channels"),
    ({"moments.reduction": "orthogonal", "moments.in_channels": 64}, "moments.in_channels"),
    ({"moments.attention": True}, "moments.attention"),
    (
        {"alignment.name": "euclidean", "moments.normalise": "support_mean"},
        "moments.normalise",
    ),
    ({"shot_aggregation": "prototype", "intra_class_weight": 0.3}, "intra_class_weight"),
    ({"shot_aggregation": "union", "intra_class_weight": 0.3}, "intra_class_weight"),
    ({"text_temperature": 0.1}, "text_temperature"),
    ({"contrast_weight": 0.1}, "contrast_weight"),
    ({"seed": 1}, "seed"),
    ({"moments.reduction": "linear", "moments.in_channels": 5, "seed": 1}, "seed"),
    (
        {"preset": "paper", "moments.in_channels": 5, "intra_class_weight": 0.5},
        "intra_class_weight",
    ),
]


@pytest.mark.parametrize(
    ("options", "option"), WITHOUT_EFFECT, ids=lambda value: str(value) if value else ""
)
def test_refuses_options_without_effect(options: dict[str, Any], option: str) -> None:
    with refused(OptionError, where=f'option "{option}"', what="has no effect"):
        create(**options)


@pytest.mark.parametrize(
    "options",
    [{"preset": "paper"}, {"moments.reduction": "linear", "moments.attention": True}],
    ids=["paper", "attention"],
)
def test_the_seed_alone_decides_the_initial_weights(options: dict[str, Any]) -> None:
    def weights(seed: int, drawn: int) -> dict[str, torch.Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(drawn)
            return create(**options, **{"moments.in_channels": 5, "seed": seed}).state_dict()

    first, other = weights(0, drawn=1), weights(1, drawn=1)
    assert any(not torch.equal(value, other[name]) for name, value in first.items())
    for name, value in weights(0, drawn=2).items():
        assert torch.equal(value, first[name])


@pytest.mark.parametrize(
    "options",
    [
        {"alignment.name": "cosine", "alignment.weights": "cross", "alignment.time_weight": 0.5},
        {"alignment.name": "cosine", "alignment.time_weight": 0.0},
        {"shot_aggregation": "union", "intra_class_weight": 0.0},
        {"moments.attention": False, "moments.in_channels": None},
    ],
)
def test_accepts_defaults_and_zero_weights_without_effect(options: dict[str, Any]) -> None:
    assert create(**options)


def test_custom_aligner_compares_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = importlib.import_module("fewact.align.registry")._ALIGNERS
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    @align.register("nearest")
    def nearest(cost: torch.Tensor, *, plan: bool = True) -> align.Alignment:
        return align.Alignment(cost.amin(-1).mean(-1), torch.ones_like(cost) if plan else None)

    method = create(**{"alignment.name": "nearest"}, **AS_WRITTEN).double()
    x, y = nodes_of(method, videos(2))["nodes"]
    cost = 1 - functional.cosine_similarity(x[:, None], y[None], dim=-1)
    expected = 12.5 * (1 - cost.amin(1).mean())
    got = method.similarity({"nodes": x[None, None]}, {"nodes": y[None, None]})
    torch.testing.assert_close(got[0, 0, 0], expected)


@pytest.mark.parametrize("alignment", align.names())
def test_match_is_the_configured_alignment(alignment: str) -> None:
    method = create(**{"alignment.name": alignment}, **AS_WRITTEN).double()
    x, y = nodes_of(method, videos(2))["nodes"]
    found = method.match(x, y)
    score = method.similarity({"nodes": x[None, None]}, {"nodes": y[None, None]})
    torch.testing.assert_close(12.5 * (1 - found.value), score[0, 0, 0])
    assert found.plan is not None
    assert found.plan.shape == (14, 14)
    torch.testing.assert_close(found.plan.sum(), torch.tensor(14.0, dtype=torch.float64))
    if align.card(alignment).ordered:  # scales are aligned separately
        assert not found.plan[:8, 8:].any()


def test_match_subtracts_the_mean_of_the_support() -> None:
    options = AS_WRITTEN | {"moments.normalise": "support_mean", "alignment.name": "otam"}
    method = create(**options).double()
    nodes = nodes_of(method, videos(1, 3))
    state = method.support(nodes, torch.tensor([[0, 1, 2]]), 3)
    pairs = method.score_and_pairs(state, {"nodes": nodes["nodes"][:, :1]})[1]
    found = method.match(nodes["nodes"][0, 0], nodes["nodes"][0, 1], state)
    assert pairs is not None
    torch.testing.assert_close(12.5 * (1 - found.value), pairs[0, 0, 1])
    alone = method.match(nodes["nodes"][0, 0], nodes["nodes"][0, 1])
    assert not torch.allclose(alone.value, found.value)


@pytest.mark.parametrize("alignment", ["cosine", "euclidean"])
def test_mean_nodes_have_no_match(alignment: str) -> None:
    method = create(**{"alignment.name": alignment}, **AS_WRITTEN).double()
    with refused(OptionError, where="alignment.name", got=alignment):
        method.match(*nodes_of(method, videos(2))["nodes"])


def test_unknown_aligner_and_group_are_explained() -> None:
    with refused(UnknownNameError, where="alignment.name", hint='"emd"'):
        create(**{"alignment.name": "emdd"})
    with refused(OptionError, expected="alignment.name, alignment.weights"):
        create(alignment="otam")
    with refused(OptionError, hint='"alignment.weights"'):
        create(weights="uniform")
    with refused(OptionError, where="moments.lengths", got="(0,)"):
        create(**{"moments.lengths": (0,)})


def test_cells_are_the_gradient_of_the_similarity() -> None:
    draws = torch.Generator().manual_seed(0)
    maps, other = (torch.randn(8, 6, 7, 7, generator=draws, dtype=torch.float64) for _ in "12")
    method = create(**{"moments.level": "maps", "moments.reduction": "none"}).double()
    tap = FeatureRequest("maps", View(8))
    with torch.inference_mode():
        support = {name: x[0] for name, x in method.encode({tap: other[None]}).items()}
    cells = method.match_cells({}, support, {tap: maps})["moments"]
    assert cells.shape == (8, 7, 7)

    def similarity(own: torch.Tensor) -> float:
        nodes = method.encode({tap: own[None, None]})
        return method.similarity(nodes, {"nodes": support["nodes"][None, None]}).item()

    deviation = maps - maps.mean((0, 2, 3), keepdim=True)
    step = torch.zeros_like(maps)
    step[2, :, 3, 4] = 1e-5 * deviation[2, :, 3, 4]
    slope = (similarity(maps + step) - similarity(maps - step)) / 2e-5
    scaled = cells[2, 3, 4].item() / method.options.temperature
    assert slope == pytest.approx(scaled, rel=1e-4)
    assert abs(cells.sum().item()) < 1e-4 * cells.abs().sum().item()


def test_cells_are_where_two_videos_move_alike() -> None:
    draws = torch.Generator().manual_seed(0)
    tap = FeatureRequest("maps", View(8))
    shared = torch.randn(8, 6, 2, 2, generator=draws)
    videos = [0.1 * torch.randn(8, 6, 7, 7, generator=draws) for _ in "12"]
    for video in videos:
        video[..., 1:3, 4:6] += shared
    method = create(**{"moments.level": "maps", "moments.reduction": "none"})
    support = {name: x[0] for name, x in method.encode({tap: videos[1][None]}).items()}
    cells = method.match_cells({}, support, {tap: videos[0]})["moments"]
    strong = cells.abs().mean(0)
    assert strong[1:3, 4:6].mean() > 5 * strong.mean()


@pytest.mark.parametrize(
    "options", [{"stabilise": "auto"}, {"moments.normalise": "support_mean"}, {}], ids=str
)
def test_no_cells_where_there_are_none_of_the_frame(options: dict[str, Any]) -> None:
    method = create(**{"moments.level": "maps" if options else "vectors"}, **options)
    (request,) = method.requests(made_up_card())
    assert isinstance(request, FeatureRequest)
    size = (8, 6, 7, 7) if options else (8, 6)
    features: dict[Request, torch.Tensor] = {request: torch.rand(size)}
    nodes = {name: x[0] for name, x in method.encode({request: features[request][None]}).items()}
    assert method.match_cells(nodes, nodes, features) == {}
