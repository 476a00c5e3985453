"""Many recordings, watched one after the other or on a cluster: one table of events, resumed.

What is finished is in a file beside the table, which is removed when all recordings are.
"""

import hashlib
import json
import os
import threading
import time as clock
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer
from pydantic import BaseModel, ConfigDict

from fewact.cli.output import progress
from fewact.cli.run import INTERRUPTED, say
from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, OptionError, OutputError, VideoError
from fewact.core.locks import locked
from fewact.core.text_table import printable
from fewact.recordings.formats import Event
from fewact.video.recording import open_recording

if TYPE_CHECKING:
    from fewact import FewShotClassifier
    from fewact.recordings.watch import Watch

FILE = FileType(
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


def is_of_one_recording(output: Path | None) -> bool:
    """Return whether a file for events has the times of one recording alone."""
    return output is not None and output.suffix.lower() in (".eaf", ".vtt", ".srt")


def one_recording_error(output: Path) -> OptionError:
    """Return the error of an output that is of one recording where there are several."""
    return OptionError(
        "this output is of one recording", where=str(output), expected=".csv, .boris"
    )


def recording_name(source: str | Path, output: Path | None) -> str:
    """Return how a file of events names a recording: programs look for it from its folder."""
    if output is None:
        return str(source)
    path = Path(source)
    file = path.parent.resolve() / path.name
    try:
        return os.path.relpath(file, output.parent.resolve())
    except ValueError:  # Windows: another drive
        return str(file)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes a file from one that has replaced it; None if there is none."""
    with suppress(OSError):
        status = path.stat()
        return status.st_ino, status.st_mtime_ns
    return None


@dataclass
class Recordings:
    """Recordings to watch.

    Args:
        paths: Files and folders of images.
        output: File for the events of all; None for none.
        job: What the events depend on, beside the recordings, see ``job_of``.
        write: Writes an event to stdout.
        overwrite: Whether finished recordings are watched again.
    """

    paths: Sequence[Path]
    output: Path | None
    job: str
    write: Callable[[Event], None]
    overwrite: bool = False
    finished: _Finished = field(init=False)
    skipped: int = field(init=False, default=0)
    names: dict[Path, str] = field(init=False)
    _written: tuple[int, int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.finished = _Finished(job=self.job)
        self.names = {path: recording_name(path, self.output) for path in self.paths}
        if self.output is None:
            return
        file = finished_file(self.output)
        self._written = _identity(file)
        if self.overwrite or self._written is None:
            return
        found = FILE.model(file, _Finished)
        if found.job != self.job:
            FILE.refuse(file, "it is of another model or of other options")
        others = sorted(found.recordings.keys() - self.names.values())
        if others:
            raise OutputError(
                "the file has events of recordings that are not named now",
                where=str(self.output),
                got=", ".join(others)[:200],
                expected="the same recordings, or more",
                hint="Name them, too, or choose another file; --overwrite starts from scratch.",
            )
        self.finished = found

    @property
    def events(self) -> list[Event]:
        """Events of the finished recordings, in the order of the recordings."""
        return [event for path in self.paths for event in self._events(path)]

    @property
    def seconds(self) -> float:
        """Duration of the finished recordings."""
        finished = self.finished.recordings
        return sum(finished[name].seconds for name in self.names.values() if name in finished)

    def watch(self, watch_each: "Each", *, quiet: bool) -> None:
        """Watch all recordings that are not finished; one that cannot be read is skipped.

        Args:
            watch_each: Watches recordings, see ``one_by_one`` and ``on_ray``.
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

    def _watch_all(self, watch_each: "Each", *, quiet: bool) -> None:
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

            def shown(path: Path, time: float) -> None:
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
        from fewact.recordings.pages import events_text

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

    def _is_finished(self, path: Path) -> bool:
        entry = self.finished.recordings.get(self.names[path])
        with suppress(OSError):
            status = path.stat()
            if entry and (entry.size, entry.modified) == (status.st_size, status.st_mtime_ns):
                return True
        self.finished.recordings.pop(self.names[path], None)
        return False

    def _events(self, path: Path) -> list[Event]:
        entry = self.finished.recordings.get(self.names[path])
        return [Event(**event) for event in entry.events] if entry else []


Shown = Callable[[Path, float], None]
"""Shows the time up to which a recording was watched, in seconds."""

Each = Callable[[Recordings, Sequence[Path], Shown], Iterator[tuple[Path, Watched | str]]]
"""Watches recordings; yields what was found in each, or why it is skipped."""

UNREADABLE = (VideoError, DataError, OSError)
"""Errors of one recording: the others are watched."""


def one_by_one(
    recordings: Recordings,
    left: Sequence[Path],
    shown: Shown,
    *,
    opened: "Callable[[str, threading.Event], AbstractContextManager[Watch]]",
    stop: threading.Event,
) -> Iterator[tuple[Path, Watched | str]]:
    """Watch recordings here, until ``stop`` is set; events are written when they are complete."""
    for path in left:
        try:
            with opened(str(path), stop) as watch:
                watched = _watched(
                    watch, path, recordings.names[path], recordings.write, partial(shown, path)
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


@dataclass
class RemoteWatch:
    """Watches recordings on a worker; the model is loaded once.

    Args:
        model: Saved model.
        load: Arguments of ``FewShotClassifier.load``.
        false_alarms: Requested limit of false alarms; None for that of the model.
        options: Options of ``watching``.
    """

    model: Path
    load: Mapping[str, Any]
    false_alarms: float | None
    options: Mapping[str, Any]

    @cached_property
    def _classifier(self) -> "FewShotClassifier":
        return load_classifier(self.model, self.load, self.false_alarms)

    def __call__(self, recording: tuple[str, str]) -> dict[str, Any]:
        """Return what was found in a recording of this path and name, for JSON."""
        from fewact.recordings.watch import watching

        classifier, (path, name) = self._classifier, recording
        outcome: dict[str, Any] = {"path": path}
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("default", UserWarning)
            try:
                with watching(classifier, path, **self.options) as watch:
                    watched = _watched(watch, Path(path), name)
                    faults = [f"{watch.recording.name}: {fault}" for fault in watch.faults]
                    outcome |= {"watched": watched.model_dump(), "faults": faults}
            except UNREADABLE as error:
                outcome["error"] = str(error)
        return outcome | {"warnings": [str(one.message) for one in warned]}


def on_ray(
    recordings: Recordings,
    left: Sequence[Path],
    shown: Shown,
    *,
    work: RemoteWatch,
    address: str,
) -> Iterator[tuple[Path, Watched | str]]:
    """Watch recordings on a Ray cluster, whose machines reach the model and them by these paths."""
    from fewact.core.cluster import map_on_ray

    absolute = {str(path.absolute()): path for path in left}
    items = [(file, recordings.names[path]) for file, path in absolute.items()]
    for outcome in map_on_ray(work, items, address=address):
        for text in (*outcome["warnings"], *outcome.get("faults", ())):
            say(f"Warning: {printable(text)}")
        path = absolute[outcome["path"]]
        if "error" in outcome:
            yield path, outcome["error"]
            continue
        watched = Watched.model_validate(outcome["watched"])
        for event in watched.events:
            recordings.write(Event(**event))
        yield path, watched


def load_classifier(
    model: Path, load: Mapping[str, Any], false_alarms: float | None
) -> "FewShotClassifier":
    """Return a saved classifier that keeps to a limit of false alarms; None for its own."""
    from fewact import FewShotClassifier

    classifier = FewShotClassifier.load(model, **load)
    if false_alarms is not None:
        classifier.false_alarms = false_alarms
    return classifier


def _watched(
    watch: "Watch",
    path: Path,
    name: str,
    write: Callable[[Event], None] = lambda event: None,
    shown: Callable[[float], None] = lambda time: None,
) -> Watched:
    """Watch a recording to its end, or until it is stopped."""
    status, events = path.stat(), list[Event]()

    def found(some: Sequence[Event]) -> None:
        for event in some:
            events.append(replace(event, recording=name, clock=_clock(watch, event)))
            write(events[-1])

    for time, _, complete in watch.moments():
        found(complete)
        shown(time)
    if not watch.stopped:
        found(watch.close())
    return Watched(
        size=status.st_size,
        modified=status.st_mtime_ns,
        seconds=round(watch.time, 3),
        events=[event.to_dict() for event in events],
    )


def _clock(watch: "Watch", event: Event) -> str:
    """Return date and time of an event's start, where the file says when it was recorded."""
    begun = watch.recording.begun
    if begun is None:
        return ""
    return (begun + timedelta(seconds=event.start)).isoformat(timespec="milliseconds")


def _duration(path: Path) -> float:
    """Return the duration of a recording in seconds; 0 if it is not known."""
    with suppress(VideoError, DataError, OSError), open_recording(path) as recording:
        return recording.duration or 0.0
    return 0.0


def summarise(recordings: Recordings, begun: float) -> None:
    """Say how often each action was performed, and how long it took."""
    from fewact.recordings.pages import clock_time, counts

    for label, count in counts(recordings.events).items():
        say(f"{label}: {count}")
    done, passed = recordings.seconds, clock.monotonic() - begun
    watched = len(recordings.paths) - recordings.skipped
    say(f"Watched {watched} recordings, {clock_time(done)} in {clock_time(passed)}.")
    if recordings.skipped:
        say(f"Skipped {recordings.skipped} of {len(recordings.paths)} recordings.")
