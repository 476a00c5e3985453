"""Backbones that several tests share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact import networks
from fewact.networks import Backbone
from fewact.video.resizing import planes, resized


@pytest.fixture(scope="session")
def random_backbone() -> Callable[..., Backbone]:
    """A backbone on random weights by ONNX Runtime; made once for each name and options."""
    made: dict[tuple[Any, ...], Backbone] = {}

    def make(name: str = "efficientnet-lite0", **options: Any) -> Backbone:
        key = (name, *sorted(options.items()))
        if key not in made:
            made[key] = networks.create(name, weights="random", device="cpu", **options)
        return made[key]

    return make


@pytest.fixture(scope="session")
def frames() -> NDArray[np.uint8]:
    """Five smooth images (5 3 224 224)."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)
    return planes(resized(coarse, (224, 224)))


@pytest.fixture(scope="session")
def images() -> NDArray[np.uint8]:
    """Four frames (2 2 150 201 3) with fine detail."""
    return np.random.default_rng(0).integers(0, 256, (2, 2, 150, 201, 3), np.uint8)
