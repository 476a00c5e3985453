"""Clips as phones record them, for docs/results/conditions.md, and what they cost.

    python -m benchmarks.phone ASSETS FOLDER [--seconds 6] [--turns 3]

``phone_clips`` writes videos again: upright or stored sideways with a mark of rotation, held in a
hand that hardly moves, enlarged to 1080 lines, up to 60 pictures a second at uneven distances,
H.264 at the bit rate of phones. This command prints the processor time of reading and preparing
such clips, of other sizes and codecs too, beside FFmpeg's decoding and the clip as it was.
"""

import argparse
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmarks.datasets import read_index
from benchmarks.shared import cores, table
from fewact import methods, networks
from fewact.data import Clip, VideoList
from fewact.features.extract import extract
from fewact.lab.synthetic.simulated_cameras import Recorded, SimulatedCamera, seed_of
from fewact.networks import Backbone
from fewact.video import EveryNth, Segments
from fewact.video.resizing import channels_last
from fewact.video.source import ProcessedVideo, VideoSource, as_predicted

CAMERA = SimulatedCamera(crop=0.95, shake=0.01, roll=0.5)
"""A hand that tries to hold still."""

LOST = 0.1
"""Fraction of the pictures that a phone leaves out in little light."""

TICKS = 600
"""Steps of time in a second, as in phones' files."""

MEGABITS = {720: 10, 1080: 20, 2160: 70}
"""Bit rates of phones by the number of lines, with H.264; with HEVC half of them."""


@dataclass(frozen=True)
class Phone:
    """How a phone writes clips.

    Args:
        lines: Length of the shorter side in pixels.
        fps: Pictures a second.
        codec: FFmpeg's encoder.
        hdr: Whether the signal is HLG in 10 bits.
    """

    lines: int = 1080
    fps: int = 60
    codec: str = "libx264"
    hdr: bool = False

    def __str__(self) -> str:
        codec = {"libx264": "H.264", "libx265": "HEVC"}[self.codec]
        return f"{self.lines}p{self.fps} {codec}{' HLG' if self.hdr else ''}"

    @property
    def options(self) -> dict[str, str]:
        """Options of the encoder."""
        rate = MEGABITS[self.lines] / (2 if self.codec == "libx265" else 1)
        quiet = {"x265-params": "log-level=none"} if self.codec == "libx265" else {}
        return {"preset": "ultrafast", "b": f"{rate:g}M", **quiet}


def write(
    source: VideoSource, path: Path, phone: Phone, seed: int, seconds: float | None = None
) -> None:
    """Write a video as a phone does; a shorter one is shown again until so many seconds."""
    reading = ProcessedVideo(source).then(Recorded(CAMERA, seed)).read([EveryNth(1)])
    (frames,), shown = reading.frames, reading.timeline
    rng = np.random.default_rng(seed)
    sideways = bool(rng.random() < 0.5)
    if sideways:
        frames = np.rot90(frames, -1, (1, 2))
    scale = phone.lines / min(frames.shape[1:3])
    height, width = (round(side * scale / 2) * 2 for side in frames.shape[1:3])
    count = max(2, round((seconds or shown.end) * phone.fps))
    kept = np.flatnonzero(rng.random(count) >= LOST)
    positions = shown.at(kept / phone.fps % shown.end)
    new = path.with_suffix(".new.mp4")
    with av.open(str(new), "w") as output:
        added = output.add_stream(phone.codec, rate=phone.fps, options=phone.options)
        stream = cast(VideoStream, added)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p10le" if phone.hdr else "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS)
        stream.codec_context.gop_size = phone.fps
        if phone.hdr:
            stream.codec_context.color_trc, stream.codec_context.color_primaries = 18, 9
            stream.codec_context.colorspace = 9
        if sideways:
            stream.set_display_rotation(90)
        for number, position in zip(kept, positions, strict=True):
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frames[position]), "rgb24")
            image = image.reformat(width, height, stream.pix_fmt, interpolation="BICUBIC")
            image.pts = int(number) * TICKS // phone.fps
            image.time_base = Fraction(1, TICKS)
            output.mux(stream.encode(image))
        output.mux(stream.encode(None))
    new.replace(path)


def phone_clips(videos: VideoList, folder: Path, phone: Phone = Phone()) -> VideoList:
    """Return the same videos as a phone records them; those that the folder lacks are written."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for video in videos.videos:
        seed = seed_of(0, video.id)
        path = folder / f"{seed}.mp4"
        if video.source is not None and not path.exists():
            write(video.source, path, phone, seed)
        changed.append(replace(video, source=Clip(path, video.label)))
    return replace(videos, videos=tuple(changed))


def seconds_of(clip: Clip, backbone: Backbone) -> tuple[float, float, float]:
    """Return the processor seconds of decoding all of a clip, reading it, and its features."""
    requests = methods.create("fusion").requests(backbone.card)

    def prepared(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return channels_last(backbone.prepare(frame))

    marks = [time.process_time()]
    with av.open(str(clip.path)) as container:
        container.streams.video[0].thread_count = 1
        for _ in container.decode(video=0):
            pass
    marks.append(time.process_time())
    as_predicted(clip).read([Segments(8), Segments(32)], transform=prepared)
    marks.append(time.process_time())
    list(extract([clip], backbone, requests, source=as_predicted))
    marks.append(time.process_time())
    decoding, reading, features = np.diff(marks).tolist()
    return decoding, reading, features


PHONES = (
    Phone(720, 30),
    Phone(),
    Phone(codec="libx265"),
    Phone(codec="libx265", hdr=True),
    Phone(2160, 30, "libx265"),
    Phone(2160, 60, "libx265"),
)
"""Clips whose cost is measured."""


@cores(1)
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("folder", type=Path, help="folder of the clips as phones write them")
    parser.add_argument("--seconds", type=float, default=6.0, help="duration of a clip")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    backbone = networks.create()
    video = read_index(options.assets)["utd5_rgb"].videos[0]
    source = Clip(options.assets / video.id)
    rows = []
    for phone in (None, *PHONES):
        clip, name = source, "as it is"
        if phone is not None:
            path = options.folder / f"{options.seconds:g}s-{phone}.mp4".replace(" ", "-")
            if not path.exists():
                write(source, path, phone, 0, options.seconds)
            clip, name = Clip(path), f"{options.seconds:g} s, {phone}"
        turns = [seconds_of(clip, backbone) for _ in range(options.turns + 1)][1:]
        decoding, reading, features = (median(column) for column in zip(*turns, strict=True))
        cells = [f"{value:.2f}" for value in (decoding, reading, features)]
        rows.append([name, *cells, f"{reading / decoding:.2f}", f"{features / decoding:.2f}"])
        print(rows[-1], flush=True)
    heads = ("decoding", "reading", "features", "reading / decoding", "features / decoding")
    print(table(["clip", *heads], rows))


if __name__ == "__main__":
    main()
