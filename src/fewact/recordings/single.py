"""Watch one recording, camera or stream: its events on stdout, in a file and on a video."""

import os
import threading
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fewact.classifier.few_shot import FewShotClassifier
from fewact.cli.output import progress
from fewact.cli.run import INTERRUPTED, say
from fewact.core.errors import OptionError
from fewact.recordings.event_text import clock_time, counts, write_events
from fewact.recordings.formats import Event
from fewact.recordings.interruption import opened, stopped_by_ctrl_c
from fewact.recordings.joins import Source
from fewact.recordings.outputs import (
    EventFormat,
    event_writer,
    is_of_one_recording,
    recording_name,
)
from fewact.recordings.stream import PARTIAL_WINDOW, Stream
from fewact.recordings.watch import Watch
from fewact.video.joined import JoinedFiles

if TYPE_CHECKING:
    from fewact.recordings.annotated import DelayedVideo


@dataclass(frozen=True)
class Outputs:
    """Where the events of a recording are written.

    Args:
        file: File of events; None for none.
        video: Video with the events drawn on it; None for none.
        format: Format of the events on stdout.
        quiet: Whether no progress is shown.
        senders: Functions that send an event to other programs.
    """

    file: Path | None = None
    video: Path | None = None
    format: EventFormat = "table"
    quiet: bool = False
    senders: Sequence[Callable[[Event], None]] = ()


def watch_one(
    classifier: FewShotClassifier,
    source: str | Source,
    outputs: Outputs,
    options: Mapping[str, Any],
) -> None:
    """Watch one recording, camera or stream, and say what was found.

    Args:
        classifier: Classifier whose actions are found.
        source: Recording, or files that are one.
        outputs: Outputs of its events.
        options: Options of ``interruption.opened``.
    """
    events: list[Event] = []
    begun = clock.monotonic()
    with stopped_by_ctrl_c() as stop, opened(classifier, source, stop, **options) as watch:
        video = outputs.video
        if video is not None and watch.recording.again:
            from fewact.recordings.annotated import check_drawable

            check_drawable(video, str(source))
        files = [str(part.path) for part in source.parts] if isinstance(source, JoinedFiles) else []
        classes = classifier.classes_.tolist()
        write = event_writer(outputs.format, classes, files, by_subject=watch.by_subject)
        save = _saver(outputs.file, str(source), classifier, watch)
        save(events)
        with _delayed(video, watch, classifier) as delayed:
            for event in _events(watch, delayed, quiet=outputs.quiet):
                in_file = watch.in_file(event, str)
                write(in_file if files else event)
                for send in outputs.senders:
                    send(in_file)
                events.append(event)
                save(events)
        save(events)
        if watch.recording.live and not stop.is_set():
            say("The source has ended, or sends nothing any more.")
        hint = _hint(watch, classifier.false_alarms, stopped=stop.is_set())
        _summarise(watch, events, clock.monotonic() - begun, hint)
        if video is not None and delayed is None:
            _draw(video, watch, events, classifier, stop, quiet=outputs.quiet)
        if stop.is_set() and not watch.recording.live:
            raise typer.Exit(INTERRUPTED)


@contextmanager
def _delayed(
    video: Path | None, watch: Watch, classifier: FewShotClassifier
) -> "Iterator[DelayedVideo | None]":
    """Yield the video of a recording that is read once; None if there is none."""
    if video is None or watch.recording.again or not isinstance(watch.stream, Stream):
        yield None
        return
    from fewact.recordings.annotated import delayed_video

    delay = watch.stream.delay
    say(f"Frames are drawn up to {delay:.1f} s after they come, when their events are known.")
    with delayed_video(video, watch.stream, _class_names(classifier)) as delayed:
        yield delayed


