"""How static the camera is: estimated from the support, once for each episode.

Removing a linear trend makes motion robust to a moving camera, but also removes sitting down, which
is nearly linear. So motion is compared with and without detrending, and the support clips weigh the
two: by the log-odds that their cameras moved, and by how well the clips classify each other.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewact.features.request import CameraRequest, Features, Request
from fewact.methods.base import Nodes
from fewact.methods.common.kernel import leave_one_out

LOG_ODDS_WEIGHT, LOG_ODDS_OFFSET = 4.0, 0.6
"""Weight of the cameras' log-odds next to the log-likelihoods of the clips' labels, and offset of
the log-odds. Chosen on development clips, like TEMPERATURE and MAX_BY_CAMERAS: the best values that
cost no simulated camera there more than half a point."""

TEMPERATURE = 0.2
"""Temperature of the leave-one-out classification."""

MAX_BY_CAMERAS = 0.4
"""Maximum static probability that the log-odds reach without support from the labels."""

LOG_ODDS = "camera_log_odds"
"""Name of the node that has the log-odds (… 1) that the camera of each video moved."""


@dataclass(frozen=True)
class StaticCamera:
    """The alternative that the cameras of a support are static.

    Args:
        request: Request for the log-odds that the camera moved.
    """

    request: CameraRequest

    @property
    def requests(self) -> tuple[Request, ...]:
        """The log-odds."""
        return (self.request,)

    def encode(self, features: Features) -> Nodes:
        """Return the log-odds that the camera of each video moved."""
        return {LOG_ODDS: features[self.request]}

    def probability(
        self, nodes: Nodes, default: Tensor, alternative: Tensor, labels: Tensor, n: int
    ) -> Tensor:
        """Return the probability (b) that the cameras of each support are static.

        Its logit is the sum of the cameras' log-odds of being static, limited from above, and the
        difference between the log-likelihoods of the labels under the two similarities.
        """
        log_odds = nodes[LOG_ODDS]  # (b s 1)
        likelihood_static, likelihood_moving = (
            leave_one_out(pairs, labels, n, TEMPERATURE) for pairs in (alternative, default)
        )
        limit = torch.logit(torch.as_tensor(MAX_BY_CAMERAS).to(log_odds))
        by_cameras = (-LOG_ODDS_WEIGHT * (log_odds.mean((1, 2)) + LOG_ODDS_OFFSET)).minimum(limit)
        return torch.sigmoid(by_cameras + likelihood_static - likelihood_moving)
