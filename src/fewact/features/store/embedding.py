"""Fill a store with features of a list's videos: block by block, by any number of processes."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fewact.backbones import Backbone, Card
from fewact.data.video_source import Transform, VideoSource
from fewact.data.videos import Video, VideoList
from fewact.errors import StoreError, VideoError
from fewact.features.extract import Extracted, extract
from fewact.features.request import Request
from fewact.features.store.entries import EntrySet
from fewact.features.store.feature_sets import (
    NAME,
    SamplerOf,
    Unfit,
    feature_facts,
    feature_layout,
    narrow,
)
from fewact.features.store.known_videos import KnownList, KnownVideo, stamp
from fewact.features.store.shard import Entry
from fewact.features.store.store import Store
from fewact.io.locks import Claims
from fewact.video import FrameSets, Segments

AT_ONCE = 2
"""Videos in the network at the same time."""

BLOCK = 32
"""Videos that are claimed and written together: what is lost, at most, by a process that is killed.

Shards need be no larger: the 90 of 2,857 videos are opened in 9 ms, six larger ones in 2.
"""


@dataclass(frozen=True)
class Outcome:
    """What became of a video.

    Args:
        video: The video.
        new: Whether it was embedded just now, rather than found.
        error: Why it was skipped; None where it is in the store.
    """

    video: Video
    new: bool = False
    error: str | None = None


Tell = Callable[[Outcome], None]


class Job:
    """A list's videos, and the sets of a store that they are to be in.

    Args:
        store: The store.
        videos: The list.
        card: Of the backbone.
        requests: Which features, at least one.
        sampler: Chooses the frames.
        block: Videos that are claimed and written together.

    Raises:
        StoreError: No tap is asked for, or a set does not fit.
        OSError: The store cannot be written.
    """

    def __init__(
        self,
        store: Store,
        videos: VideoList,
        card: Card,
        requests: Sequence[Request],
        sampler: SamplerOf = Segments,
        *,
        block: int = BLOCK,
    ) -> None:
        if not requests:
            raise StoreError("no features are asked for", where="taps")
        self.store, self.videos, self.card, self.sampler = store, videos, card, sampler
        self.block_size = block
        self.sets: dict[Request, EntrySet] = {
            request: store.make(
                feature_facts(card, request, sampler), feature_layout(card, request)
            )
            for request in dict.fromkeys(requests)
        }
        self.known: KnownList = store.known.read(videos.name)
        self._blocks = [
            videos.videos[first : first + block] for first in range(0, len(videos.videos), block)
        ]

    def __len__(self) -> int:
        """Number of blocks."""
        return len(self._blocks)

    def block(self, number: int) -> tuple[Video, ...]:
        """The videos of a block."""
        return self._blocks[number]

    def missing(self, blocks: Iterable[int]) -> dict[Request, int]:
        """For each tap how many videos of these blocks are not known to be stored."""
        videos = [video for block in blocks for video in self._blocks[block]]
        known = [self.known.fingerprint(video, stamp(video.source)) for video in videos]
        return {request: sum(key not in one for key in known) for request, one in self.sets.items()}

    def bytes_to_write(self, blocks: Iterable[int]) -> int:
        """Of the features of the videos of these blocks that are not known to be stored."""
        return sum(
            self.sets[request].bytes_a_video * n for request, n in self.missing(blocks).items()
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides the blocks and what is made of them."""
        sets = sorted(one.digest for one in self.sets.values())
        facts = "\n".join((self.videos.digest, str(self.block_size), *sets))
        return hashlib.sha256(facts.encode()).hexdigest()


def embed(job: Job, backbone: Backbone, blocks: Iterable[int], tell: Tell) -> None:
    """Embed the videos of some blocks that are not in the store.

    A block that another process works on is left to it, and looked at again in the end: if that
    process was killed, this one does its work.

    Args:
        job: What is to be done.
        backbone: That of the job's card.
        blocks: Which; others, or the same, may be done by others.
        tell: Called with what became of each video.

    Raises:
        StoreError: The backbone is not that of the job.
        OSError: The store cannot be written.
    """
    if backbone.card.digest != job.card.digest:
        raise StoreError(
            "this is another backbone than that of the job",
            where=backbone.card.name,
            got=backbone.card.digest[:12],
            expected=job.card.digest[:12],
        )
    numbers = list(blocks)
    # Frames are decoded and run for all of these at once.
    requests = [request for request, missing in job.missing(numbers).items() if missing] or list(
        job.sets
    )
    claims = Claims(job.store.folder / "claims" / job.digest[:24])
    run = _Run(job, backbone, requests, claims, tell)
    try:
        run.over(claims.free(numbers))
        for block in claims.postponed():
            run.over([block])
    finally:
        claims.close()


