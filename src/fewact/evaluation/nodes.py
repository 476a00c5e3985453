"""Each video encoded once, for all episodes."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.data.videos import VideoList
from fewact.errors import DataError
from fewact.evaluation.facts import encoding_facts, feature_facts
from fewact.evaluation.result import FeatureFacts, MethodFacts
from fewact.evaluation.workers import workers
from fewact.features.request import Features
from fewact.features.sources import FeatureSource
from fewact.methods.base import Method

AHEAD = 32
"""Videos whose features wait to be encoded, at most."""


class NodeBank:
    """The nodes of videos, by their positions in a list, and where they came from.

    Args:
        positions: (v) of the videos, ascending.
        method: That encoded them, less what only scores them.
        features: That it encoded.
        list_digest: SHA-256 of the list.
    """

    def __init__(
        self,
        positions: NDArray[np.int32],
        method: MethodFacts,
        features: FeatureFacts,
        list_digest: str,
    ) -> None:
        self.positions = positions
        self.method, self.features, self.list_digest = method, features, list_digest
        self.tensors: dict[str, Tensor] = {}

    def bank(
        self,
        method: Method,
        videos: VideoList,
        needed: NDArray[np.int32],
        *,
        threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> "NodeBank":
        """These nodes, if they are what an evaluation needs; nothing is left to be done.

        Raises:
            DataError: They are another method's, of another list, or not of all videos.
        """
        for holds, what in self._faults(method, videos, needed):
            if holds:
                raise DataError(f"the nodes are {what}", where=videos.name, hint="Encode anew.")
        return self

    def fits(self, method: Method, videos: VideoList, needed: NDArray[np.int32]) -> bool:
        """Whether these nodes are what an evaluation needs."""
        return not any(holds for holds, _ in self._faults(method, videos, needed))

    def _faults(
        self, method: Method, videos: VideoList, needed: NDArray[np.int32]
    ) -> tuple[tuple[bool, str], ...]:
        return (
            (self.list_digest != videos.digest, "of another list"),
            (self.method != encoding_facts(method), f"of another method, {self.method.label}"),
            (not np.isin(needed, self.positions).all(), "not of all videos of the episodes"),
        )

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


class Encodings:
    """Encodes videos for one method after the other; those that differ in scoring alone share.

    The nodes of the last encoding are kept, so that a sweep does best to go through methods of one
    encoding together.

    Args:
        source: Of the features.
    """

    def __init__(self, source: FeatureSource) -> None:
        self.features = feature_facts(source)
        self._source = source
        self._last: NodeBank | None = None

    def bank(
        self,
        method: Method,
        videos: VideoList,
        needed: NDArray[np.int32],
        *,
        threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> NodeBank:
        """The nodes of the videos that are needed: those of the last time, if they will do.

        Raises:
            OptionError: The method asks for features that the source does not have.
            DataError: As of ``encode``.
        """
        last = self._last
        if last is None or not last.fits(method, videos, needed):
            self._last = None  # Not two in memory at the same time.
            self._last = last = self._encode(method, videos, needed, threads, progress)
        return last

    def _encode(
        self,
        method: Method,
        videos: VideoList,
        needed: NDArray[np.int32],
        threads: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> NodeBank:
        return encode(method, self._source, videos, needed, threads=threads, progress=progress)


def encode(
    method: Method,
    source: FeatureSource,
    videos: VideoList,
    positions: NDArray[np.int32] | None = None,
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NodeBank:
    """Encode videos, each alone and each once.

    Args:
        method: Does the encoding.
        source: Of the features.
        videos: The list.
        positions: (v) which of them, ascending; None for all.
        threads: That encode; torch's number by default.
        progress: Told how many videos are done, and of how many.

    Raises:
        OptionError: The method asks for features that the source does not have.
        DataError: Videos are missing or cannot be read, or the features are of another list.
    """
    source.check_list(videos)
    if positions is None:
        positions = np.arange(len(videos.videos), dtype=np.int32)
    bank = NodeBank(positions, encoding_facts(method), feature_facts(source), videos.digest)
    with evaluating(method), workers(threads) as pool:
        _fill(bank, method, source, pool, progress or (lambda done, total: None))
    return bank


def _fill(
    bank: NodeBank,
    method: Method,
    source: FeatureSource,
    pool: Executor,
    progress: Callable[[int, int], None],
) -> None:
    numbers: list[int] = bank.positions.tolist()
    requests = method.requests(source.card)
    waiting: deque[Future[dict[str, Tensor]]] = deque()
    done = 0

    def keep() -> None:
        nonlocal done
        bank.put(done, waiting.popleft().result())
        done += 1
        progress(done, len(numbers))

    for features in source.features(numbers, requests):
        waiting.append(pool.submit(_encode, method, features))
        if len(waiting) == AHEAD:
            keep()
    while waiting:
        keep()


def _encode(method: Method, features: Features) -> dict[str, Tensor]:
    with torch.inference_mode():
        return dict(method.encode(features))


@contextmanager
def evaluating(method: Method) -> Iterator[None]:
    """The method in evaluation mode, for a while."""
    training = method.training
    method.eval()
    try:
        yield
    finally:
        method.train(training)
