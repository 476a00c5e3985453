"""Ridge regression on one-hot classes, solved in each episode.

Bertinetto, Henriques, Torr, Vedaldi, "Meta-learning with differentiable closed-form solvers"
(R2-D2), ICLR 2019, arXiv 1805.08136; here on one vector of each video.
"""

import math

import torch
from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from fewact.features.request import Stabilise
from fewact.methods.common.linear_head import FrameOrder, LinearHead


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RidgeOptions:
    """Options of ``ridge``.

    Args:
        frames: Frames of a video.
        stabilise: Compensate camera motion; ``auto`` compensates detected camera motion.
        frame_order: Vector of a video: ``pooled``, the mean of its frames, or ``ordered``, its
            frames one after the other.
        unit_length: Scale the centred vectors to length 1.
        regularisation: λ, the weight of the squared norm of the classifier; trained.
        temperature: Temperature of the logits; trained.
    """

    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    frame_order: FrameOrder = "ordered"
    unit_length: bool = True
    regularisation: PositiveFloat = 0.1
    temperature: PositiveFloat = 1.0


class Ridge(LinearHead[RidgeOptions]):
    """Ridge regression on the classes; without training, or trained through its solver."""

    Options = RidgeOptions
    paper = "R2-D2, ICLR 2019"
    scoring = frozenset({"unit_length", "regularisation", "temperature"})

    def __init__(self, options: RidgeOptions) -> None:
        super().__init__(options)
        self.temperature = CALIBRATED / options.temperature
        self.log_regularisation = nn.Parameter(torch.tensor(math.log(options.regularisation)))
        self.log_scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))

    def fit(self, vectors: Tensor, labels: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return W = X̃ᵀ(X̃X̃ᵀ + λI)⁻¹Ỹ, where each class has the same total weight.

        X̃ and Ỹ are vectors and centred one-hot classes times √w, w = s/(n·shots of the class).
        """
        n, s = means.shape[1:]
        weights = (means.sum(1) * s / n).sqrt()[..., None]  # (b s 1)
        rows = weights * vectors  # (b s D)
        targets = weights * (functional.one_hot(labels, n).to(vectors.dtype) - 1 / n)  # (b s n)
        identity = torch.eye(s, dtype=vectors.dtype, device=vectors.device)
        gram = rows @ rows.mT + self.log_regularisation.exp().to(vectors.dtype) * identity
        classes = torch.linalg.solve(gram, targets).mT @ rows  # (b n D)
        scale = self.log_scale.exp().to(vectors.dtype)
        return scale * classes, (scale / n).expand(classes.shape[:2])


CALIBRATED = 0.075
"""Temperature of the probabilities, fitted on the development clips."""
