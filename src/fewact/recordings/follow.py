"""Follow folders to which cameras write: segments are watched as they come, each camera on its own.

A file is read up to its end, and read on when it has grown. The next file of the same camera goes
on where it ends, so that an action on the border is found once. Where the program is started again,
it reads again from the file of the oldest event that was not complete.
"""

import os
import threading
import time as clock
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from fewact.cli.run import say
from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, OutputError, VideoError
from fewact.core.locks import locked
from fewact.core.text_table import printable
from fewact.data.files import VIDEO_SUFFIXES, natural_key
from fewact.recordings.formats import Event
from fewact.recordings.joins import in_file, is_gap, named_file
from fewact.recordings.outputs import recording_name
from fewact.recordings.stream import Stream
from fewact.video.index import FALLBACK_FPS
from fewact.video.joined import JoinedPart
from fewact.video.recording import open_recording

POLL: Final = 1.0
"""Seconds between two looks at the folders."""

PAST: Final = 600.0
"""Age of a file, in seconds, from which it is left out when a folder is followed for the first
time: what a recorder kept for weeks is no news."""

KEPT_PARTS: Final = 1000
"""Number of files of a camera whose times are kept, to name the file of an event."""

SETTLED: Final = 10.0
"""Seconds without a change after which a file is finished."""

READ_ON_GROWTH: Final = 0.2
"""Fraction by which a file must grow to be read on: it is decoded from its start each time."""

LONGEST_LAST_FRAME: Final = 1.0
"""Largest number of seconds for which the last frame of a file is shown."""

QUIET: Final = 60.0
"""Seconds without a frame after which the events of a camera are completed."""

START_SLACK: Final = 0.5
"""Seconds by which an event may start earlier when it is found again."""

FOLLOWED_FILE: Final = FileType(
    "file of followed cameras",
    OutputError,
    16 * MIB,
    hint="Start from scratch with --overwrite.",
)


class _Position(BaseModel):
    """Where a camera is read again: a file, and the time after its start from which events are new.

    All events that start earlier were written.
    """

    model_config = ConfigDict(extra="forbid")
    file: str
    decided: float


