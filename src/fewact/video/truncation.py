"""Whether a file was cut short, read off its containers' own sizes."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")
_MOST_BOXES = 100_000


def missing_bytes(path: Path) -> int:
    """How many bytes a file lacks of what its container promises.

    A frame count or a duration in a header says little: edit lists, dropped frames and longer
    sound make either differ from the frames of a sound file. Sizes do not.

    Args:
        path: A file of the MP4, Matroska or RIFF families.

    Returns:
        Bytes missing at the end; 0 where none are, and for containers that promise no size.
    """
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        promised = _family(head)(file)
    return max(promised - path.stat().st_size, 0)


def _family(head: bytes) -> Callable[[BinaryIO], int]:
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _iso
    if head[:4] == _EBML:
        return _matroska
    if head[:4] == b"RIFF":
        return _riff
    return lambda file: 0


def _iso(file: BinaryIO) -> int:
    """MP4 and QuickTime: boxes of a size and a four-letter type, one after the other."""
    place = 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        head = file.read(16)
        size = int.from_bytes(head[:4])
        if size == 1:  # the real size follows the type
            size = int.from_bytes(head[8:16])
        if len(head) < 8 or size < 8 or not head[4:8].isalnum():
            break
        place += size
    return place


def _matroska(file: BinaryIO) -> int:
    """Matroska and WebM: a short header, then one segment that holds everything."""
    for element in (_EBML, _SEGMENT):
        if file.read(4) != element:
            return 0
        first = int.from_bytes(file.read(1))
        if not first:
            return 0
        width = 9 - first.bit_length()  # leading zeros tell the length of the number
        rest = file.read(width - 1)
        size = int.from_bytes(bytes([first & (0xFF >> width)]) + rest)
        if size == (1 << 7 * width) - 1:  # all ones: written live, size not known
            return 0
        if element is _EBML:
            file.seek(size, 1)
    return file.tell() + size


def _riff(file: BinaryIO) -> int:
    """AVI: chunks of at most a gigabyte, one after the other."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[:4] != b"RIFF":
            return place
        place += 8 + int.from_bytes(head[4:8], "little")
