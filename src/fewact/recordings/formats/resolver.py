"""What a file of events leaves open: who scored it, its recording, and the rate of its frames."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fewact.core.errors import DataError, did_you_mean
from fewact.data.event_options import EventOptions
from fewact.data.files import (
    VIDEO_SUFFIXES,
    entries,
    find_recording,
    first_few,
    stem_and_suffix,
    timeline_or_none,
)
from fewact.data.times import VIDEO_RATE
from fewact.recordings.formats.event import Row

RATE_TOLERANCE: Final = 0.01
"""Relative difference from which two frame rates are different: 30 and 29.97 are the same."""


@dataclass
class Resolver:
    """Chooses the rows of a file, and completes their fields.

    A row may name its ``rater`` and ``tier``, and have a ``span`` of frames (first, end) instead of
    times, with the rate ``fps``: a number, ``VIDEO_RATE``, or None if the file does not say it. A
    function ``by_rate`` returns the times of a row with timecodes, by the rate of their frames.

    Args:
        path: File of events.
        options: Choices of the caller.
        notes: Receives a sentence for each choice that was made.
        warnings: Receives a sentence for each rate that does not fit the video.
    """

    path: Path
    options: EventOptions
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def chosen(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows of the chosen rater and tier.

        Raises:
            DataError: There is no such rater or tier, or several raters and none is chosen.
        """
        if self.options.tier is None:  # a tier that gives others their times is read if it is named
            rows = (row for row in rows if not row[1].get("gives_times"))
        raters: dict[str, set[str]] = {}
        for row in self._of(self._of(rows, "tier", self.options.tier), "rater", self.options.rater):
            if "fault" not in row[1]:
                raters.setdefault(_recording(row[1]), set()).add(str(row[1].get("rater") or ""))
            yield row
        several = [names for names in raters.values() if len(names) > 1]
        if several and self.options.rater is None:
            raise DataError(
                "several people scored the same recording",
                where=str(self.path),
                got=first_few(sorted(repr(name) for name in set[str]().union(*several))),
                expected="the events of one person",
                hint="Choose one: --rater NAME.",
            )

    def _of(self, rows: Iterable[Row], name: str, chosen: str | None) -> Iterator[Row]:
        """Yield the rows with a value, in normal form C of Unicode; all for None."""
        if chosen is None:
            yield from rows
            return
        wanted, names, left = unicodedata.normalize("NFC", chosen), set[str](), 0
        for row in rows:
            value = unicodedata.normalize("NFC", str(row[1].get(name) or ""))
            if "fault" not in row[1]:
                names.add(value)
            if value == wanted or "fault" in row[1] or (name == "rater" and not value):
                yield row
            else:
                left += 1
        if name == "rater" and "" in names:
            self.notes.append(f"rows that name no rater are read, too (--rater {chosen})")
        elif wanted not in names:
            raise DataError(
                f"there is no such {name}",
                where=f"{self.path}, --{name}",
                got=repr(chosen),
                expected=first_few(map(repr, sorted(names))),
                hint=did_you_mean(chosen, names),
            )
        if left:
            others = first_few(sorted(names - {wanted}))
            self.notes.append(f"{name} {chosen}: left out, {left} rows of {others}")

    def resolved(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the fields of a row with its recording, and its frames as times.

        Raises:
            ValueError: The times are in frames, and their rate is not known.
            DataError: The file does not say the rate with which it numbers frames.
        """
        if "fault" in fields:
            return fields
        recording = self._named(_recording(fields))
        complete = {**fields, "recording": recording}
        if "span" in fields:
            complete |= self._times(complete)
        if "by_rate" in fields:
            complete |= fields["by_rate"](self._rate(complete["recording"]))
        return complete

    def _named(self, recording: str) -> str:
        """Return the recording of a row; a file that names none has the video beside it."""
        if self.options.video is not None:
            return self._given(recording, self.options.video)
        if recording:
            return recording
        if not hasattr(self, "_beside"):
            self._beside = self._video_beside()
        return self._beside

    def _given(self, recording: str, video: Path) -> str:
        first = self.__dict__.setdefault("_replaced", recording)
        if first != recording:
            raise DataError(
                "--video names one recording",
                where=str(self.path),
                got=first_few(sorted({first, recording})),
                expected="a file with the events of one recording",
            )
        try:
            return video.resolve().relative_to(self.path.parent.resolve()).as_posix()
        except ValueError:
            return str(video.resolve())

    def _video_beside(self) -> str:
        stems = {self.path.name.split(".")[0], self.path.stem}
        folder = self.path.parent
        videos = [
            entry.name
            for entry in (entries(folder) if folder.is_dir() else ())
            if entry.suffix.lower() in VIDEO_SUFFIXES
            and _begins(stems, stem_and_suffix(entry.name)[0])
        ]
        if same := [video for video in videos if stem_and_suffix(video)[0] in stems]:
            videos = same
        if len(videos) > 1:
            self.notes.append(f"{first_few(videos)} have its name: {videos[0]} is taken (--video)")
        elif videos:
            self.notes.append(f"it names no video: {videos[0]} beside it is taken (--video)")
        return videos[0] if videos else ""

    def _times(self, fields: Mapping[str, Any]) -> dict[str, float]:
        """Return start and end, in seconds, of a span of frames."""
        first, end = fields["span"]
        recording = fields["recording"]
        timeline = timeline_or_none(find_recording(self.path.parent, recording))
        stated = fields.get("fps") or self.options.fps
        if self.options.fps and fields.get("fps") not in (None, VIDEO_RATE, self.options.fps):
            self._say(f"frames are read at {self.options.fps:g} per second, not {stated:g} (--fps)")
        rate = self.options.fps or stated
        if rate is None:
            own = f" The video has {timeline.fps:g}." if timeline else ""
            raise DataError(
                "its times are frames, and it does not say their rate",
                where=str(self.path),
                expected="the rate with which they were labelled, which may not be the video's",
                hint=f"Pass it: --fps RATE.{own} Label Studio's own are 24 or 25, unless its setup "
                "has a frameRate.",
            )
        if rate == VIDEO_RATE:
            if timeline is None:
                raise ValueError(f"times are in frames, and {recording or 'its video'} is not here")
            if end > len(timeline.times):
                raise ValueError(f"frame {end} is after the end: {len(timeline.times)} frames")
            times = [*timeline.times, timeline.end]
            return {"start": round(float(times[first]), 6), "end": round(float(times[end]), 6)}
        if timeline is not None and abs(rate / timeline.fps - 1) > RATE_TOLERANCE:
            self._say(
                f"frames were numbered at {rate:g} per second; {recording} has {timeline.fps:g}"
            )
        return {"start": round(first / rate, 6), "end": round(end / rate, 6)}

    def _rate(self, recording: str) -> float:
        """Return the rate of timecodes: the caller's, or the video's; 0 if it is not known."""
        if self.options.fps:
            return self.options.fps
        timeline = timeline_or_none(find_recording(self.path.parent, recording))
        return timeline.fps if timeline else 0.0

    def _say(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)


def _begins(stems: set[str], video: str) -> bool:
    """Whether a video's stem is one of these, or the beginning of one, as in monday_labels."""
    names = [unicodedata.normalize("NFC", stem) for stem in stems]
    video = unicodedata.normalize("NFC", video)
    return any(n == video or re.match(re.escape(video) + r"[_ .-]", n) for n in names)


def _recording(fields: Mapping[str, Any]) -> str:
    value = fields.get("recording")
    return "" if value is None else str(value).strip()
