"""Zero-shot: classification by class names alone; the support videos are ignored.

CLIP's rule, applied to video by the mean frame: the baseline of methods that use text and examples.
"""

from typing import Annotated

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from fewact import align
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TextMethod
from fewact.lab.methods.common.inputs import ClassText, frame_vectors, seeded
from fewact.methods.common.options import Only, options_dataclass
from fewact.methods.protocols import BankScorer
from fewact.networks.card import Card


@options_dataclass
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
    seed: Annotated[
        NonNegativeInt,
        Only("text_width", when=bool, needs="text_width, for a projection"),
    ] = 0


class ZeroShot(TextMethod[ZeroShotOptions, Tensor]):
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
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return the mean frame (… d), of length 1."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        return {"mean": functional.normalize(frames.mean(-2), dim=-1)}

    def support(self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None) -> Tensor:
        if "text" in nodes:
            of_class = _first_of_class(labels, n)[..., None]  # (b n 1)
            return nodes["text"].take_along_dim(of_class, 1)  # (b n d), of length 1
        return self._unit_text(text, n, nodes["mean"])

    def _unit_text(self, text: Tensor | None, n: int, like: Tensor) -> Tensor:
        return functional.normalize(self.text(text, n, like), dim=-1)

    def with_text(self, nodes: Nodes, text: Tensor) -> Nodes:
        """Return the text (v d) of each video's class: all that a support video adds."""
        return {"text": self._unit_text(text[:, None], 1, nodes["mean"])[:, 0]}

    def score(self, state: Tensor, nodes: Nodes) -> Tensor:
        return nodes["mean"] @ state.mT * (1 / self.options.temperature)

    def bank_scorer(self, support: Nodes, query: Nodes, comparisons: int = 0) -> BankScorer | None:
        """Return a scorer from the products of videos and texts, after ``with_text``."""
        if "text" not in support:
            return None
        texts, means = support["text"][:, None], query["mean"][:, None]  # (v 1 d), (w 1 d)

        def score(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
            of_class = rows.take_along_dim(_first_of_class(labels, n), 1)  # (b n)
            cosines = align.block_products(means, queries, texts, of_class)[..., 0, 0]
            return cosines * (1 / self.options.temperature)

        return score


def _first_of_class(labels: Tensor, n: int) -> Tensor:
    """Return the first support video (b n) of each class: any, since all have the same text."""
    return functional.one_hot(labels, n).argmax(1)
