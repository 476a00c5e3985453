"""A crop of feature maps around the motion, so that people may stand at other positions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.features.request import motion_beyond_median

Values = NDArray[np.floating[Any]]

CROP_SIDE = 4.0
"""Side of the crop in standard deviations of the position of motion. Chosen on development clips,
as are the exponent of the changes and the smallest crop, half of the map."""


def motion_centred_crop(maps: Values, changes: Values, grid: int, samples: int = 1) -> Values:
    """Crop each video's maps around its motion, and average the crop to a grid of cells.

    The weight of a cell is the square of its motion, the norm of its changes over all frames minus
    the median cell's. The crop is centred on the weighted mean position. Its side is four standard
    deviations, at least half of and at most the shorter side of the map. Outside the map its border
    is repeated. Maps without changes give the central half.

    Args:
        maps: (… t c h w).
        changes: Maps minus their mean over time, of the same shape.
        grid: Rows and columns of the result.
        samples: Rows and columns of positions in a cell of the result, at which the maps are
            interpolated bilinearly; a cell is their mean.

    Returns:
        (… t c grid grid).
    """
    across, down = (
        weights.reshape(*weights.shape[:-2], grid, samples, -1).mean(-2)
        for weights in _axis_weights(changes, grid * samples)
    )  # (… grid size) each
    return averaged(maps, across, down)


def averaged(maps: Values, across: Values, down: Values) -> Values:
    """Average maps to cells by weights of columns and rows.

    Args:
        maps: (… t c h w).
        across: Weights of the columns in each cell (… g w).
        down: Weights of the rows in each cell (… g h).

    Returns:
        (… t c g g).
    """
    *leading, t, c, h, w = maps.shape
    grid = down.shape[-2]
    of_cells = down[..., :, None, :, None] * across[..., None, :, None, :]  # (… g g h w)
    of_cells = of_cells.reshape(*of_cells.shape[:-4], grid * grid, h * w)
    cells = maps.reshape(*leading, t * c, h * w) @ of_cells.mT
    return cells.reshape(*leading, t, c, grid, grid)


def separable_crop(images: Values, grid: int, *, margin: float = 1.0) -> Values:
    """Crop the images of a video likewise, and interpolate each cell at its middle.

    Returns:
        (t grid grid).
    """
    across, down = _axis_weights((images - images.mean(0))[:, None], grid, margin)
    return down @ images @ across.mT


def _axis_weights(changes: Values, count: int, margin: float = 1.0) -> tuple[Values, Values]:
    """Return the weights of columns (… count w) and rows (… count h) at positions in the crop."""
    x, y, side = _crop_square(changes)  # (…) each
    side = margin * side[..., None]
    height, width = changes.shape[-2:]
    steps = (np.arange(count, dtype=changes.dtype) + 0.5) / count - 0.5
    across, down = (
        _weights(at[..., None] + steps * side, size) for at, size in ((x, width), (y, height))
    )
    return across, down


def _weights(positions: Values, size: int) -> Values:
    """Return weights (… n size) of cells interpolated at positions (… n) from the middle."""
    cells = np.arange(size, dtype=positions.dtype)
    inside = np.clip(positions + (size - 1) / 2, 0, size - 1)
    weights: Values = np.maximum(1 - np.abs(inside[..., None] - cells), 0)
    return weights


def _crop_square(changes: Values) -> tuple[Values, Values, Values]:
    """Return x and y of the center, from the map's center, and the side, in cells: (…) each."""
    height, width = changes.shape[-2:]
    weight = np.square(motion_beyond_median(changes))  # (… h w)
    weight /= np.maximum(weight.sum((-2, -1), keepdims=True), 1e-12)
    columns, rows = (
        np.arange(size, dtype=changes.dtype) + 0.5 - size / 2 for size in (width, height)
    )
    by_column, by_row = weight.sum(-2), weight.sum(-1)  # (… w), (… h)
    x, y = by_column @ columns, by_row @ rows
    variance = by_column @ columns**2 - x**2 + by_row @ rows**2 - y**2
    deviation = np.sqrt(np.maximum(variance / 2, 0))
    shorter = min(height, width)
    return (
        np.asarray(x),
        np.asarray(y),
        np.asarray(np.clip(CROP_SIDE * deviation, shorter / 2, shorter)),
    )
