"""Encode videos, each alone and each once: from features of any source to a method's nodes.

``encode_each`` streams the nodes of one video after the other; classifier and evaluation both use
it. ``encode_list`` collects the nodes of a list's videos in a ``NodeBank``.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewact.backbones.card import Card
from fewact.backbones.devices import exact_convolutions
from fewact.core.errors import DataError, OptionError, VideoError
from fewact.core.workers import one_core_threads
from fewact.data.files import first_few
from fewact.data.videos import VideoList
from fewact.evaluation.identity import (
    FeatureFacts,
    MethodFacts,
    encoding_facts,
    feature_facts,
)
from fewact.features.request import Features, Request
from fewact.features.sources import FeatureSource
from fewact.methods.base import Method, TextMethod

C = TypeVar("C")

AHEAD = 32
"""Largest number of videos whose features wait for a thread that encodes them."""

Progress = Callable[[int, int], None]
"""Called with the number of videos that are done and the number of all."""


class Encoder(Protocol):
    """Turns the features of one video into its nodes; every method is one."""

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features that are needed of a backbone."""

    def encode(self, features: Features) -> Mapping[str, Tensor]:
        """Return the nodes of one video, by name."""


def encode(
    encoder: Encoder,
    source: FeatureSource,
    positions: Sequence[int],
    *,
    pool: Executor | None = None,
) -> Iterator[dict[str, Tensor] | VideoError]:
    """Encode videos, each alone, in order.

    Features are read while they are needed: only few videos are in memory at the same time.

    Args:
        encoder: Method, or another encoder, that computes the nodes.
        source: Source of the features.
        positions: Positions of the videos in the source.
        pool: Threads that encode while features are read; None to encode in this thread.

    Returns:
        Nodes of each video; for a video that cannot be read the error.

    Raises:
        OptionError: The source does not have the requested features.
        DataError: Videos are known to be missing.
    """
    features = source.features(positions, encoder.requests(source.card))
    return (nodes for _, nodes in encode_each(encoder, enumerate(features), pool=pool))


def encode_each(
    encoder: Encoder,
    clips: Iterator[tuple[C, Features | VideoError]],
    *,
    pool: Executor | None = None,
) -> Iterator[tuple[C, dict[str, Tensor] | VideoError]]:
    """Encode features while they arrive, see ``encode``.

    Args:
        encoder: Method, or another encoder, that computes the nodes.
        clips: Clips, each with its features, or the error of one that cannot be read.
        pool: Threads that encode while features are read; None to encode in this thread.

    Returns:
        Each clip with its nodes, or with the error.
    """
    if pool is None:
        for clip, features in clips:
            yield clip, _encode(encoder, features)
        return
    waiting: deque[tuple[C, Future[dict[str, Tensor] | VideoError]]] = deque()
    for clip, features in clips:
        waiting.append((clip, pool.submit(_encode, encoder, features)))
        while waiting and (len(waiting) == AHEAD or waiting[0][1].done()):
            first, future = waiting.popleft()
            yield first, future.result()
    for clip, future in waiting:
        yield clip, future.result()


def _encode(encoder: Encoder, features: Features | VideoError) -> dict[str, Tensor] | VideoError:
    if isinstance(features, VideoError):
        return features
    device = next((value.device for value in features.values()), torch.device("cpu"))
    with torch.inference_mode(), exact_convolutions(device):
        return dict(encoder.encode(features))


@contextmanager
def evaluating(method: nn.Module) -> Iterator[None]:
    """Put a method into evaluation mode inside of ``with``."""
    training = method.training
    method.eval()
    try:
        yield
    finally:
        method.train(training)


