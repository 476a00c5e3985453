"""``fewact watch``: the actions in a long recording, a camera or a stream."""

import json
import os
import signal
import threading
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from glob import has_magic
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import (
    Boxes,
    EventsOutput,
    Imports,
    Load,
    Model,
    Overwrite,
    Quiet,
    Ray,
    Regions,
    check_file,
    check_output_files,
    false_alarms,
)
from fewact.cli.output import Columns, progress
from fewact.cli.run import INTERRUPTED, exit_skipped, say
from fewact.core.atomic import write_text
from fewact.core.errors import OptionError, VideoError
from fewact.core.text_table import csv_line

if TYPE_CHECKING:
    from fewact.classifier import FewShotClassifier
    from fewact.recordings.annotated import DelayedVideo
    from fewact.recordings.commands.outputs import Recordings
    from fewact.recordings.formats import Event
    from fewact.recordings.watch import Watch
    from fewact.video.source import Span


EventFormat = Literal["table", "jsonl", "csv"]
"""Formats of events on stdout; all are written event by event."""


def _check_recordings(sources: list[str] | None) -> list[str]:
    """Return the recordings that files, folders and patterns name, or the only source."""
    if not sources:
        return []
    from fewact.data.files import expand_paths
    from fewact.video.recording import check_recording

    only = sources[0] if len(sources) == 1 else ""
    is_one = bool(only) and not os.path.isdir(only)
    if is_one and (os.path.exists(only) or "://" in only or not has_magic(only)):
        check_recording(only)
        return sources
    return [str(path) for path in expand_paths(sources)]


def _check_video(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    file = check_file(parameter, path)
    if file is not None:
        from fewact.video.writing import check_timed_video

        check_timed_video(file)
    return file


@with_specs
def watch(
    model: Model,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO...|CAMERA|URL",
            help="Video files, folders, or patterns such as 'night/*.mp4'; or one camera: its "
            "number such as 0, or its device; address such as rtsp://…; or - for the standard "
            "input.",
            callback=_check_recordings,
        ),
    ] = None,
    *,
    load: Load,
    index: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Index by `fewact index`: only the parts of its recordings are watched in which "
            "the index finds the classes most probable. Default of VIDEO: all its recordings.",
            rich_help_panel="Index",
        ),
    ] = None,
    part: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="FRACTION",
            help="Fraction of each recording that is watched at least; 1 watches all of it.",
            rich_help_panel="Index",
        ),
    ] = 0.3,
    output: EventsOutput = None,
    video: Annotated[
        Path | None,
        typer.Option(
            "--video",
            metavar="FILE",
            help="Video of the recording with its events and counts drawn on it: .mp4, .mov, .mkv "
            "or .webm, without sound. A file is read a second time; of a camera or a pipe it has "
            "the frames that are analysed, at most 16 a second.",
            callback=_check_video,
        ),
    ] = None,
    overwrite: Overwrite = False,
    format: Annotated[
        EventFormat, typer.Option("--format", help="Format of the events on stdout.")
    ] = "table",
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="Class whose events are found. Can be repeated. Default: all classes.",
        ),
    ] = None,
    merge_gap: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Events of one class with at most this time between them are one.",
        ),
    ] = 0.0,
    min_duration: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Duration of the shortest event."),
    ] = 0.0,
    false_alarms: Annotated[
        float | None, false_alarms("a threshold that adapts to the recording.")
    ] = None,
    regions: Regions = False,
    boxes: Boxes = None,
    ray: Ray = None,
    imports: Imports = None,
    quiet: Quiet = False,
) -> None:
    """Find the actions in long recordings, or watch a camera.

    Events are written to stdout when they are complete: start, end, class and how many times the
    action was performed in a row. Ctrl-C ends a camera; the events so far are kept. Of several
    recordings one that cannot be read is skipped (exit code 3); after an interruption, the same
    command with -o continues with those that are not finished.
    """
    from fewact.recordings.commands.outputs import (
        Recordings,
        finished_file,
        job_of,
        load_classifier,
    )

    sources = sources or _indexed(index)
    resumes = len(sources) > 1 and output is not None and finished_file(output).exists()
    check_output_files(output, video, overwrite=overwrite or resumes, inputs=sources)
    if len(sources) > 1:
        _check_outputs_of_many(output, video, boxes)
    elif ray is not None:
        raise OptionError("a cluster shares recordings", where="--ray", expected="several of them")
    from fewact.classifier.unknown import check_rate

    check_rate(false_alarms)
    classifier = load_classifier(model, load, false_alarms)
    options: dict[str, Any] = {"only": only, "merge_gap": merge_gap, "min_duration": min_duration}
    if regions or boxes is not None:
        options["regions"] = str(boxes) if boxes is not None else True
    job = job_of(model, {**options, "false_alarms": false_alarms, **load, "index": (index, part)})
    if index is not None:
        if ray is not None or "regions" in options:
            raise OptionError("cannot be used with --ray or --regions", where="--index")
        options["spans"] = _spans(index, classifier, sources, part)
    if len(sources) == 1:
        open_one = partial(_open, classifier, **options)
        _watch_one(sources[0], open_one, classifier, output, video, format, quiet=quiet)
        return
    recordings = Recordings(
        [Path(source) for source in sources],
        output,
        job,
        _writer(format, classifier, sources, by_subject="regions" in options),
        overwrite,
    )
    if ray is None:
        watch_many(recordings, classifier, options, quiet=quiet)
    else:
        _watch_on_ray(recordings, classifier, model, load, options, address=ray, quiet=quiet)
    exit_skipped(recordings.skipped)


