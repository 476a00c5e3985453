"""The weighted sum of terms; the weights of some of them are decided by the support."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from fewact.core.workers import side_by_side
from fewact.features.request import Features, Request
from fewact.methods.base import Nodes
from fewact.methods.fusion.camera_weight import StaticCamera
from fewact.methods.fusion.channel_mixing import ChannelMixing
from fewact.methods.fusion.permissive import permissive_share
from fewact.methods.fusion.terms import (
    AlignedFrames,
    LearnedMotion,
    Term,
    TermInputs,
)

When = Literal["always", "default", "alternative"]
"""When a term counts: always, unless the alternative holds, or if it holds."""

LEARNED_SHARE = 0.5
"""Share of all other weights that learned motion replaces where its network is sure. So scores and
their temperature stay about the same. Chosen on development clips, like SURE_EXPONENT."""

SURE_EXPONENT = 2
"""Exponent of the mean probability that support videos show one moving figure."""

Estimate = Literal["conservative", "permissive"]
"""Which estimate of the camera motion a term's view was stabilised by."""


class Decision(NamedTuple):
    """What a support decides, once for each episode.

    Args:
        alternative: Probability (b) that the alternative holds, or one for all.
        permissive: Share (b) of the permissive view in the weights of terms that have both views,
            or one for all.
        figure: How sure (b) the network of learned motion is of the support videos, or one for
            all. At 1 learned motion has its weight and all others half of theirs; at 0 it has none.
        one_view: Whether both views are known to be equal in all support videos; then each of them
            counts half.
    """

    alternative: Tensor | float = 0.0
    permissive: Tensor | float = 0.5
    figure: Tensor | float = 0.0
    one_view: bool = False

    def of(self, episodes: Tensor) -> "Decision":
        """Return the decision for some of the episodes."""
        return self._each(lambda x: x[episodes])

    def of_pairs(self) -> "Decision":
        """Return the decision with axes for the videos of a pair: (b 1 1)."""
        return self._each(lambda x: x[:, None, None])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Decision":
        alternative, permissive, figure = (
            change(x) if isinstance(x, Tensor) else x
            for x in (self.alternative, self.permissive, self.figure)
        )
        return Decision(alternative, permissive, figure, self.one_view)


UNDECIDED = Decision()
"""The decision without a support: the alternative does not hold, and both views count half."""


@dataclass(frozen=True)
class WeightedTerm:
    """A term of the sum.

    Args:
        name: Name of the term's node.
        term: The term.
        weight: Its weight; 0 skips it.
        when: When it counts: the weight is multiplied by the probability of this.
        estimate: Which of two views it is of, whose shares of the weight the support decides; None
            if there is one view.
        other_view: Name of the same term on the other view; empty if there is one view.
    """

    name: str
    term: Term
    weight: float
    when: When = "always"
    estimate: Estimate | None = None
    other_view: str = ""

    def encode(self, values: Tensor) -> Tensor:
        """Return what the term keeps of the features of its view."""
        return self.term.encode({self.term.view: values})

    def of_both_views(self) -> tuple["WeightedTerm", "WeightedTerm"]:
        """Return the term with a share of the weight, and the same on a permissive view."""
        view = self.term.view
        permissive = replace(view, view=replace(view.view, stabilise="permissive"))
        term, name = _with(self.term, view=permissive), f"permissive_{self.name}"
        return (
            replace(self, estimate="conservative", other_view=name),
            replace(self, estimate="permissive", other_view=self.name, name=name, term=term),
        )

    def as_static(self) -> "WeightedTerm":
        """Return the same term of motion for static cameras: only the mean over time is removed."""
        term = _with(self.term, detrend="constant")
        return replace(self, name=f"static_{self.name}", term=term, when="alternative")

    def factor(self, decision: Decision, queries: Tensor | None = None) -> Tensor | float:
        """Return the weight of the term.

        Args:
            decision: What the support decides, (b 1 1) each or one for all.
            queries: What the term keeps of the queries (b q …), for learned motion.
        """
        weight: Tensor | float = self.weight
        if isinstance(self.term, LearnedMotion):
            sure = 1.0 if queries is None else self.term.sure(queries)[..., None]
            weight = weight * decision.figure * sure
        else:
            weight = weight * (1 - LEARNED_SHARE * decision.figure)
        if self.estimate is not None:
            share = decision.permissive
            weight = weight * (share if self.estimate == "permissive" else 1 - share)
        if self.when == "always":
            return weight
        probability = decision.alternative
        return weight * (probability if self.when == "alternative" else 1 - probability)


