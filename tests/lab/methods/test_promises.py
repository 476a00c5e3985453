"""What every method promises, over the whole registry."""

from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest
import torch

from fewact import methods
from fewact.core.errors import OptionError
from fewact.lab import methods as lab
from fewact.lab.methods.base import TorchMethod, support_state
from fewact.lab.methods.promises import check_method
from fewact.lab.methods.promises.subject import (
    Subject,
    made_up_features,
    made_up_text,
    make,
    scores,
    take,
)
from fewact.methods.cards import CARDS, made_up_card
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.vectors import FusionVectors
from fewact.methods.protocols import Adapter, score_and_pairs
from fewact.networks.card import Card
from tests.methods.option_sets import OPTION_SETS

CLASSES_MEET = (
    "clip_spm",
    "fusion_joints",
    "hyrsm",
    "team",
    "simpleshot",
    "ridge",
    "lda",
    "safsar",
)
"""Methods in which what is taught of one class changes how another one is seen."""

SETS = [
    (name, options) for name in methods.names() for options in ({}, *OPTION_SETS.get(name, ())[:1])
]
EACH_SET = pytest.mark.parametrize(
    ("name", "options"), SETS, ids=["-".join((n, *map(str, o.values()))) for n, o in SETS]
)
EACH_CARD = pytest.mark.parametrize("card", CARDS, ids=["maps", "vectors", "joints"])


def subject_of(name: str, options: dict[str, Any], card: Card) -> Subject:
    """Return the method on a backbone; skip where it refuses that."""
    subject = Subject(partial(make, methods.REGISTRY.get(name), card, options), card)
    try:
        subject.make().requests(card)
    except OptionError:
        pytest.skip("another backbone")
    return subject


@pytest.mark.slow
@EACH_SET
def test_every_method_keeps_every_promise(name: str, options: dict[str, Any]) -> None:
    outcomes = check_method(methods.REGISTRY.get(name), options)
    assert [str(outcome.error) for outcome in outcomes if outcome.error] == []


def without_decision(adapter: TorchMethod) -> None:
    """Let the support clips of fusion decide nothing together."""
    method = adapter.wrapped if isinstance(adapter, Adapter) else adapter
    if isinstance(method, Fusion):
        method.terms = replace(method.terms, camera=None)
    if isinstance(method, FusionVectors):
        terms = method.terms
        method.terms = replace(terms, channels=terms.channels[:1], unordered=0.0)


@EACH_CARD
@EACH_SET
def test_between_classes_of_one_shot_the_shots_of_others_decide_nothing(
    name: str, options: dict[str, Any], card: Card
) -> None:
    if name in CLASSES_MEET:
        return
    subject = subject_of(name, options, card)
    method = subject.make()
    support, labels, query = subject.episode(method, k=3)
    videos = torch.tensor([0, 1, 2, 3, 6])  # class 0 three times, 1 and 2 once
    # All support clips together decide about all classes.
    without_decision(method)
    logits = scores(subject, method, take(support, videos), labels[:, videos], query)
    text = made_up_text(subject.card, 2, 3)[:, 1:] if method.uses_text else None
    few = take(support, torch.tensor([1, 2]))
    only = scores(subject, method, few, labels[:, [1, 2]] - 1, query, 2, text)
    torch.testing.assert_close(logits[..., 1] - logits[..., 2], only[..., 0] - only[..., 1])


@EACH_CARD
@EACH_SET
def test_pairs_are_what_each_video_scores_as_a_class(
    name: str, options: dict[str, Any], card: Card
) -> None:
    subject = subject_of(name, options, card)
    method = subject.make()
    support, labels, query = subject.episode(method)
    without_decision(method)
    with torch.no_grad():
        state = support_state(method, support, labels, 3, subject.text(method, 2, 3))
        logits, pairs = score_and_pairs(method, state, query)
    torch.testing.assert_close(logits, scores(subject, method, support, labels, query))
    if pairs is not None:
        each = torch.arange(6).expand(2, -1)
        torch.testing.assert_close(pairs, scores(subject, method, support, each, query, 6))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", methods.names())
def test_features_of_few_bits_are_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    subject = subject_of(name, {}, CARDS[2 if name == "fusion_joints" else 0])
    method, labels = subject.make(), torch.tensor([[0, 1, 2, 0]])
    # A factor of 30 makes products of vectors too large for float16.
    short = [
        {
            request: value if request.level is None else (30 * value).to(dtype)
            for request, value in made_up_features(method, subject.card, 1, videos).items()
        }
        for videos in (4, 2)
    ]
    precise = [{request: value.float() for request, value in side.items()} for side in short]
    found = []
    for support, query in (short, precise):
        with torch.no_grad():
            nodes = method.encode(support), method.encode(query)
        found.append(scores(subject, method, nodes[0], labels, nodes[1]))
    torch.testing.assert_close(*found)


NEED_TRAINING = {
    "a2m2": {"moments.reduction": "learned", "moments.in_channels": 10},
    "clip_fsar": {},
    "clip_spm": {},
    "hyrsm": {},
    "molo": {},
    "semantic_prompt": {},
    "cpm": {},
    "safsar": {},
    "strm": {},
    "team": {},
    "d2st": {},
    "ta2n": {},
    "trx": {},
    "simpleshot": {"centre": "training"},
    "zero_shot": {"text_width": 7},
}


@pytest.mark.parametrize("name", methods.names())
def test_a_method_with_random_initial_weights_is_not_trained(name: str) -> None:
    options = NEED_TRAINING.get(name, {})
    assert lab.create(name, **options).trained == (name not in NEED_TRAINING)
    assert lab.create(name).trained or not options
    if name not in NEED_TRAINING:
        # Learnable parts that start from fixed values need no training.
        first, second = (lab.create(name).state_dict() for _ in range(2))
        assert all(torch.equal(value, second[key]) for key, value in first.items())


@EACH_CARD
@pytest.mark.parametrize("name", methods.names())
def test_two_classes_of_few_frames(name: str, card: Card) -> None:
    if card.joints and name != "fusion":
        pytest.skip("other methods read joints as vectors")
    name, scored = methods.resolve(name, card), 0
    for frames in (1, 2, 3, 9):
        known = {one.name for one in fields(methods.REGISTRY.get(name).Options)}
        numbers = {"frames": frames, "motion_frames": max(2, frames)}
        options = {option: value for option, value in numbers.items() if option in known}
        try:
            method = lab.create(name, card, **options).eval()
            method.requests(card)
        except OptionError as error:
            if "frames" not in str(error):
                pytest.skip("another backbone")
            assert frames < 3, error  # noqa: PT017
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


def test_a_method_of_ones_own_can_be_registered() -> None:
    name = "registered-in-a-test"
    methods.register(name)(methods.REGISTRY.get("protonet"))
    try:
        assert name in methods.names()
        assert methods.create(name).requests(made_up_card())
    finally:
        methods.REGISTRY._entries.pop(name)
