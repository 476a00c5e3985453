import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fewact.core.errors import VideoError
from fewact.video import EveryNth, Segments, probe, read_frames


def sound(path: Path, cover: bytes | None = None) -> Path:
    """Write a second of sound, with or without a cover image."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=8000)
        image = output.add_stream("mjpeg", rate=1) if cover else None
        if image is not None:
            image.width, image.height, image.pix_fmt = 96, 64, "yuvj420p"
            image.disposition = av.stream.Disposition.attached_pic
        for k in range(8):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1000), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 8000, 1000 * k
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if image is not None:
            packet = av.Packet(cover)
            packet.stream, packet.pts, packet.dts = image, 0, 0
            output.mux(packet)
    return path


@pytest.fixture
def bad(tmp_path: Path, clip: Any) -> dict[str, Path]:
    """Return files that are not videos, by the expected error message."""
    (tmp_path / "text.mp4").write_text("This is no video.\n" * 100)
    (tmp_path / "notes.txt").write_text("This is no video.\n" * 100)
    (tmp_path / "zero.webm").touch()
    (tmp_path / "noise.avi").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "folder").mkdir()
    (tmp_path / "video.mp4").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.mp4")
    intact = clip("h264.mkv").read_bytes()
    (tmp_path / "header.mkv").write_bytes(intact[: intact.index(b"\x1f\x43\xb6\x75")])
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{clip('h264.mp4')}\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.m3u8").write_text(playlist)
    (tmp_path / "list.txt").write_text(f"ffconcat version 1.0\nfile '{clip('h264.mp4')}'\n")
    return {
        "is not a video": tmp_path / "text.mp4",
        "is not a video, or": tmp_path / "notes.txt",
        "the file is empty": tmp_path / "zero.webm",
        "is not a video.*Copy, record": tmp_path / "noise.avi",
        "no numbered images": tmp_path / "folder",
        "is not a regular file": tmp_path / "pipe.mp4",
        'no such file.*Did you mean "video.mp4"': tmp_path / "vido.mp4",
        "no video stream": sound(tmp_path / "sound.m4a"),
        "cannot be opened|is not a video": tmp_path / "list.m3u8",
        "cannot be opened|is not a video.*expected": tmp_path / "list.txt",
        "cannot be opened: not a directory": tmp_path / "text.mp4" / "inner.mp4",
    }


@pytest.mark.filterwarnings("error")
def test_files_that_are_not_videos_give_one_clean_error(bad: dict[str, Path], capfd: Any) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for message, path in bad.items():
        for read in (probe, lambda p: read_frames(str(p), Segments(8))):
            with pytest.raises(VideoError, match=message) as caught:
                read(path)
            assert caught.value.path == path
            assert str(path) in str(caught.value)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
    assert capfd.readouterr() == ("", "")


def test_a_link_to_a_missing_file_is_named_as_such(tmp_path: Path) -> None:
    link = tmp_path / "clip.mp4"
    link.symlink_to("drive/clip.mp4")
    with pytest.raises(VideoError, match=r"is a link to drive/clip\.mp4, which is missing"):
        probe(link)


def test_covers_are_not_videos(clip: Any, tmp_path: Path, draw: Callable[..., np.ndarray]) -> None:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 96, 64, "yuvj420p"
    encoder.time_base = 1
    frame = av.VideoFrame.from_ndarray(draw(5), format="rgb24").reformat(format="yuvj420p")
    cover = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    path = sound(tmp_path / "song.mp4", cover)
    with av.open(str(path)) as opened:
        assert len(opened.streams.video) == 1
    with pytest.raises(VideoError, match="only a cover image"):
        read_frames(path, Segments(8))


def test_a_single_frame_is_no_video_beside_another_stream(
    clip: Any, tmp_path: Path, draw: Callable[..., np.ndarray], numbers: Callable[..., list[int]]
) -> None:
    """Such as a cover that is not flagged, or the first image of an animated AVIF."""
    path = tmp_path / "cover.mp4"
    with av.open(str(path), "w") as output, av.open(str(clip("h264.mp4"))) as original:
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 384, 256, "yuvj420p"
        copied = output.add_stream_from_template(original.streams.video[0])
        image = av.VideoFrame.from_ndarray(draw(99, 384, 256), format="rgb24")
        output.mux([*cover.encode(image), *cover.encode(None)])
        for packet in original.demux(original.streams.video[0]):
            if packet.size:
                packet.stream = copied
                output.mux(packet)
    assert probe(path).frames == 60
    assert numbers(read_frames(path, EveryNth(20))) == [0, 20, 40]


def test_a_file_without_read_permission_is_refused(
    clip: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    path = tmp_path / "secret.mp4"
    path.write_bytes(clip("h264.mp4").read_bytes())
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read anything

        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("av.open", refuse)
    with pytest.raises(VideoError, match="may not be read"):
        read_frames(path, Segments(8))


def test_reading_leaks_no_files_and_prints_nothing(clip: Any, capfd: Any) -> None:
    paths = [clip("h264.mp4"), clip.cut(clip("h264.mp4"), "opening_cut.mp4", 0.6)]
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in paths * 5:
            try:
                probe(path)
                read_frames(path, EveryNth(9))
            except VideoError:
                continue
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
    assert capfd.readouterr() == ("", "")


def test_an_interrupted_transform_closes_the_file(clip: Any) -> None:
    def stop(image: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(KeyboardInterrupt):
        read_frames(clip("h264.mp4"), Segments(8), transform=stop)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.slow
def test_importing_the_subpackage_loads_no_torch() -> None:
    code = "import sys, fewact.video; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
