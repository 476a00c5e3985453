"""Recordings of several files: chapters of a camera and segments of a recorder, on one timeline."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path

from av.video.frame import VideoFrame

from fewact.core.errors import VideoError
from fewact.video.index import FALLBACK_FPS
from fewact.video.opening import warn_of_video
from fewact.video.recording import Recording, TimedFrame, open_recording


@dataclass(frozen=True)
class JoinedPart:
    """File of a joined recording.

    Args:
        path: The file.
        start: Start of the file on the timeline, in seconds.
        seconds: Duration, in seconds.
        begun: Date and time of its first frame; None if they are not known.
        after_gap: Whether nothing was recorded between the file before and this one.
    """

    path: Path
    start: float
    seconds: float
    begun: datetime | None = None
    after_gap: bool = False

    def clock(self, time: float) -> datetime | None:
        """Return date and time of a time of the timeline, in seconds; None if it is not known."""
        return None if self.begun is None else self.begun + timedelta(seconds=time - self.start)


@dataclass(frozen=True)
class JoinedFiles:
    """Files of one camera that are one recording.

    Args:
        parts: The files, in the order of time.
    """

    parts: tuple[JoinedPart, ...]

    def __str__(self) -> str:
        return str(self.path)

    @property
    def path(self) -> Path:
        """The first file, whose name is the recording's."""
        return self.parts[0].path

    @property
    def name(self) -> str:
        """Name of the first file."""
        return self.path.name

    @property
    def seconds(self) -> float:
        """Duration of the timeline, with its gaps, in seconds."""
        return self.parts[-1].start + self.parts[-1].seconds

    @property
    def gaps(self) -> int:
        """Number of times in which nothing was recorded."""
        return sum(part.after_gap for part in self.parts)

    def part(self, time: float) -> JoinedPart:
        """Return the file that has a time of the timeline, in seconds."""
        return self.parts[max(bisect_right(self.parts, time, key=attrgetter("start")) - 1, 0)]

    def clock(self, time: float) -> datetime | None:
        """Return date and time of a time of the timeline, in seconds; None if it is not known."""
        return self.part(time).clock(time)


class JoinedRecording(Recording):
    """An open recording of several files, with the times of one timeline.

    Args:
        joined: The files.
        fps: Average frame rate of the first file.
    """

    def __init__(self, joined: JoinedFiles, fps: float | None) -> None:
        super().__init__(
            str(joined),
            self._of_parts(joined.parts),
            duration=joined.seconds,
            fps=fps,
            again=True,
            begun=joined.parts[0].begun,
        )
        self.joined = joined

    def clock(self, time: float) -> datetime | None:
        """Return date and time of a time of the timeline, in seconds; None if unknown."""
        return self.joined.clock(time)

    def _of_parts(self, parts: Sequence[JoinedPart]) -> Iterator[TimedFrame]:
        """Yield the frames of all files; one that cannot be read leaves a gap, and warns."""
        end, is_lost = 0.0, False
        for part in parts:
            self.after_gap = part.after_gap or is_lost
            start = max(part.start, end) if self.after_gap else end
            try:
                for time, frame, next_time in _frames_of(part.path, start):
                    end = next_time
                    yield time, frame
                    self.after_gap = False
                is_lost = False
            except VideoError as error:
                warn_of_video(f"A part of the recording is left out: {error}")
                is_lost = True


def _frames_of(path: Path, start: float) -> Iterator[tuple[float, VideoFrame, float]]:
    """Yield the times and the frames of a file that starts at a time, and when each frame ends."""
    with open_recording(path) as recording:
        step = 1 / (recording.fps or FALLBACK_FPS)
        for time, frame in recording.frames():
            yield start + time, frame, start + time + step
        recording.damage.warn(path)


@contextmanager
def open_joined(joined: JoinedFiles) -> Iterator[Recording]:
    """Open files as one recording; each file is open while it is read.

    Raises:
        VideoError: The first file cannot be opened.
    """
    with open_recording(joined.path) as first:
        fps = first.fps
    yield JoinedRecording(joined, fps)
