"""Damage to the bytes of a video: anywhere, and where containers keep sizes, counts and tables."""

from collections.abc import Callable, Iterator, Sequence
from random import Random

NUMBERS = (0, 1, 2, 7, 255, 256, 65535, 10**6, 10**7, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
PARENTS = frozenset(
    b"moov trak mdia minf stbl edts moof traf mvex udta dinf mfra meta ilst RIFF LIST".split()
)
MASTERS = frozenset(
    bytes.fromhex(id)
    for id in (
        *("18538067", "114d9b74", "4dbb", "1549a966", "1654ae6b", "ae", "e0", "6d80", "6240"),
        *("5034", "1c53bb6b", "bb", "b7", "1f43b675", "a0", "1254c367", "7373", "67c8", "63c0"),
    )
)

Part = tuple[int, int, int]
"""Start of a box or element, start of its content, and its end."""


def mutate(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Return damaged bytes of a video."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if changed:
            random.choice(MUTATIONS)(changed, random)
    if random.random() < 0.03:
        other = random.choice(others)
        cut = random.randrange(len(changed) + 1)
        changed[cut:] = other[min(cut, len(other) // 2) :]
    return bytes(changed)


def _flip(data: bytearray, random: Random) -> None:
    begin, end = _region(data, random)
    for _ in range(random.choice((1, 1, 2, 4, 16, 64))):
        data[random.randrange(begin, end)] ^= 1 << random.randrange(8)


def _replace(data: bytearray, random: Random) -> None:
    begin, end = _region(data, random)
    for _ in range(random.choice((1, 1, 2, 8))):
        data[random.randrange(begin, end)] = random.choice((0, 1, 127, 128, 254, 255))


def _number(data: bytearray, random: Random) -> None:
    """Write a number that programs often forget."""
    begin, end = _region(data, random)
    width = random.choice((1, 2, 4, 4, 8))
    at = random.randrange(begin, end)
    value = random.choice(NUMBERS) % (1 << 8 * width)
    data[at : at + width] = value.to_bytes(width, random.choice(("big", "little")))


def _cut(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data)) :]


def _remove(data: bytearray, random: Random) -> None:
    begin, end = _run(data, random)
    del data[begin:end]


def _repeat(data: bytearray, random: Random) -> None:
    begin, end = _run(data, random)
    data[begin:begin] = data[begin:end] * random.choice((1, 1, 2, 20))


def _move(data: bytearray, random: Random) -> None:
    begin, end = _run(data, random)
    run = data[begin:end]
    del data[begin:end]
    at = random.randrange(len(data) + 1)
    data[at:at] = run


def _blank(data: bytearray, random: Random) -> None:
    begin, end = _run(data, random)
    data[begin:end] = bytes([random.choice((0, 255))]) * (end - begin)


def _noise(data: bytearray, random: Random) -> None:
    begin, end = _run(data, random)
    data[begin:end] = random.randbytes(end - begin)


def _change_part(data: bytearray, random: Random) -> None:
    """Damage one box or element: its size, its type, its counts, or all of it."""
    parts = list(_parts(bytes(data)))
    if not parts:
        return _flip(data, random)
    begin, content, end = random.choice(parts)
    random.choice(
        (_part_size, _part_type, _part_number, _part_number, _part_table, _part_away, _part_twice)
    )(data, (begin, content, end), random)
    return None


def _part_size(data: bytearray, part: Part, random: Random) -> None:
    begin, content, end = part
    if _is_ebml(data):
        value = random.choice((*NUMBERS, end - content + random.randrange(-9, 9)))
        _write_vint(data, begin, content, max(value, 0))
    else:
        at = begin + 4 if data[:4] == b"RIFF" else begin
        order = "little" if data[:4] == b"RIFF" else "big"
        value = max(random.choice((*NUMBERS, end - begin + random.randrange(-9, 9))), 0)
        data[at : at + 4] = (value % 2**32).to_bytes(4, order)  # type: ignore[arg-type]


def _part_type(data: bytearray, part: Part, random: Random) -> None:
    begin, content, _ = part
    at = begin if _is_ebml(data) or data[:4] == b"RIFF" else begin + 4
    data[at : min(at + 4, content)] = random.choice(
        (b"free", b"skip", b"zzzz", b"\xec\x80\x80\x80")
    )[: max(min(at + 4, content) - at, 0)]


def _part_number(data: bytearray, part: Part, random: Random) -> None:
    """Write a number into the content: counts of entries, durations, sizes of frames."""
    _, content, end = part
    if end <= content:
        return
    if _is_ebml(data):
        width = end - content if end - content <= 8 else random.choice((1, 2, 4))
        at = content if end - content <= 8 else random.randrange(content, end)
    else:
        width = random.choice((1, 2, 4, 4, 4, 8))
        at = content + 4 * random.randrange(max(min(end - content, 120) // 4, 1))
    value = random.choice(NUMBERS) % (1 << 8 * width)
    order = "little" if data[:4] == b"RIFF" else "big"
    data[at : at + width] = value.to_bytes(width, order)  # type: ignore[arg-type]


def _part_table(data: bytearray, part: Part, random: Random) -> None:
    """Declare a table empty, huge or random."""
    _, content, end = part
    count = random.choice((0, 0, 1, 10**6, 10**7, 2**31 - 1, 2**32 - 1))
    data[content + 4 : content + 8] = count.to_bytes(4, "big")
    if random.random() < 0.5 and end > content + 8:
        data[content + 8 : end] = random.randbytes(end - content - 8)


def _part_away(data: bytearray, part: Part, random: Random) -> None:
    begin, _, end = part
    del data[begin:end]


def _part_twice(data: bytearray, part: Part, random: Random) -> None:
    begin, _, end = part
    data[end:end] = data[begin:end] * random.choice((1, 1, 30))


MUTATIONS: tuple[Callable[[bytearray, Random], None], ...] = (
    *(_flip, _flip, _replace, _number, _number, _cut, _remove, _repeat, _move, _blank, _noise),
    *(_change_part,) * 8,
)


def _region(data: bytearray, random: Random) -> tuple[int, int]:
    """Return the header, the end, or all: damage in frames alone tests the decoders only."""
    size = len(data)
    return random.choice(((0, size), (0, min(size, 600)), (max(size - 900, 0), size)))


def _run(data: bytearray, random: Random) -> tuple[int, int]:
    begin = random.randrange(len(data))
    length = random.choice((1, 2, 4, 8, 16, 100, 1000, len(data)))
    return begin, min(begin + random.randint(1, length), len(data))


def _is_ebml(data: bytes | bytearray) -> bool:
    return data[:4] == b"\x1a\x45\xdf\xa3"


def _parts(data: bytes) -> Iterator[Part]:
    if _is_ebml(data):
        return _elements(data, 0, len(data))
    if data[:4] == b"RIFF":
        return _chunks(data, 0, len(data))
    return _boxes(data, 0, len(data))


def _boxes(data: bytes, begin: int, stop: int) -> Iterator[Part]:
    """Yield the boxes of MP4 and QuickTime."""
    while begin + 8 <= stop:
        size, type = int.from_bytes(data[begin : begin + 4]), data[begin + 4 : begin + 8]
        end = begin + size
        if size < 8 or end > stop or not type.isascii():
            return
        yield begin, begin + 8, end
        if type in PARENTS:
            yield from _boxes(data, begin + 8, end)
        begin = end


def _chunks(data: bytes, begin: int, stop: int) -> Iterator[Part]:
    """Yield the chunks of AVI."""
    while begin + 8 <= stop:
        type = data[begin : begin + 4]
        end = begin + 8 + int.from_bytes(data[begin + 4 : begin + 8], "little")
        if end > stop:
            return
        yield begin, begin + 8, end
        if type in PARENTS:
            yield from _chunks(data, begin + 12, end)
        begin = end + end % 2


def _elements(data: bytes, begin: int, stop: int) -> Iterator[Part]:
    """Yield the elements of Matroska."""
    while begin + 2 <= stop:
        wide = 9 - data[begin].bit_length()
        at = begin + wide
        if wide > 4 or at >= stop or not data[at]:
            return
        width = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + width]) & (1 << 7 * width) - 1
        content = at + width
        end = stop if size == (1 << 7 * width) - 1 else content + size
        if end > stop:
            return
        yield begin, content, end
        if data[begin:at] in MASTERS:
            yield from _elements(data, content, end)
        begin = end


def _write_vint(data: bytearray, begin: int, content: int, value: int) -> None:
    """Write the size of an element in as many bytes as it had."""
    width = content - begin - (9 - data[begin].bit_length())
    if width > 0:
        bits = value % (1 << 7 * width) | 1 << 7 * width
        data[content - width : content] = bits.to_bytes(width, "big")
