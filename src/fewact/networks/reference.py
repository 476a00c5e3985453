"""Expected features of the default network, to check the arithmetic of this machine."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import WeightsError
from fewact.networks.backbone import Backbone
from fewact.networks.card import FROM_SHALLOW
from fewact.networks.packaged import GRAPHS_FOLDER

EXPECTED_FILE: Final = GRAPHS_FOLDER / "expected.json"
"""Means of PyTorch's features by level."""

EXPECTED_TYPE = FileType("file of expected features", WeightsError, MIB)
GROUPS = 8
"""Groups of neighbouring channels of a level; each has a mean."""

TOLERANCES: Final = {"float32": 1e-4, "bfloat16": 0.2, "int8": 0.2}
"""Largest difference by precision, relative to the largest mean of a level."""


def difference(backbone: Backbone) -> float:
    """Return the difference of the default network's features from the expected features.

    Args:
        backbone: Network ``auto`` with its default weights and size.

    Returns:
        Largest difference of a level's means, relative to the level's largest mean. A correct
        machine has at most the value of ``TOLERANCES``.
    """
    expected: dict[str, Any] = EXPECTED_TYPE.json(EXPECTED_FILE)
    computed = means(backbone)
    return max(
        float(np.abs(np.subtract(computed[level], mean)).max() / np.abs(mean).max())
        for level, mean in expected.items()
    )


def means(backbone: Backbone) -> dict[str, list[float]]:
    """Return the mean of each group of channels by level, of a drawn frame."""
    features = backbone.features(_frame(*backbone.card.input_size), FROM_SHALLOW)
    return {
        level: values.reshape(-1, GROUPS, values[0].size // GROUPS).mean((0, 2)).tolist()
        for level, values in features.items()
    }


def _frame(height: int, width: int) -> NDArray[np.uint8]:
    """Return a frame (1 3 H W) of waves and edges, by integers alone."""
    y, x = np.mgrid[:height, :width]
    planes = (x * y // 64, (x // 24 + y // 24) * 96, (x - 96) ** 2 + (y - 80) ** 2 >> 5)
    return np.stack(planes)[None].astype(np.uint8)
