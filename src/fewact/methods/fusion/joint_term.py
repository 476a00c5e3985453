"""The joints of a body beside the picture: the term of fusion that knows where a body is.

Its weight is doubted as the weight of appearance is: by how sure and complete the joints of the
support's clips are. Pairs of clips of which one has no joints are as similar as others on average,
so that the picture alone decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.features.request import Features, JointRequest, Request
from fewact.methods.base import Nodes, rows
from fewact.methods.fusion.body import JointDecision, JointTerms, Values
from fewact.methods.protocols import FrameMatch

SURENESS = "sureness"
"""Name of the node: how sure and complete the joints of a video are (1), see
``JointTerms.sureness``."""

PLACES = "places"
"""Name of what is compared of a video once the support has decided."""

WEIGHT = 1.0
"""Weight of the term where all joints are sure. Chosen on development videos; see
docs/decisions/fusion.md."""

SAMPLE = 16
"""Number of support videos, the surest ones, whose mean similarity is computed."""


class BesideDecision(NamedTuple):
    """What a support says of joints beside the picture.

    Args:
        relative: See ``JointDecision``.
        horizontal: See ``JointDecision``.
        factor: Factor (b) of the term's weight, from 0 to 1: the squared mean of the sureness.
        mean: Mean similarity (b) of different support videos, by their joints.
    """

    relative: Values
    horizontal: Values
    factor: Values
    mean: Values

    @property
    def joints(self) -> JointDecision:
        return JointDecision(self.relative, self.horizontal)

    def of(self, episodes: NDArray[np.int64]) -> "BesideDecision":
        return BesideDecision(*(value[episodes] for value in self))

    def summary(self) -> dict[str, Values]:
        """Return the arrays by name, for a saved model."""
        return {f"joints_{name}": value for name, value in self._asdict().items()}


@dataclass(frozen=True)
class JointTerm:
    """Similarity of joints, which falls back to a mean as far as one of the two clips has none.

    Args:
        view: Request for the joints.
    """

    compares: ClassVar[str] = "joints"

    view: JointRequest

    @property
    def terms(self) -> JointTerms:
        """What compares the joints alone."""
        return JointTerms(self.view, self.view.layout, (1.0, 1.0))

    def encode(self, features: Features) -> dict[str, Values]:
        """Return the nodes of the joints alone, and their sureness."""
        joints: dict[Request, Values] = {self.view: features[self.view]}
        return {**self.terms.encode(joints), SURENESS: self.terms.sureness(joints)}

    def decide(self, nodes: Nodes) -> BesideDecision:
        """Return what the joints of support videos (b s …) say."""
        sure = nodes[SURENESS][..., 0]  # (b s)
        decision = self.terms.decision(nodes)
        surest = np.argsort(-sure, axis=1, kind="stable")[:, :SAMPLE]
        sample = rows(nodes, (np.arange(len(sure))[:, None], surest))
        compared = self.terms.compared(sample, decision)
        similarity = self.terms.similarity(compared, compared, decision)
        pairs = _of_pairs(sample, sample) * (1 - np.eye(surest.shape[1], dtype=sure.dtype))
        total = pairs.sum((1, 2))
        mean = (pairs * similarity).sum((1, 2)) / np.where(total > 0, total, 1)
        return BesideDecision(*decision, np.square(sure.mean(1)), mean)

    def restored(self, summary: Mapping[str, Values], b: int) -> BesideDecision:
        """Return the decision of ``BesideDecision.summary``, of b supports."""
        number = len(self.terms.joints.mirror)
        shapes = {"relative": (b, number, number)}
        return BesideDecision(
            *(
                summary[f"joints_{name}"].reshape(shapes.get(name, (b,)))
                for name in BesideDecision._fields
            )
        )

    def compared(self, nodes: Nodes, decision: BesideDecision) -> dict[str, NDArray[Any]]:
        """Return nodes with what is compared of them, for videos that are compared often."""
        return {**nodes, **self.terms.compared(nodes, decision.joints)}

    def similarity(self, first: Nodes, second: Nodes, decision: BesideDecision) -> Values:
        """Return the weighted similarity of nodes: (b q …), (b s …) → (b q s).

        A similarity is mixed with a mean, by the product of the sureness of the two videos: with
        the mean of the first video's similarities or, among videos of the support, with the
        support's.
        """
        same = first is second
        first, second = (
            nodes if PLACES in nodes else self.compared(nodes, decision)
            for nodes in (first, second)
        )
        similarity = self.terms.similarity(first, second, decision.joints)
        sure = _of_pairs(first, second)
        mean = decision.mean[:, None, None]
        if not same:
            total = sure.sum(-1, keepdims=True)
            of_first = (sure * similarity).sum(-1, keepdims=True) / np.where(total > 0, total, 1)
            mean = np.where(total > 0, of_first, mean)
        weight = WEIGHT * decision.factor[:, None, None]
        mixed: Values = weight * (mean + sure * (similarity - mean))
        return mixed

    def match(self, first: Nodes, second: Nodes) -> FrameMatch | None:
        """Return the alignment of two videos; None if one of them has no joints."""
        if not (first[SURENESS] > 0).all() or not (second[SURENESS] > 0).all():
            return None
        return self.terms.match_frames(first, second)


def _of_pairs(first: Nodes, second: Nodes) -> Values:
    """Return the sureness of pairs: (b q …), (b s …) → (b q s)."""
    sure: Values = first[SURENESS] * second[SURENESS].mT
    return sure
