"""Zero-shot: classification by class names alone; the support videos are ignored.

CLIP's rule, applied to video by the mean frame: the baseline of methods that use text and examples.
"""

from dataclasses import dataclass as plain_dataclass

from pydantic import ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import Nodes, TextMethod
from fewact.methods.common.effects import Effect, refuse_without_effect
from fewact.methods.common.inputs import ClassText, frame_vectors, seeded
from fewact.methods.common.text_logits import text_logits


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ZeroShotOptions:
    """Options of ``zero_shot``.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        text_width: Length of the text embeddings, if a learned projection must map them to the
            vectors' space; the projection is random until it is trained.
        temperature: Temperature of the cosines.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 512
    text_width: PositiveInt | None = None
    temperature: PositiveFloat = 0.01
    seed: NonNegativeInt = 0

    def __post_init__(self) -> None:
        projected = self.text_width is not None
        effects = (Effect("seed", projected, "text_width=None", "text_width, for a projection"),)
        refuse_without_effect(self, effects)


@plain_dataclass(frozen=True)
class ZeroShotState:
    """Embeddings of the class names (b n d)."""

    text: Tensor


class ZeroShot(TextMethod[ZeroShotOptions, ZeroShotState]):
    """Cosine between the mean frame and the class text, over a temperature."""

    Options = ZeroShotOptions
    paper = "CLIP's rule on the mean frame"
    scoring = frozenset({"temperature", "text_width"})

    def __init__(self, options: ZeroShotOptions) -> None:
        super().__init__(options)
        self.trained = options.text_width is None
        with seeded(options.seed):
            self.text = ClassText(options.vector_width, options.text_width)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Request one vector per frame."""
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return the mean frame (… d)."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        return {"mean": frames.mean(-2)}

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> ZeroShotState:
        """Return the class texts.

        Raises:
            OptionError: There is no text.
            ShapeError: The embeddings have another length, or don't have one row per class.
        """
        return ZeroShotState(self.text(text, n, nodes["mean"]))

    def score(self, state: ZeroShotState, nodes: Nodes) -> Tensor:
        """Return logits (b q n)."""
        return text_logits(nodes["mean"], state.text, self.options.temperature)
