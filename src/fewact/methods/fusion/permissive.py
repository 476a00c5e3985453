"""The share of the permissive view: of frames stabilised by the permissive estimate.

On a textureless background, body motion and camera motion are indistinguishable. The conservative
estimate then assumes a static camera; the permissive estimate accepts the motion. Terms of motion
compare frames that are stabilised by each, and the support clips say how much each of them counts.
"""

import torch
from torch import Tensor

from fewact.methods.common.kernel import leave_one_out
from fewact.methods.fusion.camera_weight import TEMPERATURE


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
