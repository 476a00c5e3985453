"""Files of one camera that are one recording: chapters of a camera, segments of a recorder.

Names say what belongs together: ``FILE_NAMES`` is a table of the patterns of programs and cameras.
Chapters and takes are joined where one begins when the other ends. Segments of a recorder are
joined with gaps: there, nothing was recorded.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from fewact.core.errors import DataError, OptionError, VideoError
from fewact.recordings.commands.join import JoinMode
from fewact.recordings.formats import Event
from fewact.video.joined import JoinedFiles, JoinedPart
from fewact.video.recording import open_recording

Source = Path | JoinedFiles
"""A recording: a file or a folder of images, or files that are joined."""

ADJACENT: Final = 2.0
"""Largest time, in seconds, between the end of a file and the start of the next one that are one
take: cameras write their clocks in whole seconds."""

SEGMENT_SLACK: Final = 1.5
"""Segments that start within so many times their usual distance are seamless. A recorder cuts at
key frames and names a segment by the time at which it is due, so that most are shorter than their
distance."""

UNKNOWN_SLACK: Final = 2.0
"""The same in durations of the file, where the usual distance is not known yet."""

USUAL_PARTS: Final = 50
"""Number of the last files whose starts say what distance is usual."""

LONGEST_BREAK: Final = 3600.0
"""Largest gap in a joined recording, in seconds; after a longer one another recording begins."""

DAY: Final = r"(?P<Y>(?:19|20)\d\d)-?(?P<m>[01]\d)-?(?P<d>[0-3]\d)"
HOUR: Final = r"(?P<H>[0-2]\d)[.:-]?(?P<M>[0-5]\d)[.:-]?(?P<S>[0-5]\d)"
ENDING: Final = r"\.\w{2,4}$"


class Names(NamedTuple):
    """Names of the files of a program or a camera.

    Args:
        program: Its name.
        pattern: Pattern of the last part of a path. Its groups are ``camera``, ``take`` and
            ``chapter`` or ``number``; and the date and time ``Y m d H M S`` of the start.
        has_gaps: Whether files are joined that have a gap between them, as of a recorder that
            records where something moves.
        utc: Whether the times are in UTC; they are local otherwise.
    """

    program: str
    pattern: str
    has_gaps: bool = False
    utc: bool = False


FILE_NAMES: Final = (
    Names("GoPro", rf"/G[HXL](?P<chapter>\d\d)(?P<take>\d{{4}}){ENDING}"),
    Names("GoPro", rf"/GP(?P<chapter>\d\d)(?P<take>\d{{4}}){ENDING}"),
    Names("GoPro", rf"/GOPR(?P<take>\d{{4}})(?P<chapter>){ENDING}"),
    Names("DJI", rf"/DJI_{DAY}{HOUR}_(?P<number>\d{{4}})_\w{ENDING}"),
    Names("DJI", rf"/DJI_(?P<number>\d{{4}}){ENDING}"),
    Names("Sony", rf"/C(?P<number>\d{{4}}){ENDING}"),
    Names("AVCHD", r"/(?P<number>\d{5})\.(?:mts|m2ts)$"),
    Names("phone", rf"/(?P<camera>PXL|VID|MVI)_{DAY}_{HOUR}\d{{0,3}}[^/]*{ENDING}"),
    Names("phone", rf"/{DAY}_{HOUR}{ENDING}"),
    Names(
        "Frigate",
        rf"/{DAY}/(?P<H>[0-2]\d)/(?P<camera>[^/]+)/(?P<M>[0-5]\d)\.(?P<S>[0-5]\d){ENDING}",
        has_gaps=True,
        utc=True,
    ),
    Names(
        "Dahua",
        rf"/{DAY}/(?P<camera>.*?)/{HOUR}-[\d.]+\[[A-Z]\][^/]*{ENDING}",
        has_gaps=True,
    ),
    Names("Reolink", rf"/Rec(?P<camera>\w\d\d)_{DAY}_{HOUR}_\d{{6}}_[^/]*{ENDING}", has_gaps=True),
    Names(
        "Hikvision", rf"/(?P<camera>[^/]+?)_{DAY}{HOUR}_\d{{14}}(?:_\d+)?{ENDING}", has_gaps=True
    ),
    Names("Reolink", rf"/(?P<camera>[^/]+?)_\d\d_{DAY}{HOUR}{ENDING}", has_gaps=True),
    Names("Blue Iris", rf"/(?P<camera>[^/]+?)\.{DAY}_{HOUR}{ENDING}", has_gaps=True),
    Names("Synology", rf"/(?P<camera>[^/]+?)-{DAY}-{HOUR}-\d{{9,10}}{ENDING}", has_gaps=True),
)
"""Names of files, the more particular ones first."""


@dataclass(frozen=True)
class NamedFile:
    """File whose name says where it belongs.

    Args:
        path: The file.
        names: Pattern of its name.
        camera: Camera and take: files of others are not joined.
        number: Number of the chapter or the file; 0 if the name has a time.
        begun: Date and time of its start, by its name; None if the name has none.
    """

    path: Path
    names: Names
    camera: tuple[str, str]
    number: int = 0
    begun: datetime | None = None


def named_file(path: Path) -> NamedFile | None:
    """Return what the name of a file says; None if it is none of ``FILE_NAMES``.

    >>> file = named_file(Path("2026-05-02/14/porch/00.10.mp4"))
    >>> file.names.program, file.camera[0], str(file.begun)
    ('Frigate', 'porch', '2026-05-02 14:00:10+00:00')
    """
    text = f"/{path.as_posix().lstrip('/')}"
    for names in FILE_NAMES:
        match = re.search(names.pattern, text, re.IGNORECASE)
        if match is None:
            continue
        groups = match.groupdict()
        begun = None
        if "Y" in groups:
            with suppress(ValueError):
                begun = datetime(*(int(groups[unit]) for unit in "YmdHMS"))  # type: ignore[arg-type]
            if begun is None:
                continue
            begun = begun.replace(tzinfo=UTC) if names.utc else begun
        folder = text[: match.start()]
        number = int(groups.get("chapter") or groups.get("number") or 0)
        camera = groups.get("camera") or "", f"{folder}:{groups.get('take') or ''}"
        return NamedFile(path, names, camera, number, begun)
    return None


class _Facts(NamedTuple):
    """What the header of a file says."""

    seconds: float
    begun: datetime | None
    size: tuple[int, int]
    fps: float


def joined_sources(paths: Sequence[Path], mode: JoinMode) -> list[Source]:
    """Return the recordings that files are, in the order of their first files.

    Args:
        paths: Files and folders of images.
        mode: ``auto`` joins files whose names and times say that they are one recording; ``on``
            joins all, in their order; ``off`` none.

    Raises:
        OptionError: ``on``, and the files have different sizes or one cannot be read.
    """
    if mode == "off" or len(paths) < 2:
        return [*paths]
    if mode == "on":
        return [_all_joined(paths)]
    named = [file for path in paths if path.is_file() and (file := named_file(path)) is not None]
    groups: dict[object, list[NamedFile]] = {}
    for file in named:
        groups.setdefault((file.names.program, file.camera), []).append(file)
    joined: dict[Path, Source] = {}
    for group in groups.values():
        for source in _of_group(group) if len(group) > 1 else ():
            joined |= {part.path: source for part in source.parts}
    return list(dict.fromkeys(joined.get(path, path) for path in paths))


def in_file(event: Event, part: JoinedPart, name: str) -> Event:
    """Return an event of a timeline with the times and the clock of the file in which it starts.

    Args:
        event: Event; it may end in a later file.
        part: The file.
        name: Its name.
    """
    repetitions = tuple(
        replace(each, start=each.start - part.start, end=each.end - part.start)
        for each in event.repetition_times
    )
    return replace(
        event,
        start=event.start - part.start,
        end=event.end - part.start,
        repetition_times=repetitions,
        recording=name,
        clock=clock_text(part.clock(event.start)),
    )


def clock_text(time: datetime | None) -> str:
    """Return date and time as events have them; empty if they are not known."""
    return "" if time is None else time.isoformat(timespec="milliseconds")


def joined_text(source: JoinedFiles) -> str:
    """Return the line that says what was joined."""
    gaps = {0: "without a gap", 1: "with 1 gap"}.get(source.gaps, f"with {source.gaps} gaps")
    last = source.parts[-1].path.name
    return f"Joined {len(source.parts)} files, {gaps}: {source.name} … {last}."


def _all_joined(paths: Sequence[Path]) -> JoinedFiles:
    facts = [_facts(path) for path in paths]
    first = facts[0]
    for path, fact in zip(paths, facts, strict=True):
        if fact is None or first is None or fact.size != first.size:
            raise OptionError(
                "the file cannot be joined with the first one",
                where=f"--join on, {path}",
                got="no video" if fact is None else "{}x{}".format(*fact.size),
                expected="videos of one size",
            )
    known = [fact for fact in facts if fact is not None]
    files = [NamedFile(path, Names("", ""), ("", "")) for path in paths]
    named = (named_file(path) for path in paths)
    files = [
        replace(file, begun=name.begun if name else None)
        for file, name in zip(files, named, strict=True)
    ]
    return JoinedFiles(tuple(_parts(list(zip(files, known, strict=True)))))


def _of_group(files: Sequence[NamedFile]) -> Iterator[JoinedFiles]:
    """Yield the recordings of more than one file among the files of a camera."""
    facts = [(file, fact) for file in files if (fact := _facts(file.path)) is not None]
    ordered = sorted(facts, key=lambda pair: (pair[0].begun or datetime.min, pair[0].number))
    starts = [start for file, fact in ordered if (start := _start(file, fact)) is not None]
    distance = _distance(starts) if files[0].names.has_gaps else 0.0
    run = 0
    runs = [0]
    for before, after in pairwise(ordered):
        run += not _goes_on(before, after)
        runs.append(run)
    for _, members in groupby(zip(runs, ordered, strict=True), key=lambda member: member[0]):
        parts = [pair for _, pair in members]
        if len(parts) > 1:
            yield JoinedFiles(tuple(_parts(parts, distance)))


def _distance(starts: Sequence[datetime]) -> float:
    """Return the usual distance of the starts of segments, in seconds."""
    return median((b - a).total_seconds() for a, b in pairwise(starts)) if len(starts) > 2 else 0.0


def _goes_on(before: tuple[NamedFile, _Facts], after: tuple[NamedFile, _Facts]) -> bool:
    """Return whether two files that follow each other are of one recording."""
    (first, facts), (second, next_facts) = before, after
    if facts.size != next_facts.size or abs(facts.fps - next_facts.fps) > 0.1 * facts.fps:
        return False
    if first.names.program == "GoPro":  # its chapters have the time of the first one
        return second.number == first.number + 1
    start, next_start = _start(first, facts), _start(second, next_facts)
    if start is None or next_start is None:
        return False
    between = (next_start - start).total_seconds() - facts.seconds
    if first.names.has_gaps:
        return between <= LONGEST_BREAK
    return abs(between) <= ADJACENT and (first.begun is not None or second.number > first.number)


def _start(file: NamedFile, facts: _Facts) -> datetime | None:
    return file.begun or facts.begun


def _parts(
    files: Sequence[tuple[NamedFile, _Facts]], distance: float = 0.0
) -> Iterator[JoinedPart]:
    """Yield files with their starts on the timeline; times of names that leave a gap are kept."""
    start, clock = 0.0, _start(*files[0])
    before: tuple[datetime, float] | None = None
    for file, facts in files:
        begun, gap = file.begun, False
        if begun is not None and before is not None and file.names.has_gaps:
            since = (begun - before[0]).total_seconds()
            gap = _is_gap(since, before[1], distance)
            if gap:
                start += since - before[1]
        if begun is None:
            begun = clock
        yield JoinedPart(file.path, start, facts.seconds, begun, gap)
        start += facts.seconds
        before = (begun, facts.seconds) if begun is not None else None
        clock = None if begun is None else begun + timedelta(seconds=facts.seconds)


def is_gap(since: float, seconds: float, parts: Sequence[JoinedPart]) -> bool:
    """Return whether nothing was recorded between the last file and the next one.

    Args:
        since: Time between their starts by their names, in seconds.
        seconds: Duration of the last file.
        parts: The files so far.
    """
    starts = [part.begun for part in parts[-USUAL_PARTS:] if part.begun is not None]
    return _is_gap(since, seconds, _distance(starts))


def _is_gap(since: float, seconds: float, distance: float) -> bool:
    usual = SEGMENT_SLACK * distance if distance else UNKNOWN_SLACK * seconds
    return since > max(usual, seconds + ADJACENT)


def _facts(path: Path) -> _Facts | None:
    """Return the facts of a file; None if it cannot be read."""
    with suppress(VideoError, DataError, OSError), open_recording(path) as recording:
        if recording.duration is not None and recording.size is not None:
            fps = recording.fps or 0.0
            return _Facts(recording.duration, recording.begun, recording.size, fps)
    return None
