"""Files of made-up features."""

from pathlib import Path
from typing import Any

import numpy as np

T = 4


D = 6


ACTIONS = ("clap", "jump", "wave")


COURSES = np.random.default_rng(0).standard_normal((len(ACTIONS), T, D))


NEW = ("x/1.mp4", "x//2, twice", "ein Gruß")


def write(file: Path, table: str | None, **changes: Any) -> Path:
    """Write a file of features: noisy copies of one sequence per class, class after class."""
    count = changes.pop("count", len(ACTIONS))
    noise = 0.3 * np.random.default_rng(count).standard_normal((count, T, D))
    features = COURSES[np.arange(count) % len(ACTIONS)] + noise
    for place, value in changes.items():
        features[int(place.removeprefix("at"))] = value
    np.savez(file, features=features.astype(np.float32))
    if table is not None:
        file.with_suffix(".tsv").write_text(table, encoding="utf-8")
    return file
