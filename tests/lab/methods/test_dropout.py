"""Dropout in training mode: where each method applies it, with which probability."""

from collections import Counter
from typing import Any

import pytest
from torch.nn import functional

from fewact.lab import methods
from fewact.lab.methods.hyrsm import HyRSM
from fewact.lab.methods.promises.subject import Subject, make
from fewact.methods.cards import made_up_card


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> Counter[float]:
    """The number of dropouts that are applied, by their probability."""
    found: Counter[float] = Counter()
    dropout, attention = functional.dropout, functional.scaled_dot_product_attention

    def count_dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        found[p] += training and p > 0
        return dropout(x, p, training, inplace)

    def count_attention(*tensors: Any, dropout_p: float = 0.0) -> Any:
        found[dropout_p] += dropout_p > 0
        return attention(*tensors, dropout_p=dropout_p)

    monkeypatch.setattr(functional, "dropout", count_dropout)
    monkeypatch.setattr(functional, "scaled_dot_product_attention", count_attention)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("trx", {0.1: 2}),  # positions of pairs and of triples
        ("strm", {0.1: 4}),  # positions of patches, of frames and of pairs; enriched frames
        # Positions and weights among videos; output inside a video; output among videos.
        ("hyrsm", {0.1: 2, 0.2: 1, 0.05: 1}),
        # Of both branches: positions; attention; two feed-forward layers.
        ("molo", {0.1: 2, 0.2: 2, 0.05: 4}),
        ("clip_fsar", {0.2: 2, 0.05: 4}),  # the block on frames, then on support and text
        # The block on supports and queries with their motion, then with text or prompt; both
        # refinements; after both layers of the prompts.
        ("clip_spm", {0.2: 6, 0.05: 14}),
        ("semantic_prompt", {0.2: 2, 0.05: 4}),  # the block on frames, then on support and text
        ("cpm", {0.1: 1, 0.2: 2, 0.05: 4}),  # positions; encoder and decoder
        ("ta2n", {0.5: 1}),  # maps
        # Positions, attention and what it gathers: of all videos, then of class means.
        ("team", {0.1: 6}),
    ],
)
def test_dropout_is_applied_in_training_as_published(
    name: str, expected: dict[float, int], applied: Counter[float]
) -> None:
    card = made_up_card()
    subject = Subject(lambda: make(methods.REGISTRY.get(name), card, {}), card)
    method = subject.make()
    method.losses(subject.batch(method))
    assert not +applied
    method.train()
    method.losses(subject.batch(method))
    assert +applied == expected


def test_hyrsm_drops_more_weights_than_outputs_among_videos() -> None:
    method = methods.create("hyrsm", vector_width=8)
    assert isinstance(method, HyRSM)
    among = method.relation.inter
    assert (among.dropout, among.out_dropout.p) == (0.1, 0.05)
