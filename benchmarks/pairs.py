"""Similarities of all pairs of clips, computed once and looked up by every episode.

A few hundred clips have far fewer pairs than thousands of episodes compare.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.shared import accuracies_cell, features_of
from fewact.backbones import Backbone, Card
from fewact.data import VideoList
from fewact.evaluation import ArrayFeatures, Result, VideoFeatures, evaluate_method
from fewact.evaluation.episodes import EpisodeSet, draw
from fewact.evaluation.intervals import half_width
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.features.stored import StoredFeatures
from fewact.methods.a2m2 import A2M2
from fewact.methods.base import Method, Nodes
from fewact.methods.common.kernel import KernelState, intra_class_similarity
from fewact.methods.fusion import INTRA_CLASS_WEIGHT, Fusion, intra_class_factor, mean_appearance
from fewact.methods.fusion.terms import UNDECIDED, LearnedMotionTerm, SupportDecision, WeightedTerms

CLIPS_AT_ONCE, EPISODES_AT_ONCE = 8, 20
CHECKED_EPISODES = 10
NUMBER = FeatureRequest("vectors", View(1))
"""Request whose feature is the number of a clip."""


class Encodes(Protocol):
    """What a method does with each video alone."""

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features that it needs."""

    def encode(self, features: Features) -> Nodes:
        """Return the nodes of videos."""


@dataclass(frozen=True)
class Pairs:
    """Similarities of v videos with each other.

    Args:
        exact: (r v v): one table for each of ``corners``; of fusion on maps the last table is the
            appearance alone.
        quick: (r v v): approximations, by which the support decides.
        corners: Decisions between which any other one is interpolated.
        terms: Terms of fusion, whose weights the support decides.
        nodes: Nodes (v …) of each video that the decision reads.
    """

    exact: Tensor
    quick: Tensor
    corners: Sequence[SupportDecision] = (UNDECIDED,)
    terms: WeightedTerms | None = None
    nodes: Nodes = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that there is a table for each corner.

        Raises:
            ValueError: There are more or fewer.
        """
        if len(self.quick) != len(self.corners) or len(self.exact) < len(self.corners):
            raise ValueError(
                f"{len(self.exact)} and {len(self.quick)} tables of {len(self.corners)} corners"
            )

    @property
    def appearance(self) -> bool:
        """Whether the last table of ``exact`` is the appearance; ``quick`` has none."""
        return len(self.exact) > len(self.quick)


@dataclass(frozen=True)
class LookedUpState(KernelState):
    """Support whose similarities are looked up.

    Args:
        decision: What the support decides.
        appearance: Mean appearance similarity (b) of the support videos with each other; None if
            there is no table of it.
    """

    decision: SupportDecision
    appearance: Tensor | None = None


class LookedUp(Method[Any, LookedUpState]):
    """A method that averages similarities, with all similarities looked up.

    Args:
        method: The method.
        pairs: Its similarities.
    """

    def __init__(self, method: Fusion | A2M2, pairs: Pairs) -> None:
        super().__init__(method.options)
        self.temperature = method.temperature
        self.pairs = pairs

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the request for the number of a clip."""
        return (NUMBER,)

    def encode(self, features: Features) -> Nodes:
        """Return the number of each clip."""
        return {"number": features[NUMBER][..., 0, 0]}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> LookedUpState:
        """Return the support with what it decides."""
        decision = self._decision(nodes, labels, n)
        inside = intra_class_similarity(
            lambda videos, episodes: self.similarity(videos, videos, decision.of(episodes)),
            nodes,
            labels,
            n,
        )
        usual = mean_appearance(self._appearance(nodes, nodes)) if self.pairs.appearance else None
        return LookedUpState(nodes, labels, inside, decision, usual)

    def _appearance(self, first: Nodes, second: Nodes) -> Tensor:
        return _entries(self.pairs.exact[-1], first, second)

    def _decision(self, nodes: Nodes, labels: Tensor, n: int) -> SupportDecision:
        if self.pairs.terms is None:
            return UNDECIDED
        terms = self.pairs.terms
        number = nodes["number"].long()
        own = {name: value[number] for name, value in self.pairs.nodes.items()}  # (b s …)
        return terms.decide(
            own,
            self._appearance(nodes, nodes),
            lambda one: self._mixed(self.pairs.quick, nodes, nodes, one),
            labels,
            n,
        )

    def score(self, state: LookedUpState, nodes: Nodes) -> Tensor:
        """Return logits (b q n)."""
        pairs = self.similarity(nodes, state.nodes, state.decision)
        return state.logits(pairs, self.intra_class_weight(state, nodes))

    def pair_parts(self, state: LookedUpState, nodes: Nodes) -> dict[str, Tensor]:
        """Return the appearance (b q s), if there is a table of it, and the others."""
        if not self.pairs.appearance:
            return {}
        visible = self._appearance(nodes, state.nodes)
        return {
            "appearance": visible,
            "others": self.similarity(nodes, state.nodes, state.decision) - visible,
        }

    def intra_class_weight(self, state: LookedUpState, nodes: Nodes) -> Tensor | float:
        """Return the weight of the intra-class similarity, for each query (b q) or for all."""
        weight: float = getattr(self.options, "intra_class_weight", INTRA_CLASS_WEIGHT)
        if state.appearance is None:
            return weight
        found = self._appearance(nodes, state.nodes)
        return weight * intra_class_factor(found, state.appearance)

    def similarity(self, first: Nodes, second: Nodes, decision: SupportDecision) -> Tensor:
        """Return the similarity of two sets of clips: (b q), (b s) → (b q s)."""
        return self._mixed(self.pairs.exact, first, second, decision)

    def _mixed(
        self, tables: Tensor, first: Nodes, second: Nodes, decision: SupportDecision
    ) -> Tensor:
        """Return the entries of the tables, interpolated between the corners."""
        found = _shares(decision.of_pairs())
        corners = self.pairs.corners
        total = tables.new_zeros(())
        for table, corner in zip(tables, corners, strict=False):  # not the appearance
            weights = zip(found, _shares(corner), strict=True)
            factor = math.prod(_nearness(value, at) for value, at in weights)
            total = total + factor * _entries(table, first, second)
        return total


