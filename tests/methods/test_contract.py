"""What every method promises, over the whole registry."""

import contextlib
import dataclasses
from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError

from fewact import methods
from fewact.backbones import Card
from fewact.errors import OptionError, UnknownNameError
from fewact.methods.base import Method, Nodes, TrainingBatch
from tests.methods.made_up import make_features

OTHERWISE: dict[str, tuple[object, ...]] = {
    "alignment": ("otam",),
    "both": (False,),
    "compactness": (0.25,),
    "distance": ("euclidean",),
    "eps": (0.5,),
    "lam": (0.3,),
    "motion_weight": (0.3,),
    "scale": (2.0,),
    "shots": ("average", "mean", "prototype"),
    "smoothing": (0.4,),
    "time_weight": (0.1,),
    "weights": ("uniform",),
}
"""Values of scoring options to try."""

Episode = Callable[..., tuple[Nodes, torch.Tensor, Nodes]]


@pytest.fixture(params=methods.names())
def method(request: pytest.FixtureRequest) -> Method:
    return methods.create(request.param).eval()


def scores(method: Method, support: Nodes, labels: torch.Tensor, query: Nodes, n: int):
    with torch.no_grad():
        return method.score(method.support(support, labels, n), query)


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


def test_renaming_classes_permutes_columns(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card)
    new = torch.tensor([2, 0, 1])
    expected = scores(method, support, labels, query, 3)
    got = scores(method, support, new[labels], query, 3)
    torch.testing.assert_close(got[..., new], expected)


def otherwise(method: Method, name: str) -> Method:
    """The same method with another value of an option, the first that it accepts."""
    for value in OTHERWISE[name]:
        with contextlib.suppress(ValidationError):
            options = dataclasses.replace(method.options, **{name: value})
            if options != method.options:
                return type(method)(options).eval()
    raise LookupError(f"OTHERWISE has no other value for {name}")


def test_scoring_options_leave_the_encoding_alone(method: Method, card: Card) -> None:
    features = make_features(method, card, 2)
    expected = method.encode(features)
    for name in method.scoring:
        other = otherwise(method, name)
        assert other.taps(card) == method.taps(card)
        got = other.encode(features)
        assert got.keys() == expected.keys()
        assert all(torch.equal(got[key], expected[key]) for key in got), name


def test_uneven_shots(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card, k=3)
    some = torch.tensor([0, 1, 2, 3, 6])  # class 0 three times, 1 and 2 once
    logits = scores(method, take(support, some), labels[:, some], query, 3)
    only = scores(method, take(support, torch.tensor([1, 2])), labels[:, [1, 2]] - 1, query, 2)
    # Between classes of one shot, another class's shots decide nothing.
    torch.testing.assert_close(logits[..., 1] - logits[..., 2], only[..., 0] - only[..., 1])


def test_pairs_are_what_each_video_scores_as_a_class(
    method: Method, card: Card, episode: Episode
) -> None:
    support, labels, query = episode(method, card)
    with torch.no_grad():
        logits, pairs = method.score_and_pairs(method.support(support, labels, 3), query)
    torch.testing.assert_close(logits, scores(method, support, labels, query, 3))
    if pairs is not None:
        each = torch.arange(6).expand(2, -1)
        torch.testing.assert_close(pairs, scores(method, support, each, query, 6))


def test_deterministic(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card)
    first, second = (scores(method, support, labels, query, 3) for _ in range(2))
    assert torch.equal(first, second)


def test_zero_and_constant_features_stay_finite(method: Method, card: Card) -> None:
    for value in (0, 1):
        features = {
            tap: torch.full_like(found, value)
            for tap, found in make_features(method, card, 1, 2).items()
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
    learns = [f.requires_grad_() for f in support.values() if f.is_floating_point()]
    labels = torch.tensor([0, 1, 2, 0, 1, 2]).expand(2, -1)
    loss = sum(method.losses(TrainingBatch(support, labels, query, labels, 3)).values())
    assert torch.isfinite(torch.as_tensor(loss))
    for gradient in torch.autograd.grad(loss, learns) if learns else ():
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


def test_nothing_is_kept_on_the_module(method: Method, card: Card, episode: Episode) -> None:
    before = dict(vars(method))
    support, labels, query = episode(method, card)
    scores(method, support, labels, query, 3)
    assert vars(method).keys() == before.keys()
    assert all(vars(method)[name] is value for name, value in before.items())


def test_options_are_a_frozen_dataclass_with_documented_fields(method: Method) -> None:
    fields = dataclasses.fields(method.options)
    for field in fields:
        assert f"        {field.name}: " in (type(method.options).__doc__ or "") or (
            f"    {field.name}: " in (type(method.options).__doc__ or "")
        )
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(method.options, fields[0].name, None)


def test_unknown_method_says_which_was_meant() -> None:
    with pytest.raises(UnknownNameError, match=r'protone.*Did you mean "protonet"'):
        methods.create("protone")


def test_unknown_option_says_which_was_meant() -> None:
    with pytest.raises(OptionError, match=r'no option "framse".*Did you mean "frames"'):
        methods.create("protonet", framse=3)


def test_bad_value_names_the_option() -> None:
    with pytest.raises(OptionError, match=r'method "a2m2", option "alignment".*got .emdd'):
        methods.create("a2m2", alignment="emdd")


def test_a_method_of_ones_own_can_be_registered(card: Card) -> None:
    name = "registered-in-a-test"
    methods.register(name)(methods.REGISTRY.get("protonet"))
    try:
        assert name in methods.names()
        assert methods.create(name).taps(card)
    finally:
        methods.REGISTRY._entries.pop(name)
