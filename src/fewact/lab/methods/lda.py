"""Linear discriminant analysis in each episode, with a covariance shrunk towards the identity.

Fisher's discriminant with the shrinkage of Friedman, "Regularized Discriminant Analysis", JASA
1989, on one vector of each video.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fewact.lab.methods.common.linear_head import LinearOptions, SolvedHead
from fewact.methods.common.options import options_dataclass

SMALLEST_VARIANCE = 1e-6
"""Smallest variance that the identity is scaled with: equal videos leave no other."""


@options_dataclass
class LdaOptions(LinearOptions):
    """Options of ``lda``.

    Args:
        shrinkage: γ, the weight of the identity in the covariance; 1 is the nearest class mean.
        temperature: Temperature of the logits; trained.
    """

    shrinkage: Annotated[float, Field(gt=0, le=1)] = 0.1


class Lda(SolvedHead[LdaOptions]):
    """Gaussian classes with one covariance; without training, or trained through its solver."""

    Options = LdaOptions
    paper = "Fisher's discriminant, shrunk"
    scoring = frozenset({"unit_length", "shrinkage", "temperature"})
    calibrated = 4.2  # on the development clips

    def solve(self, gram: Tensor, labels: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights Σ⁻¹μ and biases −½ μᵀΣ⁻¹μ with Σ = (1 − γ)·S + γ·v·I.

        S is the covariance inside the classes; each class has the same total weight. The scale v is
        the mean of the s − 1 non-zero eigenvalues of the covariance of all support videos. Σ⁻¹ is
        computed in the space of the support videos, by Woodbury's identity.
        """
        n, s = means.shape[1:]
        identity = torch.eye(s, dtype=gram.dtype, device=gram.device)
        weights = means.sum(1, keepdim=True) / n  # (b 1 s), of total 1
        of_class = means.gather(
            1, labels[..., None].expand(-1, -1, s)
        )  # (b s s): mean of the class
        rows = weights.mT.sqrt() * (identity - of_class)  # S = (rows·X)ᵀ(rows·X)
        squares = gram.diagonal(dim1=-2, dim2=-1)[:, None]  # (b 1 s)
        variance = (weights * squares).sum(-1, keepdim=True) - weights @ gram @ weights.mT
        variance = variance / max(1, s - 1)  # (b 1 1)
        gamma = self.options.shrinkage
        floor = gamma * variance.clamp_min(SMALLEST_VARIANCE)
        inner = floor * identity + (1 - gamma) * rows @ gram @ rows.mT  # (b s s)
        along = torch.linalg.solve(inner, rows @ gram @ means.mT)  # (b s n)
        classes = (means - (1 - gamma) * along.mT @ rows) / floor  # (b n s)
        return self.scaled(classes, -((classes @ gram) * means).sum(-1) / 2)
