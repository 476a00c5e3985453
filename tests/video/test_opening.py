import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fewact.core.errors import VideoError
from fewact.video import EveryNth, Segments, probe, read_frames
from fewact.video.opening import READABLE
from tests.refused import refused


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
def no_leaks(clip: Any) -> Iterator[None]:
    """Check that a test leaves no file open."""
    clip("h264.mp4")
    descriptors = Path("/proc/self/fd")
    before = len(os.listdir(descriptors)) if descriptors.exists() else 0
    yield
    assert not before or len(os.listdir(descriptors)) == before


@pytest.fixture
def bad(tmp_path: Path, clip: Any) -> dict[Path, str]:
    """Return files that are not videos, by a word of the reason."""
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
        tmp_path / "text.mp4": "not a video",
        tmp_path / "notes.txt": "not a video",
        tmp_path / "zero.webm": "empty",
        tmp_path / "noise.avi": "not a video",
        tmp_path / "folder": "no numbered images",
        tmp_path / "pipe.mp4": "not a regular file",
        tmp_path / "vido.mp4": "no such file",
        sound(tmp_path / "sound.m4a"): "no video stream",
        tmp_path / "list.m3u8": "",
        tmp_path / "list.txt": "",
        tmp_path / "text.mp4" / "inner.mp4": "not a directory",
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.usefixtures("no_leaks")
def test_files_that_are_not_videos_give_one_clean_error(bad: dict[Path, str], capfd: Any) -> None:
    for path, reason in bad.items():
        hint = '"video.mp4"' if path.name == "vido.mp4" else ""
        for read in (probe, lambda p: read_frames(str(p), Segments(8))):
            with refused(
                VideoError, path=path, where=str(path), reason=reason, expected=READABLE, hint=hint
            ):
                read(path)
    assert capfd.readouterr() == ("", "")


def test_a_link_to_a_missing_file_is_named_as_such(tmp_path: Path) -> None:
    link = tmp_path / "clip.mp4"
    link.symlink_to("drive/clip.mp4")
    with refused(VideoError, path=link, reason="drive/clip.mp4"):
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
    with refused(VideoError, path=path, reason="cover"):
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
    with refused(VideoError, path=path, hint="permissions"):
        read_frames(path, Segments(8))


@pytest.mark.usefixtures("no_leaks")
def test_reading_leaks_no_files_and_prints_nothing(clip: Any, capfd: Any) -> None:
    paths = [clip("h264.mp4"), clip.cut(clip("h264.mp4"), "opening_cut.mp4", 0.6)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in paths * 5:
            try:
                probe(path)
                read_frames(path, EveryNth(9))
            except VideoError:
                continue
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("no_leaks")
def test_an_interrupted_transform_closes_the_file(clip: Any) -> None:
    def stop(image: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_frames(clip("h264.mp4"), Segments(8), transform=stop)


@pytest.mark.slow
def test_importing_the_subpackage_loads_no_torch() -> None:
    code = "import sys, fewact.video; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
