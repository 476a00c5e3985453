"""What a backbone is (its card) and what can be asked of it (its taps)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

TapName = Literal["vectors", "maps", "middle", "pixels", "camera", "bolder"]
Stabilise = Literal["off", "auto", "on"]
Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True, order=True)
class Tap:
    """A place where features are taken, and from how many frames.

    Args:
        name: ``vectors`` (t d), one pooled vector a frame; ``maps`` (t c h w), the last stage;
            ``middle`` (t c h w), the last block at stride 16; ``pixels`` (t 3 h w), the resized
            frames themselves, uint8. Of ``video.stabilise``: ``camera`` (t 1), the evidence that
            the camera moved, for all frames of a clip the same; ``bolder`` (t 2 3), where the
            places of a boldly stabilised frame are in that of ``auto``, as affine maps of places
            from -1 to 1. The last three need no network.
        frames: Output slots t; the card says how many input frames a slot takes.
        stabilise: Whether the camera's motion is first taken out of the frames; ``auto`` where it
            moved, see ``video.stabilise``.
    """

    name: TapName
    frames: int = 8
    stabilise: Stabilise = "off"

    @property
    def follows_camera(self) -> bool:
        """Whether the camera's motion is estimated for it."""
        return self.stabilise != "off" or self.of_camera

    @property
    def of_camera(self) -> bool:
        """Whether it says something of the camera's motion rather than of what is seen."""
        return self.name in ("camera", "bolder")


@dataclass(frozen=True)
class Card:
    """Facts of a backbone with its weights; part of every stored feature's key.

    Args:
        name: Registry name.
        input_size: Height and width that frames are resized to, in pixels.
        mean: Subtracted from each channel of frames scaled to [0, 1].
        std: Divided by after that.
        vectors: Length d of a frame's vector.
        maps: Shape (c, h, w) of the last stage; None where there are only vectors.
        middle: Shape (c, h, w) of the last block at stride 16; None where there is none.
        parameters: Number of weights.
        licence: Of the weights.
        weights: Where they came from.
        weights_sha256: Of the tensors' bytes in order of their names; empty for random weights.
        trained_on: Data sets the weights have seen.
        precision: What the network computes in, ``float32`` or ``bfloat16``; part of the key.
        frames_per_slot: Input frames to one output slot.
        interpolation: How frames are resized.
        variant: What else changes features and cannot be seen in the weights.
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
    frames_per_slot: int = 1
    interpolation: Interpolation = "bilinear"
    variant: str = ""

    @property
    def shapes(self) -> Mapping[TapName, tuple[int, ...] | None]:
        """The shape of each tap's features of one frame; None where the backbone has none."""
        return {
            "vectors": (self.vectors,),
            "maps": self.maps,
            "middle": self.middle,
            "pixels": (3, *self.input_size),
            "camera": (1,),
            "bolder": (2, 3),
        }

    def has(self, name: TapName) -> bool:
        """Whether the backbone offers a tap of this name."""
        return self.shapes[name] is not None

    @property
    def digest(self) -> str:
        """SHA-256 over all that changes features; where the weights file lies does not count."""
        facts = {k: v for k, v in asdict(self).items() if k not in ("weights", "licence")}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
