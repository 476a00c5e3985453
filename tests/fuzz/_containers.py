"""Small videos in many containers, made by PyAV: what the fuzzer of videos damages."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

WIDTH, HEIGHT, FRAMES = 64, 48, 12
X264 = {"preset": "ultrafast", "crf": "30"}
# Container and encoder, format options, encoder options, rotation.
CONTAINERS: dict[str, tuple[str, str, dict[str, str], dict[str, str], int]] = {
    "plain.mp4": ("mp4", "libx264", {}, X264, 0),
    "bframes.mp4": ("mp4", "libx264", {}, {"preset": "medium", "crf": "30", "bf": "2"}, 0),
    "faststart.mp4": ("mp4", "mpeg4", {"movflags": "faststart"}, {}, 0),
    "fragments.mp4": ("mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}, X264, 0),
    "hevc.mp4": ("mp4", "libx265", {}, {"preset": "ultrafast", "x265-params": "log-level=none"}, 0),
    "phone.mov": ("mov", "libx264", {}, X264, 90),
    "unordered.mov": ("mov", "mpeg4", {}, {"bf": "2"}, 180),
    "jpegs.mov": ("mov", "mjpeg", {}, {}, 0),
    "plain.m4v": ("mp4", "mpeg4", {}, {}, 0),
    "plain.mkv": ("matroska", "libx264", {}, X264, 0),
    "mpeg4.mkv": ("matroska", "mpeg4", {"reserve_index_space": "200"}, {}, 0),
    "vp9.webm": ("webm", "libvpx-vp9", {}, {"deadline": "realtime", "cpu-used": "8"}, 0),
    "vp8.webm": ("webm", "libvpx", {"live": "1"}, {"deadline": "realtime", "cpu-used": "8"}, 0),
    "mpeg4.avi": ("avi", "mpeg4", {}, {}, 0),
    "bframes.avi": ("avi", "mpeg4", {}, {"bf": "2"}, 0),
    "jpegs.avi": ("avi", "mjpeg", {}, {}, 0),
    "ffv1.avi": ("avi", "ffv1", {}, {}, 0),
    "plain.gif": ("gif", "gif", {}, {}, 0),
    "plain.apng": ("apng", "apng", {}, {}, 0),
    "h264.ts": ("mpegts", "libx264", {}, X264, 0),
    "mpeg2.ts": ("mpegts", "mpeg2video", {}, {}, 0),
    "plain.mpg": ("mpeg", "mpeg1video", {}, {}, 0),
    "vp8.ogv": ("ogg", "libvpx", {}, {"deadline": "realtime", "cpu-used": "8"}, 0),
    "plain.mjpeg": ("mjpeg", "mjpeg", {}, {}, 0),
    "plain.flv": ("flv", "flv", {}, {}, 0),
    "plain.wmv": ("asf", "wmv2", {}, {}, 0),
    "plain.nut": ("nut", "mpeg4", {}, {}, 0),
    "plain.mxf": ("mxf", "mpeg2video", {}, {}, 0),
    "raw.h264": ("h264", "libx264", {}, X264, 0),
    "raw.y4m": ("yuv4mpegpipe", "wrapped_avframe", {}, {}, 0),
    "vp8.ivf": ("ivf", "libvpx", {}, {"deadline": "realtime", "cpu-used": "8"}, 0),
}
PIXELS = {"mjpeg": "yuvj420p", "gif": "rgb8", "apng": "rgb24", "ffv1": "yuv420p"}
LARGEST_ASSET = 100_000


def frame(number: int) -> av.VideoFrame:
    """Return an image with a moving square."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    image[:, ::4] = 120
    image[10:30, 3 * number : 3 * number + 16] = (220, 60, 40)
    return av.VideoFrame.from_ndarray(image, format="rgb24")


def encode(
    folder: str,
    container: str,
    codec: str,
    muxer: Mapping[str, str],
    encoder: Mapping[str, str],
    turn: int,
) -> bytes:
    """Return the bytes of a video."""
    file = Path(folder, "encoded")
    with av.open(str(file), "w", format=container, options=dict(muxer)) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = PIXELS.get(codec, "yuv420p")
        stream.options = dict(encoder)
        if codec not in ("gif", "apng", "wrapped_avframe"):
            stream.codec_context.gop_size = 5
        if turn:
            stream.set_display_rotation(turn)
        for number in range(FRAMES):
            output.mux(stream.encode(frame(number)))
        output.mux(stream.encode(None))
    return file.read_bytes()


def containers() -> dict[str, bytes]:
    """Return every container that this FFmpeg can write, and the small real clips if there are."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, how in CONTAINERS.items():
            try:
                found[name] = encode(folder, *how)
            except (FFmpegError, ValueError):  # this FFmpeg does not have the encoder
                continue
    assets = os.environ.get("FEWACT_TEST_ASSETS")
    if assets:
        for path in sorted(Path(assets, "clips", "formats").iterdir()):
            if 0 < path.stat().st_size <= LARGEST_ASSET:
                found[path.name] = path.read_bytes()
    return found
