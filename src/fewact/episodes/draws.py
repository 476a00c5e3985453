"""Random numbers that are the same on every machine, for ever."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

WORD = 2**64


class Draws:
    """A stream of uniform draws that depends on its key alone.

    The words are SHA-256 over the key and a counter, cut in four; no library's generator is asked,
    whose stream might change with its version.

    Args:
        key: What the stream is for: a purpose, a seed, an index.

    >>> Draws("example", 0).choose(range(100), 5)
    [90, 74, 20, 81, 68]
    """

    def __init__(self, *key: str | int) -> None:
        self._words = _words(" ".join(("fewact", *map(str, key))))

    def below(self, bound: int) -> int:
        """A uniform integer in 0 … bound−1.

        Args:
            bound: In 1 … 2⁶⁴.
        """
        # Words beyond the last whole multiple of the bound would favour small numbers.
        limit = WORD - WORD % bound
        while (word := next(self._words)) >= limit:
            pass
        return word % bound

    def choose(self, items: Sequence[T], count: int) -> list[T]:
        """Some of the items in random order, none twice (Fisher–Yates, cut short).

        Args:
            items: To choose from.
            count: At most as many as there are.
        """
        moved: dict[int, int] = {}  # a sparse copy of the positions: only those that were swapped
        chosen = []
        for place in range(count):
            other = place + self.below(len(items) - place)
            chosen.append(items[moved.get(other, other)])
            moved[other] = moved.get(place, place)
        return chosen


def _words(key: str) -> Iterator[int]:
    """64-bit words, little-endian."""
    start = hashlib.sha256(f"{key} ".encode())
    counter = 0
    while True:
        block = start.copy()
        block.update(str(counter).encode())
        digest = block.digest()
        for at in range(0, 32, 8):
            yield int.from_bytes(digest[at : at + 8], "little")
        counter += 1
