"""Watch many recordings: one table of events, resumed.

Finished recordings are in a file beside the table, which is removed when all of them are finished.
"""

import hashlib
import json
import threading
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import typer
from pydantic import BaseModel, ConfigDict

from fewact.classifier.few_shot import FewShotClassifier
from fewact.cli.output import progress
from fewact.cli.run import INTERRUPTED, say
from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, OutputError, VideoError
from fewact.core.locks import locked
from fewact.core.text_table import printable
from fewact.recordings.event_text import clock_time, counts, events_text
from fewact.recordings.formats import Event
from fewact.recordings.interruption import opened, stopped_by_ctrl_c
from fewact.recordings.joins import Source
from fewact.recordings.outputs import recording_name
from fewact.recordings.watch import Watch
from fewact.video.joined import JoinedFiles
from fewact.video.recording import open_recording

FINISHED_FILE = FileType(
    "file of finished recordings",
    OutputError,
    256 * MIB,
    hint="Start from scratch with --overwrite.",
)


class Watched(BaseModel):
    """A recording that was watched to its end: size and time of its file, and its events."""

    model_config = ConfigDict(extra="forbid")
    size: int
    modified: int
    seconds: float
    events: list[dict[str, Any]]


class _Finished(BaseModel):
    """Finished recordings by their names in the table; a digest of the model and the options."""

    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = 1
    job: str
    recordings: dict[str, Watched] = {}


def finished_file(output: Path) -> Path:
    """Return the file of the finished recordings of a table that is not complete."""
    return output.with_name(f"{output.name}.finished.json")


