"""Feature maps as the permissive estimate of the camera motion would stabilise them.

On a textureless background, body motion and camera motion are indistinguishable. The conservative
estimate, which stabilises the frames, then assumes a static camera; the permissive estimate accepts
the motion. Terms compare the maps of both, and the support clips say how much each of them counts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fewact.backbones.card import Level
from fewact.features.request import CameraMotionRequest, FeatureRequest, Features
from fewact.methods.common.kernel import leave_one_out
from fewact.methods.fusion.camera_weight import TEMPERATURE


@dataclass(frozen=True)
class PermissiveView:
    """Maps of conservatively stabilised frames, warped by the permissive estimate.

    Args:
        maps: Request for the maps.
    """

    maps: FeatureRequest

    @property
    def camera(self) -> CameraMotionRequest:
        """Request for the camera motion in the same frames."""
        return CameraMotionRequest(self.maps.view)

    @property
    def level(self) -> Level:
        """Level of the backbone."""
        return self.maps.level

    def warp(self, maps: Tensor, features: Features) -> Tensor:
        """Return the warped maps (… t c h w) of videos with these features."""
        affine = features[self.camera][..., 1:].unflatten(-1, (2, 3))  # (… t 2 3)
        return warp_maps(maps, affine)


def permissive_share(conservative: Tensor, permissive: Tensor, labels: Tensor, n: int) -> Tensor:
    """Return the share (b) of the permissive view: half, less if the clips speak against it.

    Its logit is the difference between the log-likelihoods of the labels, at most 0: where the
    camera moved, both views together are better than the permissive one alone.

    Args:
        conservative: Similarities (b s s) of the support videos by the conservative view.
        permissive: Those by the permissive view.
        labels: (b s).
        n: Number of classes.
    """
    against, in_favour = (
        leave_one_out(pairs, labels, n, TEMPERATURE) for pairs in (conservative, permissive)
    )
    return torch.sigmoid((in_favour - against).clamp(max=0))


def warp_maps(maps: Tensor, affine: Tensor) -> Tensor:
    """Warp the maps of a video's frames, each by its affine map.

    Args:
        maps: (… t c h w).
        affine: (… t 2 3), from positions in the result, −1 to 1, to positions in the maps.

    Returns:
        (… t c h w), interpolated bicubically. Cells outside a frame are filled with the mean over
        the frames of the video that cover them, or 0. The maps themselves if nothing moves.
    """
    identity = torch.eye(2, 3, dtype=affine.dtype, device=affine.device)
    moves = (affine != identity).flatten(-2).any(-1)  # (… t)
    if not moves.any():
        return maps
    height, width = maps.shape[-2:]
    size = [affine[..., 0, 0].numel(), 1, height, width]
    grid = functional.affine_grid(affine.reshape(-1, 2, 3).to(maps), size, align_corners=False)
    # A tolerance for rounding: the centres of the border cells are inside.
    edge = 1 - (1 - 1e-3) / torch.tensor([width, height]).to(maps)
    visible = (grid.abs() <= edge).all(-1).view(*affine.shape[:-2], 1, height, width)
    sampled = functional.grid_sample(
        maps.flatten(0, -4), grid, mode="bicubic", padding_mode="border", align_corners=False
    ).view_as(maps)
    mean = (sampled * visible).sum(-4, keepdim=True) / visible.sum(-4, keepdim=True).clamp_min(1)
    filled = torch.where(visible, sampled, mean)
    return torch.where(moves[..., None, None, None], filled, maps)
