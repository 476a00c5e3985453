"""Arrays by their keys, and the file that has them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Values = dict[str, NDArray[np.generic]]
"""Arrays by their keys. Floats with two axes or more are logits; integers must stay as they are."""

STORED = Path(__file__).parent / "golden.npz"


def save(values: Values, path: Path) -> None:
    """Write values in the order of their keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{key: values[key] for key in sorted(values)})  # type: ignore[arg-type]


def read(path: Path) -> Values:
    """Return values that were written.

    Raises:
        FileNotFoundError: There is no such file.
    """
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}
