"""Extract features of clips: the next ones are prepared while this one is in the network.

Frames that are not stabilised are in the network while the camera motion of others is estimated.
Decoding, stabilising and the network of different clips run in threads that use one core each: no
thread waits for another's core, and no result depends on the number of threads.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from fewact.backbones import Backbone
from fewact.core.errors import OptionError, VideoError, warn
from fewact.core.workers import one_core_threads, started_threads
from fewact.data.video_source import VideoSource
from fewact.features.network import Inputs, NetworkFeatures
from fewact.features.request import Features, Request
from fewact.features.timing import Timing
from fewact.features.views import ClipReader, PreparedClip
from fewact.video import Sampler, VideoWarning
from fewact.video.named import sampler_of

S = TypeVar("S", bound=VideoSource)


@dataclass(frozen=True)
class Extracted(Generic[S]):
    """Features of a clip.

    Args:
        clip: Clip that was read.
        features: Features by request, on the backbone's device: float32, but ``pixels`` uint8.
            None where the clip cannot be read.
        error: Why the clip cannot be read.
    """

    clip: S
    features: dict[Request, Tensor] | None
    error: VideoError | None = None

    @property
    def result(self) -> Features | VideoError:
        """Features on the CPU, or the error of a clip that cannot be read."""
        if self.features is None:
            return self.error or VideoError("clip", "there are no features")
        return {request: value.cpu() for request, value in self.features.items()}


def extract(
    clips: Iterable[S],
    backbone: Backbone,
    requests: Sequence[Request],
    *,
    sampler: Callable[[int], Sampler] | None = None,
    timing: Timing | None = None,
    prefetch: int = 2,
    at_once: int = 2,
) -> Iterator[Extracted[S]]:
    """Extract features of clips, in order.

    Each clip is decoded once for all requests. Equal frames run through the network once, no deeper
    than their requests need. Frames are resized while they are decoded, so that memory
    does not depend on the length or the size of a video.

    Args:
        clips: Clips to extract features of.
        backbone: Backbone that computes the features.
        requests: Requested features; those of equal views share their frames.
        sampler: Makes the sampler that chooses a number of frames; None for the card's.
        timing: Adds up the stages ``decode``, ``stabilise`` and ``backbone``.
        prefetch: Number of clips that are prepared ahead of those in the network, on up to half of
            the cores.
        at_once: Number of clips in the network at the same time. With two, all cores are busy at
            the end of a clip too.

    Returns:
        One ``Extracted`` for each clip. A clip that cannot be read has an ``error``; other errors
        are raised.

    Raises:
        OptionError: The backbone does not have a requested level, nothing is requested, or a
            number is not positive.
    """
    if not requests:
        raise OptionError("no features are requested", where="requests")
    for name, number in (("prefetch", prefetch), ("at_once", at_once)):
        if number < 1:
            raise OptionError(
                "the number is not positive", where=name, got=str(number), expected="at least 1"
            )
    backbone.check_levels([request.level for request in requests if request.level is not None])
    timing = timing or Timing()
    chosen = sampler or sampler_of(backbone.card.sampler)
    reader = ClipReader(backbone, requests, chosen, timing)

    def run(early: Future[Inputs], preparing: Future[PreparedClip]) -> dict[Request, Tensor] | None:
        both: tuple[Future[Any], ...] = (early, preparing)
        wait(both, return_when=FIRST_COMPLETED)
        first = early.result() if early.done() else {}
        network = NetworkFeatures(backbone, requests)
        with timing.stage("backbone"):
            found = network.of(first)
        clip = preparing.result()
        if clip.error is not None:
            return None
        rest = {request: one for request, one in clip.inputs.items() if request not in first}
        with timing.stage("backbone"):
            found |= network.of(rest)
        return {request: found[request] for request in requests}

    return _extract(clips, reader, run, prefetch, at_once)


def _extract(
    clips: Iterable[S],
    reader: ClipReader,
    run: Callable[[Future[Inputs], Future[PreparedClip]], dict[Request, Tensor] | None],
    prefetch: int,
    at_once: int,
) -> Iterator[Extracted[S]]:
    rest = iter(clips)
    cores = torch.get_num_threads()
    with (
        one_core_threads(min(prefetch, max(1, cores // 2)), "fewact-decode") as decoding,
        started_threads(at_once, "fewact-network", cores=cores) as network,
    ):

        def begin(clip: S) -> _Begun[S]:
            early: Future[Inputs] = Future()
            preparing = decoding.submit(reader.read, clip, early.set_result)
            return _Begun(clip, preparing, network.submit(run, early, preparing))

        begun = deque(begin(clip) for clip in islice(rest, prefetch + at_once - 1))
        try:
            while begun:
                one = begun.popleft()
                begun.extend(begin(clip) for clip in islice(rest, 1))
                prepared = one.preparing.result()
                for text in prepared.warnings:
                    warn(text, VideoWarning)
                yield Extracted(one.clip, one.features.result(), prepared.error)
        finally:
            reader.stop()
            for one in begun:
                one.features.cancel()


@dataclass(frozen=True)
class _Begun(Generic[S]):
    """Clip that is prepared, or waits to be, and then runs through the network."""

    clip: S
    preparing: Future[PreparedClip]
    features: Future[dict[Request, Tensor] | None]
