"""Frames that the tables of MP4 files declare without a byte for each.

FFmpeg makes an entry of 24 bytes for every declared frame before it reads one: a file of a kilobyte
could fill gigabytes of memory.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fewact.core.errors import VideoError

MAX_FRAMES = 4_000_000
"""Largest number of frames of a video: 37 hours at 30 frames per second."""

MAX_DECLARED = 4 * MAX_FRAMES
"""Largest number of entries of all tracks together, sound too."""

_MAX_BOXES = 1_000_000
_TYPES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"moof", b"sidx", b"pnot")
_PARENTS = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"))
# Flags of a fragment's table: its entries have bytes of their own.
_HAS_ENTRIES = 0xF00


def is_mp4(path: Path) -> bool:
    """Return whether a file is readable and of the MP4 and QuickTime family."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] in _TYPES
    except OSError:
        return False


def check_declared(path: Path) -> None:
    """Check how many frames an MP4 or QuickTime file declares; other files pass.

    Raises:
        VideoError: There are too many.
        OSError: The file cannot be read.
    """
    if not is_mp4(path):
        return
    with path.open("rb") as file:
        total = 0
        pcm = sound = False
        for boxes, (type, head) in enumerate(_boxes(file, 0, path.stat().st_size)):
            if type == b"hdlr":
                sound = head[8:12] == b"soun"
            elif type == b"stts":
                # FFmpeg joins samples of uncompressed sound to chunks.
                pcm = sound and head[4:8] == b"\0\0\0\1" and head[12:16] == b"\0\0\0\1"
            elif type == b"stsz" and any(head[4:8]) and not pcm:
                total += int.from_bytes(head[8:12])
            elif type == b"trun" and not int.from_bytes(head[1:4]) & _HAS_ENTRIES:
                total += int.from_bytes(head[4:8])
            elif type == b"trak":
                pcm = sound = False
            if total > MAX_DECLARED or boxes > _MAX_BOXES:
                raise VideoError(
                    path,
                    f"its tables declare more than {MAX_DECLARED} frames, or are damaged",
                    hint="Convert it, for example with FFmpeg.",
                )


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the first bytes of each box, of those inside others too."""
    while begin + 8 <= end:
        file.seek(begin)
        head = file.read(32)
        size, type, content = int.from_bytes(head[:4]), head[4:8], 8
        if size == 1:  # the real size follows the type
            size, content = int.from_bytes(head[8:16]), 16
        stop = min(begin + size, end) if size else end
        if len(head) < 8 or stop < begin + content:
            return
        yield type, head[content:]
        if type in _PARENTS:
            yield from _boxes(file, begin + content, stop)
        begin = stop
