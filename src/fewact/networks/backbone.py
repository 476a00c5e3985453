"""Backbone: a network with its weights, its transform and its card."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import check_shape
from fewact.core.errors import OptionError, ShapeError
from fewact.networks.card import Card, Device, EngineName, Level
from fewact.networks.catalogue import Description
from fewact.networks.weights import Weights, digest, header_facts
from fewact.video import resizing

MIDDLE_STRIDE = 16
"""Stride of the level ``middle``. Sides of frames must be multiples of it: a graph pads other sizes
differently from torch."""

CROP_MARGIN = 8 / 7
"""Size to which frames are resized before the middle is cut out: 256 for 224."""


class Engine(Protocol):
    """A network with its weights on a device."""

    @property
    def name(self) -> EngineName:
        """Name of the engine."""

    @property
    def device(self) -> Device:
        """Device of the network."""

    @property
    def frames_together(self) -> int:
        """Number of frames that the network reads together, a multiple of the frames of a slot."""

    def run(
        self, frames: NDArray[np.uint8], levels: Sequence[Level]
    ) -> dict[Level, NDArray[np.float32]]:
        """Return features of prepared frames (n 3 H W), n a multiple of ``frames_together``.

        Args:
            frames: Frames (n 3 H W) uint8, which need not be contiguous.
            levels: Requested levels, without ``pixels``; the network runs no deeper than it must.
        """


class Backbone:
    """Computes features of frames.

    Args:
        card: Facts of the network.
        engine: Engine that computes.
        why: Reason why this engine was chosen.
    """

    def __init__(self, card: Card, engine: Engine, why: str = "requested") -> None:
        self.card = replace(card, engine=engine.name)
        self.engine = engine
        self.why = why

    @property
    def device(self) -> Device:
        """Device of the network."""
        return self.engine.device

    @property
    def frames_together(self) -> int:
        """Number of frames that the network reads together."""
        return self.engine.frames_together

    @property
    def text(self) -> Any:
        """Text encoder that was trained with the network.

        Raises:
            OptionError: The network was not trained with texts.
            WeightsError: Its weights come without a text encoder or a tokenizer.
        """
        raise OptionError("this backbone has no text encoder", where=self.card.name)

    def prepare(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize frames to the network's input size, as the card says.

        Args:
            frames: (… h w 3) RGB, uint8.

        Returns:
            Resized frames (… 3 H W) uint8, a view of an array (… H W 3). Frames that have the
            size already are not copied.

        Raises:
            ShapeError: The frames have another shape or type.
        """
        return prepared(frames, self.card)

    def features(
        self, frames: NDArray[np.uint8], levels: Collection[Level]
    ) -> dict[Level, NDArray[Any]]:
        """Return features of prepared frames; the network runs no deeper than it must.

        Args:
            frames: Frames (n 3 H W) uint8, as returned by ``prepare``. If ``shallow`` and
                ``middle`` alone are requested, other heights and widths may be any multiples of 16.
            levels: Requested levels.

        Returns:
            Features by level: ``vectors`` (t d), ``maps``, ``middle`` and ``shallow`` (t c h w),
            float32, of t output slots; and ``pixels``, the frames.

        Raises:
            ShapeError: The frames have another shape or type, or the network cannot take this
                number of frames.
            OptionError: The backbone has no such level.
        """
        self._check_frames(frames, free=bool(levels) and set(levels) <= {"shallow", "middle"})
        self.check_levels(levels)
        computed = [level for level in levels if level != "pixels"]
        features: dict[Level, NDArray[Any]] = {}
        if "pixels" in levels:
            features["pixels"] = np.ascontiguousarray(frames)
        if computed:
            self.check_number(len(frames))
            features |= self.engine.run(frames, computed)
        return features

    def _check_frames(self, frames: NDArray[np.uint8], *, free: bool) -> None:
        """Refuse other arrays than prepared frames; ``free`` allows other heights and widths."""
        height, width = self.card.input_size
        check_shape(frames, "n 3 h w" if free else f"n 3 {height} {width}", "frames")
        sides = frames.shape[2:]
        if sides != (height, width) and any(side % MIDDLE_STRIDE for side in sides):
            raise ShapeError(
                "invalid height or width",
                where="frames",
                got=str(frames.shape),
                expected=f"multiples of {MIDDLE_STRIDE}",
            )
        if frames.dtype != np.uint8:
            raise ShapeError("not uint8", where="frames", got=str(frames.dtype))

    def check_levels(self, levels: Collection[Level]) -> None:
        """Refuse levels that this backbone does not have.

        Raises:
            OptionError: The backbone has no such level.
        """
        for level in levels:
            self.card.shape_of(level)

    @property
    def reads_single_frames(self) -> bool:
        """Whether each slot's features depend on one frame alone."""
        return self.frames_together == 1 and self.card.frames_per_slot == 1

    def check_number(self, frames: int) -> None:
        """Refuse a number of input frames that the network cannot take.

        Raises:
            ShapeError: It is no multiple of the frames that the network reads together.
        """
        together = self.frames_together
        if frames % together:
            slots = together // self.card.frames_per_slot
            raise ShapeError(
                f"{self.card.name} reads {together} frames together",
                where="frames",
                got=str(frames),
                expected=f"multiples of {together}",
                hint=f"Request a multiple of {slots} slots.",
            )


