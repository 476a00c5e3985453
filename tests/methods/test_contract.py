"""What every method promises, over the whole registry."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch

from fewact import methods
from fewact.backbones import Card
from fewact.core.errors import OptionError, UnknownNameError
from fewact.methods.base import (
    Method,
    Nodes,
    support_state,
)
from fewact.methods.fusion import Fusion
from fewact.methods.promises import PROMISES, Subject
from fewact.methods.promises.subject import made_up_card, made_up_features, made_up_text
from tests.methods.made_up import make_card, make_features, make_text
from tests.methods.option_sets import OPTION_SETS

Episode = Callable[..., tuple[Nodes, torch.Tensor, Nodes]]

CLASSES_MEET = ("clip_spm", "hyrsm", "simpleshot", "ridge", "lda")
"""Methods in which what is taught of one class changes how another one is seen."""


@pytest.fixture(
    params=[
        (name, options)
        for name in methods.names()
        for options in ({}, *OPTION_SETS.get(name, ())[:1])
    ],
    ids=lambda param: "-".join((param[0], *map(str, param[1].values()))),
)
def method(request: pytest.FixtureRequest, card: Card) -> Method:
    name, options = request.param
    fitting = methods.fitting(name, card, options=options)
    return methods.create(name, **{**fitting, **options}).eval()


@pytest.mark.parametrize("name", PROMISES)
def test_every_method_keeps_every_promise(method: Method, card: Card, name: str) -> None:
    PROMISES[name].check(Subject(lambda: type(method)(method.options).eval(), card))


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


def without_decision(method: Method) -> None:
    """Let the support clips of fusion decide nothing together."""
    if isinstance(method, Fusion):
        method.map_terms = replace(method.map_terms, camera=None)
        terms = method.vector_terms
        method.vector_terms = replace(terms, channels=terms.channels[:1], unordered=0.0)


def take(nodes: Nodes, which: object) -> Nodes:
    return {name: value[:, which] for name, value in nodes.items()}


def test_uneven_shots(method: Method, card: Card, episode: Episode) -> None:
    support, labels, query = episode(method, card, k=3)
    some = torch.tensor([0, 1, 2, 3, 6])  # class 0 three times, 1 and 2 once
    logits = scores(method, take(support, some), labels[:, some], query, 3)
    assert logits.isfinite().all()
    if any(type(method) is methods.REGISTRY.get(name) for name in CLASSES_MEET):
        return
    # All support clips together decide about all classes.
    without_decision(method)
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
    without_decision(method)
    with torch.no_grad():
        text = make_text(card, 2, 3) if method.uses_text else None
        state = support_state(method, support, labels, 3, text)
        logits, pairs = method.score_and_pairs(state, query)
    torch.testing.assert_close(logits, scores(method, support, labels, query, 3))
    if pairs is not None:
        each = torch.arange(6).expand(2, -1)
        torch.testing.assert_close(pairs, scores(method, support, each, query, 6))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_features_of_few_bits_are_computed_in_float32(
    method: Method, card: Card, dtype: torch.dtype
) -> None:
    labels, text = torch.tensor([[0, 1, 2, 0]]), make_text(card, 1, 3)
    # A factor of 30 makes products of vectors too large for float16.
    short = [
        {
            request: value if request.level is None else (30 * value).to(dtype)
            for request, value in make_features(method, card, 1, videos).items()
        }
        for videos in (4, 2)
    ]
    precise = [{request: value.float() for request, value in one.items()} for one in short]
    found = []
    for support, query in (short, precise):
        with torch.no_grad():
            nodes = method.encode(support), method.encode(query)
        found.append(scores(method, nodes[0], labels, nodes[1], 3, text))
    torch.testing.assert_close(*found)


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


@pytest.mark.parametrize("maps", [True, False], ids=["maps", "vectors"])
@pytest.mark.parametrize("name", methods.names())
def test_two_classes_of_few_frames(name: str, maps: bool) -> None:
    card, scored = made_up_card(maps=maps), 0
    for frames in (1, 2, 3, 9):
        known = {one.name for one in fields(methods.REGISTRY.get(name).Options)}
        numbers = {"frames": frames, "motion_frames": max(2, frames)}
        options = {option: value for option, value in numbers.items() if option in known}
        try:
            method = methods.create(name, **methods.fitting(name, card), **options).eval()
        except OptionError as error:
            assert frames < 3, error  # noqa: PT017
            assert "frames" in str(error)  # noqa: PT017
            continue
        for labels in (torch.tensor([[1, 0]]), torch.tensor([[0, 1, 1, 0, 1]])):
            own, query = (
                made_up_features(method, card, 1, videos, seed=videos)
                for videos in (labels.shape[1], 1)
            )
            text = made_up_text(card, 1, 2) if method.uses_text else None
            with torch.no_grad():
                state = support_state(method, method.encode(own), labels, 2, text)
                logits = method.score(state, method.encode(query))
            assert logits.shape == (1, 1, 2)
            assert logits.isfinite().all()
            scored += 1
    assert scored >= 4


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
