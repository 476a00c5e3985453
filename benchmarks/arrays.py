"""Files of named arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def save_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a file; it appears when it is complete."""
    new = file.with_suffix(".new.npz")
    np.savez(new, **arrays)  # type: ignore[arg-type]  # the stub takes them for allow_pickle, too
    new.replace(file)
