"""Videos encoded once, and episodes of them scored by their rows.

A few hundred clips have far fewer pairs than thousands of episodes compare: methods that average
similarities compute each pair once, see ``fewact.methods.protocols.bank_scorer``.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared import accuracies_cell
from fewact.core.intervals import half_width
from fewact.data import VideoList
from fewact.features.extract import extract
from fewact.features.request import Features, Request
from fewact.lab.evaluation.episodes import EpisodeSet
from fewact.methods.base import Logits, Method, Nodes, rows
from fewact.methods.protocols import MOST_PAIRS, BankScorer, bank_scorer
from fewact.networks import Backbone, Card

EPISODES_AT_ONCE = 20


class Encodes(Protocol):
    """What a method does with each video alone."""

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features that it needs."""

    def encode(self, features: Features) -> Nodes:
        """Return the nodes of videos."""


def encode_videos(
    methods: Sequence[Encodes],
    backbone: Backbone,
    videos: VideoList,
) -> list[Nodes]:
    """Return the nodes (v …) of all videos by each method; frames are read once.

    Args:
        methods: Methods.
        backbone: Backbone.
        videos: Videos.
    """
    requests = [request for method in methods for request in method.requests(backbone.card)]
    clips = [video.source for video in videos.videos if video.source]
    each: list[list[Nodes]] = [[] for _ in methods]
    for found in extract(clips, backbone, list(dict.fromkeys(requests))):
        if found.features is None:
            raise SystemExit(str(found.error))
        features = {request: value[None] for request, value in found.features.items()}
        for kept, method in zip(each, methods, strict=True):
            kept.append(method.encode(features))
    return [_joined(kept) for kept in each]


def _joined(each: Sequence[Nodes]) -> Nodes:
    return {name: np.concatenate([one[name] for one in each]) for name in each[0]}


def scorer_of(method: Method, support: Nodes, query: Nodes | None = None) -> BankScorer:
    """Return the scorer of episodes of videos (v …), or of queries (w …) of other videos."""
    query = support if query is None else query
    by_rows = bank_scorer(method, support, query, MOST_PAIRS)

    def by_copies(shown: Any, labels: Any, n: int, queries: Any) -> Logits:
        return method.score(method.support(rows(support, shown), labels, n), rows(query, queries))

    return by_rows or by_copies


def episode_accuracies(score: BankScorer, episodes: EpisodeSet) -> NDArray[np.float64]:
    """Return the accuracy of each episode of the scorer's videos, in per cent."""
    ways, shots = episodes.protocol.ways, episodes.protocol.shots
    labels = np.arange(ways).repeat(shots)
    truth = np.arange(ways).repeat(episodes.protocol.queries)
    both = episodes.support.astype(np.int64), episodes.query.astype(np.int64)
    right = []
    for begin in range(0, len(episodes.support), EPISODES_AT_ONCE):
        shown, queries = (videos[begin : begin + EPISODES_AT_ONCE] for videos in both)
        logits = score(shown, np.broadcast_to(labels, shown.shape), ways, queries)
        right.append((logits.argmax(-1) == truth).mean(1))
    return 100 * np.concatenate(right)


def paired_cell(
    accuracies: Sequence[NDArray[np.float64]], base: Sequence[NDArray[np.float64]] | None
) -> str:
    """Return mean accuracies, or differences from a base with their 95 % intervals.

    Args:
        accuracies: Those of the episodes, by shots.
        base: Accuracies in the same episodes that these are compared with.
    """
    if base is None:
        return accuracies_cell(one.mean() for one in accuracies)
    differences = (one - other for one, other in zip(accuracies, base, strict=True))
    return " / ".join(f"{one.mean():+.1f} ± {half_width(one):.1f}" for one in differences)