class _Positions(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = 1
    job: str
    cameras: dict[str, _Position] = {}


@dataclass
class _Segment:
    """A file of a camera.

    Args:
        path: The file.
        size: Its size in bytes when it was read last.
        changed: Time of the clock at which it was seen to change last.
        read_until: Time up to which it was read, in seconds; −1 before the first frame.
        step: Seconds for which its last frame is shown: as long as the one before it.
        is_done: Whether it was read to its end, and another file follows it or it is settled.
    """

    path: Path
    size: int = -1
    changed: float = 0.0
    read_until: float = -1.0
    step: float = 1 / FALLBACK_FPS
    is_done: bool = False


@dataclass
class _Camera:
    """Files of a camera, and the stream that watches them.

    Args:
        name: Name of the camera: what names of its files say, or their folder.
        begin: Returns a new stream.
        write: Writes an event.
        position: Where it was left before a restart; None if it is new.
    """

    name: str
    begin: Callable[[], Stream]
    write: Callable[[Event], None]
    position: _Position | None = None
    segments: dict[Path, _Segment] = field(default_factory=dict)
    parts: list[JoinedPart] = field(default_factory=list)
    stream: Stream | None = None
    end: float = 0.0
    latest: float = 0.0

    def add(self, path: Path) -> None:
        """Add a file that is new; one before the position was watched."""
        if path not in self.segments:
            segment = _Segment(path, changed=clock.monotonic())
            before = self.position is not None and _order(path) < _order(Path(self.position.file))
            segment.is_done = before
            self.segments[path] = segment

    def read(self, stop: threading.Event) -> bool:
        """Read what is new in the files; return whether there was anything."""
        ordered = sorted(self.segments.values(), key=lambda segment: _order(segment.path))
        is_new = False
        for segment, following in zip(ordered, [*ordered[1:], None], strict=True):
            if segment.is_done or stop.is_set():
                continue
            found = self._read(segment, stop, is_last=following is None)
            is_new |= found
            if not segment.is_done:  # the next file begins when this one ends
                break
        if is_new:
            self.latest = clock.monotonic()
        elif self.stream is not None and clock.monotonic() - self.latest > QUIET:
            self.finish()
        return is_new

    def finish(self) -> None:
        """Complete the events: nothing more is recorded now."""
        if self.stream is not None:
            self._write(self.stream.close())
            self.stream = None

    @property
    def left_at(self) -> _Position | None:
        """Where the camera must be read again after a restart; None if nothing was read."""
        if not self.parts:
            return self.position
        decided = needed = self.end
        if self.stream is not None:
            starts = (event.start - START_SLACK for event in self.stream.going_on)
            decided = min([self.stream.decided, *starts])
            needed = decided - self.stream.delay
        part = self._part(needed)
        return _Position(file=str(part.path), decided=decided - part.start)

    def _read(self, segment: _Segment, stop: threading.Event, *, is_last: bool) -> bool:
        now = clock.monotonic()
        try:
            size = segment.path.stat().st_size
        except OSError:  # a recorder removes its oldest files
            segment.is_done = True
            return False
        if size != segment.size:
            segment.changed = now
        settled = not is_last or now - segment.changed > SETTLED
        grown = size - segment.size > READ_ON_GROWTH * max(segment.size, 0)
        if size == segment.size or not (grown or settled):
            segment.is_done = settled and size == segment.size
            return False
        segment.size = size
        before = segment.read_until
        try:
            for time, frame in _frames_after(segment, stop):
                self._push(segment, time, frame)
        except (VideoError, DataError, OSError) as error:
            if settled:
                say(f"Skipped: {printable(str(error))}")
                segment.is_done = True
        segment.is_done |= settled
        return segment.read_until > before

    def _push(self, segment: _Segment, time: float, frame: Any) -> None:
        after_gap = False
        if not self.parts or self.parts[-1].path != segment.path:
            after_gap = self._begin_part(segment.path)
        if self.stream is None:
            self.stream = self.begin()
        part = self.parts[-1]
        self.parts[-1] = replace(part, seconds=time + segment.step)
        self.end = part.start + time
        self._write(self.stream.push(frame, self.end, after_gap=after_gap))

    def _begin_part(self, path: Path) -> bool:
        """Begin a file on the timeline; return whether nothing was recorded before it."""
        name = named_file(path)
        begun = name.begun if name is not None else None
        before = self.parts[-1] if self.parts else None
        start, gap = 0.0, False
        if before is not None:
            start = before.start + before.seconds
            if begun is not None and before.begun is not None:
                since = (begun - before.begun).total_seconds()
                if is_gap(since, before.seconds, self.parts):
                    start, gap = max(before.start + since, start), True
        self.parts.append(JoinedPart(path, start, 0.0, begun, gap))
        del self.parts[:-KEPT_PARTS]
        return gap

    def _part(self, time: float) -> JoinedPart:
        number = bisect_right(self.parts, time, key=attrgetter("start"))
        return self.parts[max(number - 1, 0)]

    def _write(self, events: Iterable[Event]) -> None:
        """Write events with the times of the file in which they start."""
        for event in events:
            if self.position is not None and event.start < self.position.decided:
                continue
            part = self._part(event.start)
            self.write(in_file(event, part, str(part.path)))


def _order(path: Path) -> tuple[Any, ...]:
    """Return what orders the files of a camera: time and number of their names."""
    name = named_file(path)
    if name is None:
        return "", 0, natural_key(path.as_posix())
    begun = "" if name.begun is None else name.begun.isoformat()
    return begun, name.number, natural_key(path.as_posix())


def _frames_after(segment: _Segment, stop: threading.Event) -> Iterator[tuple[float, Any]]:
    """Yield the frames of a file that were not read before."""
    with open_recording(segment.path) as recording:
        for time, frame in recording.frames():
            if stop.is_set():
                return
            if time > segment.read_until:
                if segment.read_until >= 0:
                    segment.step = min(time - segment.read_until, LONGEST_LAST_FRAME)
                segment.read_until = time
                yield time, recording.convert(frame)


@dataclass
class Follower:
    """Watches folders while files come in.

    Args:
        folders: Folders; files are searched in all folders below them.
        begin: Returns a new stream of the classifier.
        write: Writes an event when it is complete.
        output: File of events, one JSON object a line, to which new ones are appended; None for
            none. The positions of cameras are in a file beside it.
        job: What the events depend on, see ``many.job_of``.
        overwrite: Whether to begin from scratch.
    """

    folders: list[Path]
    begin: Callable[[], Stream]
    write: Callable[[Event], None]
    output: Path | None
    job: str
    overwrite: bool = False
    cameras: dict[str, _Camera] = field(init=False, default_factory=dict)
    found: int = field(init=False, default=0)
    _positions: _Positions = field(init=False)
    _listed: dict[Path, tuple[int, list[Path]]] = field(init=False, default_factory=dict)
    _is_first: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        self._positions = _Positions(job=self.job)
        file = self.positions_file
        if file is None or self.overwrite or not file.exists():
            return
        positions = FOLLOWED_FILE.model(file, _Positions)
        if positions.job != self.job:
            FOLLOWED_FILE.refuse(file, "it is of another model or of other options")
        self._positions = positions

    @property
    def positions_file(self) -> Path | None:
        """File of the positions of cameras."""
        if self.output is None:
            return None
        return self.output.with_name(f"{self.output.name}.followed.json")

    def follow(self, stop: threading.Event) -> None:
        """Watch until ``stop`` is set; the events so far are completed then.

        Raises:
            OutputError: Another command writes the output.
        """
        if self.output is None:
            self._follow(stop)
            return
        if self.overwrite:
            write_text(self.output, "")
        with locked(self.output.with_name(f".{self.output.name}.lock")) as free:
            if not free:
                raise OutputError(
                    "another command writes this file",
                    where=str(self.output),
                    hint="Choose another file, or wait for the other one.",
                )
            self._follow(stop)

    def _follow(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._search_all()
            for camera in list(self.cameras.values()):
                if camera.read(stop):
                    self._save()
            stop.wait(POLL)
        # What is not complete is found again after a restart: it is not written now.
        self._save()
        for camera in self.cameras.values():
            if camera.stream is not None:
                if self.output is None:
                    camera.finish()
                else:
                    camera.stream.stop()

    def _search_all(self) -> None:
        """Add the files that are new. At first, old ones are left out, but after a restart."""
        old = 0
        for folder in self.folders:
            for path in self._search(folder):
                camera = self._camera(path)
                is_old = self._is_first and clock.time() - path.stat().st_mtime > PAST
                if is_old and camera.position is None:
                    old += 1
                    camera.segments[path] = _Segment(path, is_done=True)
                else:
                    camera.add(path)
        if old:
            say(f"Left out {old} files that are older than {PAST / 60:.0f} minutes.")
        self._is_first = False

    def _search(self, folder: Path) -> Iterator[Path]:
        """Yield the videos below a folder; of folders that have not changed, none."""
        with suppress(OSError):
            changed = folder.stat().st_mtime_ns
            before, inside = self._listed.get(folder, (-1, []))
            if changed != before:
                found = sorted(os.scandir(folder), key=attrgetter("name"))
                entries = [entry for entry in found if not entry.name.startswith(".")]
                inside = [Path(entry.path) for entry in entries if entry.is_dir()]
                self._listed[folder] = changed, inside
                files = (Path(entry.path) for entry in entries if not entry.is_dir())
                yield from (file for file in files if file.suffix.lower() in VIDEO_SUFFIXES)
            for below in inside:
                yield from self._search(below)

    def _camera(self, path: Path) -> _Camera:
        name = named_file(path)
        camera = name.camera[0] if name is not None else ""
        camera = camera or path.parent.as_posix()
        if camera not in self.cameras:
            position = self._positions.cameras.get(camera)
            self.cameras[camera] = _Camera(camera, self.begin, self._write, position)
        return self.cameras[camera]

    def _write(self, event: Event) -> None:
        self.found += 1
        if self.output is not None:
            with self.output.open("a", encoding="utf-8") as file:
                named = replace(event, recording=recording_name(event.recording, self.output))
                file.write(named.to_json() + "\n")
        self.write(event)

    def _save(self) -> None:
        file = self.positions_file
        if file is None:
            return
        for name, camera in self.cameras.items():
            if (position := camera.left_at) is not None:
                self._positions.cameras[name] = position
        with suppress(FileNotFoundError):
            write_text(file, self._positions.model_dump_json())