def job_of(model: Path, options: Mapping[str, Any]) -> str:
    """Return the digest of a saved model and of all options that change events."""
    file = model / "model.safetensors" if model.is_dir() else model
    text = json.dumps(options, sort_keys=True, default=str)
    return hashlib.sha256(file.read_bytes() + text.encode()).hexdigest()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes a file from its replacement; None if there is no file."""
    with suppress(OSError):
        status = path.stat()
        return status.st_ino, status.st_mtime_ns
    return None


@dataclass
class Recordings:
    """Recordings to watch.

    Args:
        paths: Files, folders of images, and files that are one recording.
        output: File for the events of all; None for none.
        job: What the events depend on, beside the recordings, see ``job_of``.
        write: Writes an event to stdout.
        overwrite: Whether finished recordings are watched again.
    """

    paths: Sequence[Source]
    output: Path | None
    job: str
    write: Callable[[Event], None]
    overwrite: bool = False
    finished: _Finished = field(init=False)
    skipped: int = field(init=False, default=0)
    names: dict[Source, str] = field(init=False)
    _written: tuple[int, int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.finished = _Finished(job=self.job)
        self.names = {path: self.name_of(str(path)) for path in self.paths}
        if self.output is None:
            return
        file = finished_file(self.output)
        self._written = _identity(file)
        if self.overwrite or self._written is None:
            return
        finished = FINISHED_FILE.model(file, _Finished)
        if finished.job != self.job:
            FINISHED_FILE.refuse(file, "it is of another model or of other options")
        unnamed = sorted(finished.recordings.keys() - self.names.values())
        if unnamed:
            raise OutputError(
                "the file has events of recordings that are not named now",
                where=str(self.output),
                got=", ".join(unnamed)[:200],
                expected="the same recordings, or more",
                hint="Name them, too, or choose another file; --overwrite starts from scratch.",
            )
        self.finished = finished

    def name_of(self, path: str) -> str:
        """Return how the table names a file."""
        return recording_name(path, self.output)

    @property
    def events(self) -> list[Event]:
        """Events of the finished recordings, in the order of the recordings."""
        return [event for path in self.paths for event in self._events(path)]

    @property
    def seconds(self) -> float:
        """Duration of the finished recordings."""
        finished = self.finished.recordings
        return sum(finished[name].seconds for name in self.names.values() if name in finished)

    def watch(self, watch_each: "WatchEach", *, quiet: bool) -> None:
        """Watch all recordings that are not finished; unreadable recordings are skipped.

        Args:
            watch_each: Watches recordings, see ``WatchEach``.
            quiet: Whether to show no progress.
        """
        if self.output is None:
            self._watch_all(watch_each, quiet=quiet)
            return
        with locked(self.output.with_name(f".{self.output.name}.lock")) as free:
            if not free or self._written != _identity(finished_file(self.output)):
                raise self._taken()
            self._watch_all(watch_each, quiet=quiet)

    def _taken(self) -> OutputError:
        return OutputError(
            "another command writes this file",
            where=str(self.output),
            expected="one command at a time",
            hint="Choose another file, or wait for the other one.",
        )

    def _watch_all(self, watch_each: "WatchEach", *, quiet: bool) -> None:
        unfinished = [path for path in self.paths if not self._is_finished(path)]
        for event in self.events:
            self.write(event)
        if self.finished.recordings:  # a kill may have come before its table was written
            self._save()
        if len(unfinished) < len(self.paths):
            finished, count = len(self.paths) - len(unfinished), len(self.paths)
            say(f"{finished} of {count} recordings are finished.")
        durations = {} if quiet else {path: _duration(path) for path in unfinished}
        total, before, number = sum(durations.values()), 0.0, 1
        with progress("Watching", quiet=quiet) as show:

            def shown(path: Source, time: float) -> None:
                label = f"{number}/{len(unfinished)} {printable(path.name)}"
                show(int(before + time), int(max(total, before + time)), label)

            for path, outcome in watch_each(self, unfinished, shown):
                if isinstance(outcome, Watched):
                    self.finished.recordings[self.names[path]] = outcome
                    self._save()
                else:
                    say(f"Skipped: {printable(outcome)}")
                    self.skipped += 1
                shown(path, durations.get(path, 0.0))
                before, number = before + durations.get(path, 0.0), number + 1
        if self.output is not None and not self.skipped:
            with suppress(FileNotFoundError):
                finished_file(self.output).unlink()

    def _save(self) -> None:
        if self.output is None:
            return
        file, finished = finished_file(self.output), self.finished.recordings
        first = self._written is None and not self.overwrite
        if _identity(file) != self._written or (first and self.output.exists()):
            raise self._taken()
        seconds = {name: finished[name].seconds for name in self.names.values() if name in finished}
        text = events_text(self.output, self.events, {"recordings": seconds})
        write_text(file, self.finished.model_dump_json())
        self._written = _identity(file)
        write_text(self.output, text)

    def _is_finished(self, path: Source) -> bool:
        entry = self.finished.recordings.get(self.names[path])
        with suppress(OSError):
            if entry and (entry.size, entry.modified) == _size_and_time(path):
                return True
        self.finished.recordings.pop(self.names[path], None)
        return False

    def _events(self, path: Source) -> list[Event]:
        entry = self.finished.recordings.get(self.names[path])
        return [Event.from_dict(event) for event in entry.events] if entry else []


Shown = Callable[[Source, float], None]
"""Shows the time up to which a recording was watched, in seconds."""

WatchEach = Callable[[Recordings, Sequence[Source], Shown], Iterator[tuple[Source, Watched | str]]]
"""Watches recordings; yields what was found in each, or why it is skipped."""

UNREADABLE = (VideoError, DataError, OSError)
"""Errors of one recording: the others are watched."""


def _one_by_one(
    recordings: Recordings,
    unfinished: Sequence[Source],
    shown: Shown,
    *,
    open_one: Callable[[Source, threading.Event], AbstractContextManager[Watch]],
    stop: threading.Event,
) -> Iterator[tuple[Source, Watched | str]]:
    """Watch recordings here, until ``stop`` is set; events are written when they are complete."""
    for path in unfinished:
        try:
            with open_one(path, stop) as watch:
                watched = watch_to_end(
                    watch, path, recordings.name_of, recordings.write, partial(shown, path)
                )
                for fault in watch.faults:
                    say(f"Warning: {printable(watch.recording.name)}: {fault}")
        except UNREADABLE as error:
            yield path, str(error)
        else:
            if not watch.stopped:
                yield path, watched
        if stop.is_set():
            raise typer.Exit(INTERRUPTED)


def watch_to_end(
    watch: Watch,
    path: Source,
    name_of: Callable[[str], str],
    write: Callable[[Event], None] = lambda event: None,
    shown: Callable[[float], None] = lambda time: None,
) -> Watched:
    """Watch a recording to its end, or until it is stopped."""
    (size, modified), events = _size_and_time(path), list[Event]()

    def add(complete: Sequence[Event]) -> None:
        for event in complete:
            events.append(watch.in_file(event, name_of))
            write(events[-1])

    for time, _, complete in watch.moments():
        add(complete)
        shown(time)
    if not watch.stopped:
        add(watch.close())
    return Watched(
        size=size,
        modified=modified,
        seconds=round(watch.time, 3),
        events=[event.to_dict() for event in events],
    )


def _size_and_time(source: Source) -> tuple[int, int]:
    """Return the size in bytes, and the latest time of change in nanoseconds, of all files."""
    files = [part.path for part in source.parts] if isinstance(source, JoinedFiles) else [source]
    found = [file.stat() for file in files]
    return sum(one.st_size for one in found), max(one.st_mtime_ns for one in found)


def _duration(path: Source) -> float:
    """Return the duration of a recording in seconds; 0 if it is not known."""
    if isinstance(path, JoinedFiles):
        return path.seconds
    with suppress(VideoError, DataError, OSError), open_recording(path) as recording:
        return recording.duration or 0.0
    return 0.0


def watch_many(
    recordings: Recordings,
    classifier: FewShotClassifier,
    options: Mapping[str, Any],
    *,
    quiet: bool,
) -> None:
    """Watch several recordings here, and say what was found.

    Args:
        recordings: The recordings.
        classifier: Classifier whose actions are found.
        options: Options of ``interruption.opened``.
        quiet: Whether to show no progress.
    """
    begun = clock.monotonic()
    with stopped_by_ctrl_c() as stop:
        open_one = partial(opened, classifier, **options)
        recordings.watch(partial(_one_by_one, open_one=open_one, stop=stop), quiet=quiet)
    summarise(recordings, begun)


def summarise(recordings: Recordings, begun: float) -> None:
    """Say how often each action was performed, and how long it took."""
    for label, count in counts(recordings.events).items():
        say(f"{label}: {count}")
    done, passed = recordings.seconds, clock.monotonic() - begun
    watched = len(recordings.paths) - recordings.skipped
    say(f"Watched {watched} recordings, {clock_time(done)} in {clock_time(passed)}.")
    if recordings.skipped:
        say(f"Skipped {recordings.skipped} of {len(recordings.paths)} recordings.")