def _indexed(index: Path | None) -> list[str]:
    """Return the recordings of an index whose files are there."""
    if index is None:
        raise OptionError("missing argument", where="VIDEO", expected="recordings, or --index")
    from fewact.recordings.index import indexed_files

    return indexed_files(index)


def _spans(
    index: Path, classifier: "FewShotClassifier", sources: Sequence[str], part: float
) -> "Mapping[str, Sequence[Span]]":
    """Return what is watched of each source that is indexed; all of the others is watched."""
    from fewact.classifier.few_shot import fitted_of
    from fewact.features.store import Store
    from fewact.recordings.find import question_of_model, spans_to_watch
    from fewact.recordings.index import Archive
    from fewact.recordings.stream import check_watchable

    fitted = fitted_of(classifier)
    archive, question = (
        Archive(Store(index), check_watchable(fitted)[0].card),
        question_of_model(fitted),
    )
    known = {str(one.path): one for one in archive.recordings() if one.is_there}
    absolute = {source: str(Path(source).absolute()) for source in sources}
    spans = {
        source: spans_to_watch(archive, known[path], question, part)
        for source, path in absolute.items()
        if path in known
    }
    for source in sources:
        if source not in spans:
            say(f"Not in the index, watched as a whole: {source}")
    return spans


def watch_many(
    recordings: "Recordings",
    classifier: "FewShotClassifier",
    options: dict[str, Any],
    *,
    quiet: bool,
) -> None:
    """Watch several recordings, with the options of ``watching``, and say what was found."""
    from fewact.recordings.commands.outputs import one_by_one, summarise

    begun = clock.monotonic()
    with _stopped_by_ctrl_c() as stop:
        opened = partial(_open, classifier, **options)
        recordings.watch(partial(one_by_one, opened=opened, stop=stop), quiet=quiet)
    summarise(recordings, begun)


def _watch_on_ray(
    recordings: "Recordings",
    classifier: "FewShotClassifier",
    model: Path,
    load: dict[str, Any],
    options: dict[str, Any],
    *,
    address: str,
    quiet: bool,
) -> None:
    """Watch several recordings on a cluster, with the engine that this machine would use."""
    from fewact.classifier.few_shot import fitted_of
    from fewact.networks import BackboneSpec
    from fewact.recordings.commands.outputs import RemoteWatch, on_ray, summarise
    from fewact.recordings.stream import check_watchable

    begun = clock.monotonic()
    backbone, _ = check_watchable(fitted_of(classifier))
    load = {**load, "engine": backbone.card.engine}
    if weights := load.get("weights"):
        load["weights"] = BackboneSpec(weights=weights).with_absolute_weights.weights
    work = RemoteWatch(model.absolute(), load, classifier.false_alarms, options)
    recordings.watch(partial(on_ray, work=work, address=address), quiet=quiet)
    summarise(recordings, begun)