@contextmanager
def workers(threads: int | None, *, helped_by: int = 0) -> Iterator[ThreadPoolExecutor]:
    """Return threads that each use one core.

    A sum that torch splits over threads rounds differently on another number of threads. Here each
    piece of work is computed by one thread, so that results do not depend on the number.

    Args:
        threads: Number of threads (default: torch's number of threads).
        helped_by: Number of other cores that help them, see ``fewact.core.workers.side_by_side``.

    Raises:
        OptionError: The number is not positive.
    """
    if threads is not None and threads < 1:
        raise OptionError(
            "the number is not positive", where="threads", got=str(threads), expected="at least 1"
        )
    count = threads or torch.get_num_threads()
    pool = one_core_threads(count, "fewact-encode", helped_by=helped_by)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class NodeBank:
    """Nodes of videos by their positions in a list, and what they were made from.

    Args:
        positions: (v) positions of the videos in the list, ascending.
        method: Facts of the method that encoded them, without options that only change scores.
        features: Facts of the features that were encoded.
        list_digest: SHA-256 of the list.

    Attributes:
        tensors: Nodes (v …) by name.
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
        progress: Progress | None = None,
    ) -> "NodeBank":
        """Return these nodes, if an evaluation can use them; nothing is computed.

        Raises:
            DataError: The nodes are from another method or list, or videos are missing.
        """
        for wrong, what in self._faults(method, videos, needed):
            if wrong:
                raise DataError(f"the nodes are {what}", where=videos.name, hint="Encode again.")
        return self

    def fits(self, method: Method, videos: VideoList, needed: NDArray[np.int32]) -> bool:
        """Return whether an evaluation can use these nodes."""
        return not any(wrong for wrong, _ in self._faults(method, videos, needed))

    def _faults(
        self, method: Method, videos: VideoList, needed: NDArray[np.int32]
    ) -> tuple[tuple[bool, str], ...]:
        return (
            (self.list_digest != videos.digest, "of another list"),
            (self.method != encoding_facts(method), f"of another method, {self.method.label}"),
            (not np.isin(needed, self.positions).all(), "not of all videos of the episodes"),
        )

    def rows(self, positions: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the rows of the tensors that hold these videos: (…) → (…)."""
        return np.searchsorted(self.positions, positions)

    def with_text(self, method: TextMethod, text: Tensor, pool: Executor) -> "NodeBank":
        """Return a bank of the nodes after ``method.with_text``.

        Args:
            method: Method in evaluation mode that encoded the nodes.
            text: Embeddings (v d) of the name of each video's class.
            pool: Threads that compute.
        """

        def named(row: int) -> dict[str, Tensor]:
            nodes = {name: value[row : row + 1] for name, value in self.tensors.items()}
            with torch.inference_mode():
                named_nodes = method.with_text(nodes, text[row : row + 1])
            return {name: value[0] for name, value in named_nodes.items()}

        bank = NodeBank(self.positions, self.method, self.features, self.list_digest)
        for row, nodes in enumerate(pool.map(named, range(len(self.positions)))):
            bank.put(row, nodes)
        return bank

    def put(self, row: int, nodes: dict[str, Tensor]) -> None:
        """Store the nodes of one video; the first video decides the shapes."""
        if not self.tensors:
            self.tensors = {
                name: value.new_empty((len(self.positions), *value.shape))
                for name, value in nodes.items()
            }
        for name, value in nodes.items():
            self.tensors[name][row] = value

    @property
    def nodes_a_video(self) -> int:
        """Number of nodes of one video."""
        return max(value[0].numel() // value.shape[-1] for value in self.tensors.values())

    @property
    def bytes_a_video(self) -> int:
        """Memory of one video's nodes."""
        return sum(value[0].numel() * value.element_size() for value in self.tensors.values())


class Encodings:
    """Encodes videos for one method after the other; methods that differ in scoring share nodes.

    Only the nodes of the last encoding are kept. A sweep should run methods of the same encoding
    one after the other.

    Args:
        source: Source of the features.
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
        progress: Progress | None = None,
    ) -> NodeBank:
        """Return the nodes of the needed videos: those of the last call, if they fit.

        Raises:
            OptionError: The source does not have the features that the method requests.
            DataError: As in ``encode_list``.
        """
        last = self._last
        if last is None or not last.fits(method, videos, needed):
            self._last = None  # Two banks would need twice the memory.
            self._last = last = self._encode(method, videos, needed, threads, progress)
        return last

    def _encode(
        self,
        method: Method,
        videos: VideoList,
        needed: NDArray[np.int32],
        threads: int | None,
        progress: Progress | None,
    ) -> NodeBank:
        return encode_list(method, self._source, videos, needed, threads=threads, progress=progress)


def encode_list(
    method: Method,
    source: FeatureSource,
    videos: VideoList,
    positions: NDArray[np.int32] | None = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> NodeBank:
    """Encode videos of a list, each alone and each once.

    Args:
        method: Method that computes the nodes.
        source: Source of the features.
        videos: List of the videos.
        positions: (v) positions of the videos to encode, ascending; None for all.
        threads: Number of threads that encode (default: torch's number of threads).
        progress: Called with the number of videos that are done and the number of all.

    Raises:
        OptionError: The source does not have the features that the method requests.
        DataError: Videos are missing or cannot be read, or the features are of another list.
    """
    source.check_list(videos)
    if positions is None:
        positions = np.arange(len(videos.videos), dtype=np.int32)
    bank = NodeBank(positions, encoding_facts(method), feature_facts(source), videos.digest)
    numbers: list[int] = positions.tolist()
    unreadable: list[str] = []
    with evaluating(method), workers(threads) as pool:
        for row, nodes in enumerate(encode(method, source, numbers, pool=pool)):
            if isinstance(nodes, VideoError):
                unreadable.append(f"{videos.videos[numbers[row]].id} ({nodes.reason})")
            else:
                bank.put(row, nodes)
            if progress is not None:
                progress(row + 1, len(numbers))
    if unreadable:
        raise DataError(
            f"cannot be read: {len(unreadable)} of {len(numbers)} videos that are needed",
            where=videos.name,
            got=first_few(unreadable),
            hint="Repair these videos or remove them from the list, then draw episodes again.",
        )
    return bank
