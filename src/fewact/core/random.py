"""Random numbers that are the same on every machine and with every version of numpy.

``RandomStream`` is a stream of draws that depends on its key. ``NamedDraws`` gives each draw a
name: its value depends on the key and that name alone, so a draw that is added later changes no
other.
"""

import hashlib
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

WORD = 2**64
WORDS = Struct("<4Q")
WORDS_PER_BLOCK = 4


class RandomStream:
    """Stream of uniform draws that depends on its key alone.

    Each 64-bit word is a quarter of a SHA-256 over the key and a counter. No library's generator is
    used, because its stream may change between versions.

    Args:
        key: Purpose of the stream, seed, index …; each part is used as its text.

    >>> RandomStream("example", 0).choose(range(100), 5)
    [90, 74, 20, 81, 68]
    """

    def __init__(self, *key: str | int) -> None:
        self._words = _words(" ".join(("fewact", *map(str, key))))

    def below(self, bound: int) -> int:
        """Return a uniform integer in 0 … bound−1, for a bound up to 2⁶⁴."""
        # Words beyond the last whole multiple of the bound would favour small numbers.
        limit = WORD - WORD % bound
        while (word := next(self._words)) >= limit:
            pass
        return word % bound

    def choose(self, items: Sequence[T], count: int) -> list[T]:
        """Return ``count`` items in random order, without replacement (partial Fisher–Yates)."""
        swapped: dict[int, int] = {}  # sparse permutation: only the positions that were swapped
        sample = []
        for position in range(count):
            swap = position + self.below(len(items) - position)
            sample.append(items[swapped.get(swap, swap)])
            swapped[swap] = swapped.get(position, position)
        return sample


def permutations(key: str, indices: Sequence[int], count: int) -> NDArray[np.int64]:
    """Return ``RandomStream(key, index).choose(range(count), count)`` of each index: (i count).

    Args:
        key: First parts of the streams' keys, joined by spaces.
        indices: Last part of each stream's key.
        count: Number of items.

    >>> permutations("example 0", [3, 4], 5).tolist()
    [[2, 3, 1, 0, 4], [1, 0, 3, 4, 2]]
    """
    prefix = hashlib.sha256(f"fewact {key} ".encode())
    blocks = -(-count // WORDS_PER_BLOCK)
    digests = []
    for index in indices:
        for counter in range(blocks):
            block = prefix.copy()
            block.update(b"%d %d" % (index, counter))
            digests.append(block.digest())
    shape = (len(indices), blocks * WORDS_PER_BLOCK)
    words = np.frombuffer(b"".join(digests), "<u8").reshape(shape)[:, :count]
    bounds = np.arange(count, 0, -1, dtype=np.uint64)
    swaps = (words % bounds).astype(np.int64) + np.arange(count)
    rows, order = np.arange(len(indices)), np.tile(np.arange(count), (len(indices), 1))
    for position, swap in enumerate(swaps.T):
        items = order[rows, swap]
        order[rows, swap] = order[:, position]
        order[:, position] = items
    # Rejected words, hardly ever: the stream itself draws the next ones.
    largest = np.array([WORD - WORD % bound - 1 for bound in range(count, 0, -1)], np.uint64)
    for row in np.flatnonzero((words > largest).any(1)).tolist():
        order[row] = RandomStream(key, indices[row]).choose(range(count), count)
    return order


def _words(key: str) -> Iterator[int]:
    """Yield 64-bit words, little-endian."""
    start = hashlib.sha256(f"{key} ".encode())
    counter = 0
    while True:
        block = start.copy()
        block.update(b"%d" % counter)
        yield from WORDS.unpack(block.digest())
        counter += 1


class NamedDraws:
    """Draws by name, which depend on the name and the key alone."""

    def __init__(self, *key: object) -> None:
        self._key = "/".join(map(str, key))

    def of(self, name: object) -> "NamedDraws":
        """Return independent draws for one part of what is drawn."""
        return NamedDraws(self._key, name)

    def uniform(self, name: object, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * ((self._integer(name, 8) >> 11) / 2**53)

    def below(self, name: object, count: int) -> int:
        """Return an integer in 0 … count − 1."""
        return self._integer(name, 8) % count

    def choice(self, name: object, among: Sequence[T]) -> T:
        """Return one of the items."""
        return among[self.below(name, len(among))]

    def chance(self, name: object, probability: float) -> bool:
        """Return True with this probability."""
        return self.uniform(name) < probability

    def octets(self, name: object, count: int) -> NDArray[np.uint8]:
        """Return random bytes (count,): Philox's raw stream is fixed by its definition."""
        raw = np.random.Philox(key=self._integer(name, 16)).random_raw((count + 7) // 8)
        return np.asarray(raw).astype("<u8").view(np.uint8)[:count]

    def _integer(self, name: object, size: int) -> int:
        digest = hashlib.sha256(f"{self._key}/{name}".encode()).digest()
        return int.from_bytes(digest[:size], "little")
