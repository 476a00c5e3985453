"""What every method promises, over the whole registry."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from fewact import methods
from fewact.backbones import Card
from fewact.errors import OptionError, ShapeError, UnknownNameError
from fewact.features.request import FeatureRequest
from fewact.methods.base import (
    Method,
    Nodes,
    PairScores,
    TextMethod,
    TrainingBatch,
    score_and_pairs,
    support_state,
)
from fewact.methods.fusion.weighted_terms import LOG_ODDS
from fewact.registry import flatten_options, make_options, option_groups, option_names
from tests.methods.made_up import make_card, make_features, make_text

OTHERWISE: dict[str, tuple[object, ...]] = {
    "alignment.name": ("otam",),
    "alignment.time_weight": (0.1,),
    "alignment.weights": ("uniform",),
    "bidirectional": (False,),
    "intra_class_weight": (0.25,),
    "distance": ("euclidean",),
    "eps": (0.5,),
    "consistency_weight": (0.1,),
    "guide_weight": (0.7,),
    "contrast_weight": (2.0,),
    "contrast_temperature": (3.0,),
    "learn_motion_weight": (True,),
    "losses": ("paper", "released"),
    "mean_text": ("all",),
    "merge": ("after", "before"),
    "horizontal_flip": (True,),
    "mode": ("text", "visual"),
    "motion_weight": (0.3, 0.4),
    "pool": ("frames",),
    "focused_weight": (0.3,),
    "diversity_weight": (0.3,),
    "focus_weight": (0.3,),
    "perturbation": (0.1,),
    "query_class_weight": (0.3,),
    "protocol": ("joint", "inductive"),
    "temperature": (0.7,),
    "text_loss_weight": (0.2,),
    "text_norm": ("unscaled", "frames"),
    "text_temperature": (0.5,),
    "text_weight": (0.3,),
    "text_width": (7,),
    "shot_aggregation": ("mean", "prototype"),
    "smoothing": (0.4,),
    "reduction": ("mean", "sum"),
    "regularisation": (0.3,),
    "shrinkage": (0.2,),
    "unit_length": (False, True),
    "weights": ({"motion": 0.3},),
}
"""Values of scoring options to try."""

Episode = Callable[..., tuple[Nodes, torch.Tensor, Nodes]]

MORE: dict[str, list[dict[str, Any]]] = {
    "a2m2": [{"text_weight": 0.9}, {"text_weight": 0.5, "shot_aggregation": "prototype"}],
    "clip_spm": [
        {"protocol": "joint"},
        {"protocol": "support_anchors"},
        {"protocol": "support_anchors_inductive"},
        {"losses": "paper", "motion": "ordered", "prompt": "vector"},
        {"without": "hsmr"},
        {"without": "spm"},
        {"without": "padm", "protocol": "joint"},
    ],
    "clip_fsar": [{"mode": "combined", "merge": "before"}, {"mode": "text"}],
    "hyrsm": [{"shot_aggregation": "mean"}, {"relations": "none", "reduction": "mean"}],
    "molo": [{"reconstruct": False}],
    "lda": [{"shrinkage": 1.0}, {"frame_order": "pooled", "unit_length": False}],
    "ridge": [{"frame_order": "pooled", "unit_length": False}],
    "simpleshot": [{"centre": "training"}, {"centre": "none", "frame_order": "ordered"}],
    "semantic_prompt": [{"alignment": "otam"}, {"alignment": "bi_mhm", "text_norm": "unscaled"}],
    "cpm": [{"layers": 2, "global_prototypes": 1, "focused_prototypes": 3}],
    "strm": [{"cardinality": 3, "query_class": "frozen", "query_class_weight": 0.0}],
    "ta2n": [{"shot_aggregation": "attention"}, {"stages": "first"}, {"stages": "none"}],
    "trx": [{"cardinalities": (2,)}, {"cardinalities": (1, 4)}],
}
"""Options beside the defaults of which the same is promised."""

CLASSES_MEET = ("clip_spm", "hyrsm", "simpleshot", "ridge", "lda")
"""Methods in which what is taught of one class changes how another one is seen."""


@pytest.fixture(
    params=[
        pytest.param(
            (name, options), marks=pytest.mark.slow if options in MORE.get(name, ())[1:] else ()
        )
        for name in methods.names()
        for options in ({}, *MORE.get(name, ()))
    ],
    ids=lambda param: "-".join((param[0], *map(str, param[1].values()))),
)
def method(request: pytest.FixtureRequest, card: Card) -> Method:
    name, options = request.param
    return methods.create(name, **methods.fitting(name, card), **options).eval()


def scores(
    method: Method,
    support: Nodes,
    labels: torch.Tensor,
    query: Nodes,
    n: int,
    text: torch.Tensor | None = None,
) -> torch.Tensor:
    """Logits; where no text is given, that of classes 0 … n−1."""
    if text is None and method.uses_text:
        like = next(iter(support.values()))
        text = make_text(make_card(), len(labels), n).to(like)
    with torch.no_grad():
        return method.score(support_state(method, support, labels, n, text), query)


def with_moving_cameras(nodes: Nodes) -> Nodes:
    """Nodes of videos whose cameras certainly moved."""
    return {n: torch.full_like(v, 1e6) if n == LOG_ODDS else v for n, v in nodes.items()}


def take(nodes: Nodes, which: object) -> Nodes:
    return {name: value[:, which] for name, value in nodes.items()}


@pytest.mark.parametrize(("b", "n", "k", "q"), [(1, 2, 1, 1), (2, 3, 2, 4), (3, 7, 3, 2)])
def test_logits_have_a_row_a_query_and_a_column_a_class(
    method: Method, card: Card, episode: Episode, b: int, n: int, k: int, q: int
) -> None:
    support, labels, query = episode(method, card, b, n, k, q)
    logits = scores(method, support, labels, query, n)
    assert logits.shape == (b, q, n)
    assert logits.isfinite().all()


def test_order_of_support_is_irrelevant(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    expected = scores(method, support, labels, query, 3)
    got = scores(method, take(support, order), labels[:, order], query, 3)
    torch.testing.assert_close(got, expected)


def test_a_query_alone_scores_as_in_company(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card)
    together = scores(method, support, labels, query, 3)
    alone = torch.cat(
        [scores(method, support, labels, take(query, slice(i, i + 1)), 3) for i in range(4)], 1
    )
    assert method.transductive or torch.allclose(alone, together, atol=1e-5)


def test_order_of_queries_permutes_rows(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card)
    order = torch.tensor([2, 0, 3, 1])
    expected = scores(method, support, labels, query, 3)[:, order]
    got = scores(method, support, labels, take(query, order), 3)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_renaming_classes_permutes_columns(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card)
    new = torch.tensor([2, 0, 1])
    expected = scores(method, support, labels, query, 3)
    text = torch.empty(2, 3, card.vectors)
    text[:, new] = make_text(card, 2, 3)
    got = scores(method, support, new[labels], query, 3, text if method.uses_text else None)
    torch.testing.assert_close(got[..., new], expected)


def otherwise(method: Method, name: str) -> Method | None:
    """The same method with another valid value of an option; None if it has no effect."""
    refused = False
    for value in OTHERWISE[name]:
        values = {**flatten_options(method.options), name: value}
        try:
            options = make_options(type(method.options), values, of="method")
        except OptionError as error:
            refused = refused or error.what.startswith("has no effect")
            continue
        if options != method.options:
            return type(method)(options).eval()
    if refused:
        return None
    raise LookupError(f"OTHERWISE has no other value for {name}")


def test_scoring_options_leave_the_encoding_alone(method: Method, card: Card) -> None:
    features = make_features(method, card, 2)
    expected = method.encode(features)
    for name in method.scoring:
        if name == "horizontal_flip" and not card.has("middle"):
            continue  # refused
        other = otherwise(method, name)
        if other is None:
            continue
        assert other.requests(card) == method.requests(card)
        got = other.encode(features)
        assert got.keys() == expected.keys()
        assert all(torch.equal(got[key], expected[key]) for key in got), name


def test_uneven_shots(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card, k=3)
    some = torch.tensor([0, 1, 2, 3, 6])  # class 0 three times, 1 and 2 once
    logits = scores(method, take(support, some), labels[:, some], query, 3)
    assert logits.isfinite().all()
    if any(type(method) is methods.REGISTRY.get(name) for name in CLASSES_MEET):
        return
    # The cameras of all support clips together decide about all classes.
    support = with_moving_cameras(support)
    logits = scores(method, take(support, some), labels[:, some], query, 3)
    text = make_text(card, 2, 3)[:, 1:] if method.uses_text else None
    few = take(support, torch.tensor([1, 2]))
    only = scores(method, few, labels[:, [1, 2]] - 1, query, 2, text)
    # Between classes of one shot, another class's shots decide nothing.
    torch.testing.assert_close(logits[..., 1] - logits[..., 2], only[..., 0] - only[..., 1])


def test_pairs_are_what_each_video_scores_as_a_class(
    method: Method, card: Card, episode: Episode
) -> None:
    support, labels, query = episode(method, card)
    support = with_moving_cameras(support)
    with torch.no_grad():
        text = make_text(card, 2, 3) if method.uses_text else None
        state = support_state(method, support, labels, 3, text)
        logits, pairs = score_and_pairs(method, state, query)
    torch.testing.assert_close(logits, scores(method, support, labels, query, 3))
    if pairs is not None:
        each = torch.arange(6).expand(2, -1)
        torch.testing.assert_close(pairs, scores(method, support, each, query, 6))


def test_text_reaches_text_methods_only(method: Method, card: Card, episode: Episode) -> None:
    assert isinstance(method, TextMethod) or not method.uses_text
    if method.uses_text:
        return
    support, labels, query = episode(method, card)
    text = torch.full((2, 3, card.vectors), torch.nan)
    got = scores(method, support, labels, query, 3, text)
    assert torch.equal(got, scores(method, support, labels, query, 3))


def test_methods_without_pair_similarities_return_none(
    method: Method, card: Card, episode: Episode
) -> None:
    support, labels, query = episode(method, card)
    text = make_text(card, 2, 3) if method.uses_text else None
    with torch.no_grad():
        _, pairs = score_and_pairs(method, support_state(method, support, labels, 3, text), query)
    assert pairs is None or isinstance(method, PairScores)


NEED_TRAINING = {
    "a2m2": {"moments.reduction": "learned", "moments.in_channels": 10},
    "clip_fsar": {},
    "clip_spm": {},
    "hyrsm": {},
    "molo": {},
    "semantic_prompt": {},
    "cpm": {},
    "strm": {},
    "ta2n": {},
    "trx": {},
    "simpleshot": {"centre": "training"},
    "zero_shot": {"text_width": 7},
}


@pytest.mark.parametrize("name", methods.names())
def test_a_method_with_random_initial_weights_is_not_trained(name: str) -> None:
    options = NEED_TRAINING.get(name, {})
    assert methods.create(name, **options).trained == (name not in NEED_TRAINING)
    assert methods.create(name).trained or not options
    if name not in NEED_TRAINING:
        # Learnable parts that start from fixed values need no training.
        first, second = (methods.create(name).state_dict() for _ in range(2))
        assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_deterministic(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card)
    first, second = (scores(method, support, labels, query, 3) for _ in range(2))
    assert torch.equal(first, second)


def test_a_video_is_encoded_alone(method: Method, card: Card) -> None:
    features = make_features(method, card, 2, 3)
    with torch.no_grad():
        together = method.encode(features)
        alone = method.encode({request: found[1, 2] for request, found in features.items()})
    assert together.keys() == alone.keys()
    for name, value in alone.items():
        torch.testing.assert_close(value, together[name][1, 2], atol=1e-5, rtol=1e-5)


def test_zero_and_constant_features_stay_finite(method: Method, card: Card) -> None:
    for value in (0, 1):
        features = {
            request: torch.full_like(found, value)
            for request, found in make_features(method, card, 1, 2).items()
        }
        with torch.no_grad():
            nodes = method.encode(features)
        logits = scores(method, nodes, torch.tensor([[0, 1]]), nodes, 2)
        assert logits.isfinite().all()


def test_float32_agrees_with_float64(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card)
    double = [{name: v.double() for name, v in nodes.items()} for nodes in (support, query)]
    expected = scores(method.double(), double[0], labels, double[1], 3)
    got = scores(method.float(), support, labels, query, 3)
    torch.testing.assert_close(got.double(), expected, atol=1e-4, rtol=1e-4)


def test_losses_have_finite_gradients(method: Method, card: Card) -> None:
    support, query = (make_features(method, card, 2, 6, seed=seed) for seed in (0, 1))
    text = make_text(card, 2, 3).requires_grad_() if method.uses_text else None
    features = [
        f.requires_grad_()
        for request, f in support.items()
        if f.is_floating_point() and isinstance(request, FeatureRequest)
    ]
    learns = [*features, *(() if text is None else (text,))]
    labels = torch.tensor([0, 1, 2, 0, 1, 2]).expand(2, -1)
    loss = sum(method.losses(TrainingBatch(support, labels, query, labels, 3, text)).values())
    assert torch.isfinite(torch.as_tensor(loss))
    found = torch.autograd.grad(loss, learns) if learns else ()
    assert all(gradient.isfinite().all() for gradient in found)
    moved = [float(gradient.abs().sum()) > 0 for gradient in found]
    # Of the class names alone a method can live, too.
    assert all(moved) or (method.uses_text and moved[-1])


def test_weights_that_learn_get_finite_gradients(method: Method, card: Card) -> None:
    learns = [weight for weight in method.parameters() if weight.requires_grad]
    support, query = (make_features(method, card, 2, 6, seed=seed) for seed in (0, 1))
    labels = torch.tensor([0, 1, 2, 0, 1, 2]).expand(2, -1)
    text = make_text(card, 2, 3) if method.uses_text else None
    if learns:
        loss = sum(method.losses(TrainingBatch(support, labels, query, labels, 3, text)).values())
        for gradient in torch.autograd.grad(loss, learns):
            assert gradient.isfinite().all()


def test_first_weights_depend_on_nothing_but_the_options(method: Method) -> None:
    torch.manual_seed(3)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    again = type(method)(method.options)
    assert torch.equal(torch.rand(1), drawn)
    assert all(
        torch.equal(value, again.state_dict()[name]) for name, value in method.state_dict().items()
    )


def test_what_uses_text_says_so_where_there_is_none(
    method: Method, card: Card, episode: Episode
) -> None:
    support, labels, query = episode(method, card)
    if isinstance(method, TextMethod) and method.uses_text:
        with pytest.raises(OptionError, match="names of the classes"):
            method.support(support, labels, 3)
        for text in (torch.zeros(2, 3, card.vectors + 1), torch.zeros(2, 4, card.vectors)):
            with pytest.raises(ShapeError, match="text"):
                method.support(support, labels, 3, text=text)
    else:
        state = method.support(support, labels, 3)
        assert torch.equal(method.score(state, query), scores(method, support, labels, query, 3))


def test_nothing_is_kept_on_the_module(method: Method, card: Card, episode: Episode) -> None:
    before = dict(vars(method))
    support, labels, query = episode(method, card)
    scores(method, support, labels, query, 3)
    assert vars(method).keys() == before.keys()
    assert all(vars(method)[name] is value for name, value in before.items())


def test_options_are_a_frozen_dataclass_with_documented_fields(method: Method) -> None:
    fields = dataclasses.fields(method.options)
    documented = {"": type(method.options), **option_groups(type(method.options))}
    for name in option_names(type(method.options)):
        group, _, option = name.rpartition(".")
        assert f"    {option}: " in (documented[group].__doc__ or "")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(method.options, fields[0].name, None)


def test_unknown_method_says_which_was_meant() -> None:
    with pytest.raises(UnknownNameError, match=r'protone.*Did you mean "protonet"'):
        methods.create("protone")


def test_unknown_option_says_which_was_meant() -> None:
    with pytest.raises(OptionError, match=r'no option "framse".*Did you mean "frames"'):
        methods.create("protonet", framse=3)


def test_bad_value_names_the_option() -> None:
    with pytest.raises(OptionError, match=r'method "protonet", option "distance".*got .cosin'):
        methods.create("protonet", distance="cosin")


def test_a_method_of_ones_own_can_be_registered(card: Card) -> None:
    name = "registered-in-a-test"
    methods.register(name)(methods.REGISTRY.get("protonet"))
    try:
        assert name in methods.names()
        assert methods.create(name).requests(card)
    finally:
        methods.REGISTRY._entries.pop(name)
