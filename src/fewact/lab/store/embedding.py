"""Compute features of a list's videos into a store: block by block, by any number of processes."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter, ValidationError

from fewact.core.cluster import map_on_ray
from fewact.core.errors import StoreError, VideoError
from fewact.core.locks import Claims
from fewact.data.videos import Video, VideoList
from fewact.features.extract import Extracted, extract
from fewact.features.request import Request
from fewact.features.store.shard import Entry, Facts, Layout, Shape
from fewact.features.store.store import EntrySet, KnownVideo, KnownVideos, Store, stamp
from fewact.lab.store.requests import request_facts, request_from_facts
from fewact.networks import Backbone, BackboneSpec, Card
from fewact.video.samplers import sampler_of
from fewact.video.source import VideoSource

VIDEOS_PER_BLOCK = 32
"""Videos of a block, which is locked and written as one: a killed process loses at most one block.

Larger shards save little: 90 shards of 2,857 videos are opened in 9 ms, six larger ones in 2 ms.
"""

SET_TYPE: Final = "features"
FEATURES_NAME: Final = "features"
"""Name of the array of a video's features."""

NOT_IN_KEY = ("licence", "weights")


@dataclass(frozen=True)
class Outcome:
    """Outcome of one video.

    Args:
        video: The video.
        new: Whether its features were computed now; False if the store had them already.
        error: Why the video was skipped; None if the store has its features.
    """

    video: Video
    new: bool = False
    error: str | None = None


Report = Callable[[Outcome], None]
"""Called with the outcome of each video."""


