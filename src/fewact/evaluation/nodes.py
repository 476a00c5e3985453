"""Each video encoded once, for all episodes."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.evaluation.sources import Source
from fewact.methods.base import Features, Method

AHEAD = 32
"""Videos whose features wait to be encoded, at most."""


class NodeBank:
    """The nodes of videos, by their positions in a list.

    Args:
        positions: (v) of the videos, ascending.
    """

    def __init__(self, positions: NDArray[np.int32]) -> None:
        self.positions = positions
        self.tensors: dict[str, Tensor] = {}

    def rows(self, positions: NDArray[np.int32]) -> NDArray[np.int64]:
        """Which rows of the tensors are these videos: (…) → (…)."""
        return np.searchsorted(self.positions, positions)

    def put(self, row: int, nodes: dict[str, Tensor]) -> None:
        """Keep the nodes of one video; the first one decides the shapes."""
        if not self.tensors:
            self.tensors = {
                name: value.new_empty((len(self.positions), *value.shape))
                for name, value in nodes.items()
            }
        for name, value in nodes.items():
            self.tensors[name][row] = value

    @property
    def bytes_a_video(self) -> int:
        """Memory of one video's nodes."""
        return sum(value[0].numel() * value.element_size() for value in self.tensors.values())


def encode(
    method: Method,
    source: Source,
    positions: NDArray[np.int32],
    pool: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> NodeBank:
    """Encode videos, each alone and each once.

    Args:
        method: Does the encoding.
        source: Of the features.
        positions: (v) of the videos, ascending.
        pool: Encodes several at a time.
        progress: Told how many videos are done, and of how many.
    """
    bank = NodeBank(positions)
    taps = method.taps(source.card)
    waiting: deque[Future[dict[str, Tensor]]] = deque()
    done = 0

    def keep() -> None:
        nonlocal done
        bank.put(done, waiting.popleft().result())
        done += 1
        if progress is not None:
            progress(done, len(positions))

    for features in source.features(_numbers(positions), taps):
        waiting.append(pool.submit(_encode, method, features))
        if len(waiting) == AHEAD:
            keep()
    while waiting:
        keep()
    return bank


def _numbers(positions: NDArray[np.int32]) -> Sequence[int]:
    numbers: list[int] = positions.tolist()
    return numbers


def _encode(method: Method, features: Features) -> dict[str, Tensor]:
    with torch.inference_mode():
        return dict(method.encode(features))
