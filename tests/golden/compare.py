"""Compare two files of golden logits, key by key.

    python -m tests.golden.compare A B [--quiet]

Exits with 1 where a key is missing, a decision has changed, or a relative difference is above 1e-5.
The difference is relative to the largest number of A under the key.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.golden.values import read

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Difference:
    """How two arrays under one key differ.

    Args:
        equal: Whether they are the same, bit by bit.
        largest: The largest absolute difference; infinite where it has none.
        relative: The same, over the largest number of the first array.
        decisions: How many decisions have changed: of logits the largest class, of integers each.
    """

    equal: bool
    largest: float
    relative: float
    decisions: int

    def within(self, tolerance: float = TOLERANCE) -> bool:
        """Whether nothing that matters has changed."""
        return self.relative <= tolerance and self.decisions == 0

    def __str__(self) -> str:
        if self.equal:
            return "bit-equal"
        return (
            f"max abs {self.largest:.3g}, relative {self.relative:.3g}, "
            f"{self.decisions} decisions changed"
        )


def difference(first: NDArray[np.generic], second: NDArray[np.generic]) -> Difference:
    """Compare two arrays."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return Difference(False, np.inf, np.inf, first.size)
    if first.tobytes() == second.tobytes():
        return Difference(True, 0.0, 0.0, 0)
    if not np.issubdtype(first.dtype, np.floating):
        apart = float(np.abs(first.astype(np.int64) - second.astype(np.int64)).max())
        return Difference(False, apart, apart and np.inf, int((first != second).sum()))
    exact, other = first.astype(np.float64), second.astype(np.float64)
    largest = float(np.abs(exact - other).max())
    largest = largest if np.isfinite(largest) else np.inf
    size = float(np.abs(exact).max())
    relative = largest / size if size > 0 else (largest and np.inf)
    decisions = int((exact.argmax(-1) != other.argmax(-1)).sum()) if first.ndim >= 2 else 0
    return Difference(False, largest, float(relative), decisions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--quiet", action="store_true", help="leave bit-equal keys out")
    given = parser.parse_args()
    first, second = read(given.first), read(given.second)
    both = sorted(first.keys() & second.keys())
    missing = sorted(first.keys() ^ second.keys())
    found = {key: difference(first[key], second[key]) for key in both}
    for key, one in found.items():
        if not (given.quiet and one.equal):
            print(f"{key}: {one}{'' if one.within() else '  <-- DIFFERS'}")
    for key in missing:
        print(f"{key}: only in {given.first if key in first else given.second}  <-- MISSING")
    equal = sum(one.equal for one in found.values())
    differing = sum(not one.within() for one in found.values())
    print(
        f"{len(both)} keys in both: {equal} bit-equal, {len(both) - equal - differing} within "
        f"{TOLERANCE:g}, {differing} differ; {sum(one.decisions for one in found.values())} "
        f"decisions changed; {len(missing)} keys missing; largest relative difference "
        f"{max((one.relative for one in found.values()), default=0.0):.3g}"
    )
    return int(differing > 0 or bool(missing))


if __name__ == "__main__":
    sys.exit(main())
