"""Where in the frame a similarity comes from, by its gradient."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def gradient_cells(similarity: Callable[[Tensor], Tensor], maps: Tensor, grid: int) -> Tensor:
    """Return what each cell of maps adds to a similarity, to first order.

    The gradient at a cell times the cell's deviation from the mean of all cells, as Grad-CAM
    weighs maps, but with both signs: a similarity of vectors of length 1 does not change where all
    deviations grow alike, so that the values of all cells add up to about 0.

    Args:
        similarity: Function from maps to a single number.
        maps: Maps (t c h w) of a video.
        grid: Most rows and columns of the result.

    Returns:
        (t g g), averaged over cells: above 0 where the similarity would grow with the deviation.
    """
    with torch.inference_mode(False), torch.enable_grad():
        own = maps.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(similarity(own), own)
    with torch.inference_mode():
        deviation = maps - maps.mean((0, 2, 3), keepdim=True)
        added = (gradient * deviation).sum(1)  # (t h w)
        side = min(grid, *added.shape[-2:])
        return functional.adaptive_avg_pool2d(added, side)
