"""Clips whose frames show their number, in many containers, intact and damaged."""

import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fewact.video.recording import open_recording

BITS = 10
QUICK = {
    "libx264": {"preset": "veryfast", "crf": "20"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "1M"},
    "mpeg4": {"flags": "+qscale", "global_quality": "354"},
    "mpeg2video": {"b": "1M"},
    "mjpeg": {"flags": "+qscale", "global_quality": "354"},
}


def draw_number(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """Return an image of a number: a row of bits, and the inverted bits below as a check."""
    image = np.full((height, width, 3), 96, np.uint8)
    wide, high = width // BITS, height // 4
    for bit in range(BITS):
        across = slice(bit * wide, (bit + 1) * wide)
        image[:high, across] = 235 if number >> bit & 1 else 20
        image[high : 2 * high, across] = 20 if number >> bit & 1 else 235
    where = number * 5 % width
    image[2 * high :, where : where + 12] = (200, 60, 40)
    return image


def with_palette(image: np.ndarray) -> av.VideoFrame:
    """Return an image of a number as a frame with a palette."""
    colors = np.array([(96, 96, 96), (235, 235, 235), (20, 20, 20), (200, 60, 40)], np.uint8)
    palette = np.zeros((256, 4), np.uint8)  # alpha, red, green, blue
    palette[: len(colors)] = np.insert(colors, 0, 255, axis=1)
    which = (image[:, :, None] == colors).all(3).argmax(2).astype(np.uint8)
    return av.VideoFrame.from_ndarray((which, palette), format="pal8")


def read_number(image: np.ndarray) -> int:
    """Return the number that an image shows; −1 if it is not legible."""
    height, width, _ = image.shape
    wide, high = width // BITS, height // 4
    number = 0
    for bit in range(BITS):
        across = slice(bit * wide + wide // 4, (bit + 1) * wide - wide // 4)
        upper = image[high // 4 : high - high // 4, across].mean()
        lower = image[high + high // 4 : 2 * high - high // 4, across].mean()
        if abs(upper - lower) < 60:
            return -1
        number |= int(upper > lower) << bit
    return number


class ClipMaker:
    """Makes numbered clips, each name once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        name: str,
        numbers: Iterable[int] = range(60),
        *,
        codec: str = "libx264",
        fps: float = 30,
        times: list[int] | None = None,
        unit: Fraction | None = None,
        pixels: str = "yuv420p",
        size: tuple[int, int] = (96, 64),
        sizes: Callable[[int], tuple[int, int]] | None = None,
        container: str | None = None,
        muxer: dict[str, str] | None = None,
        turn: dict[str, Any] | None = None,
        gop: int = 20,
        b_frames: int | None = None,
        options: dict[str, str] | None = None,
    ) -> Path:
        """Encode images of numbers; ``times`` in steps of ``unit`` give a variable rate."""
        path = self.folder / name
        if path.exists():
            return path
        with av.open(str(path), "w", format=container, options=muxer or {}) as output:
            stream = output.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            stream.width, stream.height = size
            stream.pix_fmt = pixels
            stream.options = QUICK.get(codec, {}) | (options or {})
            stream.codec_context.gop_size = gop
            if b_frames is not None:
                stream.codec_context.max_b_frames = b_frames
            if unit is not None:
                stream.time_base = stream.codec_context.time_base = unit
            if turn:
                stream.set_display_rotation(**turn)
            for k, number in enumerate(numbers):
                image = draw_number(number, *size)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                if pixels == "pal8":
                    frame = with_palette(image)
                if times is not None:
                    frame.pts, frame.time_base = times[k], unit
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        if codec == "libsvtav1" and hasattr(os, "sched_setscheduler"):
            # As root it makes its caller a real-time process, which then starves all others.
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        return path

    def cut(self, source: Path, name: str, fraction: float) -> Path:
        """Write the first bytes of a file."""
        data = source.read_bytes()
        return self.write(name, data[: int(len(data) * fraction)])

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def at_one_time(self, source: Path, name: str) -> Path:
        """Copy packets without encoding; each gets the time stamp 0."""
        path = self.folder / name
        with av.open(str(source)) as original, av.open(str(path), "w") as output:
            stream = original.streams.video[0]
            copied = output.add_stream_from_template(stream)
            for packet in original.demux(stream):
                if packet.size:
                    packet.pts = packet.dts = 0
                    packet.stream = copied
                    output.mux(packet)
        return path

    def in_decoding_order(self, source: Path, name: str, private: bytes | None = None) -> Path:
        """Copy packets without encoding; each gets the time at which it is decoded.

        ``private`` replaces the codec's private data.
        """
        path = self.folder / name
        with av.open(str(source)) as original, av.open(str(path), "w") as output:
            stream = original.streams.video[0]
            copied = output.add_stream_from_template(stream)
            if private is not None:
                copied.codec_context.extradata = private
            duration = 1 / stream.average_rate
            sized = (packet for packet in original.demux(stream) if packet.size)
            for count, packet in enumerate(sized):
                packet.pts = packet.dts = round(count * duration / stream.time_base)
                packet.stream = copied
                output.mux(packet)
        return path

    def after_sound(self, source: Path, name: str, delay: float) -> Path:
        """Copy packets without encoding; the video begins some seconds after silent sound.

        Its frames must not be reordered.
        """
        path = self.folder / name
        with av.open(str(source)) as original, av.open(str(path), "w") as output:
            stream = original.streams.video[0]
            copied = output.add_stream_from_template(stream)
            sound = output.add_stream("mp2", rate=32_000)
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 2 * 32_000 * 6), np.int16), format="s16", layout="stereo"
            )
            silence.rate, silence.pts, silence.time_base = 32_000, 0, Fraction(1, 32_000)
            output.mux(sound.encode(silence) + sound.encode(None))
            shift = round(delay / stream.time_base)
            for packet in original.demux(stream):
                if packet.size:
                    packet.pts = packet.dts = packet.pts + shift
                    packet.stream = copied
                    output.mux(packet)
        return path

    def copy_stream(self, source: Path, name: str, start: float, edit: bool = True) -> Path:
        """Cut without encoding, from the key frame before; an edit list hides earlier frames."""
        path = self.folder / name
        with av.open(str(source)) as original, av.open(str(path), "w") as output:
            stream = original.streams.video[0]
            copied = output.add_stream_from_template(stream)
            shift = int(start / stream.time_base)
            original.seek(shift, stream=stream)
            for packet in original.demux(stream):
                if packet.dts is None:
                    continue
                packet.pts -= shift
                packet.dts -= shift
                packet.stream = copied
                output.mux(packet)
        return path


def recorded(source: str | Path) -> tuple[list[float], np.ndarray]:
    """Return the times and the frames (n h w 3) of a recording that is read frame by frame."""
    with open_recording(source) as recording:
        found = [(time, recording.convert(frame)) for time, frame in recording.frames()]
    return [time for time, _ in found], np.stack([frame for _, frame in found])


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipMaker:
    return ClipMaker(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def draw() -> Callable[..., np.ndarray]:
    return draw_number


@pytest.fixture(scope="session")
def numbers() -> Callable[[Iterable[np.ndarray]], list[int]]:
    """Return the numbers that images show."""
    return lambda images: [read_number(image) for image in images]
