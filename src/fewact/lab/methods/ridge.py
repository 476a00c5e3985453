"""Ridge regression on one-hot classes, solved in each episode.

Bertinetto, Henriques, Torr, Vedaldi, "Meta-learning with differentiable closed-form solvers"
(R2-D2), ICLR 2019, arXiv 1805.08136; here on one vector of each video.
"""

import math

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from fewact.lab.methods.common.linear_head import LinearOptions, SolvedHead
from fewact.methods.common.options import options_dataclass


@options_dataclass
class RidgeOptions(LinearOptions):
    """Options of ``ridge``.

    Args:
        regularisation: λ, the weight of the squared norm of the classifier; trained.
        temperature: Temperature of the logits; trained.
    """

    regularisation: PositiveFloat = 0.1


class Ridge(SolvedHead[RidgeOptions]):
    """Ridge regression on the classes; without training, or trained through its solver."""

    Options = RidgeOptions
    paper = "R2-D2, ICLR 2019"
    scoring = frozenset({"unit_length", "regularisation", "temperature"})
    calibrated = 0.075  # on the development clips

    def __init__(self, options: RidgeOptions) -> None:
        super().__init__(options)
        self.log_regularisation = nn.Parameter(torch.tensor(math.log(options.regularisation)))

    def solve(self, gram: Tensor, labels: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return W = X̃ᵀ(X̃X̃ᵀ + λI)⁻¹Ỹ, where each class has the same total weight.

        X̃ and Ỹ are vectors and centred one-hot classes times √w, w = s/(n·shots of the class).
        """
        n, s = means.shape[1:]
        weights = (means.sum(1) * s / n).sqrt()[..., None]  # (b s 1)
        targets = weights * (functional.one_hot(labels, n).to(gram.dtype) - 1 / n)  # (b s n)
        identity = torch.eye(s, dtype=gram.dtype, device=gram.device)
        ridge = self.log_regularisation.exp().to(gram.dtype) * identity
        solved = torch.linalg.solve(weights * gram * weights.mT + ridge, targets)  # (b s n)
        return self.scaled((weights * solved).mT, gram.new_full((len(gram), n), 1 / n))