def _shares(decision: SupportDecision) -> tuple[Tensor | float, ...]:
    """Return what corners differ in."""
    return decision.static, decision.appearance


def _nearness(value: Tensor | float, at: Tensor | float) -> Any:
    """Return the weight of a corner at 0 or at 1."""
    return value if float(at) else 1 - value


def corners_of(terms: WeightedTerms) -> list[SupportDecision]:
    """Return the decisions between which any other one is interpolated."""
    both = (0.0, 1.0)
    return [
        SupportDecision(static, appearance)
        for static in (both if terms.camera is not None else (0.0,))
        for appearance in both
    ]


def learned_names(terms: WeightedTerms) -> set[str]:
    """Return the names of the nodes of learned motion."""
    return {one.name for one in terms.terms if isinstance(one.term, LearnedMotionTerm)}


def _entries(table: Tensor, first: Nodes, second: Nodes) -> Tensor:
    return table[first["number"].long()[:, :, None], second["number"].long()[:, None, :]]


def encode_videos(
    methods: Sequence[Encodes],
    backbone: Backbone,
    videos: VideoList,
) -> list[Nodes]:
    """Return the nodes (1 v …) of all videos by each method; frames are read once.

    Args:
        methods: Methods.
        backbone: Backbone.
        videos: Videos.
    """
    requests = [request for method in methods for request in method.requests(backbone.card)]
    clips = [video.source for video in videos.videos if video.source]
    each: list[list[Nodes]] = [[] for _ in methods]
    with torch.inference_mode():
        every = list(dict.fromkeys(requests))
        for found in extract(clips, backbone, every):
            if found.features is None:
                raise SystemExit(str(found.error))
            features = {request: value[None] for request, value in found.features.items()}
            for kept, method in zip(each, methods, strict=True):
                kept.append(method.encode(features))
    return [_joined(kept) for kept in each]


def _joined(each: Sequence[Nodes]) -> Nodes:
    return {name: torch.cat([one[name] for one in each])[None] for name in each[0]}


def compare_all(
    method: Fusion | A2M2, first: Nodes, second: Nodes, *, quick: bool = False
) -> Tensor:
    """Return the similarities of videos (1 v …) with support videos (1 w …).

    Returns:
        (r v w): tables as in ``Pairs``; of quick similarities without the appearance.
    """
    similarities: list[Callable[[Nodes, Nodes], Any]] = [method.similarity]
    if isinstance(method, Fusion):
        corners = corners_of(method.map_terms)
        similarities = [
            partial(method.map_terms.similarity, decision=one, quick=quick) for one in corners
        ]
        if not quick:
            similarities.append(method.appearance)
    count = next(iter(first.values())).shape[1]
    with torch.inference_mode():
        found = [
            [
                similarity({name: value[:, some] for name, value in first.items()}, second)[0]
                for some in torch.arange(count).split(CLIPS_AT_ONCE)
            ]
            for similarity in similarities
        ]
    return torch.stack([torch.cat(rows) for rows in found])


