"""Index of an archive: what the network reads in its recordings, kept small along time.

The vectors do not depend on any class, so that each later question is arithmetic: see
``small_vectors``. They are rounded to eight bits. A window of any duration is some of their rows.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.windows import FASTEST
from fewact.core.errors import ModelError, StoreError, UserError, VideoError, warn
from fewact.core.version import __version__
from fewact.core.workers import on_one_core
from fewact.data import Clip
from fewact.data.files import legible
from fewact.features.request import (
    DifferenceImageRequest,
    FeatureRequest,
    Features,
    MovingRequest,
    View,
)
from fewact.features.ring import FeatureRing
from fewact.features.store import Store
from fewact.features.store.shard import Shape
from fewact.features.store.store import KnownVideo, KnownVideos, stamp
from fewact.methods.common.reduction import parts
from fewact.methods.common.temporal import normalised
from fewact.methods.fusion import MIDDLE_GRID, compares_maps
from fewact.methods.fusion.crop import averaged
from fewact.methods.fusion.motion_network import FRAMES, LENGTH, WEIGHTS_SHA256, raw_vectors
from fewact.methods.fusion.terms import unit_frames
from fewact.networks import Backbone, Card
from fewact.recordings.small_vectors import INDEX_TRACKS, Array, projected
from fewact.recordings.windows import Pace
from fewact.video.recording import open_recording
from fewact.video.samplers import RGBImage

SmallRows = dict[str, NDArray[np.int8]]
"""Vectors (n d) along time, by track; zeros where there are no frames."""

Shown = Callable[[float], None]
"""Shows the time up to which a recording was read, in seconds."""

PIECE_SECONDS: Final = FRAMES / INDEX_TRACKS["motion"].rate
"""Duration of a piece that is computed at once, in seconds."""

PIECE_STEP: Final = PIECE_SECONDS / 2
"""Seconds between the starts of two pieces. The middle half of a piece is kept: vectors near an end
depend on frames beyond it."""

ENTRY_SECONDS: Final = 60
"""Seconds of a recording that are an entry of the store."""

SHARD_ENTRIES: Final = 10
"""Entries of a shard: a killed index loses at most so many minutes of a recording."""

FRAME_GAP: Final = 1.0
"""Longest time without frames, in seconds. A piece with a longer gap is left out."""

LARGEST_VALUE: Final = 5.0
"""Largest value that is kept, in standard deviations of a random direction."""

LARGEST_INTEGER: Final = 127

LONG_GAP: Final = 2.0 * ENTRY_SECONDS
"""Seconds without a frame of which no minute is stored, but for those with frames."""

MOST_MINUTES: Final = 1_000_000
"""Number of minutes of the longest recording, about two years: a file may declare any time."""

TimedFrame = tuple[float, RGBImage]

PART_MINUTES: Final = 60
"""Length of the parts in which a recording is searched, in minutes."""

RECORDINGS: Final = "archive"
"""Name of the list of recordings in the store."""

CONTENT: Final = "archive vectors"


def index_requests() -> tuple[FeatureRequest, MovingRequest, DifferenceImageRequest]:
    """Return what is computed of a piece."""
    frames = View(round(PIECE_SECONDS * INDEX_TRACKS["layout"].rate))
    moving = MovingRequest(view=View(round(PIECE_SECONDS * INDEX_TRACKS["appearance"].rate)))
    return FeatureRequest("middle", frames), moving, DifferenceImageRequest(View(FRAMES, "auto"))


def vectors_of(features: Features) -> SmallRows:
    """Return the rows of a piece, by track."""
    middle, moving, images = (features[request] for request in index_requests())
    across, down = (parts(size, MIDDLE_GRID) for size in (middle.shape[-1], middle.shape[-2]))
    cells = averaged(middle, across, down)
    motion = raw_vectors(images) if images.any() else np.zeros((FRAMES, LENGTH), np.float32)
    vectors = {
        "appearance": unit_frames(moving),
        "layout": normalised(cells.reshape(len(cells), -1)),
        "motion": motion,
    }
    return {
        track: (projected(track, value) * np.float32(LARGEST_INTEGER / LARGEST_VALUE))
        .round()
        .clip(-LARGEST_INTEGER, LARGEST_INTEGER)
        .astype(np.int8)
        for track, value in vectors.items()
    }


@dataclass(frozen=True)
class IndexedRecording:
    """A recording of an archive.

    Args:
        path: Where it was last found.
        fingerprint: Fingerprint of its bytes.
        stamp: Stamp of its file when it was indexed.
    """

    path: Path
    fingerprint: str
    stamp: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether the file can be read again, and has not changed."""
        return self.stamp is not None and stamp(Clip(self.path)) == self.stamp


