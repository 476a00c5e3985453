"""Files of the joints of clips: one track a file, or those of all clips of a table.

``NAME.poses.npz`` has the joints of one clip: an array ``features`` (1 t d); a text ``joints``,
their layout; and optionally ``times`` (t) in seconds, and ``unit``: ``height`` or ``picture``. An
.npz file with a table of the same name, a .tsv with the column ``clip``, the path of each clip
relative to the table, has those of many clips; the columns ``start`` and ``end`` name a segment of
a recording. The files of other programs are read too, see ``fewact.data.poses``.
"""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.core.arrays import read_array
from fewact.core.atomic import replacing
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import DataError, warn
from fewact.data.cells import seconds
from fewact.data.columns import Column, Schema
from fewact.data.files import first_few, timeline_or_none
from fewact.data.joints import JointTrack
from fewact.data.poses import pose_and_choice

TRACK_END: Final = ".poses.npz"
"""End of the name of a file of joints that ``write_track`` writes beside a video of that stem."""

TRACK_FILE: Final = FileType(
    "file of joints",
    DataError,
    4 * GIB,
    "an .npz file with an array `features` (clips t d) and their layout `joints`; or poses of "
    "another program",
)
TRACK_TABLE: Final = FileType(
    "table of joints", DataError, 256 * MIB, "tab-separated columns clip; optional: start, end"
)
TRACK_TABLE_COLUMNS: Final = Schema(
    (Column("clip", required=True), Column("start"), Column("end")), TRACK_TABLE.expected
)


class TrackSource(NamedTuple):
    """Clip that joints belong to.

    Args:
        file: Its path without links.
        start: Start of the segment, in seconds; None for the start of the file.
        end: End of the segment, in seconds; None for the end of the file.
    """

    file: str
    start: float | None = None
    end: float | None = None

    @staticmethod
    def of(path: Path, start: float | None = None, end: float | None = None) -> "TrackSource":
        """Return the source of a clip of a file."""
        return TrackSource(os.path.realpath(path), start, end)


def write_track(path: Path, track: JointTrack) -> None:
    """Write the joints of one clip as an .npz file.

    Raises:
        OutputError: The file cannot be written.
    """
    arrays: dict[str, Any] = {"features": track.values[None], "joints": np.array(track.layout)}
    arrays["unit"] = np.array("picture" if track.of_picture else "height")
    if track.times is not None:
        arrays["times"] = track.times
    with replacing(path) as new, new.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_track(path: Path, clip: Path | None = None) -> JointTrack:
    """Return the joints of one clip.

    Args:
        path: File of its joints, a folder of frames of OpenPose, or an .npz file of several clips.
        clip: The clip, which says whose joints are read in a file of several clips.

    Raises:
        DataError: The file cannot be read, or does not have the joints of this clip.
    """
    if path.suffix.lower() != ".npz":
        return _of_program(path)
    tracks = read_tracks(path)
    if len(tracks) == 1:
        return next(iter(tracks.values()))
    source = None if clip is None else TrackSource.of(clip)
    if source not in tracks:
        raise DataError(
            "the file has no joints of this clip" if clip else "this file has several clips",
            where=str(path),
            got=str(clip or f"{len(tracks)} clips"),
            expected=f"a clip of its table: {first_few(Path(key.file).name for key in tracks)}",
        )
    return tracks[source]


