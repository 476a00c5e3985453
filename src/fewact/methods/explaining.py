"""What a method may have to explain its scores: parts, matched frames, cells and attention."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from fewact.features.request import Features
from fewact.methods.base import Nodes, PairStateT


@runtime_checkable
class PairParts(Protocol[PairStateT]):
    """A method whose pair similarities are sums, so that a score can be explained."""

    def pair_parts(self, state: PairStateT, nodes: Nodes) -> dict[str, Tensor]:
        """Return the parts of the pair similarities by name.

        Parts that compare what is visible are called ``appearance``; the others compare what moves.

        Returns:
            (b q s) each; their sum is the second result of ``score_and_pairs``.
        """

    def score_parts(self, state: PairStateT, nodes: Nodes) -> dict[str, Tensor]:
        """Return the parts of the logits by name: (b q n) each; their sum is the logits."""


@dataclass(frozen=True)
class FrameMatch:
    """How the parts of two videos along time were matched.

    Args:
        compares: What was compared.
        query: Begin and end of each of the query's m parts, as fractions of its duration.
        support: Begin and end of each of the support video's m' parts.
        plan: Weight of each pair (m m'), of total 1.
    """

    compares: str
    query: tuple[tuple[float, float], ...]
    support: tuple[tuple[float, float], ...]
    plan: tuple[tuple[float, ...], ...]


@runtime_checkable
class FrameMatches(Protocol):
    """A method that matches parts of two videos along time."""

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch | None:
        """Return the match of two videos, each as nodes without leading axes.

        Returns:
            The match; None where the options match nothing.
        """


@runtime_checkable
class CellMatches(Protocol):
    """A method that knows where in the frame two videos agree."""

    def match_cells(
        self, query: Nodes, support: Nodes, features: Features, state: Any
    ) -> dict[str, Tensor]:
        """Return what each cell of the query's frames adds to the similarity of two videos.

        Args:
            query: Nodes of the query, without leading axes.
            support: Nodes of the support video.
            features: What ``explaining_requests`` requests (t …) of the query.
            state: State of the support, of one episode.

        Returns:
            By what is compared, (t g g) each: t frames, evenly spread over the clip, of g × g
            cells; above 0 where the videos agree. Empty where no cells are compared.
        """


@runtime_checkable
class FrameAttention(Protocol):
    """A method whose frames attend to the other frames of their video."""

    def attend_frames(self, features: Features) -> FrameMatch | None:
        """Return the attention weights of a video's frames, as a match of the video with itself.

        Args:
            features: What ``explaining_requests`` requests (t …) of the video.

        Returns:
            The match: a row is the frame that attends, a column the frame that it attends to; the
            mean over the heads. None where the options have no attention.
        """


def equal_parts(count: int) -> tuple[tuple[float, float], ...]:
    """Return the begin and end of equal parts of a video, as fractions of its duration.

    >>> equal_parts(2)
    ((0.0, 0.5), (0.5, 1.0))
    """
    return tuple((i / count, (i + 1) / count) for i in range(count))


def attention_of(weights: Tensor) -> FrameMatch:
    """Return the attention weights (t t) of a video's frames as a match with itself."""
    frames = equal_parts(len(weights))
    return FrameMatch("attention", frames, frames, plan_of(weights))


def plan_of(plan: Tensor) -> tuple[tuple[float, ...], ...]:
    """Return a plan (m m') as numbers of total 1."""
    scaled = plan / plan.sum().clamp_min(1e-12)
    return tuple(tuple(row) for row in scaled.tolist())
