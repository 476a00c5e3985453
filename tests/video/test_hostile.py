"""Files that declare more than they hold: little is read of them, and the reason is said."""

import struct
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from fewact.core.errors import VideoError
from fewact.video import EveryNth, Segments, index, probe, read_frames
from fewact.video.opening import MAX_DECLARED, check_declared
from tests.refused import refused


def element(id: str, *parts: bytes) -> bytes:
    """Return an element of Matroska, with its size in eight bytes."""
    content = b"".join(parts)
    return bytes.fromhex(id) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def number(value: int, width: int = 4) -> bytes:
    return value.to_bytes(width, "big")


def laced(frames: int, *, stripped: bool) -> bytes:
    """Return a Matroska file whose blocks hold 256 frames each, of one byte or of none.

    With header stripping, FFmpeg gives each frame the bytes that all have in common.
    """
    common = element("5034", element("4254", b"\3"), element("4255", b"\0\0\1\xb6"))
    encoding = element("6d80", element("6240", element("5032", b"\1"), common))
    size = element("e0", element("b0", number(64, 2)), element("ba", number(48, 2)))
    track = element(
        "ae",
        *(element("d7", b"\1"), element("73c5", b"\1"), element("83", b"\1")),
        *(element("86", b"V_MPEG4/ISO/ASP"), encoding if stripped else b"", size),
    )
    body = b"\xff" + (b"" if stripped else b"\xb6" * 256)
    blocks = [
        element("a3", b"\x81", struct.pack(">h", at), b"\x84", body) for at in range(frames // 256)
    ]
    header = element("1a45dfa3", element("4282", b"matroska"), element("4285", b"\2"))
    info = element("1549a966", element("2ad7b1", number(10**6)))
    cluster = element("1f43b675", element("e7", number(0)), *blocks)
    return header + element("18538067", info, element("1654ae6b", track), cluster)


def box(type: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return number(8 + len(content)) + type + content


def mp4(frames: int, *, offset: int, size: int = 1) -> bytes:
    """Return an MP4 file of a kilobyte whose tables declare frames at an offset."""
    zero = number(0)
    matrix = number(1 << 16) + zero * 3 + number(1 << 16) + zero * 3 + number(1 << 30)
    entry = box(
        *(b"mp4v", bytes(6), number(1, 2), bytes(16), number(64, 2), number(48, 2)),
        *(number(72 << 16), number(72 << 16), zero, number(1, 2), bytes(32), b"\0\x18\xff\xff"),
    )
    tables = box(
        b"stbl",
        box(b"stsd", zero, number(1), entry),
        box(b"stts", zero, number(1), number(frames), number(512)),
        box(b"stsc", zero, number(1), number(1), number(frames), number(1)),
        box(b"stsz", zero, number(size), number(frames)),
        box(b"stco", zero, number(1), number(offset)),
    )
    media = box(
        b"mdia",
        box(b"mdhd", zero, zero, zero, number(12800), number(frames), zero),
        box(b"hdlr", zero, zero, b"vide", bytes(12), b"\0"),
        box(b"minf", box(b"vmhd", number(1), bytes(8)), tables),
    )
    header = box(
        *(b"tkhd", number(7), zero, zero, number(1), zero, number(40), bytes(16), matrix),
        *(number(64 << 16), number(48 << 16)),
    )
    movie = box(
        *(b"mvhd", zero, zero, zero, number(1000), number(40), number(1 << 16), b"\1\0"),
        *(bytes(10), matrix, bytes(24), number(2)),
    )
    tracks = box(b"trak", header, media)
    data = box(b"ftyp", b"isom", zero, b"isom") + box(b"mdat", bytes(900))
    return data + box(b"moov", movie, tracks)


@pytest.mark.slow
@pytest.mark.parametrize("stripped", [True, False])
def test_a_matroska_file_with_more_frames_than_bytes_is_refused(
    tmp_path: Path, stripped: bool
) -> None:
    path = tmp_path / "laced.mkv"
    path.write_bytes(laced(120_000, stripped=stripped))
    for read in (probe, lambda file: read_frames(file, Segments(4), threads=1)):
        with refused(VideoError, path=path, reason="has more than", expected="4000000 frames"):
            read(path)


def test_tables_that_declare_too_many_frames_are_refused_before_they_fill_memory(
    tmp_path: Path,
) -> None:
    path = tmp_path / "table.mp4"
    path.write_bytes(mp4(MAX_DECLARED + 1, offset=40))
    with refused(VideoError, path=path, reason=f"more than {MAX_DECLARED} frames"):
        probe(path)
    fragment = box(b"trun", number(1), number(MAX_DECLARED + 1))
    path.write_bytes(mp4(12, offset=40) + box(b"moof", box(b"traf", fragment)))
    with refused(VideoError, path=path, reason=f"more than {MAX_DECLARED} frames"):
        probe(path)
    path.write_bytes(mp4(100_000, offset=40))
    with refused(VideoError, path=path, reason="more than 1000 frames"):
        probe(path)


def test_sound_of_single_samples_and_damaged_boxes_pass(tmp_path: Path) -> None:
    path = tmp_path / "sound.mov"
    sound = mp4(2**31, offset=40, size=2).replace(b"vide", b"soun")
    path.write_bytes(sound.replace(number(2**31) + number(512), number(2**31) + number(1)))
    check_declared(path)
    path.write_bytes(box(b"ftyp") + number(2) + b"moov")
    check_declared(path)


def test_a_table_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.write_bytes(mp4(12, offset=10**6))
    for large in (0, 4 << 20):
        with mock.patch.object(index, "_LARGE", large), refused(VideoError, reason="no frame"):
            probe(path)


def test_times_that_no_clock_can_tell_apart_are_refused(clip: object, tmp_path: Path) -> None:
    """A time stamp of a damaged file may be 2**62; a second later is then the same number."""
    source = clip("times.mkv", range(12))  # type: ignore[operator]
    found = index.index_file(source)
    huge = found.pts.copy()
    huge[1:] += 2**62
    damaged = replace(found, pts=huge)
    with (
        mock.patch("fewact.video.reading.index_file", return_value=damaged),
        refused(VideoError, path=source, reason="times"),
    ):
        read_frames(source, EveryNth(1))


def test_a_codec_whose_four_bytes_are_no_text_is_refused(clip: object) -> None:
    options = {"codec": "rawvideo", "pixels": "yuyv422", "muxer": {"allow_raw_vfw": "1"}}
    source = clip("raw.mkv", range(4), **options)  # type: ignore[operator]
    assert probe(source).frames == 4
    assert source.read_bytes().count(b"YUY2") == 1
    source.write_bytes(source.read_bytes().replace(b"YUY2", b"\xd8\xff\xff\xfe"))
    with refused(VideoError, path=source, reason="decoded"):
        probe(source)
