"""Encode videos: the features of each video alone become the nodes of a method."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol, TypeVar

from fewact.core.errors import VideoError
from fewact.core.workers import one_core_threads, pool_of, thread_count
from fewact.features.request import Features, Request
from fewact.networks.card import Card

C = TypeVar("C")

AHEAD = 32
"""Largest number of videos whose features wait for a thread that encodes them."""


class Encoder(Protocol):
    """Turns the features of one video into its nodes; every method is one."""

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features that are needed of a backbone."""

    def encode(self, features: Features) -> Mapping[str, Any]:
        """Return the nodes of one video, by name."""


def encode_each(
    encoder: Encoder,
    clips: Iterator[tuple[C, Features | VideoError]],
    *,
    pool: Executor | None = None,
) -> Iterator[tuple[C, dict[str, Any] | VideoError]]:
    """Yield the clips in order, each with its nodes, or with the error if it cannot be read.

    Features are read while they are needed: only few clips are in memory at the same time.

    Args:
        encoder: Method, or another encoder, that computes the nodes.
        clips: Clips, each with its features, or the error.
        pool: Threads that encode while features are read; None to encode in this thread.
    """
    if pool is None:
        for clip, features in clips:
            yield clip, _encode(encoder, features)
        return
    waiting: deque[tuple[C, Future[dict[str, Any] | VideoError]]] = deque()
    for clip, features in clips:
        waiting.append((clip, pool.submit(_encode, encoder, features)))
        while waiting and (len(waiting) == AHEAD or waiting[0][1].done()):
            first, future = waiting.popleft()
            yield first, future.result()
    for clip, future in waiting:
        yield clip, future.result()


def _encode(encoder: Encoder, features: Features | VideoError) -> dict[str, Any] | VideoError:
    if isinstance(features, VideoError):
        return features
    return dict(encoder.encode(features))


def workers(
    threads: int | None, *, helped_by: int = 0
) -> AbstractContextManager[ThreadPoolExecutor]:
    """Return threads that each use one core.

    A sum that is split over threads rounds differently on another number of threads. Here each
    piece of work is computed by one thread, so that results do not depend on the number.

    Args:
        threads: Number of threads (default: ``fewact.core.workers.thread_count``).
        helped_by: Number of other cores that help them, see ``fewact.core.workers.side_by_side``.

    Raises:
        OptionError: The number is not positive.
    """
    start = partial(one_core_threads, name="fewact-encode", helped_by=helped_by)
    return pool_of(threads, start, thread_count)
