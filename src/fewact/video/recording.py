"""Frames of a recording, one after the other: of a file, a camera, the network or a pipe.

Unlike ``read_frames`` this needs no index: memory does not depend on the length of a recording, and
it need not have an end.
"""

import math
import time as clock
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import chain
from statistics import median

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.format import Flags
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fewact.core.errors import VideoError
from fewact.video.conversion import FrameConverter
from fewact.video.damage import Damage
from fewact.video.index import RESTART
from fewact.video.opening import OpenVideo, VideoPacket, is_avi, may_lack_times
from fewact.video.quantiser import quantiser
from fewact.video.timeline import RGBImage
from fewact.video.truncation import missing_frames

TimedFrame = tuple[float | None, VideoFrame]
"""Frame with its time in seconds after the start of the recording; None if it is not known."""

TIMEOUT = 15.0
"""Seconds without data after which a camera or a stream of the network counts as ended."""

LONGEST_GAP = 2**32 / 90_000
"""Largest gap in the times of a recording, in seconds: half the range of MPEG's clock. FFmpeg takes
a clock that begins again for one that wrapped around, so that times jump ahead by a day."""

PIPE_HINT = "Most .mp4 files cannot be read from a pipe: pass the name of the file, or pipe .mkv."

FALLBACK_FPS = 25.0
"""Frames per second of a recording that does not say its rate."""


class Recording:
    """An open recording.

    Args:
        name: Source as the user wrote it.
        frames: Decoded frames with their times, in seconds after the start of the recording.
        live: Whether frames come at the time at which they are recorded, so that late ones are
            dropped.
        duration: Duration in seconds; None if it is not known.
        fps: Average frame rate; None if it is not known.
        again: Whether the source can be opened again, with the same frames.
        damage: Report to which ``frames`` adds what is missing or damaged.
        delay: Seconds by which the first frame is shown after the start of the file, where sound
            begins earlier.

    Attributes:
        damage: The report; what is missing at the end is known when all frames were read.
        not_later: Number of frames that were left out, because they are not later than the last.
    """

    def __init__(
        self,
        name: str,
        frames: Iterator[TimedFrame],
        *,
        live: bool = False,
        duration: float | None = None,
        fps: float | None = None,
        again: bool = False,
        damage: Damage | None = None,
        delay: float = 0.0,
    ) -> None:
        self.name, self.live, self.duration, self.fps = name, live, duration, fps
        self.again, self.delay = again, delay
        self.damage = damage or Damage()
        self.not_later = 0
        self._frames = frames
        self._quantisers: Counter[int] = Counter()
        self._converter = FrameConverter(name)

    def frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """Yield frames with their times, in seconds after the start of the recording, ascending.

        The start is that of the first frame, also of one that does not decode.
        Frames that are not later than the last one are left out. If times jump back by
        more than ``RESTART``, as those of joined parts or of a stream that begins again, later ones
        continue from the last one; so they do if times jump ahead by more than ``LONGEST_GAP``, or
        those of a live source by more than it may send nothing.

        Raises:
            VideoError: There is no frame.
        """
        step = 1 / (self.fps or FALLBACK_FPS)
        first, last, none = -step, 0.0, True
        longest = 2 * TIMEOUT if self.live else LONGEST_GAP
        for time, frame in self._frames:
            none = False
            if time is None:
                time = first + last + step
            if not -RESTART <= time - first - last <= longest:
                first = time - last - step
            if time - first <= last:
                self.not_later += 1
                continue
            last = time - first
            yield last - step, frame
        if none:
            hint = "Copy, record or convert it again." if self.again or self.live else PIPE_HINT
            raise VideoError(self.name, "no frame can be decoded", hint=hint)

    def assume_rate(self, fps: float, frames: int) -> None:
        """Count the frames at the rate that is assumed if all of them have the same time.

        Args:
            fps: Assumed rate, in frames per second.
            frames: Number of frames of the file.
        """
        self.fps = self.damage.assumed_fps = fps
        self.duration = frames / fps
        self._frames = ((None, frame) for _, frame in self._frames)

    def use_clock(self) -> None:
        """Give each frame the time at which it comes, because the stream stores none."""
        self.fps = None
        begun = clock.monotonic()
        self._frames = ((clock.monotonic() - begun, frame) for _, frame in self._frames)

    @property
    def quantiser(self) -> float | None:
        """How coarsely the frames that were converted are stored: their median; None if unknown."""
        return median(self._quantisers.elements()) if self._quantisers else None

    def convert(self, frame: VideoFrame) -> RGBImage:
        """Return a frame (h w 3) uint8, RGB, upright and of the size of the first one."""
        if (found := quantiser(frame)) is not None:
            self._quantisers[round(found)] += 1
        return self._converter.convert(frame)