@dataclass(frozen=True)
class WeightedTerms:
    """A similarity of videos: the sum of weighted terms.

    Args:
        terms: The terms.
        alternative: What the support decides; None if all terms count always.
    """

    terms: tuple[WeightedTerm, ...]
    alternative: StaticCamera | None = None

    @property
    def names(self) -> frozenset[str]:
        """Names of the nodes."""
        return frozenset(one.name for one in self.terms)

    @property
    def requests(self) -> tuple[Request, ...]:
        """Features that the terms need."""
        found: dict[Request, None] = dict.fromkeys(one.term.view for one in self.terms)
        if self.alternative is not None:
            found |= dict.fromkeys(self.alternative.requests)
        return tuple(found)

    def encode(self, features: Features, channel_mixing: ChannelMixing | None = None) -> Nodes:
        """Return the nodes of each video.

        Args:
            features: Features of videos.
            channel_mixing: Applied to all maps of level ``middle`` first.
        """
        inputs = self._inputs(features, channel_mixing)
        # Where the permissive estimate equals the conservative one, so do the encoded videos.
        anywhere = self.terms[0].term.view

        def key(one: WeightedTerm) -> tuple[Any, ...]:
            values = inputs[one.term.view]
            same = values.data_ptr(), values.shape, values.stride()
            return _with(one.term, view=anywhere), *same

        keys = [key(one) for one in self.terms]
        different = dict(zip(keys, self.terms, strict=True))
        each = side_by_side if torch.is_inference_mode_enabled() else map
        found = each(lambda one: one.encode(inputs[one.term.view]), different.values())
        encoded = dict(zip(different, found, strict=True))
        nodes = {one.name: encoded[key] for one, key in zip(self.terms, keys, strict=True)}
        if self.alternative is not None:
            nodes |= self.alternative.encode(features)
        return nodes

    def _inputs(self, features: Features, channel_mixing: ChannelMixing | None) -> TermInputs:
        """Return the features of each view, with mixed channels."""
        return {
            view: channel_mixing(features[view])
            if channel_mixing is not None and view.level == "middle"
            else features[view]
            for view in dict.fromkeys(one.term.view for one in self.terms)
        }

    def similarity(
        self,
        first: Nodes,
        second: Nodes,
        decision: Decision = UNDECIDED,
        *,
        quick: bool = False,
        horizontal_flip: bool = False,
    ) -> Tensor:
        """Return the sum: (b q …), (b s …) → (b q s).

        It is symmetric but for the weight of learned motion, which depends on the first videos.

        Args:
            first: Nodes of a set of videos, the queries.
            second: Nodes of another set.
            decision: What the support decides.
            quick: Use the terms' quick similarities.
            horizontal_flip: Compare motion with the flipped second videos too; the greater counts.
                Appearance and moments hardly distinguish left and right.
        """
        terms = self.terms
        if decision.one_view and not self.views_differ(first):
            terms = self._of_one_view
        decision = decision.of_pairs()
        motion = [one for one in terms if isinstance(one.term, AlignedFrames)]
        others = [one for one in terms if not isinstance(one.term, AlignedFrames)]
        rest, moving = (
            _sum(some, first, second, decision, quick=quick) for some in (others, motion)
        )
        if horizontal_flip:
            flipped = {
                one.name: one.term.horizontal_flip(second[one.name])
                for one in motion
                if isinstance(one.term, AlignedFrames)
            }
            moving = moving.maximum(_sum(motion, first, flipped, decision, quick=quick))
        return (rest + moving).expand(_pairs_shape(first, second))  # of no term: 0 for each

    @cached_property
    def _of_one_view(self) -> tuple[WeightedTerm, ...]:
        """Terms whose conservative view has the weight of both: they are equal."""
        kept = (one for one in self.terms if one.estimate != "permissive")
        return tuple(replace(one, estimate=None) for one in kept)

    def views_differ(self, nodes: Nodes) -> bool:
        """Return whether the views of both estimates differ in any video."""
        both = (
            (nodes[one.name], nodes[one.other_view])
            for one in self.terms
            if one.estimate == "conservative"
        )
        return any(not (one.is_set_to(other) or torch.equal(one, other)) for one, other in both)

    def decide(
        self,
        nodes: Nodes,
        similarity: Callable[[Decision], Tensor],
        labels: Tensor,
        n: int,
    ) -> Decision:
        """Return what each support decides. If both views are equal, each counts half.

        Args:
            nodes: Nodes of the support videos (b s …).
            similarity: Returns their similarities (b s s), approximately.
            labels: (b s).
            n: Number of classes.
        """
        probability = torch.zeros(len(labels), dtype=torch.float32, device=labels.device)
        figure = self._figure(nodes)
        if self.alternative is not None:
            default, other = (similarity(Decision(p, figure=figure)) for p in (0.0, 1.0))
            probability = self.alternative.probability(nodes, default, other, labels, n)
        if not self.views_differ(nodes):
            half = torch.full_like(probability, 0.5)
            return Decision(probability, half, figure, one_view=True)
        conservative, permissive = (
            similarity(Decision(probability, p, figure)) for p in (0.0, 1.0)
        )
        share = permissive_share(conservative, permissive, labels, n)
        return Decision(probability, share, figure)

    def _figure(self, nodes: Nodes) -> Tensor | float:
        """Return how sure (b) the network of learned motion is; 0 without it."""
        each = [
            one.term.sure(nodes[one.name])
            for one in self.terms
            if isinstance(one.term, LearnedMotion)
        ]
        if not each:
            return 0.0
        return torch.stack(each).mean((0, 2)) ** SURE_EXPONENT

    def parts(
        self,
        first: Nodes,
        second: Nodes,
        decision: Decision,
        *,
        horizontal_flip: bool = False,
    ) -> dict[str, Tensor]:
        """Return the sums of the terms that compare the same: appearance, motion, moments.

        Args:
            first: Nodes of a set of videos (b q …).
            second: Nodes of another set (b s …).
            decision: What the support decides.
            horizontal_flip: As for ``similarity``.

        Returns:
            (b q s) each; they add up to ``similarity``.
        """
        groups: dict[str, list[WeightedTerm]] = {}
        for one in self.terms:
            groups.setdefault(one.term.compares, []).append(one)
        found = {}
        for name, terms in groups.items():
            group = replace(self, terms=tuple(terms))
            found[name] = group.similarity(first, second, decision, horizontal_flip=horizontal_flip)
        return found


def _pairs_shape(first: Nodes, second: Nodes) -> tuple[int, int, int]:
    one, other = next(iter(first.values())), next(iter(second.values()))
    return one.shape[0], one.shape[1], other.shape[1]


def _with(term: Term, **fields: Any) -> Term:
    """Return a copy of a term with other values of its fields."""
    copy: Term = replace(term, **fields)  # type: ignore[type-var]
    return copy


def _sum(
    terms: Iterable[WeightedTerm],
    first: Nodes,
    second: Nodes,
    decision: Decision,
    *,
    quick: bool,
) -> Tensor:
    """Add up terms: (b q …), (b s …) → (b q s), or () if all are skipped."""

    def weighted(one: WeightedTerm) -> Tensor | float:
        factor = one.factor(decision, first[one.name])
        if not torch.as_tensor(factor).any():
            return 0.0
        compare = one.term.quick_similarity if quick else one.term.similarity
        return factor * compare(first[one.name], second[one.name])

    total = next(iter(first.values())).new_zeros(())
    # Both views of a term are added first, so that equal ones have the sum of one with all weight.
    for _, views in groupby(terms, lambda one: {one.name, one.other_view}):
        total = total + sum(map(weighted, views))
    return total
