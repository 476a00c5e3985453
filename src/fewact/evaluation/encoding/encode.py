"""Encode videos one after the other, from features of any source."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from fewact.backbones.card import Card
from fewact.backbones.precision import exact_convolutions
from fewact.core.errors import VideoError
from fewact.features.request import Features, Request
from fewact.features.sources import FeatureSource

AHEAD = 32
"""Largest number of videos whose features wait for a thread that encodes them."""


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
    return encode_each(
        encoder, source.features(positions, encoder.requests(source.card)), pool=pool
    )


def encode_each(
    encoder: Encoder, found: Iterator[Features | VideoError], *, pool: Executor | None = None
) -> Iterator[dict[str, Tensor] | VideoError]:
    """Encode features while they arrive, see ``encode``.

    Args:
        encoder: Method, or another encoder, that computes the nodes.
        found: Features of each video, or the error of a video that cannot be read.
        pool: Threads that encode while features are read; None to encode in this thread.
    """
    if pool is None:
        return (one if isinstance(one, VideoError) else _encode(encoder, one) for one in found)
    return _encode_in(pool, encoder, found)


def _encode_in(
    pool: Executor, encoder: Encoder, found: Iterator[Features | VideoError]
) -> Iterator[dict[str, Tensor] | VideoError]:
    waiting: deque[Future[dict[str, Tensor]] | VideoError] = deque()

    def first() -> dict[str, Tensor] | VideoError:
        one = waiting.popleft()
        return one if isinstance(one, VideoError) else one.result()

    for one in found:
        waiting.append(one if isinstance(one, VideoError) else pool.submit(_encode, encoder, one))
        while waiting and (len(waiting) == AHEAD or _is_done(waiting[0])):
            yield first()
    while waiting:
        yield first()


def _is_done(one: Future[dict[str, Tensor]] | VideoError) -> bool:
    return isinstance(one, VideoError) or one.done()


def _encode(encoder: Encoder, features: Features) -> dict[str, Tensor]:
    device = next((one.device for one in features.values()), torch.device("cpu"))
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
