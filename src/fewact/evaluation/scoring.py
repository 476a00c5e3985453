"""Score episodes in batches that depend on the episodes and the size of the nodes alone."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from math import prod
from threading import local

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.core.errors import ResultError
from fewact.core.random import permutations
from fewact.evaluation.encoding import NodeBank
from fewact.evaluation.episodes import EpisodeSet
from fewact.evaluation.predictions import Predictions
from fewact.methods.base import BankScorer, BankScores, Method, support_state

MAX_BYTES = 32 * 2**20
"""Approximate limit for the memory of the nodes of one batch."""

MAX_EPISODES = 256
"""Largest number of episodes in a batch."""


@dataclass(frozen=True)
class Batches:
    """Division of episodes into batches.

    Args:
        count: Number of all episodes.
        size: Number of episodes in a batch; the last batch repeats its last episode as padding.
    """

    count: int
    size: int

    def __len__(self) -> int:
        return -(-self.count // self.size)

    def indices(self, batch: int) -> NDArray[np.int64]:
        """Return the episodes of a batch (b), with padding."""
        first = batch * self.size
        return np.minimum(np.arange(first, first + self.size), self.count - 1)

    def episodes_in(self, batch: int) -> int:
        """Return the number of episodes of a batch, without padding."""
        return min(self.size, self.count - batch * self.size)


MAX_PRODUCTS = 2**17
"""Number of products of nodes in a batch that is scored without copies of nodes."""


def bank_scorer(method: Method, support: NodeBank, query: NodeBank) -> BankScorer | None:
    """Return the method's scorer without copies of nodes, or None."""
    if not isinstance(method, BankScores):
        return None
    with torch.inference_mode():
        return method.bank_scorer(support.tensors, query.tensors)


def plan(
    episodes: EpisodeSet, support: NodeBank, query: NodeBank, *, copies: bool = True
) -> Batches:
    """Return a division into batches of limited memory.

    Args:
        episodes: Episodes to score.
        support: Nodes of the support videos.
        query: Nodes of the query videos.
        copies: Whether the nodes of a batch are copied.
    """
    sides = ((episodes.support.shape[1], support), (episodes.query.shape[1], query))
    if copies:
        limit, each = MAX_BYTES, sum(count * bank.bytes_a_video for count, bank in sides)
    else:
        limit, each = MAX_PRODUCTS, prod(count * bank.nodes_a_video for count, bank in sides)
    size = limit // max(1, each)
    return Batches(len(episodes.support), int(np.clip(size, 1, MAX_EPISODES)))


class Scorer:
    """Scores batches; can be called from several threads.

    The queries of each episode are shuffled before the method reads them, so that their order
    contains no information about their classes.

    Args:
        method: Method in evaluation mode.
        episodes: Episodes to score.
        support: Nodes of the support videos.
        query: Nodes of the query videos.
        batches: Division of the episodes into batches.
        text: Function from episodes (b) to the embeddings (b n d) of their class names; None for a
            method without text.
        bank: Scorer of the method that needs no copies of nodes, if it has one.
    """

    def __init__(
        self,
        method: Method,
        episodes: EpisodeSet,
        support: NodeBank,
        query: NodeBank,
        batches: Batches,
        text: Callable[[NDArray[np.int64]], Tensor] | None = None,
        bank: BankScorer | None = None,
    ) -> None:
        self._bank = bank
        self._method, self._episodes = method, episodes
        self._batches, self._text = batches, text
        self._banks = {"support": support, "query": query}
        self._support, self._query = support.rows(episodes.support), query.rows(episodes.query)
        self._device = next(iter(support.tensors.values())).device
        self._buffers = local()

    def __call__(self, batch: int) -> Predictions:
        """Return the predicted class of each query of a batch, without padding.

        Raises:
            ResultError: A logit is not a finite number, or the logits have another shape.
        """
        protocol = self._episodes.protocol
        indices = self._batches.indices(batch)
        number = protocol.ways * protocol.queries
        orders = permutations(f"order of queries {protocol.seed}", indices.tolist(), number)
        query = np.take_along_axis(self._query[indices], orders, 1)
        with torch.inference_mode():
            logits = self._logits(indices, query)  # (b q n)
            expected = (len(indices), number, protocol.ways)
            if logits.shape != expected:
                raise ResultError(
                    "the logits of the method have another shape",
                    where="score",
                    got=str(tuple(logits.shape)),
                    expected=f"(b q n) = {expected}",
                    hint="`fewact check-method FILE.py` says more.",
                )
            finite = logits.isfinite().flatten(1).all(1)  # (b)
            if not finite.all():
                first = int(indices[(~finite).nonzero()[0]])
                raise ResultError(
                    "a logit of the method is not a finite number", where=f"episode {first}"
                )
            predicted = logits.argmax(-1).cpu().numpy().astype(np.uint16)  # (b q)
        ordered = np.empty_like(predicted)
        np.put_along_axis(ordered, orders, predicted, 1)
        return ordered[: self._batches.episodes_in(batch)]

    def _logits(self, indices: NDArray[np.int64], query: NDArray[np.int64]) -> Tensor:
        """Return the logits (b q n) of episodes (b) for query rows (b q)."""
        protocol = self._episodes.protocol
        labels = torch.arange(protocol.ways).repeat_interleave(protocol.shots)
        labels = labels.expand(len(indices), -1)
        support = self._support[indices]
        labels = labels.to(self._device)
        if self._bank is not None:
            rows = [torch.from_numpy(side).to(self._device) for side in (support, query)]
            return self._bank(rows[0], labels, protocol.ways, rows[1])
        state = support_state(
            self._method,
            self._gather("support", support),
            labels,
            protocol.ways,
            None if self._text is None else self._text(indices),
        )
        return self._method.score(state, self._gather("query", query))

    def _gather(self, side: str, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the nodes (b s …) of these rows (b s), in buffers that each thread reuses."""
        buffers: dict[tuple[str, str], Tensor] = self._buffers.__dict__.setdefault("nodes", {})
        flat = torch.from_numpy(rows.ravel()).to(self._device)
        gathered = {}
        for name, values in self._banks[side].tensors.items():
            key = (side, name)
            if key not in buffers:
                buffers[key] = values.new_empty((len(flat), *values.shape[1:]))
            torch.index_select(values, 0, flat, out=buffers[key])
            gathered[name] = buffers[key].unflatten(0, rows.shape)
        return gathered


def score(
    scorer: Callable[[int], Predictions], batches: Iterable[int], pool: Executor
) -> Iterator[tuple[int, Predictions]]:
    """Score batches; yield the number and the result of each batch when it is finished.

    Args:
        scorer: Function that scores one batch.
        batches: Numbers of the batches.
        pool: Threads that score.
    """
    running = {pool.submit(scorer, batch): batch for batch in batches}
    for future in as_completed(running):
        yield running[future], future.result()
