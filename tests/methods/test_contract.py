"""What every method promises, over the whole registry."""

from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest
import torch

from fewact import methods
from fewact.core.errors import OptionError
from fewact.lab.methods.promises import check_method
from fewact.lab.methods.promises.subject import (
    Subject,
    made_up_card,
    made_up_features,
    made_up_text,
    make,
    scores,
    take,
)
from fewact.methods.base import Method, support_state
from fewact.methods.fusion import Fusion
from tests.methods.option_sets import OPTION_SETS

CLASSES_MEET = ("clip_spm", "hyrsm", "team", "simpleshot", "ridge", "lda", "safsar")
"""Methods in which what is taught of one class changes how another one is seen."""

SETS = [
    (name, options) for name in methods.names() for options in ({}, *OPTION_SETS.get(name, ())[:1])
]
EACH_SET = pytest.mark.parametrize(
    ("name", "options"), SETS, ids=["-".join((n, *map(str, o.values()))) for n, o in SETS]
)
MAPS = pytest.mark.parametrize("maps", [True, False], ids=["maps", "vectors"])


def subject_of(name: str, options: dict[str, Any], *, maps: bool) -> Subject:
    card = made_up_card(maps=maps)
    return Subject(partial(make, methods.REGISTRY.get(name), card, options), card)


@EACH_SET
def test_every_method_keeps_every_promise(name: str, options: dict[str, Any]) -> None:
    outcomes = check_method(methods.REGISTRY.get(name), options)
    assert [str(outcome.error) for outcome in outcomes if outcome.error] == []


def without_decision(method: Method) -> None:
    """Let the support clips of fusion decide nothing together."""
    if isinstance(method, Fusion):
        method.map_terms = replace(method.map_terms, camera=None)
        terms = method.vector_terms
        method.vector_terms = replace(terms, channels=terms.channels[:1], unordered=0.0)


@MAPS
@EACH_SET
def test_between_classes_of_one_shot_the_shots_of_others_decide_nothing(
    name: str, options: dict[str, Any], maps: bool
) -> None:
    if name in CLASSES_MEET:
        return
    subject = subject_of(name, options, maps=maps)
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


@MAPS
@EACH_SET
def test_pairs_are_what_each_video_scores_as_a_class(
    name: str, options: dict[str, Any], maps: bool
) -> None:
    subject = subject_of(name, options, maps=maps)
    method = subject.make()
    support, labels, query = subject.episode(method)
    without_decision(method)
    with torch.no_grad():
        state = support_state(method, support, labels, 3, subject.text(method, 2, 3))
        logits, pairs = method.score_and_pairs(state, query)
    torch.testing.assert_close(logits, scores(subject, method, support, labels, query))
    if pairs is not None:
        each = torch.arange(6).expand(2, -1)
        torch.testing.assert_close(pairs, scores(subject, method, support, each, query, 6))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", methods.names())
def test_features_of_few_bits_are_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    subject = subject_of(name, {}, maps=True)
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
    assert methods.create(name, **options).trained == (name not in NEED_TRAINING)
    assert methods.create(name).trained or not options
    if name not in NEED_TRAINING:
        # Learnable parts that start from fixed values need no training.
        first, second = (methods.create(name).state_dict() for _ in range(2))
        assert all(torch.equal(value, second[key]) for key, value in first.items())


@MAPS
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


def test_a_method_of_ones_own_can_be_registered() -> None:
    name = "registered-in-a-test"
    methods.register(name)(methods.REGISTRY.get("protonet"))
    try:
        assert name in methods.names()
        assert methods.create(name).requests(made_up_card())
    finally:
        methods.REGISTRY._entries.pop(name)