class Archive:
    """Index of recordings: a store with the vectors of each minute.

    Args:
        store: Store.
        card: Card of the backbone that computes the vectors.
        create: Make the index if there is none.

    Raises:
        StoreError: The store has no index of this backbone.
        ModelError: The backbone has no maps.
    """

    def __init__(self, store: Store, card: Card, *, create: bool = False) -> None:
        if not compares_maps(card):
            raise ModelError("an index needs a backbone with maps", where=card.name)
        facts: dict[str, Any] = {
            "kind": CONTENT,
            "learned motion": WEIGHTS_SHA256,
            "card": card.facts("licence", "weights", "engine"),
        }
        layout = {
            name: Shape("int8", (ENTRY_SECONDS * track.rate, track.width))
            for name, track in INDEX_TRACKS.items()
        }
        entries = store.make(facts, layout) if create else store.find(facts)
        if entries is None:
            raise StoreError(
                "there is no index of this backbone and this version of fewact",
                where=str(store.folder),
                got=f"{card.name}, fewact {__version__}",
                expected="the backbone, weights, precision and version of `fewact index`",
                hint="Make it: fewact index ARCHIVE -o INDEX",
            )
        self.entries, self.known = entries, store.known(RECORDINGS)
        self._lost = {key.rpartition(":")[0] for key in entries.lost()}
        if self._lost and not create:
            warn(
                f"{store.folder}: recordings that are not found, because their shards are damaged: "
                f"{len(self._lost)} ({next(iter(entries.damaged.values()))}). Run `fewact index` "
                "with all recordings again"
            )

    def recordings(self) -> list[IndexedRecording]:
        """Return the stored recordings, each once: where its file is, if it is anywhere."""
        return [
            recorded
            for recorded in _recordings(self.known)
            if self._is_stored(recorded.fingerprint)
        ]

    def _is_stored(self, fingerprint: str) -> bool:
        return fingerprint not in self._lost and _key(fingerprint, 0) in self.entries

    def minutes(self, fingerprint: str) -> list[int]:
        """Return the stored minutes of a recording; minutes without frames are not stored."""
        keys = self.entries.beginning_with(f"{fingerprint}:")
        return [int(key.rpartition(":")[2]) for key in keys]

    def blocks(self, fingerprint: str) -> int:
        """Return the number of minutes of a recording, up to the last one that is stored."""
        return max(self.minutes(fingerprint), default=-1) + 1

    def rows(self, fingerprint: str, first: int, last: int) -> SmallRows:
        """Return the rows of the minutes ``first`` to ``last`` − 1 of a recording.

        A minute without frames has zeros.
        """
        keys = [_key(fingerprint, number) for number in range(first, last)]
        empty = _empty_minute()
        entries = [self.entries.read(key) if key in self.entries else empty for key in keys]
        return {name: np.concatenate([entry[name] for entry in entries]) for name in INDEX_TRACKS}

    def add(self, path: Path, backbone: Backbone, shown: Shown = lambda time: None) -> bool:
        """Index a recording; return whether it had to be read.

        Args:
            path: File or folder of images.
            backbone: Backbone of the card.
            shown: Shows the time up to which it was read.

        Raises:
            VideoError: It cannot be read.
        """
        clip = Clip(path)
        at = stamp(clip)
        name = legible(str(path.absolute()))
        facts = self.known.every(name).get(name)
        if facts is not None and facts.stamp == at and self._is_stored(facts.fingerprint or ""):
            return False
        fingerprint = clip.fingerprint()
        is_new = not (self._is_stored(fingerprint) and self.known.every(fingerprint=fingerprint))
        try:
            if is_new:
                self._read(path, fingerprint, backbone, shown)
        except UserError as error:
            self.known.write({name: KnownVideo(None, at, str(error))})
            raise
        self.known.write({name: KnownVideo(fingerprint, at)})
        return is_new

    def _read(self, path: Path, fingerprint: str, backbone: Backbone, shown: Shown) -> None:
        """Write the minutes of a recording that are not stored."""
        done, waiting = self.blocks(fingerprint), dict[str, dict[str, NDArray[Any]]]()
        if fingerprint in self._lost:  # any minute may be lost
            done = 0
        for number, entry in _minutes(path, backbone, done, shown):
            waiting[_key(fingerprint, number)] = entry
            if len(waiting) == SHARD_ENTRIES:
                self.entries.write(waiting)
                waiting = {}
        self.entries.write(waiting)
        self._lost.discard(fingerprint)