def _draw(
    video: Path,
    watch: Watch,
    events: Sequence[Event],
    classifier: FewShotClassifier,
    stop: threading.Event,
    *,
    quiet: bool,
) -> None:
    """Read the recording again and draw its events; Ctrl-C ends it without a video."""
    from fewact.recordings.annotated import draw_again

    stopped_before = stop.is_set()
    with progress("Drawing", quiet=quiet) as show:

        def drawn(time: float) -> None:
            if stop.is_set() and not stopped_before:
                raise KeyboardInterrupt
            show(int(time), int(watch.time))

        draw_again(video, watch.recording.name, events, _class_names(classifier), watch.time, drawn)


def _events(watch: Watch, delayed: "DelayedVideo | None", *, quiet: bool) -> Iterator[Event]:
    """Yield the events; show how many seconds of the recording were read."""
    total = watch.recording.duration
    with progress("Watching", quiet=quiet or total is None) as show:
        for time, frame, events in watch.moments():
            yield from events
            if delayed is not None:
                delayed.add(time, frame, events)
            show(int(time), int(total or time))
        last = watch.close()
        yield from last
        if delayed is not None:
            delayed.close(last)


def _class_names(classifier: FewShotClassifier) -> list[str]:
    """Return the classes as texts; a model of Python may have integers."""
    return [str(label) for label in classifier.classes_]


def _saver(
    output: Path | None, source: str, classifier: FewShotClassifier, watch: Watch
) -> Callable[[Sequence[Event]], None]:
    """Return a function that replaces the output with these events."""
    if output and output.name.lower().endswith(".labelstudio.json") and not watch.recording.again:
        raise OptionError(
            "times of Label Studio are frames, which a camera or a pipe does not number",
            where=str(output),
            got=source,
            expected="a video file, or events as .csv, .json or .boris",
        )
    damage = watch.recording.damage
    is_of_one = is_of_one_recording(output)  # its times are those of all files together
    name = _name_in(output)

    def save(events: Sequence[Event]) -> None:
        if output is not None:
            facts: dict[str, Any] = {
                "source": source,
                "classes": classifier.classes_.tolist(),
                "seconds": round(watch.time, 3),
                "faults": watch.faults,
                "dropped_frames": watch.dropped,
                "damaged_frames": damage.corrupt + damage.replaced,
                "missing_frames": damage.missing if damage.missing >= 0 else None,
                "frames_out_of_order": watch.recording.not_later,
            }
            delay = watch.recording.delay
            ordered = sorted(events, key=attrgetter("start"))
            named = [
                replace(event, recording=name(source), clock=watch.clock(event))
                if is_of_one
                else watch.in_file(event, name)
                for event in ordered
            ]
            write_events(output, named, facts, delay=delay)

    return save


def _name_in(output: Path | None) -> Callable[[str], str]:
    """Return a function that names a file, or another source, in an output."""
    return lambda source: recording_name(source, output) if os.path.exists(source) else source


def _hint(watch: Watch, false_alarms: float | None, *, stopped: bool) -> str:
    """Return what helps if no event was found; ``stopped`` by Ctrl-C, not at the end."""
    if watch.time < PARTIAL_WINDOW * watch.stream.lengths[0]:
        short = (
            "The recording is shorter than half a training clip: `fewact predict` gives its class."
        )
        return "" if stopped else f" {short}"
    if false_alarms == 1:
        return ""
    return " `--false-alarms 1` shows the nearest class of every window."


def _summarise(watch: Watch, events: Sequence[Event], seconds: float, hint: str) -> None:
    for fault in watch.faults:
        say(f"Warning: {watch.recording.name}: {fault}")
    for label, count in counts(events).items():
        say(f"{label}: {count}")
    if not events:
        say(f"No event was found.{hint}")
    speed = f", {watch.time / seconds:.1f} times real time" if not watch.recording.live else ""
    say(f"Watched {clock_time(watch.time)} in {clock_time(seconds)}{speed}.")
    if watch.dropped:
        say(f"Dropped {watch.dropped} late frames: the computer is too slow for this camera.")
    if watch.recording.not_later:
        say(f"Left out {watch.recording.not_later} frames whose time is not after the last one.")
