"""SimpleShot: the nearest class mean of centred vectors of length 1.

Wang, Chao, Weinberger, van der Maaten, "SimpleShot: Revisiting Nearest-Neighbor Classification for
Few-Shot Learning", 2019, arXiv 1911.04623; here on one vector of each video.
"""

from typing import Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from fewact.lab.methods.base import Features, Nodes
from fewact.lab.methods.common.linear_head import FrameOrder, LinearHead, LinearOptions
from fewact.methods.common.options import options_dataclass

MOMENTUM = 0.01
"""Weight of a batch in the running mean of the training videos."""


@options_dataclass
class SimpleShotOptions(LinearOptions):
    """Options of ``simpleshot``: logits = −distance² / temperature.

    Args:
        centre: Vector that is subtracted from all videos: ``support``, the mean of the episode's
            class means; ``training``, the mean of the training videos, as published, which
            training accumulates; ``none``.
        vector_width: Length of the backbone's vectors, for ``centre`` = ``training``.
    """

    frame_order: FrameOrder = "pooled"
    centre: Literal["support", "training", "none"] = "support"
    vector_width: PositiveInt = 1280


class SimpleShot(LinearHead[SimpleShotOptions]):
    """Nearest class mean after centring; without training, or with the training videos' mean."""

    Options = SimpleShotOptions
    paper = "SimpleShot, 2019"
    calibrated = 0.27  # on the development clips

    def __init__(self, options: SimpleShotOptions) -> None:
        super().__init__(options)
        self.centred_on_support = options.centre == "support"
        self.mean: nn.BatchNorm1d | None = None
        if options.centre == "training":
            ordered = options.frame_order == "ordered"
            width = options.vector_width * (options.frames if ordered else 1)
            self.mean = nn.BatchNorm1d(width, momentum=MOMENTUM, affine=False)
            self.trained = False

    def encode(self, features: Features) -> Nodes:
        """Return the vector (… D) of each video; in training mode it enters the running mean."""
        nodes = super().encode(features)
        if self.mean is not None and self.training:
            self.mean(nodes["vector"].flatten(0, -2))
        return nodes

    def offset(self, vectors: Tensor) -> Tensor:
        """Return the mean of the training videos (1 1 D), or 0."""
        if self.mean is None or self.mean.running_mean is None:
            return super().offset(vectors)
        return self.mean.running_mean.to(vectors)[None, None]

    def solve(self, gram: Tensor, labels: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return the classifier whose logits are −‖x − mean‖² + ‖x‖², over the temperature."""
        temperature = self.options.temperature
        squares = ((means @ gram) * means).sum(-1)  # (b n), of the class means
        return 2 / temperature * means, -squares / temperature