@dataclass
class _Page:
    """A block that is being done.

    Args:
        block: Its number.
        asked: By fingerprint the videos that are to be embedded.
        waiting: How many of these fingerprints are not there yet.
        whole: Whether all videos of the block were looked at.
        seen: What is known of its videos, by id.
        entries: What was made of them.
    """

    block: int
    asked: dict[str, list[Video]] = field(default_factory=dict)
    waiting: int = 0
    whole: bool = False
    known: dict[str, KnownVideo] = field(default_factory=dict)
    entries: dict[Request, dict[str, Entry]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Wanted:
    """Footage that is to be embedded."""

    source: VideoSource
    key: str
    page: _Page

    def read(self, samplers: Sequence[Any], *, transform: Transform | None = None) -> FrameSets:
        return self.source.read(samplers, transform=transform)

    def fingerprint(self) -> str:
        return self.key


class _Run:
    """One stream of videos through the network, over block after block."""

    def __init__(
        self, job: Job, backbone: Backbone, requests: Sequence[Request], claims: Claims, tell: Tell
    ) -> None:
        self._job, self._backbone, self._requests = job, backbone, requests
        self._claims, self._tell = claims, tell

    def over(self, blocks: Iterable[int]) -> None:
        """Embed what is missing of these blocks, each claimed before it comes."""
        wanted, sampler = self._wanted(blocks), self._job.sampler
        for found in extract(
            wanted, self._backbone, self._requests, sampler=sampler, at_once=AT_ONCE
        ):
            self._keep(found)

    def _wanted(self, blocks: Iterable[int]) -> Iterator[_Wanted]:
        for block in blocks:
            for one in self._job.sets.values():
                one.refresh()
            page = _Page(block)
            for video in self._job.block(block):
                wanted = self._look(video, page)
                if wanted is not None:
                    page.waiting += 1
                    yield wanted
            page.whole = True
            self._finish_if_done(page)

    def _look(self, video: Video, page: _Page) -> _Wanted | None:
        """What must be done for a video, if anything."""
        at = stamp(video.source)
        key = self._job.known.fingerprint(video, at)
        try:
            if key is None and video.source is not None:
                key = video.source.fingerprint()
        except VideoError as error:
            self._skip(video, page, KnownVideo(stamp=at, error=error.reason))
            return None
        page.known[video.id] = KnownVideo(fingerprint=key, stamp=at)
        if key is not None and all(key in one for one in self._job.sets.values()):
            self._tell(Outcome(video))
        elif key is None or video.source is None:
            self._skip(video, page, KnownVideo(fingerprint=key, error="there is no file"))
        elif key in page.asked:  # the same bytes under another id
            page.asked[key].append(video)
        else:
            page.asked[key] = [video]
            return _Wanted(video.source, key, page)
        return None

    def _keep(self, found: Extracted[_Wanted]) -> None:
        """Take in what the network made of a video."""
        key, page = found.clip.key, found.clip.page
        page.waiting -= 1
        error = None if found.error is None else found.error.reason
        try:
            for request, value in (found.features or {}).items():
                entry = {NAME: narrow(value)}
                if key not in self._job.sets[request]:
                    page.entries.setdefault(request, {})[key] = entry
        except Unfit as unfit:
            error = str(unfit)
        for video in page.asked[key]:
            if error is None:
                self._tell(Outcome(video, new=True))
            else:
                self._skip(video, page, page.known[video.id].model_copy(update={"error": error}))
        self._finish_if_done(page)

    def _skip(self, video: Video, page: _Page, known: KnownVideo) -> None:
        page.known[video.id] = known
        self._tell(Outcome(video, error=known.error))

    def _finish_if_done(self, page: _Page) -> None:
        if page.waiting or not page.whole:
            return
        for request, entries in page.entries.items():
            self._job.sets[request].write(entries)
        self._job.store.known.write(self._job.videos.name, page.known)
        self._claims.release(page.block)
