"""Random numbers that stay the same on every machine and with every version of numpy.

Each draw has a name, and its value depends on the key and that name alone: a draw that is added
later changes no other one.
"""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Draws:
    """Draws by name.

    Args:
        key: What they depend on; each part is used as its text.
    """

    def __init__(self, *key: object) -> None:
        self._key = "/".join(map(str, key))

    def of(self, name: object) -> "Draws":
        """Other draws, for one part of what is drawn."""
        return Draws(self._key, name)

    def uniform(self, name: object, low: float = 0.0, high: float = 1.0) -> float:
        """A number from ``low`` up to, but without, ``high``."""
        return low + (high - low) * ((self._integer(name, 8) >> 11) / 2**53)

    def below(self, name: object, count: int) -> int:
        """A whole number from 0 to ``count`` − 1."""
        return self._integer(name, 8) % count

    def choice(self, name: object, among: Sequence[T]) -> T:
        """One of several."""
        return among[self.below(name, len(among))]

    def chance(self, name: object, share: float) -> bool:
        """True in this share of cases."""
        return self.uniform(name) < share

    def octets(self, name: object, count: int) -> NDArray[np.uint8]:
        """Random bytes (count,). Philox's raw stream is fixed by its definition, numpy's is not."""
        raw = np.random.Philox(key=self._integer(name, 16)).random_raw((count + 7) // 8)
        return np.asarray(raw).astype("<u8").view(np.uint8)[:count]

    def _integer(self, name: object, size: int) -> int:
        digest = hashlib.sha256(f"{self._key}/{name}".encode()).digest()
        return int.from_bytes(digest[:size], "little")
