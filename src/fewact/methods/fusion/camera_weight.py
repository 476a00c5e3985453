"""How static the camera is: estimated from the support, once for each episode.

Removing a linear trend makes motion robust to a moving camera, but also removes sitting down, which
is nearly linear. So motion is compared with and without detrending, and the support clips weigh the
two: by the log-odds that their cameras moved, and by how well the clips classify each other.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewact.features.request import CameraMotionRequest, Features
from fewact.methods.common.kernel import leave_one_out

LOG_ODDS_WEIGHT, LOG_ODDS_OFFSET = 4.0, 0.6
"""Weight of the cameras' log-odds next to the log-likelihoods of the clips' labels, and offset of
the log-odds. Chosen on development clips, like TEMPERATURE and MAX_BY_CAMERAS: the best values that
cost no simulated camera there more than half a point."""

TEMPERATURE = 0.2
"""Temperature of the leave-one-out classification."""

MAX_BY_CAMERAS = 0.4
"""Maximum static probability that the log-odds reach without support from the labels."""


@dataclass(frozen=True)
class CameraWeight:
    """Estimator of the probability that the cameras of a support are static.

    Args:
        request: Request for the camera motion.
        max_by_cameras: Maximum probability by the log-odds alone.
    """

    request: CameraMotionRequest
    max_by_cameras: float = MAX_BY_CAMERAS

    def encode(self, features: Features) -> Tensor:
        """Return the log-odds (… 1) that the camera of each video moved."""
        return features[self.request][..., 0, :1]

    def static_probability(
        self, log_odds: Tensor, moving: Tensor, static: Tensor, labels: Tensor, n: int
    ) -> Tensor:
        """Return the probability that the cameras of each support are static.

        Its logit is the sum of the cameras' log-odds of being static, limited from above, and the
        difference between the log-likelihoods of the labels under the two similarities.

        Args:
            log_odds: (b s 1), as ``encode`` returns them.
            moving: (b s s) similarities if the cameras move.
            static: (b s s) similarities if the cameras are static.
            labels: (b s).
            n: Number of classes.

        Returns:
            (b), 0 to 1.
        """
        likelihood_static, likelihood_moving = (
            leave_one_out(pairs, labels, n, TEMPERATURE) for pairs in (static, moving)
        )
        limit = torch.logit(torch.as_tensor(self.max_by_cameras).to(log_odds))
        by_cameras = (-LOG_ODDS_WEIGHT * (log_odds.mean((1, 2)) + LOG_ODDS_OFFSET)).minimum(limit)
        return torch.sigmoid(by_cameras + likelihood_static - likelihood_moving)