def compare_within(method: Fusion | A2M2, nodes: Nodes) -> Pairs:
    """Return the similarities of videos (1 v …) with each other."""
    exact = compare_all(method, nodes, nodes)
    if not isinstance(method, Fusion):
        return Pairs(exact, exact[:1])
    terms = method.map_terms
    compared = {one.name for one in terms.terms} - learned_names(terms)
    own = {name: value[0] for name, value in nodes.items() if name not in compared}
    quick = compare_all(method, nodes, nodes, quick=True)
    return Pairs(exact, quick, corners_of(terms), terms, own)


def episode_accuracies(
    method: Fusion | A2M2,
    across: Tensor,
    support: Pairs,
    episodes: EpisodeSet,
    rows: Tensor | None = None,
) -> NDArray[np.float64]:
    """Return the accuracy of each episode, in per cent.

    Args:
        method: Method of the similarities.
        across: (r w v) similarities of the queries with the support videos.
        support: Similarities of the support videos.
        episodes: Episodes of the same videos.
        rows: Row (e q) in ``across`` of each query of each episode; None where row i is video i.
    """
    own = support.exact
    count, ways = own.shape[-1], episodes.protocol.ways
    among = across.new_zeros(len(across), across.shape[1], across.shape[1])  # not looked up
    joined = torch.cat([torch.cat([own, across.mT], 2), torch.cat([across, among], 2)], 1)
    looked_up = LookedUp(method, replace(support, exact=joined))
    numbers = torch.from_numpy(episodes.support).long().flatten(1)
    queries = torch.from_numpy(episodes.query).long().flatten(1) if rows is None else rows
    labels = torch.arange(ways).repeat_interleave(episodes.protocol.shots).expand(len(numbers), -1)
    state = looked_up.support({"number": numbers}, labels, ways)
    predicted = looked_up.score(state, {"number": queries + count}).argmax(-1)
    truth = torch.arange(ways).repeat_interleave(episodes.protocol.queries)
    return np.asarray(100 * (predicted == truth).double().mean(1))


def scored_accuracies(
    method: Method, queries: Nodes, support: Nodes, episodes: EpisodeSet
) -> NDArray[np.float64]:
    """Return the accuracy of each episode, in per cent, of a method that scores classes itself.

    Args:
        method: The method.
        queries: Nodes (1 v …) of the videos as queries.
        support: Nodes of the same videos as support.
        episodes: Episodes of the videos.
    """
    ways, shots = episodes.protocol.ways, episodes.protocol.shots
    labels = torch.arange(ways).repeat_interleave(shots)
    truth = torch.arange(ways).repeat_interleave(episodes.protocol.queries)
    rows = (torch.from_numpy(one).long().flatten(1) for one in (episodes.support, episodes.query))
    right = []
    with torch.inference_mode():
        for shown, asked in zip(*(one.split(EPISODES_AT_ONCE) for one in rows), strict=True):
            own = {name: value[0][shown] for name, value in support.items()}
            state = method.support(own, labels.expand(len(shown), -1), ways)
            found = method.score(state, {name: value[0][asked] for name, value in queries.items()})
            right.append((found.argmax(-1) == truth).double().mean(1))
    return np.asarray(100 * torch.cat(right))


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


def evaluate_sets(
    method: Method,
    source: VideoFeatures | StoredFeatures,
    videos: VideoList,
    drawn: Sequence[EpisodeSet],
) -> list[Result]:
    """Return the result on each set of episodes; similarities that are averaged are looked up.

    Raises:
        SystemExit: The method itself and the look-up differ on some episodes.
    """
    if not isinstance(method, Fusion) and (
        not isinstance(method, A2M2) or method.options.shot_aggregation != "mean"
    ):
        return [evaluate_method(method, source, videos, episodes) for episodes in drawn]
    quick, numbers = _look_up(method, source, videos)
    few = draw(videos, drawn[-1].protocol.model_copy(update={"count": CHECKED_EPISODES}))
    expected = evaluate_method(method, source, videos, few)
    if expected.accuracy != evaluate_method(quick, numbers, videos, few).accuracy:
        raise SystemExit("the look-up predicts differently from the method")
    return [evaluate_method(quick, numbers, videos, episodes) for episodes in drawn]


def _look_up(
    method: Fusion | A2M2, source: VideoFeatures | StoredFeatures, videos: VideoList
) -> tuple[LookedUp, ArrayFeatures]:
    """Return the method by look-up, and its features: the number of each clip."""
    count = len(videos.videos)
    with torch.inference_mode():
        found = features_of(source, range(count), method.requests(source.card))
        each = [
            method.encode({request: f[None] for request, f in features.items()})
            for features in found
        ]
    numbers = ArrayFeatures(np.arange(count)[:, None, None] * 1.0)
    return LookedUp(method, compare_within(method, _joined(each))), numbers