def _check_outputs_of_many(output: Path | None, video: Path | None, boxes: Path | None) -> None:
    """Refuse outputs, and boxes, that are of one recording."""
    if boxes is not None:
        raise OptionError("boxes are of one recording", where="--boxes", expected="one recording")
    from fewact.recordings.commands.outputs import is_of_one_recording, one_recording_error

    one = output if is_of_one_recording(output) else video
    if one is not None:
        raise one_recording_error(one)


def _watch_one(
    source: str,
    open_one: Callable[..., AbstractContextManager["Watch"]],
    classifier: "FewShotClassifier",
    output: Path | None,
    video: Path | None,
    format: EventFormat,
    *,
    quiet: bool,
) -> None:
    """Watch one recording, camera or stream."""
    events: list[Event] = []
    begun, false_alarms = clock.monotonic(), classifier.false_alarms
    with _stopped_by_ctrl_c() as stop, open_one(source, stop) as opened:
        if video is not None and opened.recording.again:
            from fewact.recordings.annotated import check_drawable

            check_drawable(video, source)
        write = _writer(format, classifier, by_subject=opened.by_subject)
        save = _saver(output, source, classifier, opened)
        save(events)
        with _delayed(video, opened, classifier) as delayed:
            for event in _with_progress(opened, delayed, quiet=quiet):
                write(event)
                events.append(event)
                save(events)
        save(events)
        if opened.recording.live and not stop.is_set():
            say("The source has ended, or sends nothing any more.")
        hint = _hint(opened, false_alarms, stopped=stop.is_set())
        _summarise(opened, events, clock.monotonic() - begun, hint)
        if video is not None and delayed is None:
            _draw(video, opened, events, classifier, stop, quiet=quiet)
        if stop.is_set() and not opened.recording.live:
            raise typer.Exit(INTERRUPTED)


@contextmanager
def _open(
    classifier: "FewShotClassifier",
    source: str,
    stop: threading.Event,
    spans: "Mapping[str, Sequence[Span]] | None" = None,
    **options: Any,
) -> Iterator["Watch"]:
    """Open a recording; Ctrl-C before it is open is an interruption, not an error of the source."""
    from fewact.recordings.watch import watching

    with ExitStack() as stack:
        try:
            opened = stack.enter_context(
                watching(classifier, source, stop=stop, spans=(spans or {}).get(source), **options)
            )
        except VideoError:
            if stop.is_set():
                raise KeyboardInterrupt from None
            raise
        yield opened


@contextmanager
def _delayed(
    video: Path | None, opened: "Watch", classifier: "FewShotClassifier"
) -> Iterator["DelayedVideo | None"]:
    """Yield the video of a recording that is read once; None if there is none."""
    from fewact.recordings.stream import Stream

    if video is None or opened.recording.again or not isinstance(opened.stream, Stream):
        yield None
        return
    from fewact.recordings.annotated import delayed_video

    delay = opened.stream.delay
    say(f"Frames are drawn up to {delay:.1f} s after they come, when their events are known.")
    with delayed_video(video, opened.stream, _class_names(classifier)) as delayed:
        yield delayed


