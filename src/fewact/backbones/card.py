"""Facts of a backbone: its card, and the feature levels that it offers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from fewact.errors import OptionError

Level = Literal["vectors", "maps", "middle", "pixels"]
"""Feature levels: pooled vectors, the last stage's maps, the maps at stride 16, resized frames."""

EngineName = Literal["torch", "onnx"]
"""Inference engines, see ``fewact.backbones.engines``."""

Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Card:
    """Facts of a backbone with its weights; part of every stored feature's key.

    Args:
        name: Registry name.
        input_size: Height and width that frames are resized to, in pixels.
        mean: Mean that is subtracted from each channel of frames scaled to [0, 1].
        std: Standard deviation that each channel is divided by after that.
        vectors: Length d of a frame's vector.
        maps: Shape (c, h, w) of the last stage; None where there are only vectors.
        middle: Shape (c, h, w) of the last block at stride 16; None where there is none.
        parameters: Number of weights.
        licence: Licence of the weights.
        weights: Text that names the weights, as in ``fewact.backbones.create``.
        weights_sha256: SHA-256 of the tensors; empty for random weights.
        trained_on: Data sets that the weights were trained on.
        precision: Precision of the network's arithmetic, ``float32`` or ``bfloat16``.
        engine: Inference engine; the features of two engines differ by rounding.
        frames_per_slot: Number of input frames of one output slot.
        interpolation: Interpolation by which frames are resized.
        variant: Other facts that change features and do not show in the weights.
    """

    name: str
    input_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    vectors: int
    maps: tuple[int, int, int] | None
    middle: tuple[int, int, int] | None
    parameters: int
    licence: str
    weights: str
    weights_sha256: str
    trained_on: tuple[str, ...]
    precision: str = "float32"
    engine: EngineName = "torch"
    frames_per_slot: int = 1
    interpolation: Interpolation = "bilinear"
    variant: str = ""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...] | None]:
        """Shapes of one frame's features by level; None for a missing level."""
        return {
            "vectors": (self.vectors,),
            "maps": self.maps,
            "middle": self.middle,
            "pixels": (3, *self.input_size),
        }

    def has(self, level: Level) -> bool:
        """Return whether the backbone offers a level."""
        return self.shapes[level] is not None

    def shape_of(self, level: str) -> tuple[int, ...]:
        """Return the shape of one frame's features at a level.

        Raises:
            OptionError: The backbone has no such level.
        """
        shape = self.shapes.get(level)
        if shape is None:
            raise OptionError(
                "the backbone has no such level",
                where=self.name,
                got=repr(level),
                expected=", ".join(name for name, size in self.shapes.items() if size is not None),
            )
        return shape

    @property
    def digest(self) -> str:
        """SHA-256 of all facts that change features; the location of the weights does not count."""
        return self._digest("weights", "licence")

    @property
    def network_digest(self) -> str:
        """SHA-256 of the same facts without the engine: if equal, features differ by rounding."""
        return self._digest("weights", "licence", "engine")

    def _digest(self, *without: str) -> str:
        facts = {k: v for k, v in asdict(self).items() if k not in without}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
