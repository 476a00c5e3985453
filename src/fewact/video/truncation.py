"""Detection of truncated files by the sizes in their containers."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av

from fewact.video.opening import OpenVideo, open_error

_EBML, _SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")
_NO_SIZE = 0xFFFFFFFF  # of RIFF
_MAX_BOXES = 100_000

# Frames by which a file at a constant rate can differ from it: those that wait for others at a cut.
_UNEVEN = 8


def missing_bytes(path: Path) -> int:
    """Return the number of bytes that a truncated file is missing.

    Frame counts and durations in headers are unreliable: edit lists, dropped frames and longer
    sound change them in intact files too. Sizes are reliable.

    Args:
        path: File of the MP4, Matroska or RIFF families.

    Returns:
        Number of bytes missing at the end; 0 if none, or if the container stores no size.

    Raises:
        VideoError: The file cannot be read, or was removed.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(0)
            size = _size_reader(head)(file)
        return max(size - path.stat().st_size, 0)
    except OSError as error:
        raise open_error(path, error) from error


def missing_frames(video: OpenVideo, read: int, steps: int) -> int:
    """Return the number of frames that a truncated file is missing; −1 if it is not known.

    Args:
        video: Open file.
        read: Number of packets between its start and its end.
        steps: Time between the first and the last of them, in time stamp steps.
    """
    announced, rate = video.stream.frames, video.stream.average_rate
    if not announced and video.container.duration and rate and video.stream.time_base:
        # A duration does not say how many frames there are at a variable rate.
        if abs(steps * video.stream.time_base * rate + 1 - read) > _UNEVEN:
            return -1
        announced = round(Fraction(video.container.duration, av.time_base) * rate)
    return announced - read if announced > read else -1


def _size_reader(head: bytes) -> Callable[[BinaryIO], int]:
    """Return the function that reads the size which the container announces."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _iso_size
    if head[:4] == _EBML:
        return _matroska_size
    if head[:4] == b"RIFF":
        return _riff_size
    return lambda file: 0


def _iso_size(file: BinaryIO) -> int:
    """Return the size of MP4 and QuickTime: boxes, each with a size and a four-letter type."""
    offset = 0
    for _ in range(_MAX_BOXES):
        file.seek(offset)
        head = file.read(16)
        size = int.from_bytes(head[:4])
        if size == 1:  # the real size follows the type
            size = int.from_bytes(head[8:16])
        if len(head) < 8 or size < 8 or not head[4:8].isalnum():
            break
        offset += size
    return offset


def _matroska_size(file: BinaryIO) -> int:
    """Return the size of Matroska and WebM: a short header, then one segment with all data."""
    for element in (_EBML, _SEGMENT):
        if file.read(4) != element:
            return 0
        first = int.from_bytes(file.read(1))
        if not first:
            return 0
        width = 9 - first.bit_length()  # leading zero bits encode the length of the number
        digits = file.read(width - 1)
        size = int.from_bytes(bytes([first & (0xFF >> width)]) + digits)
        if size == (1 << 7 * width) - 1:  # all ones: a live recording, size not known
            return 0
        if element == _EBML:
            file.seek(size, 1)
    return file.tell() + size


def _riff_size(file: BinaryIO) -> int:
    """Return the size of AVI: consecutive chunks of at most a gigabyte."""
    offset = 0
    while True:
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8 or head[:4] != b"RIFF":
            return offset
        size = int.from_bytes(head[4:8], "little")
        if size == _NO_SIZE:  # written to a pipe, or the recorder was killed
            return 0
        offset += 8 + size