def _recordings(known: KnownVideos) -> list[IndexedRecording]:
    recordings: dict[str, IndexedRecording] = {}
    for path, facts in known.every().items():
        if facts.fingerprint is not None and facts.error is None:
            recorded = IndexedRecording(Path(path), facts.fingerprint, facts.stamp)
            before = recordings.get(facts.fingerprint)
            if before is None or (recorded.is_there and not before.is_there):
                recordings[facts.fingerprint] = recorded
    return list(recordings.values())


def indexed_files(folder: Path) -> list[str]:
    """Return the files of an index that are there.

    Raises:
        StoreError: There is no index in the folder, or none of its files is there.
    """
    recordings = _recordings(Store(folder).known(RECORDINGS))
    files = [str(recorded.path) for recorded in recordings if os.path.exists(recorded.path)]
    if not files:
        raise StoreError(
            "no recording of the index is there",
            where=str(folder),
            got=f"{len(recordings)} that moved",
        )
    return files


def recording_parts(
    archive: Archive, recorded: IndexedRecording
) -> Iterator[tuple[float, dict[str, Array]]]:
    """Yield the starts, in seconds, and rows of parts of a recording, which share a minute."""
    stored = archive.minutes(recorded.fingerprint)
    count = max(stored, default=-1) + 1
    firsts = {number - number % PART_MINUTES for number in stored}
    for first in sorted(firsts):
        last = min(count, first + PART_MINUTES + 1)
        if last - first > 1 or first - PART_MINUTES not in firsts:
            yield (
                float(first * ENTRY_SECONDS),
                small_rows(archive.rows(recorded.fingerprint, first, last)),
            )


def small_rows(rows: SmallRows) -> dict[str, Array]:
    """Return rows as they are compared, without those at the end that have no frame."""
    shown = np.flatnonzero(rows["layout"].any(1))
    end = (shown[-1] + 1) / INDEX_TRACKS["layout"].rate if len(shown) else 0.0
    scale = np.float32(LARGEST_VALUE / LARGEST_INTEGER)
    return {
        name: values[: round(end * INDEX_TRACKS[name].rate)].astype(np.float32) * scale
        for name, values in rows.items()
    }


def _empty_minute() -> SmallRows:
    return {
        name: np.zeros((ENTRY_SECONDS * track.rate, track.width), np.int8)
        for name, track in INDEX_TRACKS.items()
    }


def _key(fingerprint: str, number: int) -> str:
    return f"{fingerprint}:{number:06}"


def _minutes(
    path: Path, backbone: Backbone, first: int, shown: Shown
) -> Iterator[tuple[int, SmallRows]]:
    """Yield the number and rows of each minute of a recording that has frames, from one on.

    The first minute is there in any case.
    """
    # The last piece before a minute has the rows of its first three quarters of a second.
    begin = max(0.0, ENTRY_SECONDS * first - PIECE_STEP)
    is_first = True
    for number, frames in _without_gaps(path, _sampled(path, begin), first):
        if is_first and number > 0 == first:
            yield 0, _empty_minute()
        is_first = False
        yield from enumerate(_minutes_of(frames, backbone, number, shown), start=number)


