"""A video of a recording with labels, boxes, counts and a bar of events on it, in constant memory.

An event is complete two to three of the longest windows after its end. So what can be read again is
read again: a file is drawn when all its events are known, with all of its frames. A camera or a
pipe is read once: the analysed frames wait until their events are known, and are drawn then. Sound
is left out.

Pillow draws the text: FFmpeg as PyAV ships it has no text filter, and OpenCV's fonts have ASCII
only. Fonts of the computer are used, because class names can be in any script.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from fewact.recordings.formats import Event
from fewact.recordings.overlay import Overlay
from fewact.recordings.stream import Stream
from fewact.video.index import FALLBACK_FPS
from fewact.video.recording import open_recording
from fewact.video.samplers import RGBImage
from fewact.video.writing import Planes, VideoEncoder, check_frame, planes_of, timed_video

HELD_BYTES = 256 * 2**20
"""Memory of the frames that wait; larger frames are made smaller."""


def check_drawable(path: Path, source: str) -> None:
    """Check, with its first frame, that ``draw_again`` can write a video of a recording."""
    with open_recording(source) as recording:
        for time, frame in recording.frames():
            drawn = Overlay(()).draw(time, recording.planes(frame))
            check_frame(path, drawn, recording.fps or FALLBACK_FPS)
            return


def draw_again(
    path: Path,
    source: str,
    events: Sequence[Event],
    labels: Sequence[str],
    end: float,
    show: Callable[[float], None],
) -> None:
    """Read a recording a second time and draw its events on all frames.

    Args:
        path: Video to write; an existing file is replaced.
        source: Recording that can be read again.
        events: Its events, in the order of their starts.
        labels: Classes, in the order of their colours.
        end: Time up to which it was watched, in seconds.
        show: Called with the time of each frame.
    """
    overlay = Overlay(labels, end)
    overlay.add(events)
    with (
        open_recording(source) as recording,
        timed_video(path, recording.fps or FALLBACK_FPS) as video,
    ):
        for time, frame in recording.frames():
            if time > end:
                break
            video.write(overlay.draw(time, recording.planes(frame)), time)
            show(time)


class DelayedVideo:
    """A video of a recording that is read once; see ``delayed_video``.

    Args:
        video: Open video.
        stream: Stream that looks at the recording.
        labels: Classes, in the order of their colours.
        check: Called with the first frame as it will be drawn.
    """

    def __init__(
        self,
        video: VideoEncoder,
        stream: Stream,
        labels: Sequence[str],
        check: Callable[[Planes], None],
    ) -> None:
        self._video, self._stream, self._overlay = video, stream, Overlay(labels)
        self._check = check
        self._waiting: deque[tuple[float, RGBImage]] = deque()
        self._most, self._smaller = 0, 1

    def add(self, time: float, frame: RGBImage, events: Sequence[Event]) -> None:
        """Draw the frames whose events are known now; this frame waits."""
        if not self._most:
            self._most = 2 + math.ceil(self._stream.rate * self._stream.delay)
            bytes_of_all = self._most * frame.nbytes
            self._smaller = math.ceil(math.sqrt(bytes_of_all / HELD_BYTES))
            first = planes_of(_reduced(frame, self._smaller))
            self._check(self._overlay.draw(time, first))
        self._overlay.add(events)
        self._waiting.append((time, _reduced(frame, self._smaller)))
        going_on = self._stream.going_on
        decided = self._stream.decided
        while len(self._waiting) > self._most or (self._waiting and self._waiting[0][0] < decided):
            self._draw(going_on)

    def close(self, events: Sequence[Event]) -> None:
        """Draw the frames that are left, with the last events of the recording."""
        self._overlay.add(events)
        while self._waiting:
            self._draw(())

    def _draw(self, going_on: Sequence[Event]) -> None:
        time, image = self._waiting.popleft()
        self._video.write(self._overlay.draw(time, planes_of(image), going_on), time)


@contextmanager
def delayed_video(path: Path, stream: Stream, labels: Sequence[str]) -> Iterator[DelayedVideo]:
    """Open a video of a recording that is read once; it is complete when the block ends."""
    with timed_video(path, stream.rate) as video:
        yield DelayedVideo(video, stream, labels, partial(check_frame, path, fps=stream.rate))


def _reduced(image: RGBImage, factor: int) -> RGBImage:
    """Return an image that is smaller by a factor, of means of its pixels."""
    if factor == 1:
        return image.copy()
    height, width = (size // factor for size in image.shape[:2])
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    reduced: RGBImage = blocks.mean((1, 3)).astype(np.uint8)
    return reduced
