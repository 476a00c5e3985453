"""``fewact poses``: joints of the bodies in videos, as files that ``fewact teach`` reads."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from fewact.cli.options import Quiet, check_output_files, output_option
from fewact.cli.output import Columns, progress
from fewact.cli.run import exit_skipped, say
from fewact.core.atomic import check_output_folder, replacing
from fewact.core.errors import OptionError, OutputError, VideoError
from fewact.core.extras import check_extra
from fewact.core.options import AUTO
from fewact.data.clips import Clip
from fewact.data.files import expand_paths
from fewact.data.joints import JointTrack
from fewact.data.poses.file import TRACK_END, write_track
from fewact.poses import HIGHEST_RATE, create
from fewact.poses.reading import frames_of, reduced, track_of
from fewact.video.reading import timeline_of
from fewact.video.samplers import Segments
from fewact.video.writing import timed_video

PICTURE_END, VIDEO_END = ".poses.png", ".poses.mp4"


def poses(
    videos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO...",
            help="Video files, folders, or patterns such as 'day*/*.mp4'.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        output_option("FOLDER", "Folder for the joints: NAME.poses.npz for each video NAME."),
    ] = None,
    pose: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Pose estimator: auto, mediapipe, mediapipe:FILE for networks in a file of your "
            "own, or module:function.",
        ),
    ] = AUTO,
    picture: Annotated[
        bool, typer.Option("--picture", help="Draw joints on frames of each video: NAME.poses.png.")
    ] = False,
    video: Annotated[
        bool, typer.Option("--video", help="Draw joints on each video: NAME.poses.mp4.")
    ] = False,
    install: Annotated[
        bool,
        typer.Option(
            "--install",
            help="Download a wheel of MediaPipe (36 MB) by pip, and keep its two networks for "
            "poses (9 MB).",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    quiet: Quiet = False,
) -> None:
    """Estimate the joints of a body in each video, and write them as files.

    `fewact teach --poses FOLDER` reads them. If several bodies are in view, one is followed. Files
    that cannot be read are listed and skipped; the exit code is then 3.
    """
    if install:
        from fewact.poses.weights import install as install_networks

        print(f"Saved to {install_networks()}")
        if not videos:
            return
    if not videos or output is None:
        missing = "VIDEO" if not videos else "--output FOLDER"
        raise OptionError(f"{missing} is missing", expected="fewact poses VIDEO... -o FOLDER")
    if picture or video:
        check_extra("--picture" if picture else "--video", "draw", "PIL")
    estimator = create(pose)
    check_output_folder(output)
    targets = _targets(videos, output)
    ends = [TRACK_END, *[PICTURE_END] * picture, *[VIDEO_END] * video]
    written = [target.with_name(target.name + end) for target in targets.values() for end in ends]
    check_output_files(*written, overwrite=overwrite, inputs=targets)
    skipped = 0
    table = Columns(("path", "frames", "body", "file"), targets, (), ())
    table.print_header()
    with progress("Estimating", quiet=quiet) as show:
        for done, (path, target) in enumerate(targets.items()):
            show(done, len(targets))
            clip = Clip(path)
            try:
                track = track_of(clip, timeline_of(path), estimator)
                file = target.with_name(target.name + TRACK_END)
                write_track(file, track)
                if picture:
                    _write_picture(target.with_name(target.name + PICTURE_END), clip, track)
                if video:
                    _write_video(target.with_name(target.name + VIDEO_END), clip, track)
            except VideoError as error:
                say(f"Skipped {error}")
                skipped += 1
                continue
            found = float(track.present.any(1).mean())
            table.print(path, len(track.values), f"{found:.0%}", file)
    exit_skipped(skipped)


def _targets(videos: list[str], output: Path) -> dict[Path, Path]:
    """Return the path of each video's files without their ends, by the video.

    A video of a named folder keeps its place in the folder.
    """
    targets: dict[Path, Path] = {}
    for name in videos:
        for path in expand_paths([name]):
            folder = Path(name) if Path(name) in path.parents else path.parent
            targets.setdefault(path, output / path.relative_to(folder).with_suffix(""))
    for path, target in targets.items():
        first = next(other for other, same in targets.items() if same == target)
        if first != path:
            raise OutputError(
                "two videos would have the same file of joints",
                where=f"{target}{TRACK_END}",
                got=f"{first}, {path}",
                hint="Name the folder that both are in.",
            )
    return targets


def _write_picture(path: Path, clip: Clip, track: JointTrack) -> None:
    """Write frames that are even over a clip, with their joints, as one image."""
    from fewact.poses.drawing import SHEET_FRAMES, drawn, sheet

    reading = clip.read([Segments(SHEET_FRAMES)], transform=reduced)
    times = reading.timeline.times[reading.chosen[0]]
    joints = track.at(times, reading.timeline.end)
    images = [drawn(*both, track.layout) for both in zip(reading.frames[0], joints, strict=True)]
    with replacing(path) as new:
        sheet(images).save(new, "PNG")


def _write_video(path: Path, clip: Clip, track: JointTrack) -> None:
    """Write the frames of a clip whose joints were estimated, with these, as a video."""
    from fewact.poses.drawing import drawn

    timeline = timeline_of(clip.path)
    indices = timeline.at(track.times_in(timeline.end))
    with timed_video(path, HIGHEST_RATE) as video:
        for frame, joints, i in zip(frames_of(clip, indices), track.values, indices, strict=True):
            image = np.asarray(drawn(frame, joints, track.layout))
            video.write(image, float(timeline.times[i]))
