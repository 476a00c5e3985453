"""The weighted sum of terms; the support decides the weights of some of them.

Removing a linear trend makes motion robust to a moving camera, but also removes sitting down, which
is nearly linear. So motion is compared with and without detrending, and the support clips weigh the
two, once for each episode: by the log-odds that their cameras moved, and by how well the clips
classify each other.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from fewact.core.workers import side_by_side
from fewact.features.request import CameraRequest, Features, Request
from fewact.methods.base import Nodes
from fewact.methods.common.kernel import leave_one_out
from fewact.methods.fusion.terms import AlignedFrames, LearnedMotionTerm, Term

When = Literal["always", "moving", "static"]
"""When a term counts: always, or by the probability that the cameras of the support are so."""

LOG_ODDS = "camera_log_odds"
"""Name of the node that has the log-odds (… 1) that the camera of each video moved."""

LOG_ODDS_WEIGHT, LOG_ODDS_OFFSET = 4.0, 0.6
"""Weight of the cameras' log-odds next to the log-likelihoods of the clips' labels, and offset of
the log-odds. Chosen on development clips, like TEMPERATURE and MAX_BY_CAMERAS: the best values that
cost no simulated camera there more than half a point."""

TEMPERATURE = 0.2
"""Temperature of the leave-one-out classification."""

MAX_BY_CAMERAS = 0.4
"""Maximum static probability that the log-odds reach without support from the labels."""

LEARNED_SHARE = 0.5
"""Fraction of all other weights that learned motion replaces where its network is sure. So scores
and their temperature stay about the same. Chosen on development clips, like SURE_EXPONENT."""

SURE_EXPONENT = 2
"""Exponent of the mean probability that support videos show one moving figure."""


class SupportDecision(NamedTuple):
    """What a support decides, once for each episode.

    Args:
        static: Probability (b) that the cameras are static, or one for all.
        figure: How sure (b) the network of learned motion is of the support videos, or one for
            all. At 1 learned motion has its weight and all others half of theirs; at 0 it has none.
    """

    static: Tensor | float = 0.0
    figure: Tensor | float = 0.0

    def of(self, episodes: Tensor) -> "SupportDecision":
        """Return the decision for some of the episodes."""
        return self._changed(lambda x: x[episodes])

    def of_pairs(self) -> "SupportDecision":
        """Return the decision with axes for the videos of a pair: (b 1 1)."""
        return self._changed(lambda x: x[:, None, None])

    def _changed(self, change: Callable[[Tensor], Tensor]) -> "SupportDecision":
        return SupportDecision(*(change(x) if isinstance(x, Tensor) else x for x in self))


UNDECIDED = SupportDecision()
"""The decision without a support: cameras move, and learned motion does not count."""


def static_probability(
    log_odds: Tensor, moving: Tensor, static: Tensor, labels: Tensor, n: int
) -> Tensor:
    """Return the probability (b) that the cameras of each support are static.

    Its logit is the sum of the cameras' log-odds of being static, limited from above, and the
    difference between the log-likelihoods of the labels under the two similarities.

    Args:
        log_odds: Log-odds (b s 1) that the cameras moved.
        moving: Similarities (b s s) of the support videos if they did.
        static: Similarities if they did not.
        labels: (b s).
        n: Number of classes.
    """
    likelihood_static, likelihood_moving = (
        leave_one_out(pairs, labels, n, TEMPERATURE) for pairs in (static, moving)
    )
    limit = torch.logit(torch.as_tensor(MAX_BY_CAMERAS).to(log_odds))
    by_cameras = (-LOG_ODDS_WEIGHT * (log_odds.mean((1, 2)) + LOG_ODDS_OFFSET)).minimum(limit)
    return torch.sigmoid(by_cameras + likelihood_static - likelihood_moving)


@dataclass(frozen=True)
class WeightedTerm:
    """A term of the sum.

    Args:
        name: Name of the term's node.
        term: The term.
        weight: Its weight; 0 skips it.
        when: When it counts.
    """

    name: str
    term: Term
    weight: float
    when: When = "always"

    def as_static(self) -> "WeightedTerm":
        """Return the same term of motion for static cameras: only the mean over time is removed."""
        term: Any = self.term
        term = replace(term, detrend="constant")
        return replace(self, name=f"static_{self.name}", term=term, when="static")

    def factor(self, decision: SupportDecision, queries: Tensor | None = None) -> Tensor | float:
        """Return the weight of the term.

        Args:
            decision: What the support decides, (b 1 1) each or one for all.
            queries: What the term keeps of the queries (b q …), for learned motion.
        """
        weight: Tensor | float = self.weight
        if isinstance(self.term, LearnedMotionTerm):
            sure = 1.0 if queries is None else self.term.sure(queries)[..., None]
            weight = weight * decision.figure * sure
        else:
            weight = weight * (1 - LEARNED_SHARE * decision.figure)
        if self.when == "always":
            return weight
        return weight * (decision.static if self.when == "static" else 1 - decision.static)


@dataclass(frozen=True)
class WeightedTerms:
    """A similarity of videos: the sum of weighted terms.

    Args:
        terms: The terms.
        camera: Request for the log-odds that the camera moved; None if all cameras count as moving.
    """

    terms: tuple[WeightedTerm, ...]
    camera: CameraRequest | None

    @property
    def requests(self) -> tuple[Request, ...]:
        """Features that the terms need."""
        views: dict[Request, None] = dict.fromkeys(weighted.term.view for weighted in self.terms)
        return tuple(views) if self.camera is None else (*views, self.camera)

    def encode(self, features: Features) -> Nodes:
        """Return the nodes of each video."""
        run = side_by_side if torch.is_inference_mode_enabled() else map
        encoded = run(lambda weighted: weighted.term.encode(features), self.terms)
        nodes = {
            weighted.name: values for weighted, values in zip(self.terms, encoded, strict=True)
        }
        return nodes if self.camera is None else {**nodes, LOG_ODDS: features[self.camera]}

    def similarity(
        self,
        first: Nodes,
        second: Nodes,
        decision: SupportDecision = UNDECIDED,
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
        decision = decision.of_pairs()
        motion = [
            (weighted, weighted.term)
            for weighted in self.terms
            if isinstance(weighted.term, AlignedFrames)
        ]
        moving_terms = [weighted for weighted, _ in motion]
        unmoving_terms = [weighted for weighted in self.terms if weighted not in moving_terms]
        unmoving, moving = (
            _sum(terms, first, second, decision, quick=quick)
            for terms in (unmoving_terms, moving_terms)
        )
        if horizontal_flip:
            flipped = {
                weighted.name: term.horizontal_flip(second[weighted.name])
                for weighted, term in motion
            }
            moving = moving.maximum(_sum(moving_terms, first, flipped, decision, quick=quick))
        query, support = next(iter(first.values())), next(iter(second.values()))
        # Without any term the sum is 0 for each pair.
        return (unmoving + moving).expand(*query.shape[:2], support.shape[1])

    def decide(
        self,
        nodes: Nodes,
        similarity: Callable[[SupportDecision], Tensor],
        labels: Tensor,
        n: int,
    ) -> SupportDecision:
        """Return what each support decides.

        Args:
            nodes: Nodes of the support videos (b s …).
            similarity: Returns their similarities (b s s), approximately.
            labels: (b s).
            n: Number of classes.
        """
        figure = self._figure(nodes)
        if self.camera is None:
            never = torch.zeros(len(labels), dtype=torch.float32, device=labels.device)
            return SupportDecision(never, figure)
        moving, static = (similarity(SupportDecision(p, figure)) for p in (0.0, 1.0))
        probability = static_probability(nodes[LOG_ODDS], moving, static, labels, n)
        return SupportDecision(probability, figure)

    def _figure(self, nodes: Nodes) -> Tensor | float:
        """Return how sure (b) the network of learned motion is; 0 without it."""
        for weighted in self.terms:
            if isinstance(weighted.term, LearnedMotionTerm):
                sure = weighted.term.sure(nodes[weighted.name])  # (b s)
                return sure.mean(1) ** SURE_EXPONENT
        return 0.0

    def parts(
        self,
        first: Nodes,
        second: Nodes,
        decision: SupportDecision,
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
        for weighted in self.terms:
            groups.setdefault(weighted.term.compares, []).append(weighted)
        return {
            name: replace(self, terms=tuple(terms)).similarity(
                first, second, decision, horizontal_flip=horizontal_flip
            )
            for name, terms in groups.items()
        }


def _sum(
    terms: Iterable[WeightedTerm],
    first: Nodes,
    second: Nodes,
    decision: SupportDecision,
    *,
    quick: bool,
) -> Tensor:
    """Add up terms: (b q …), (b s …) → (b q s), or () if all are skipped."""
    total = next(iter(first.values())).new_zeros(())
    for weighted in terms:
        factor = weighted.factor(decision, first[weighted.name])
        if torch.as_tensor(factor).any():
            compare = weighted.term.quick_similarity if quick else weighted.term.similarity
            total = total + factor * compare(first[weighted.name], second[weighted.name])
    return total