def make_card(
    description: Description,
    weights: Weights,
    tensors: Mapping[str, NDArray[Any]],
    *,
    parameters: int,
    **choices: Any,
) -> Card:
    """Return the card of a network with its weights.

    Args:
        description: Facts of the network with its options.
        weights: Weights; facts in their file's header replace facts of the default weights.
        tensors: Tensors of the network by name.
        parameters: Number of weights.
        **choices: Precision, and how frames are read: ``resize``, ``sampler``, ``size``.
    """
    facts: dict[str, Any] = {fact.name: getattr(description, fact.name) for fact in fields(Card)}
    facts |= header_facts(weights) | {"parameters": parameters, "weights": weights.source}
    if weights.source == "random":
        facts |= {"licence": "none", "trained_on": ()}
    else:
        facts["weights_sha256"] = weights.sha256 or digest(tensors)
    size = choices.pop("size", 0)
    card = Card(**facts | choices)
    return card if size in (0, card.input_size[0]) else card.of_size(size)


def prepared(frames: NDArray[np.uint8], card: Card) -> NDArray[np.uint8]:
    """Resize frames to the input size of a card, see ``Backbone.prepare``."""
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
        got = getattr(frames, "dtype", type(frames).__name__)
        raise ShapeError("not an array of uint8", where="frames", got=str(got))
    check_shape(frames, "… h w 3", "frames")
    return resizing.planes(resized(frames, card, card.input_size))


def resized(
    images: NDArray[np.uint8], card: Card, size: tuple[int, int], margin: float = CROP_MARGIN
) -> NDArray[np.uint8]:
    """Resize images (… h w 3) by the card's rule to (… H W 3).

    ``margin`` is the size before the middle is cut out, as a multiple of the result's size.
    """
    if card.resize == "squash":
        return resizing.resized(images, size, interpolation=card.interpolation)
    h, w = images.shape[-3:-1]
    factors = [target / side * margin for target, side in zip(size, (h, w), strict=True)]
    if card.resize == "centre-crop":
        factors = [max(factors)] * 2
    height, width = (
        max(target, round(factor * side))
        for target, factor, side in zip(size, factors, (h, w), strict=True)
    )
    covered = resizing.resized(images, (height, width), interpolation=card.interpolation)
    y, x = (height - size[0]) // 2, (width - size[1]) // 2
    return np.ascontiguousarray(covered[..., y : y + size[0], x : x + size[1], :])


def normalised(frames: NDArray[np.uint8], card: Card) -> NDArray[np.float32]:
    """Return prepared frames (n 3 H W) uint8 as normalised float32, contiguous."""
    mean, std = mean_and_std(card.mean, card.std)
    images = np.empty(frames.shape, np.float32)
    np.subtract(frames, mean, out=images)
    images /= std
    return images


@lru_cache
def mean_and_std(
    mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and the standard deviation (3 1 1) of levels from 0 to 255."""
    first, second = (
        np.float32(255) * np.asarray(values, np.float32).reshape(3, 1, 1) for values in (mean, std)
    )
    return first, second
