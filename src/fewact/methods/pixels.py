"""Coarse grey frames compared by dynamic time warping, without a network.

A control: a claim about temporal matching on videos from fixed cameras has to beat it.
"""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt

from fewact import align
from fewact.core.array_api import namespace
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.base import Labels, Logits, Method, Nodes
from fewact.methods.common.kernel import KernelState, intra_class_similarity
from fewact.methods.common.options import check_nodes, options_dataclass
from fewact.methods.common.reduction import parts
from fewact.methods.common.temporal import normalised, unit_changes
from fewact.networks.card import Card

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""


@options_dataclass
class PixelsOptions:
    """Options of ``pixels``.

    Args:
        frames: Number of frames of a video.
        stabilise: Remove camera motion from the frames first: ``off``, ``on``, or ``auto``, which
            does it where the camera moved.
        grid: Rows and columns of grey pixels to which a frame is averaged.
        intra_class_weight: Weight of the intra-class similarity that is subtracted from the score
            of a class.
    """

    frames: Annotated[int, Field(ge=2)] = 8
    stabilise: Stabilise = "off"
    grid: PositiveInt = 7
    intra_class_weight: NonNegativeFloat = 0.5

    def __post_init__(self) -> None:
        check_nodes("frames, grid", 4 * self.frames * self.grid**2)


class Pixels(Method[PixelsOptions, KernelState]):
    """Dynamic time warping between grey frames, minus their mean over the clip."""

    Options = PixelsOptions
    paper = "control without a network"
    takes_tensors = True
    scoring = frozenset({"intra_class_weight"})
    averages_pairs = True
    temperature = 0.1
    """Fitted on the development clips whose classes differ in motion."""

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (self._request,)

    @property
    def _request(self) -> Request:
        return FeatureRequest("pixels", View(self.options.frames, self.options.stabilise))

    def encode(self, features: Features) -> Nodes:
        """Return ``frames``: vectors (… t grid²) of length 1, or 0 where nothing moves."""
        pixels = features[self._request]  # (… t 3 h w)
        xp, grid = namespace(pixels), self.options.grid
        red, green, blue = (xp.astype(pixels[..., i, :, :], xp.float32) for i in range(3))
        grey = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue) / 255
        down, across = (
            xp.asarray(parts(size, grid), device=pixels.device) for size in grey.shape[-2:]
        )
        small = down @ grey @ across.mT
        frames = normalised(small.reshape(*small.shape[:-2], grid**2))  # (… t grid²)
        changes = frames - xp.mean(frames, axis=-2, keepdims=True)
        return {"frames": unit_changes(changes, frames)}

    def support(self, nodes: Nodes, labels: Labels, n: int) -> KernelState:
        inside = intra_class_similarity(
            lambda videos, _: self.similarity(videos, videos), nodes, labels, n
        )
        return KernelState(nodes, labels, inside)

    def score(self, state: KernelState, nodes: Nodes) -> Logits:
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: KernelState, nodes: Nodes) -> tuple[Logits, Logits]:
        pairs = self.similarity(nodes, state.nodes)
        logits: Logits = state.logits(pairs, self.options.intra_class_weight)
        return logits, pairs

    def similarity(self, first: Nodes, second: Nodes) -> Logits:
        """Return minus the warping cost per frame: (b q …), (b s …) → (b q s)."""
        cost = align.pairwise_cosine_cost(first["frames"], second["frames"], eps=0)
        similarity: Logits = -align.dtw(cost, plan=False).value / cost.shape[-1]
        return similarity
