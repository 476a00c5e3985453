"""SimpleShot: the nearest class mean of centred vectors of length 1.

Wang, Chao, Weinberger, van der Maaten, "SimpleShot: Revisiting Nearest-Neighbor Classification for
Few-Shot Learning", 2019, arXiv 1911.04623; here on one vector of each video.
"""

from typing import Literal

from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from fewact.features.request import Features, Stabilise
from fewact.methods.base import Nodes
from fewact.methods.common.linear_head import FrameOrder, LinearHead

MOMENTUM = 0.01
"""Weight of a batch in the running mean of the training videos."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SimpleShotOptions:
    """Options of ``simpleshot``.

    Args:
        frames: Frames of a video.
        stabilise: Compensate camera motion; ``auto`` compensates detected camera motion.
        frame_order: Vector of a video: ``pooled``, the mean of its frames, or ``ordered``, its
            frames one after the other.
        centre: Vector that is subtracted from all videos: ``support``, the mean of the episode's
            class means; ``training``, the mean of the training videos, as published, which
            training accumulates; ``none``.
        unit_length: Scale the centred vectors to length 1.
        temperature: Temperature of the logits: logits = −distance² / temperature.
        vector_width: Length of the backbone's vectors, for ``centre`` = ``training``.
    """

    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    frame_order: FrameOrder = "pooled"
    centre: Literal["support", "training", "none"] = "support"
    unit_length: bool = True
    temperature: PositiveFloat = 1.0
    vector_width: PositiveInt = 1280


class SimpleShot(LinearHead[SimpleShotOptions]):
    """Nearest class mean after centring; without training, or with the training videos' mean."""

    Options = SimpleShotOptions
    paper = "SimpleShot, 2019"
    scoring = frozenset({"unit_length", "temperature"})

    def __init__(self, options: SimpleShotOptions) -> None:
        super().__init__(options)
        self.temperature = CALIBRATED / options.temperature
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

    def centre(self, class_means: Tensor) -> Tensor:
        """Return what is subtracted from all vectors (b 1 D)."""
        if self.options.centre == "support":
            return super().centre(class_means)
        if self.mean is None or self.mean.running_mean is None:
            return class_means.new_zeros(()).expand_as(class_means[:, :1])
        return self.mean.running_mean.to(class_means).expand_as(class_means[:, :1])

    def fit(self, vectors: Tensor, labels: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return the classifier whose logits are −‖x − mean‖² + ‖x‖², over the temperature."""
        prototypes = means @ vectors  # (b n D)
        temperature = self.options.temperature
        return 2 / temperature * prototypes, -prototypes.square().sum(-1) / temperature


CALIBRATED = 0.27
"""Temperature of the probabilities, fitted on the development clips."""
