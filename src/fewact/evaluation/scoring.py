"""Score episodes in batches that are always the same."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from threading import local

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.encoding import NodeBank
from fewact.episodes import EpisodeSet
from fewact.errors import ResultError
from fewact.methods.base import Method, support_state
from fewact.random import RandomStream

Hits = NDArray[np.bool_]
"""Whether each query of each episode of a batch was right: (b ways·queries)."""

MEMORY = 32 * 2**20
"""Bytes of nodes that are gathered for one batch, about."""

MOST = 256
"""Episodes of a batch, at most."""


@dataclass(frozen=True)
class Batches:
    """How episodes are cut into batches: by the episodes and the nodes' size alone.

    Args:
        count: Episodes in all.
        size: Episodes of each batch; the last one is padded with its last episode.
    """

    count: int
    size: int

    def __len__(self) -> int:
        return -(-self.count // self.size)

    def indices(self, batch: int) -> NDArray[np.int64]:
        """Episodes of a batch (b), padded."""
        first = batch * self.size
        return np.minimum(np.arange(first, first + self.size), self.count - 1)

    def real(self, batch: int) -> int:
        """How many of a batch's episodes are no padding."""
        return min(self.size, self.count - batch * self.size)


def plan(episodes: EpisodeSet, bank: NodeBank) -> Batches:
    """Cut episodes into batches of bounded memory."""
    videos = episodes.support.shape[1] + episodes.query.shape[1]
    fitting = MEMORY // max(1, videos * bank.bytes_a_video)
    return Batches(len(episodes.support), int(np.clip(fitting, 1, MOST)))


class Scorer:
    """Scores batches, from any thread.

    Queries reach the method in an order drawn for each episode: who guesses by the place of a query
    gains nothing.

    Args:
        method: In evaluation mode.
        episodes: To be scored.
        support: The nodes of all support videos.
        query: Those of all queries.
        batches: How the episodes are cut.
        text: (b n d) by episode, embeddings of the class names; None for methods without.
    """

    def __init__(
        self,
        method: Method,
        episodes: EpisodeSet,
        support: NodeBank,
        query: NodeBank,
        batches: Batches,
        text: Callable[[NDArray[np.int64]], Tensor] | None = None,
    ) -> None:
        self._method, self._episodes = method, episodes
        self._batches, self._text = batches, text
        self._banks = {"support": support, "query": query}
        self._support, self._query = support.rows(episodes.support), query.rows(episodes.query)
        self._buffers = local()

    def __call__(self, batch: int) -> Hits:
        """Whether each query was right, without the padding.

        Raises:
            ResultError: A logit is not a number.
        """
        protocol = self._episodes.protocol
        indices = self._batches.indices(batch)
        orders = np.array([self._order(int(index)) for index in indices])  # (b q)
        labels = torch.arange(protocol.ways).repeat_interleave(protocol.shots)
        with torch.inference_mode():
            state = support_state(
                self._method,
                self._gather("support", self._support[indices]),
                labels.expand(len(indices), -1),
                protocol.ways,
                None if self._text is None else self._text(indices),
            )
            query = np.take_along_axis(self._query[indices], orders, 1)
            logits = self._method.score(state, self._gather("query", query))  # (b q n)
            if torch.isnan(logits).any():
                first = int(indices[logits.isnan().flatten(1).any(1).nonzero()[0]])
                raise ResultError("the method's logits are no numbers", where=f"episode {first}")
            answers = logits.argmax(-1).numpy()  # (b q)
        hits = np.empty(orders.shape, dtype=np.bool_)
        np.put_along_axis(hits, orders, answers == orders // protocol.queries, 1)
        return hits[: self._batches.real(batch)]

    def _order(self, index: int) -> list[int]:
        protocol = self._episodes.protocol
        number = protocol.ways * protocol.queries
        return RandomStream("order of queries", protocol.seed, index).choose(range(number), number)

    def _gather(self, side: str, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Nodes (b s …) of these rows (b s), in memory that the thread uses again."""
        buffers: dict[tuple[str, str], Tensor] = self._buffers.__dict__.setdefault("nodes", {})
        flat = torch.from_numpy(rows.ravel())
        gathered = {}
        for name, values in self._banks[side].tensors.items():
            key = (side, name)
            if key not in buffers:
                buffers[key] = values.new_empty((len(flat), *values.shape[1:]))
            torch.index_select(values, 0, flat, out=buffers[key])
            gathered[name] = buffers[key].unflatten(0, rows.shape)
        return gathered


def score(
    scorer: Callable[[int], Hits], batches: Iterable[int], pool: Executor
) -> Iterator[tuple[int, Hits]]:
    """Score batches; each comes with its number as soon as it is done.

    Args:
        scorer: Scores one.
        batches: Which.
        pool: Scores several at a time.
    """
    running = {pool.submit(scorer, batch): batch for batch in batches}
    for future in as_completed(running):
        yield running[future], future.result()
