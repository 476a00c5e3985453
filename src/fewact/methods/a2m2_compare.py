"""Comparison of nodes in ``a2m2``: similarities, of videos in banks too, and how nodes match."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.linalg import vector_norm

from fewact.align import Alignment
from fewact.methods.a2m2_options import A2M2Options
from fewact.methods.base import BankScorer, Nodes
from fewact.methods.common import matching
from fewact.methods.common.kernel import intra_class_similarity, mean_over_shots
from fewact.methods.explaining import FrameMatch, plan_of
from fewact.moments import window_times, windows


@dataclass(frozen=True)
class Comparison:
    """Comparison of the nodes of two videos by the configured aligner.

    Args:
        options: Options of the method.
    """

    options: A2M2Options

    def similarity(self, query: Tensor, support: Tensor, present: Tensor) -> Tensor:
        """Return similarities (b q p) of nodes (b q m D) and (b p m' D), present (b p m')."""
        alignment = self.options.alignment
        return matching.similarity(
            query,
            support,
            present,
            alignment.name,
            weights=alignment.weights,
            scales=self._scales,
            time_cost=self._time_cost(query, support.shape[-2]),
        )

    def of_banks(self, query: matching.BankVideos, support: matching.BankVideos) -> Tensor:
        """Return similarities (b q p) of videos in banks, without copies of their nodes."""
        alignment = self.options.alignment
        return matching.bank_similarity(
            query,
            support,
            alignment.name,
            weights=alignment.weights,
            scales=self._scales,
            time_cost=self._time_cost(query.bank, support.bank.shape[1]),
        )

    @property
    def reads_banks(self) -> bool:
        """Whether logits depend on the products of nodes alone."""
        options, alignment = self.options, self.options.alignment
        return (
            options.text_weight == 0
            and options.shot_aggregation == "mean"
            and options.moments.normalise != "support_mean"
            and matching.reads_banks(alignment.name, alignment.weights)
        )

    def match(self, query: Tensor, support: Tensor) -> Alignment:
        """Align the nodes of two videos, (m D) and (m' D): see ``A2M2.match``."""
        alignment = self.options.alignment
        return matching.match(
            query,
            support,
            alignment.name,
            weights=alignment.weights,
            scales=self._scales,
            time_cost=self._time_cost(query, len(support)),
        )

    def match_windows(self, query: Tensor, support: Tensor) -> FrameMatch | None:
        """Return how the windows of two videos match, from their nodes (m D).

        Comparisons of mean nodes and of cells have no match, and ``support_mean`` none of two
        videos alone.
        """
        options, moments = self.options, self.options.moments
        aligned = options.alignment.name not in matching.MEAN_NODES
        if not aligned or moments.grid > 1 or moments.normalise == "support_mean":
            return None
        found = self.match(query, support)
        if found.plan is None:
            return None
        spans = tuple(
            (begin / options.frames, end / options.frames)
            for begin, end in windows(options.frames, moments.lengths)
        )
        return FrameMatch("windows of frames", spans, spans, plan_of(found.plan))

    @property
    def _scales(self) -> list[int]:
        """Number of nodes of each window length."""
        return [-(-self.options.frames // length) for length in self.options.moments.lengths]

    def _time_cost(self, like: Tensor, others: int) -> Tensor | None:
        """Return β·|t_i − t_j| (m m'), None for β = 0; a union of k shots has each time k times."""
        weight, moments = self.options.alignment.time_weight, self.options.moments
        if weight == 0:
            return None
        times = window_times(
            self.options.frames,
            moments.lengths,
            moments.grid,
            dtype=like.dtype,
            device=like.device,
        )
        apart = times[:, None] - times.repeat(others // len(times))[None, :]
        return weight * apart.abs()


def bank_scorer(
    comparison: Comparison, support: Nodes, query: Nodes, scaled: Callable[[Tensor], Tensor]
) -> BankScorer:
    """Return a scorer of videos in banks.

    Args:
        comparison: Comparison that reads banks.
        support: Nodes (v m D) of all support videos.
        query: Nodes (w m D) of all queries.
        scaled: Function that divides similarities by the temperature.
    """
    banks = [side["nodes"] for side in (support, query)]
    norms = [vector_norm(bank, dim=-1) for bank in banks]  # (v m)
    weight = comparison.options.intra_class_weight

    def pairs(queries: Tensor, query_side: int, rows: Tensor) -> Tensor:
        query = matching.BankVideos(banks[query_side], norms[query_side], queries)
        return scaled(comparison.of_banks(query, matching.BankVideos(banks[0], norms[0], rows)))

    def score(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
        logits = mean_over_shots(pairs(queries, 1, rows), labels, n)  # (b q n)
        if weight == 0:
            return logits
        inside = intra_class_similarity(
            lambda videos, _: pairs(videos["rows"], 0, videos["rows"]), {"rows": rows}, labels, n
        )
        return logits - weight * inside[:, None]

    return score
