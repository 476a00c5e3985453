"""A custom method in one file: the nearest class by the largest frame-to-frame cosine.

    python examples/new_method.py CLIPS VIDEO

CLIPS is a folder with a folder of clips for each action.
"""

import sys
from dataclasses import dataclass as plain_dataclass

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from fewact import FewShotClassifier, methods
from fewact.backbones import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import Method, Nodes, one_hot_mean


@dataclass(frozen=True)
class BestFrameOptions:
    """Options of ``best-frame``.

    Args:
        frames: Number of frames of a video.
    """

    frames: int = 8


@plain_dataclass(frozen=True)
class BestFrameState:
    """Frames of the support (b s t d), and weights of its videos in each class (b n s)."""

    frames: Tensor
    classes: Tensor


@methods.register("best-frame")
class BestFrame(Method[BestFrameOptions, BestFrameState]):
    """Score of a class: the mean over its videos of the largest cosine of two frames."""

    Options = BestFrameOptions
    temperature = 0.05

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the request for one vector per frame."""
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return frames of length 1, (… t d)."""
        frames = features[FeatureRequest("vectors", View(self.options.frames))]
        return {"frames": functional.normalize(frames, dim=-1)}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> BestFrameState:
        """Return the frames of the support."""
        return BestFrameState(nodes["frames"], one_hot_mean(labels, n, nodes["frames"].dtype))

    def score(self, state: BestFrameState, nodes: Nodes) -> Tensor:
        """Return logits (b q n)."""
        cosines = torch.einsum("bqtd,bsud->bqstu", nodes["frames"], state.frames)
        return torch.einsum("bqs,bns->bqn", cosines.amax((-1, -2)), state.classes)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    classifier = FewShotClassifier(method="best-frame").fit(sys.argv[1])
    prediction = classifier.predict(sys.argv[2])
    print(prediction.label, f"{prediction.probability:.0%}")
