"""Clips of precomputed features: three classes, each of several people."""

from pathlib import Path
from typing import Any

import numpy as np

from fewact.data import Clip, FeatureClip

T, D = 5, 12
CLASSES = ("clap", "jump", "wave")


def features(per_class: int, seed: int, noise: float = 0.4) -> list[FeatureClip]:
    """Noisy copies of one sequence per class, each of a different person."""
    courses = np.random.default_rng(0).standard_normal((len(CLASSES), T, D))
    rng = np.random.default_rng([1, seed])
    return [
        FeatureClip(
            f"s{seed}{i}/{label}",
            course + noise * rng.standard_normal((T, D)),
            label,
            f"s{seed}{i}",
        )
        for i in range(per_class)
        for label, course in zip(CLASSES, courses, strict=True)
    ]


TRAINING, NEW = features(3, seed=1), features(2, seed=2)


LABELS = ["clap"] * 2 + ["wave"] * 2


def vectors(labels: list[Any]) -> list[FeatureClip]:
    """Return clips of features that tell these labels apart, in this order."""
    rng = np.random.default_rng(0)
    ways = {label: np.eye(3, 16)[i] for i, label in enumerate(dict.fromkeys(labels))}
    return [
        FeatureClip(f"{i}", (rng.normal(size=(8, 16)) + 3 * ways[label]).astype(np.float32))
        for i, label in enumerate(labels)
    ]


def videos_of(actions: Path) -> list[Clip]:
    return [Clip(path, path.parent.name) for path in sorted(actions.rglob("*.mp4"))]
