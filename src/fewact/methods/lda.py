"""Linear discriminant analysis in each episode, with a covariance shrunk towards the identity.

Fisher's discriminant with the shrinkage of Friedman, "Regularized Discriminant Analysis", JASA
1989, on one vector of each video.
"""

import math
from typing import Annotated

import torch
from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from fewact.features.request import Stabilise
from fewact.methods.common.linear_head import FrameOrder, LinearHead

SMALLEST_VARIANCE = 1e-6
"""Smallest variance that the identity is scaled with: equal videos leave no other."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class LdaOptions:
    """Options of ``lda``.

    Args:
        frames: Frames of a video.
        stabilise: Compensate camera motion; ``auto`` compensates detected camera motion.
        frame_order: Vector of a video: ``pooled``, the mean of its frames, or ``ordered``, its
            frames one after the other.
        unit_length: Scale the centred vectors to length 1.
        shrinkage: γ, the weight of the identity in the covariance; 1 is the nearest class mean.
        temperature: Temperature of the logits; trained.
    """

    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    frame_order: FrameOrder = "ordered"
    unit_length: bool = True
    shrinkage: Annotated[float, Field(gt=0, le=1)] = 0.1
    temperature: PositiveFloat = 1.0


class Lda(LinearHead[LdaOptions]):
    """Gaussian classes with one covariance; without training, or trained through its solver."""

    Options = LdaOptions
    paper = "Fisher's discriminant, shrunk"
    scoring = frozenset({"unit_length", "shrinkage", "temperature"})

    def __init__(self, options: LdaOptions) -> None:
        super().__init__(options)
        self.temperature = CALIBRATED / options.temperature
        self.log_scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))

    def fit(self, vectors: Tensor, labels: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights Σ⁻¹μ and biases −½ μᵀΣ⁻¹μ with Σ = (1 − γ)·S + γ·v·I.

        S is the covariance inside the classes, each of the same total weight, and v the mean of the
        s − 1 non-zero eigenvalues of the covariance of all support videos. Σ⁻¹ is computed in the
        space of the support videos (Woodbury's identity).
        """
        n, s = means.shape[1:]
        prototypes = means @ vectors  # (b n D)
        own = prototypes.gather(1, labels[..., None].expand_as(vectors))  # (b s D)
        weights = (means.sum(1) / n)[..., None]  # (b s 1), of total 1
        rows = weights.sqrt() * (vectors - own)
        total = (weights * vectors).sum(1, keepdim=True)
        variance = (weights * (vectors - total).square()).sum((1, 2)) / max(1, s - 1)  # (b)
        gamma = self.options.shrinkage
        floor = (gamma * variance.clamp_min(SMALLEST_VARIANCE))[:, None, None]  # (b 1 1)
        identity = torch.eye(s, dtype=vectors.dtype, device=vectors.device)
        inner = floor * identity + (1 - gamma) * rows @ rows.mT  # (b s s)
        along = torch.linalg.solve(inner, rows @ prototypes.mT)  # (b s n)
        classes = (prototypes - (1 - gamma) * along.mT @ rows) / floor
        scale = self.log_scale.exp().to(vectors.dtype)
        return scale * classes, -scale / 2 * (classes * prototypes).sum(-1)


CALIBRATED = 4.2
"""Temperature of the probabilities, fitted on the development clips."""
