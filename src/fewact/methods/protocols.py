"""Optional protocols of methods, beside the contract.

``isinstance(method, Protocol)`` says whether a method has one. The lab's methods have the same
protocols, with tensors in place of arrays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from fewact.core.array_api import namespace
from fewact.features.request import Request
from fewact.methods.base import rows
from fewact.networks.card import Card

Array = Any
"""Array of NumPy; a tensor in the lab."""


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


def equal_parts(count: int) -> tuple[tuple[float, float], ...]:
    """Return the begin and end of equal parts of a video, as fractions of its duration.

    >>> equal_parts(2)
    ((0.0, 0.5), (0.5, 1.0))
    """
    return tuple((i / count, (i + 1) / count) for i in range(count))


def frame_match(compares: str, plan: Any) -> FrameMatch:
    """Return how t frames match t' frames, or attend to them, by a plan (t t')."""
    query, support = map(equal_parts, plan.shape)
    return FrameMatch(compares, query, support, plan_of(plan))


def plan_of(plan: Any) -> tuple[tuple[float, ...], ...]:
    """Return a plan (m m') as numbers of total 1."""
    scaled = plan / max(float(plan.sum()), 1e-12)
    return tuple(tuple(row) for row in scaled.tolist())


@runtime_checkable
class Fits(Protocol):
    """A class of methods with options that follow from a backbone."""

    def fitting(self, options: Any, card: Card) -> dict[str, Any]:
        """Return these options by name.

        Args:
            options: Options as they were set, without these.
            card: Card of the backbone.
        """


@runtime_checkable
class Pairwise(Protocol):
    """A method whose class scores are means of similarities of pairs, with some options."""

    averages_pairs: bool
    """Whether the class scores are such means with the options of this instance."""

    def score_and_pairs(self, state: Any, nodes: Mapping[str, Array]) -> tuple[Array, Array | None]:
        """Return the logits (b q n), and the similarities of pairs.

        Returns:
            Logits as ``score`` returns them, and similarities (b q s) of each query with each
            support video; None unless the method ``averages_pairs``.
        """


def averages_pairs(method: object) -> bool:
    """Return whether the class scores of a method are means of similarities of pairs."""
    return isinstance(method, Pairwise) and method.averages_pairs


def score_and_pairs(method: Any, state: Any, nodes: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the logits (b q n) of any method; and similarities (b q s) of pairs, or None."""
    if isinstance(method, Pairwise):
        return method.score_and_pairs(state, nodes)
    return method.score(state, nodes), None


@runtime_checkable
class Parts(Protocol):
    """A method whose similarities of pairs are sums of parts.

    Parts that compare what is visible are called ``appearance``; the others compare what moves.
    """

    def pair_parts(self, state: Any, nodes: Mapping[str, Array]) -> dict[str, Array]:
        """Return the parts by name: (b q s) each; their sum is the similarity."""

    def score_parts(self, state: Any, nodes: Mapping[str, Array]) -> dict[str, Array]:
        """Return the parts of the logits (b q n) by name."""


@runtime_checkable
class RelativeAppearance(Parts, Protocol):
    """A method that knows how similar the appearance of videos of one place is."""

    def appearance_ratio(self, state: Any, nodes: Mapping[str, Array]) -> Array:
        """Return the ratio (b q), from 1 on.

        It is the mean appearance similarity among the support's videos, divided by each query's
        mean appearance similarity with the support.
        """


@runtime_checkable
class Tabulated(Protocol):
    """A method that can look up similarities of videos that are compared several times."""

    def tabulated(
        self, nodes: Mapping[str, Array], columns: int | None = None
    ) -> tuple[Any, dict[str, Array]] | None:
        """Return a method of the same scores that looks up similarities, and nodes for it.

        Args:
            nodes: Nodes (v …) of the videos.
            columns: Number of videos, the first ones, that others are compared with; None for all.

        Returns:
            The method, and its nodes (v …) of these videos; ``rows`` can select any of them.
            None where the options allow no table.
        """


BankScorer = Callable[[Any, Any, int, Any], Any]
"""Support rows (b s), labels (b s), number of classes n, query rows (b q) → logits (b q n)."""

MOST_PAIRS = 2**25
"""Most pairs of videos whose similarities are computed once for all episodes."""


@runtime_checkable
class BankScored(Protocol):
    """A method that scores episodes by the rows of their videos, without copies of nodes."""

    def bank_scorer(
        self, support: Mapping[str, Array], query: Mapping[str, Array], comparisons: int = 0
    ) -> BankScorer | None:
        """Return a function whose logits equal ``support`` and ``score``, but for rounding.

        Args:
            support: Nodes (v …) of all support videos.
            query: Nodes (w …) of all queries.
            comparisons: Number of comparisons of a query with a support video in all episodes: what
                pairs of videos need may be computed once where they are fewer, see ``PairTable``.

        Returns:
            The function; None where the options need the nodes of an episode themselves.
        """


def bank_scorer(
    method: Any, support: Mapping[str, Any], query: Mapping[str, Any], comparisons: int = 0
) -> BankScorer | None:
    """Return a scorer of episodes by rows, of ``BankScored`` or by tables of ``Tabulated``.

    Args:
        method: Any method.
        support: Nodes (v …) of all support videos.
        query: Nodes (w …) of all queries.
        comparisons: Number of comparisons of a query with a support video in all episodes.

    Returns:
        The function; None where the method needs the nodes of an episode themselves.
    """
    if isinstance(method, BankScored):
        return method.bank_scorer(support, query, comparisons)
    if not isinstance(method, Tabulated):
        return None
    count, others = (len(next(iter(nodes.values()))) for nodes in (support, query))
    same = all(_equal(value, query[name]) for name, value in support.items())
    if not count * (count if same else count + others) <= min(comparisons, MOST_PAIRS):
        return None
    bank = {
        name: value if same else namespace(value).concat([value, query[name]])
        for name, value in support.items()
    }
    tables = method.tabulated(bank, count)
    if tables is None:
        return None
    looked_up, numbers = tables

    def score(shown: Any, labels: Any, n: int, queries: Any) -> Any:
        state = looked_up.support(rows(numbers, shown), labels, n)
        return looked_up.score(state, rows(numbers, queries if same else queries + count))

    return score


def _equal(first: Any, second: Any) -> bool:
    if first is second:
        return True
    same = first.shape == second.shape
    return same and bool(namespace(first).all(first == second))


@runtime_checkable
class Summarised(Protocol):
    """A method whose state takes long to compute, and is known from small arrays."""

    def summary(self, state: Any) -> dict[str, Array]:
        """Return these arrays.

        A saved model keeps them: where ``support`` changes, so must the version of its format.
        """

    def restored_support(
        self, nodes: Mapping[str, Array], labels: Array, n: int, summary: Mapping[str, Array]
    ) -> Any:
        """Return what ``support`` does, by the summary of its state.

        Args:
            nodes: Nodes of the support videos (b s …).
            labels: (b s).
            n: Number of classes.
            summary: Arrays of ``summary``.
        """


@runtime_checkable
class MatchesFrames(Protocol):
    """A method that matches parts of two videos along time."""

    def match_frames(
        self, query: Mapping[str, Array], support: Mapping[str, Array]
    ) -> FrameMatch | None:
        """Return how they match, each video as nodes without b and v; None with some options."""


@runtime_checkable
class Explains(Protocol):
    """A method that reads features of a video again to explain a score."""

    def explaining_requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features of a video that ``match_cells`` or ``attend_frames`` reads."""


@runtime_checkable
class MatchesCells(Explains, Protocol):
    """A method that compares cells of the frames."""

    def match_cells(
        self,
        query: Mapping[str, Array],
        support: Mapping[str, Array],
        features: Mapping[Request, Array],
        state: Any,
    ) -> dict[str, Array]:
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
class AttendsFrames(Explains, Protocol):
    """A method whose frames attend to each other."""

    def attend_frames(self, features: Mapping[Request, Array]) -> FrameMatch | None:
        """Return the attention weights of a video's frames, as a match of the video with itself.

        Args:
            features: What ``explaining_requests`` requests (t …) of the video.

        Returns:
            The match: a row is the frame that attends, a column the frame that it attends to; the
            mean over the heads. None without attention.
        """


@runtime_checkable
class Finds(Protocol):
    """A method that finds what distinguishes the classes."""

    def findings(self, state: Any) -> tuple[str, ...]:
        """Return sentences about differences between the classes of one episode."""


@runtime_checkable
class LearnedWeights(Protocol):
    """A method with learned numbers, which a saved model keeps."""

    def weights(self) -> dict[str, Array]:
        """Return the numbers by name."""

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        """Replace the numbers.

        Raises:
            RuntimeError: A name or a shape differs.
        """


@runtime_checkable
class Adapter(Protocol):
    """A method over arrays that a lab's method computes, or the other way round."""

    wrapped: Any
    """The other method."""


@runtime_checkable
class LabClass(Protocol):
    """A class of methods over tensors, as far as the core knows it."""

    Options: type

    def created(self, options: Any, *, of: str) -> Any:
        """Return a method with checked options, which may need limited memory.

        Raises:
            OptionError: The options together need too much; ``of`` names their owner.
        """

    def weight_shapes(self, options: Any) -> dict[str, tuple[int, ...]]:
        """Return the shapes of ``LearnedWeights.weights``; no memory is allocated for them."""


@runtime_checkable
class TakesTensors(Protocol):
    """A method by the operations of the array API: it takes tensors too, with gradients."""

    takes_tensors: bool
    """Always true."""


@runtime_checkable
class LabMethod(Protocol):
    """A method over tensors, as far as the core knows it."""

    def on_arrays(self) -> Any:
        """Return the same method over arrays."""


def unwrapped(method: object) -> type:
    """Return the class that computes a method, behind an adapter."""
    return type(method.wrapped if isinstance(method, Adapter) else method)
