"""``fewact watch``: the actions in a long recording, a camera or a stream."""

import os
from collections.abc import Sequence
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.command import with_specs
from fewact.cli.options import (
    Bodies,
    EventsOutput,
    Imports,
    Load,
    Model,
    Overwrite,
    Quiet,
    Ray,
    check_file,
    check_output_files,
    false_alarms,
    loaded,
)
from fewact.cli.run import exit_skipped, say
from fewact.core.errors import OptionError
from fewact.core.extras import check_extra
from fewact.recordings.commands.cameras import Cameras, check_followed, follow_folders, to_all
from fewact.recordings.commands.join import Join, joined
from fewact.recordings.outputs import EventFormat, is_of_one_recording, one_recording_error

if TYPE_CHECKING:
    from fewact.classifier import FewShotClassifier
    from fewact.video.source import Span


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
        check_extra("a video with events", "draw", "PIL")
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
    join: Join = "auto",
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
    bodies: Bodies,
    cameras: Cameras,
    ray: Ray = None,
    imports: Imports = None,
    quiet: Quiet = False,
) -> None:
    """Find the actions in long recordings, or watch a camera.

    Events are written to stdout when they are complete: start, end, class and how many times the
    action was performed in a row. Ctrl-C ends a camera; the events so far are kept. If there are
    several recordings, unreadable recordings are skipped (exit code 3). After an interruption, the
    same command with -o continues with the unfinished recordings.
    """
    from fewact.classifier.unknown import check_rate
    from fewact.recordings.joints import joints_of_recordings
    from fewact.recordings.many import Recordings, finished_file, job_of, watch_many
    from fewact.recordings.outputs import event_writer
    from fewact.recordings.single import Outputs, watch_one

    check_rate(false_alarms)
    cameras.check()
    load = load if bodies.pose is None else {**load, "pose": bodies.pose}
    options: dict[str, Any] = {"only": only, "merge_gap": merge_gap, "min_duration": min_duration}
    if cameras.follow:
        others: dict[str, Any] = {"index": index, "video": video, "ray": ray}
        others["regions"] = bodies.regions or bodies.boxes
        check_followed(sources or [], output, others)
        find = {**options, "false_alarms": false_alarms}
        follow_folders(model, load, sources or [], cameras, output, find, overwrite=overwrite)
        return
    sources = _check_recordings(sources) or _indexed(index)
    files = joined(sources, "off" if ray or index else join)
    is_many = len(files) > 1
    resumes = is_many and output is not None and finished_file(output).exists()
    check_output_files(output, video, overwrite=overwrite or resumes, inputs=sources)
    _check_number(is_many, output, video, bodies.boxes, ray)
    classifier = loaded(model, load, bodies.pose)
    if false_alarms is not None:
        classifier.false_alarms = false_alarms
    if bodies.regions or bodies.boxes is not None:
        options["regions"] = True if bodies.boxes is None else str(bodies.boxes)
    job = job_of(model, {**options, "false_alarms": false_alarms, **load, "index": (index, part)})
    if index is not None:
        if ray is not None or "regions" in options:
            raise OptionError("cannot be used with --ray or --regions", where="--index")
        options["spans"] = _spans(index, classifier, sources, part)
    if tracks := joints_of_recordings(classifier, sources, bodies.poses):
        options["joints"] = tracks
    classes = classifier.classes_.tolist()
    with cameras.notices(classes) as senders:
        if not is_many:
            source = files[0] if len(sources) > 1 else sources[0]
            outputs = Outputs(output, video, format, quiet, senders)
            watch_one(classifier, source, outputs, options)
            return
        write = event_writer(format, classes, sources, by_subject="regions" in options)
        recordings = Recordings(files, output, job, to_all([write, *senders]), overwrite)
        if ray is None:
            watch_many(recordings, classifier, options, quiet=quiet)
        else:
            from fewact.recordings.cluster import watch_on_ray

            watch_on_ray(recordings, classifier, model, load, options, address=ray, quiet=quiet)
    exit_skipped(recordings.skipped)


def _check_number(
    is_many: bool, output: Path | None, video: Path | None, boxes: Path | None, ray: str | None
) -> None:
    """Refuse outputs and boxes of one recording where there are several, and the reverse."""
    if not is_many:
        if ray is not None:
            raise OptionError(
                "a cluster shares recordings", where="--ray", expected="several of them"
            )
        return
    if boxes is not None and boxes.is_file():
        raise OptionError("boxes are of one recording", where="--boxes", expected="one recording")
    refused = output if is_of_one_recording(output) else video
    if refused is not None:
        raise one_recording_error(refused)


def _indexed(index: Path | None) -> list[str]:
    """Return the recordings of an index whose files are there."""
    if index is None:
        raise OptionError("missing argument", where="VIDEO", expected="recordings, or --index")
    from fewact.recordings.index import indexed_files

    return indexed_files(index)


def _spans(
    index: Path, classifier: "FewShotClassifier", sources: Sequence[str], part: float
) -> "dict[str, list[Span]]":
    """Return what is watched of each source that is indexed; all of the others is watched."""
    from fewact.recordings.find import spans_of_sources

    spans = spans_of_sources(index, classifier.fitted_, sources, part)
    for source in sources:
        if source not in spans:
            say(f"Not in the index, watched as a whole: {source}")
    return spans