def read_tracks(path: Path) -> dict[TrackSource, JointTrack]:
    """Return the joints of all clips of an .npz file; without a table, of its only clip.

    Raises:
        DataError: The file or its table cannot be read, or they differ.
    """
    if not path.exists():
        raise DataError("there is no such file", where=str(path), expected=TRACK_FILE.expected)
    status = path.stat()
    return _read_tracks(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read_tracks(path: Path, changed: int, size: int) -> dict[TrackSource, JointTrack]:
    stored, layout, times, of_picture = _arrays(path)
    table = path.with_suffix(".tsv")
    if not table.exists():
        if len(stored) > 1:
            raise DataError(
                "joints of several clips, and no table says which",
                where=str(path),
                got=f"{len(stored)} clips",
                expected=f"{table.name} beside it, with the column clip",
            )
        return {TrackSource(""): JointTrack(stored[0], layout, times, of_picture)}
    sources = [*_sources(table)]
    if len(sources) != len(stored):
        raise DataError(
            "the numbers of rows and clips differ",
            where=str(table),
            got=f"{len(sources)} rows for {len(stored)} clips in {path.name}",
        )
    tracks: dict[TrackSource, JointTrack] = {}
    for source, values in zip(sources, stored, strict=True):
        if source in tracks:
            raise DataError("the same clip twice", where=str(table), got=source.file)
        track = JointTrack(values, layout, times, of_picture)
        tracks[source] = track if source[1:] == (None, None) else _of_segment(track, source)
    return tracks


def _of_segment(track: JointTrack, source: TrackSource) -> JointTrack:
    """Return the joints of a segment with times from the start of its file."""
    start, end = source.start or 0.0, source.end
    if end is None and track.times is None:
        timeline = timeline_or_none(Path(source.file))
        if timeline is None:  # the reader of the video says why
            return track
        end = timeline.end
    return track.since(-start, (end or 0.0) - start)


def _arrays(path: Path) -> tuple[NDArray[Any], str, NDArray[Any] | None, bool]:
    """Return joints (clips t d), their layout, the times (t), and whether the picture is 1 × 1."""
    stored, names = read_array(TRACK_FILE, path, "features")
    layout = read_array(TRACK_FILE, path, "joints")[0] if "joints" in names else None
    if stored is None or layout is None or stored.ndim != 3 or not stored.size:
        got = first_few(names) if stored is None or layout is None else f"features {stored.shape}"
        TRACK_FILE.refuse(path, "there are no joints", got)
    times = read_array(TRACK_FILE, path, "times")[0] if "times" in names else None
    unit = read_array(TRACK_FILE, path, "unit")[0] if "unit" in names else None
    text = str(layout)
    of_picture = in_picture(stored, text) if unit is None else str(unit) == "picture"
    return stored, text, times, of_picture


def _sources(table: Path) -> Iterator[TrackSource]:
    lines = re.split(r"\r\n|\r|\n", TRACK_TABLE.text(table))
    cut = [(n, [c.strip() for c in line.split("\t")]) for n, line in enumerate(lines, 1)]
    filled = [(n, cells) for n, cells in cut if any(cells)]
    if not filled:
        TRACK_TABLE.refuse(table, "the table is empty")
    header = TRACK_TABLE_COLUMNS.checked(str(table), filled[0][1])
    for line, cells in filled[1:]:
        row = dict(zip(header, cells, strict=False))
        if not row.get("clip"):
            raise DataError("a row without a clip", where=f"{table}, line {line}")
        times = []
        for column in ("start", "end"):
            text = row.get(column, "")
            if text and seconds(text) is None:
                where = f'{table}, line {line}, column "{column}"'
                raise DataError("not a time", where=where, got=text, expected="seconds or mm:ss")
            times.append(seconds(text) if text else None)
        yield TrackSource.of(table.parent / row["clip"], *times)


def _of_program(path: Path) -> JointTrack:
    if not path.exists():
        raise DataError("there is no such file", where=str(path), expected=TRACK_FILE.expected)
    read, choice = pose_and_choice(path)
    if len(choice.names) > 1:
        warn(f"{path}: {choice.sentence}")
    values = np.concatenate([read.places, read.confidence[..., None]], -1)
    values = values.reshape(len(values), -1)
    return JointTrack(values, read.layout, of_picture=in_picture(values, read.layout))


LEAST_IN_PICTURE: Final = 0.6
"""Fraction of MediaPipe's joints with x and y from 0 to 1, at least, where the unit of x is the
width of the picture and of y its height. Of its world coordinates, in metres from the hip, a
quarter are."""


def in_picture(values: NDArray[Any], layout: str) -> bool:
    """Return whether the numbers (… d) of joints are MediaPipe's fractions of the picture."""
    if not all(part.startswith(("pose33:", "hand21:")) for part in layout.split("+")):
        return False
    track = JointTrack(values.reshape(-1, values.shape[-1]), layout)
    places = track.places[track.present]  # (n 2 or 3)
    inside = (places[:, :2] >= 0) & (places[:, :2] <= 1)
    return bool(len(places)) and float(inside.all(-1).mean()) >= LEAST_IN_PICTURE
