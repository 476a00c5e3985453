"""Zero-shot: the class names alone, the support videos are not looked at.

CLIP's own rule, carried to video by the mean frame: what a method that sees examples too must beat.
"""

from dataclasses import dataclass as plain_dataclass

from pydantic import ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import Nodes, TextMethod
from fewact.methods.common.inputs import ClassText, frame_vectors, seeded


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ZeroShotOptions:
    """Options of ``zero_shot``.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        text_width: Length of the text embeddings where a learned projection is to take them to the
            vectors' space; it means nothing before it is trained.
        scale: Of the cosines.
        seed: Of the first weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 512
    text_width: PositiveInt | None = None
    scale: PositiveFloat = 100.0
    seed: NonNegativeInt = 0


@plain_dataclass(frozen=True)
class ZeroShotState:
    """Class texts (b n d)."""

    text: Tensor


class ZeroShot(TextMethod[ZeroShotOptions, ZeroShotState]):
    """Logits are the scaled cosine between the mean frame and the class text."""

    Options = ZeroShotOptions
    scoring = frozenset({"scale", "text_width", "seed"})

    def __init__(self, options: ZeroShotOptions) -> None:
        super().__init__(options)
        self.trained = options.text_width is None
        with seeded(options.seed):
            self.text = ClassText(options.vector_width, options.text_width)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """One vector a frame."""
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """The mean frame (… d)."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        return {"mean": frames.mean(-2)}

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> ZeroShotState:
        """The class texts.

        Raises:
            OptionError: There is no text.
            ShapeError: Its embeddings have another length, or are not one for each class.
        """
        return ZeroShotState(self.text(text, n, nodes["mean"]))

    def score(self, state: ZeroShotState, nodes: Nodes) -> Tensor:
        """Logits (b q n)."""
        return text_logits(nodes["mean"], state.text, self.options.scale)


def text_logits(mean: Tensor, text: Tensor, scale: float | Tensor) -> Tensor:
    """Scaled cosines of videos' mean frames (b q d) with class texts (b n d): (b q n)."""
    unit = functional.normalize(mean, dim=-1) @ functional.normalize(text, dim=-1).mT
    return scale * unit


def combined(named: Tensor, visual: Tensor, share: float) -> Tensor:
    """log(p_text^share · p_visual^(1−share)) of the softmax of two sorts of logits (… n)."""
    return share * named.log_softmax(-1) + (1 - share) * visual.log_softmax(-1)
