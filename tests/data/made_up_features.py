"""Small files of made-up features with labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROWS = [("a", "wave", "s1", "x"), ("b", "wave", "s2", "x"), ("c", "clap", "s1", "x")]
HEADER = "clip\tclass\tgroup\tdataset"
FEATURES = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float16)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(
        features: object = FEATURES, header: str = HEADER, rows: object = ROWS, **more: object
    ) -> Path:
        arrays = {"features": features, **more}
        np.savez(tmp_path / "mine.npz", **{k: v for k, v in arrays.items() if v is not None})
        lines = [header, *("\t".join(row) for row in rows)]
        (tmp_path / "mine.tsv").write_text("\n".join(lines) + "\n")
        return tmp_path / "mine.npz"

    return write