def _without_gaps(
    path: Path, frames: Iterator[TimedFrame], first: int
) -> Iterator[tuple[int, Iterator[TimedFrame]]]:
    """Yield the first minute and the frames of each part of a recording without a long gap."""
    waiting: list[TimedFrame] = []
    last = float(ENTRY_SECONDS * first)

    def part() -> Iterator[TimedFrame]:
        nonlocal last
        while waiting:
            frame = waiting.pop()
            last = frame[0]
            yield frame
            waiting.extend(islice(frames, 1))
            if waiting and waiting[0][0] - last > LONG_GAP:
                return

    waiting.extend(islice(frames, 1))
    number = first
    while waiting:
        if waiting[0][0] > ENTRY_SECONDS * MOST_MINUTES:
            raise VideoError(path, f"its frames are up to {waiting[0][0] / 86400:.0f} days apart")
        if waiting[0][0] - last > LONG_GAP:
            number = int(waiting[0][0] // ENTRY_SECONDS)
        yield number, part()


def _minutes_of(
    frames: Iterator[TimedFrame], backbone: Backbone, first: int, shown: Shown
) -> Iterator[SmallRows]:
    """Yield the rows of each minute of frames without a long gap, from minute ``first`` on."""
    begin = max(0.0, ENTRY_SECONDS * first - PIECE_STEP)
    waiting: dict[str, list[NDArray[np.int8]]] = {name: [] for name in INDEX_TRACKS}
    late = PIECE_STEP / 2 if first else 0.0  # rows that are stored
    sizes = {name: ENTRY_SECONDS * track.rate for name, track in INDEX_TRACKS.items()}
    for rows in _pieces(frames, backbone, begin, shown):
        for name, track in INDEX_TRACKS.items():
            waiting[name].append(rows[name][round(late * track.rate) :])
        late = 0.0
        while all(
            sum(map(len, waiting[n])) >= ENTRY_SECONDS * t.rate for n, t in INDEX_TRACKS.items()
        ):
            joined = {name: np.concatenate(parts) for name, parts in waiting.items()}
            yield {name: joined[name][:size] for name, size in sizes.items()}
            waiting = {name: [joined[name][size:]] for name, size in sizes.items()}
    if any(len(values) for parts in waiting.values() for values in parts):
        rest = {name: np.concatenate(parts) for name, parts in waiting.items()}
        yield {
            name: np.pad(
                values, ((0, ENTRY_SECONDS * INDEX_TRACKS[name].rate - len(values)), (0, 0))
            )
            for name, values in rest.items()
        }


def _pieces(
    frames: Iterator[TimedFrame], backbone: Backbone, begin: float, shown: Shown
) -> Iterator[SmallRows]:
    """Yield the kept rows of one piece after the other, without a gap between them."""
    ring, times = FeatureRing(backbone, index_requests()), deque[float]()

    def rows(start: float, until: float, end: float) -> SmallRows:
        """Return the rows of the piece at a start up to a time; its frames end at ``end``."""
        low = PIECE_STEP / 2 if start else 0.0
        spans = {
            n: [round(t * track.rate) for t in (low, until - start)]
            for n, track in INDEX_TRACKS.items()
        }
        if np.diff([start, *(t for t in times if t < end), end]).max() > FRAME_GAP:
            return {
                n: np.zeros((max(0, b - a), INDEX_TRACKS[n].width), np.int8)
                for n, (a, b) in spans.items()
            }
        features = ring.features(start, start + PIECE_SECONDS)
        vectors = on_one_core(lambda: vectors_of(features))
        return {name: vectors[name][a:b] for name, (a, b) in spans.items()}

    start, end = begin, 0.0
    for time, frame in frames:
        while time >= start + PIECE_SECONDS:
            yield rows(start, start + PIECE_SECONDS - PIECE_STEP / 2, start + PIECE_SECONDS)
            start += PIECE_STEP
            shown(start)
            ring.forget(start)
            while times and times[0] < start:
                times.popleft()
        ring.add(time, frame)
        times.append(time)
        end = time + 1 / FASTEST
    while times and start + (PIECE_STEP / 2 if start else 0.0) < end:
        yield rows(start, min(end, start + PIECE_SECONDS - PIECE_STEP / 2), end)
        start += PIECE_STEP


def _sampled(path: Path, begin: float) -> Iterator[TimedFrame]:
    """Yield the frames of a recording from a time on, at the rate of the index."""
    pace = Pace(FASTEST)
    with open_recording(path) as recording:
        for time, frame in recording.frames():
            if pace.needs(time):
                pace.take(time)
                if time >= begin:
                    yield time, recording.convert(frame)
        recording.damage.warn(recording.name)