class Job:
    """Videos of a list, and the sets of a store that must contain their features.

    Args:
        store: Store for the features.
        videos: List of the videos.
        card: Card of the backbone.
        requests: Requested features, at least one.
        block: Number of videos of a block.

    Raises:
        StoreError: Nothing is requested, or a set has another layout.
        OutputError: The store cannot be written.
    """

    def __init__(
        self,
        store: Store,
        videos: VideoList,
        card: Card,
        requests: Sequence[Request],
        *,
        block: int = VIDEOS_PER_BLOCK,
    ) -> None:
        if not requests:
            raise StoreError("no features are requested", where="requests")
        self.store, self.videos, self.card = store, videos, card
        self.block_size = block
        self.sets: dict[Request, EntrySet] = {
            request: store.make(feature_facts(card, request), feature_layout(card, request))
            for request in dict.fromkeys(requests)
        }
        self.known: KnownVideos = store.known(videos.name)
        self._blocks = [
            videos.videos[first : first + block] for first in range(0, len(videos.videos), block)
        ]

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self._blocks)

    def block(self, number: int) -> tuple[Video, ...]:
        """Return the videos of a block."""
        return self._blocks[number]

    def missing(self, blocks: Iterable[int]) -> dict[Request, int]:
        """Return for each request how many videos of these blocks are not known to be stored."""
        videos = [video for block in blocks for video in self._blocks[block]]
        fingerprints = [self.known.fingerprint(video, stamp(video.source)) for video in videos]
        return {
            request: sum(key not in entries for key in fingerprints)
            for request, entries in self.sets.items()
        }

    def bytes_to_write(self, blocks: Iterable[int]) -> int:
        """Return the size of the features of these blocks that are not known to be stored."""
        return sum(
            self.sets[request].bytes_a_video * n for request, n in self.missing(blocks).items()
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides the blocks and their features."""
        sets = sorted(entries.digest for entries in self.sets.values())
        facts = "\n".join((self.videos.digest, str(self.block_size), *sets))
        return hashlib.sha256(facts.encode()).hexdigest()


def embed(job: Job, backbone: Backbone, blocks: Iterable[int], report: Report) -> None:
    """Compute the features of some blocks that are missing in the store.

    Other processes may compute the same blocks. Blocks that another process holds are postponed to
    the end: if that process was killed, this process computes them.

    Raises:
        StoreError: The backbone has another card than the job.
        OutputError: The store cannot be written.
    """
    if backbone.card.digest != job.card.digest:
        raise StoreError(
            "the backbone differs from the backbone of the job",
            where=backbone.card.name,
            got=backbone.card.digest[:12],
            expected=job.card.digest[:12],
        )
    numbers = list(blocks)
    # Frames are decoded once for all of these.
    requests = [request for request, missing in job.missing(numbers).items() if missing] or list(
        job.sets
    )
    claims = Claims(job.store.claims(job.digest))
    run = _Run(job, backbone, requests, claims, report)
    try:
        run.embed(claims.free(numbers))
        for block in claims.postponed():
            run.embed([block])
    finally:
        claims.close()


@dataclass(eq=False)
class _Block:
    """A block in progress.

    ``needed`` are features that the store did not have when the block was begun: if another process
    writes the same block meanwhile, both write the same shard.
    """

    number: int
    missing: dict[str, list[Video]] = field(default_factory=dict)  # by fingerprint
    needed: dict[str, set[Request]] = field(default_factory=dict)  # by fingerprint
    pending: int = 0  # fingerprints whose features are being computed
    errors: dict[str, str | None] = field(default_factory=dict)  # by computed fingerprint
    complete: bool = False  # all videos were checked
    facts: dict[str, KnownVideo] = field(default_factory=dict)  # by id
    entries: dict[Request, dict[str, Entry]] = field(default_factory=dict)


_Task = tuple[VideoSource, str, _Block]
"""Video source whose features are computed, its fingerprint and its block."""


class _Run:
    """Streams the videos of one block after the other through the network."""

    def __init__(
        self,
        job: Job,
        backbone: Backbone,
        requests: Sequence[Request],
        claims: Claims,
        report: Report,
    ) -> None:
        self._job, self._backbone, self._requests = job, backbone, requests
        self._claims, self._report = claims, report
        self._open: list[_Block] = []  # in progress

    def embed(self, blocks: Iterable[int]) -> None:
        """Compute the missing features of these blocks; a block is locked before it is yielded."""
        tasks = self._tasks(blocks)
        for extracted in extract(
            tasks, self._backbone, self._requests, source=lambda task: task[0]
        ):
            extracted.warn()
            self._store(extracted)

    def _tasks(self, blocks: Iterable[int]) -> Iterator[_Task]:
        for number in blocks:
            block = _Block(number)
            self._open.append(block)
            for video in self._job.block(number):
                task = self._task(video, block)
                if task is not None:
                    block.pending += 1
                    yield task
            block.complete = True
            self._write_if_done(block)

    def _task(self, video: Video, block: _Block) -> _Task | None:
        at = stamp(video.source)
        key = self._job.known.fingerprint(video, at)
        try:
            if key is None and video.source is not None:
                key = video.source.fingerprint()
        except VideoError as error:
            self._skip(video, block, KnownVideo(stamp=at, error=error.reason))
            return None
        block.facts[video.id] = KnownVideo(fingerprint=key, stamp=at)
        if key is not None and all(key in entries for entries in self._job.sets.values()):
            self._report(Outcome(video))
        elif key is None or video.source is None:
            self._skip(video, block, KnownVideo(fingerprint=key, error="there is no file"))
        elif key in block.errors:  # the same file under another id, computed before
            self._finish(video, block, block.errors[key])
        elif key in block.missing:
            block.missing[key].append(video)
        else:
            block.missing[key] = [video]
            sets = self._job.sets.items()
            block.needed[key] = {request for request, entries in sets if key not in entries}
            return video.source, key, block
        return None

    def _store(self, extracted: Extracted[_Task]) -> None:
        """Store the features of a video; blocks are written when they are complete."""
        _, key, block = extracted.clip
        block.pending -= 1
        error = None if extracted.error is None else extracted.error.reason
        try:
            for request, value in (extracted.features or {}).items():
                entry = {FEATURES_NAME: narrow(value)}
                if request in block.needed[key]:
                    block.entries.setdefault(request, {})[key] = entry
        except Unfit as unfit:
            error = str(unfit)
        block.errors[key] = error
        for video in block.missing[key]:
            self._finish(video, block, error)
        self._write_if_done(block)

    def _finish(self, video: Video, block: _Block, error: str | None) -> None:
        if error is None:
            self._report(Outcome(video, new=True))
        else:
            self._skip(video, block, replace(block.facts[video.id], error=error))

    def _skip(self, video: Video, block: _Block, facts: KnownVideo) -> None:
        block.facts[video.id] = facts
        self._report(Outcome(video, error=facts.error))

    def _write_if_done(self, block: _Block) -> None:
        if block.pending or not block.complete:
            return
        self._open.remove(block)
        for request, entries in block.entries.items():
            self._job.sets[request].write(entries)
            for later in self._open:  # with copies of these files
                for key in entries.keys() & later.needed.keys():
                    later.needed[key].discard(request)
        self._job.known.write(block.facts)
        self._claims.release(block.number)


class Unfit(Exception):
    """The features cannot be stored; the message says why."""


def feature_facts(card: Card, request: Request) -> Facts:
    """Return all facts that decide a backbone's features of a video."""
    sampler = sampler_of(card.sampler)
    facts: dict[str, JsonValue] = json.loads(
        json.dumps(
            {
                "kind": SET_TYPE,
                "request": request_facts(request),
                "sampler": repr(sampler(request.view.frames * card.frames_per_slot)),
                "card": card.facts(*NOT_IN_KEY),
                "dtype": request.dtype,
            }
        )
    )
    return facts


def feature_layout(card: Card, request: Request) -> Layout:
    """Return the layout of one video's features."""
    return {FEATURES_NAME: Shape(request.dtype, request.shape(card))}


def cards(store: Store) -> Iterator[tuple[Card, Request, EntrySet]]:
    """Return the feature sets of a store, each with its card and request.

    The cards have no location and no licence of the weights, which do not change features.
    """
    for entries in store.sets():
        if entries.facts.get("kind") == SET_TYPE:
            try:
                yield card_of(entries.facts), _request_of(entries.facts), entries
            except (ValidationError, KeyError, TypeError):
                continue  # written by another version of fewact


def _request_of(facts: Facts) -> Request:
    stored = TypeAdapter(dict[str, Any]).validate_python(facts["request"])
    return request_from_facts(stored)


def card_of(facts: Facts) -> Card:
    """Return the card in the facts of features."""
    stored = TypeAdapter(dict[str, Any]).validate_python(facts["card"])
    return TypeAdapter(Card).validate_python({**stored, "licence": "", "weights": "stored"})


def narrow(features: NDArray[Any]) -> NDArray[Any]:
    """Convert features to the stored type: float16; uint8 is unchanged.

    Raises:
        Unfit: The features are not finite, or too large for float16.
    """
    if features.dtype == np.uint8:
        return features
    with np.errstate(over="ignore"):
        small = features.astype(np.float16)
    if not np.isfinite(small).all():
        largest = float(np.abs(features).max())
        if np.isfinite(largest):
            raise Unfit(f"its features are too large for float16, up to {largest:.3g}")
        raise Unfit("its features are not finite")
    return small


def widen(array: NDArray[Any]) -> NDArray[Any]:
    """Convert stored features to the types of a backbone: float32; uint8 is unchanged."""
    return array if array.dtype == np.uint8 else array.astype(np.float32)


Row = tuple[str, bool, str | None]
"""Id of a video, and ``new`` and ``error`` of its outcome."""


@dataclass
class _Blocks:
    """Computes blocks; the backbone is created once."""

    store: Path
    videos: VideoList
    requests: Sequence[Request]
    block_size: int
    backbone: BackboneSpec

    @cached_property
    def _made(self) -> tuple[Job, Backbone]:
        backbone, store = self.backbone.create(), Store(self.store)
        job = Job(store, self.videos, backbone.card, self.requests, block=self.block_size)
        return job, backbone

    def __call__(self, block: int) -> list[Row]:
        rows: list[Row] = []
        embed(
            *self._made,
            [block],
            lambda outcome: rows.append((outcome.video.id, outcome.new, outcome.error)),
        )
        return rows


def embed_on_ray(
    job: Job, backbone: BackboneSpec, blocks: Sequence[int], report: Report, *, address: str
) -> None:
    """Compute blocks on a Ray cluster, with one actor for each GPU, or each CPU without GPUs.

    All machines must reach the store and the videos by the same paths.

    Args:
        job: Videos and sets.
        backbone: The job's backbone. All machines must be able to read its weights; with a
            precision and an engine other than ``auto`` they compute the same features.
        blocks: Numbers of the blocks.
        report: Called with the outcome of each video.
        address: Address of the cluster, see ``map_on_ray``.
    """
    work = _Blocks(
        job.store.folder.resolve(), job.videos, tuple(job.sets), job.block_size, backbone
    )
    by_id = {video.id: video for video in job.videos.videos}
    for rows in map_on_ray(work, blocks, address=address):
        for id, new, error in rows:
            report(Outcome(by_id[id], new, error))