def _draw(
    video: Path,
    opened: "Watch",
    events: list["Event"],
    classifier: "FewShotClassifier",
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
            show(int(time), int(opened.time))

        draw_again(
            video, opened.recording.name, events, _class_names(classifier), opened.time, drawn
        )


@contextmanager
def _stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """Yield what the first Ctrl-C sets; the second one interrupts as it does elsewhere."""
    stop = threading.Event()

    def interrupt(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _with_progress(
    opened: "Watch", delayed: "DelayedVideo | None", *, quiet: bool
) -> Iterator["Event"]:
    """Yield the events; show how many seconds of the recording were read."""
    total = opened.recording.duration
    with progress("Watching", quiet=quiet or total is None) as show:
        for time, frame, events in opened.moments():
            yield from events
            if delayed is not None:
                delayed.add(time, frame, events)
            show(int(time), int(total or time))
        last = opened.close()
        yield from last
        if delayed is not None:
            delayed.close(last)


def _writer(
    format: EventFormat,
    classifier: "FewShotClassifier",
    recordings: Sequence[str] = (),
    *,
    by_subject: bool = False,
) -> Callable[["Event"], None]:
    """Return a function that writes one event; a header is written immediately.

    Of several recordings, each row names its own.
    """
    from fewact.recordings.formats.event import SIDES
    from fewact.recordings.formats.tables import COLUMNS, cells
    from fewact.recordings.pages import clock_time

    if format == "jsonl":
        return lambda event: print(json.dumps(event.to_dict(), ensure_ascii=False), flush=True)
    several = ("recording",) if recordings else ()
    if format == "csv":
        subject = ("subject", *SIDES) if by_subject else ()
        columns_of_csv = (*several, *COLUMNS, *subject, *(["clock"] if recordings else []))
        print(csv_line(columns_of_csv), end="", flush=True)
        return lambda event: print(csv_line(cells(event, columns_of_csv)), end="", flush=True)
    times = ["00:00:00.000"]
    names = (*several, *(["subject"] if by_subject else []), *COLUMNS)
    first = [recordings] if recordings else []
    first += [["99"]] if by_subject else []
    columns = Columns(names, *first, times, times, classifier.classes_.tolist(), [])
    columns.print_header()

    def write_row(event: "Event") -> None:
        span = clock_time(event.start), clock_time(event.end)
        name = [event.recording] if recordings else []
        name += [event.subject] if by_subject else []
        columns.print(*name, *span, event.label, f"{event.confidence:.2f}", str(event.repetitions))

    return write_row


def _class_names(classifier: "FewShotClassifier") -> list[str]:
    """Return the classes as texts; a model of Python may have integers."""
    return [str(label) for label in classifier.classes_]


def _saver(
    output: Path | None, source: str, classifier: "FewShotClassifier", opened: "Watch"
) -> Callable[[list["Event"]], None]:
    """Return a function that replaces the output with these events."""
    from fewact.recordings.commands.outputs import recording_name
    from fewact.recordings.pages import events_text

    if output and output.name.lower().endswith(".labelstudio.json") and not opened.recording.again:
        raise OptionError(
            "times of Label Studio are frames, which a camera or a pipe does not number",
            where=str(output),
            got=source,
            expected="a video file, or events as .csv, .json or .boris",
        )
    damage = opened.recording.damage
    recording = recording_name(source, output) if os.path.exists(source) else source

    def save(events: list["Event"]) -> None:
        if output is not None:
            facts: dict[str, Any] = {
                "source": source,
                "classes": classifier.classes_.tolist(),
                "seconds": round(opened.time, 3),
                "faults": opened.faults,
                "dropped_frames": opened.dropped,
                "damaged_frames": damage.corrupt + damage.replaced,
                "missing_frames": damage.missing if damage.missing >= 0 else None,
                "frames_out_of_order": opened.recording.not_later,
            }
            delay = opened.recording.delay
            ordered = sorted(events, key=attrgetter("start"))
            named = [replace(event, recording=recording) for event in ordered]
            write_text(output, events_text(output, named, facts, delay=delay))

    return save


def _hint(opened: "Watch", false_alarms: float | None, *, stopped: bool) -> str:
    """Return what helps if no event was found; ``stopped`` by Ctrl-C, not at the end."""
    from fewact.recordings.stream import SHORTEST

    if opened.time < SHORTEST * opened.stream.lengths[0]:
        short = (
            "The recording is shorter than half a training clip: `fewact predict` gives its class."
        )
        return "" if stopped else f" {short}"
    if false_alarms == 1:
        return ""
    return " `--false-alarms 1` shows the nearest class of every window."


def _summarise(opened: "Watch", events: list["Event"], seconds: float, hint: str) -> None:
    from fewact.recordings.pages import clock_time, counts

    for fault in opened.faults:
        say(f"Warning: {opened.recording.name}: {fault}")
    for label, count in counts(events).items():
        say(f"{label}: {count}")
    if not events:
        say(f"No event was found.{hint}")
    speed = f", {opened.time / seconds:.1f} times real time" if not opened.recording.live else ""
    say(f"Watched {clock_time(opened.time)} in {clock_time(seconds)}{speed}.")
    if opened.dropped:
        say(f"Dropped {opened.dropped} late frames: the computer is too slow for this camera.")
    if opened.recording.not_later:
        say(f"Left out {opened.recording.not_later} frames whose time is not after the last one.")
