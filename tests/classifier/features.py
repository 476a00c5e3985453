"""Clips of precomputed features: three classes, each of several people."""

import numpy as np

from fewact.data import FeatureClip

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