def recording_of(name: str, video: OpenVideo, *, cut_short: bool = False) -> Recording:
    """Return the recording of an open video; ``cut_short`` if it is a truncated file."""
    container, stream, _ = video
    known = container.duration is not None and container.duration > 0
    damage = Damage()
    return Recording(
        name,
        _decoded(video, damage, cut_short=cut_short),
        duration=container.duration / av.time_base if known and container.duration else None,
        fps=float(stream.average_rate) if stream.average_rate else None,
        damage=damage,
        delay=_delay(video),
    )


def _delay(video: OpenVideo) -> float:
    """Return how long after the start of the file its video begins, in seconds.

    Players count from the start of the file, ``frames`` from that of the video.
    """
    begin, first, unit = video.container.start_time, video.stream.start_time, video.stream.time_base
    if begin is None or first is None or unit is None:
        return 0.0
    delay = float(first * unit) - begin / av.time_base
    return delay if 0 < delay < LONGEST_GAP else 0.0


def _decoded(video: OpenVideo, damage: Damage, *, cut_short: bool) -> Iterator[TimedFrame]:
    """Yield frames with their times after that of the first packet.

    Args:
        video: Open recording.
        damage: Report to which frames are added that do not decode, or only with errors, and at the
            end those that are missing.
        cut_short: Whether the recording is a truncated file.
    """
    container, stream, _ = video
    # AVI stores no presentation times, and raw streams store durations only: their frames are
    # counted, as by ``index``, and have the times of as many packets.
    avi = is_avi(video) and stream.codec_context.has_b_frames
    counted = avi or may_lack_times(video)
    raw = stores_no_times(container)
    times: list[int] = []  # of packets whose frames were not decoded yet: a heap
    begin: int | None = None  # time of the first packet: those before a key frame do not decode
    decoded = False
    elapsed = read = 0
    latest = -math.inf
    end = 0
    for packet in chain(_packets(container, stream), [None]):  # None: what the decoder holds back
        if packet is not None:
            read += 1
            end = max(end, packet.pts or 0)
            if not decoded and packet.pts is not None and not packet.is_discard:
                begin = packet.pts if begin is None else min(begin, packet.pts)
            if counted and packet.pts is not None and not packet.is_discard:
                if packet.pts <= latest and not avi:  # they are no decoding times
                    counted = False
                    times.clear()
                else:
                    heappush(times, packet.pts)
                latest = packet.pts
            elif raw and packet.pts is None and packet.duration:
                heappush(times, elapsed)
                elapsed += packet.duration
        try:
            frames = stream.codec_context.decode(packet)
        except FFmpegError:
            damage.corrupt += packet is not None
            if times:
                heappop(times)
            continue
        for frame in frames:
            damage.corrupt += frame.is_corrupt
            if (counted or frame.pts is None) and times:
                frame.pts = heappop(times)
            elif counted:
                frame.pts = None
            decoded = True
            yield _time(frame, stream, begin or 0), frame
    if cut_short:
        damage.missing = missing_frames(video, read, end - (begin or 0))


def stores_no_times(container: InputContainer) -> bool:
    """Return whether the format stores no times: raw streams and Motion JPEG."""
    return bool(container.format.flags & Flags.no_timestamps.value)  # type: ignore[operator]


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[VideoPacket]:
    """Yield packets until the end, or until the camera or the network gives no more."""
    progress = True
    while progress:
        progress = False
        try:
            for packet in container.demux(stream):
                if packet.size:
                    progress = True
                    yield packet
            return
        except (FFmpegError, IndexError):  # as in ``opening.packets``
            continue


def _time(frame: VideoFrame, stream: VideoStream, begin: int) -> float | None:
    """Return the time of a frame; those that a decoder held back do not know their time base.

    Args:
        frame: Frame.
        stream: Its stream.
        begin: Time stamp of the start of the recording.
    """
    if frame.pts is None or stream.time_base is None:
        return None
    return float((frame.pts - begin) * stream.time_base)
