"""Facts of a backbone: its card, feature levels, device, precision, engine, class embeddings."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from fewact.core.errors import OptionError, did_you_mean
from fewact.video.resizing import Interpolation

Level = Literal["vectors", "maps", "middle", "shallow", "pixels"]
"""Feature levels: pooled vectors, the last stage's maps, the maps at strides 16 and 8, resized
frames."""

FROM_SHALLOW: tuple[Level, ...] = ("shallow", "middle", "maps", "vectors")
"""Levels in the order in which a network computes them."""

EngineName = Literal["torch", "onnx"]
"""Inference engines, see ``fewact.networks.building``."""

Resize = Literal["squash", "centre-crop", "squash-crop"]
"""How frames are brought to the input size. ``squash``: both sides are resized, without keeping the
aspect ratio. ``centre-crop``: the shorter side is resized to 8/7 of the input size, 256 for 224,
and the middle is cut out. ``squash-crop``: both sides are resized to 8/7 of the input size, and the
middle is cut out."""

Device: TypeAlias = str
"""Name of a device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``, …"""

Precision = Literal["float32", "bfloat16", "int8"]

ENGINES: Final = ("auto", "torch", "onnx")
PRECISIONS: Final = ("auto", "float32", "bfloat16", "int8")

DEVICES: Final = '"auto", "cpu", "cuda", "cuda:0", "mps", …'
OTHER_NAMES: Final = {
    "gpu": "cuda",
    "nvidia": "cuda",
    "rocm": "cuda",
    "amd": "cuda",
    "metal": "mps",
    "apple": "mps",
    "0": "cuda:0",
}
"""Names that people use for devices, and the names that engines know."""


READING = ("resize", "sampler", "size")
"""Facts of how frames are chosen and resized."""

LATER = (*READING, "shallow", "joints")
"""Facts that are left out of a digest if they have their default, so that older digests stay."""

NOT_IN_DIGESTS = ("weights", "licence", "shallow")
"""Facts that change no feature, or that the name of the network decides."""


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
        weights: Text that names the weights, as in ``fewact.networks.create``.
        weights_sha256: SHA-256 of the tensors; empty for random weights.
        trained_on: Data sets that the weights were trained on.
        precision: Precision of the network's arithmetic, ``float32``, ``bfloat16`` or ``int8``.
        engine: Inference engine; the features of two engines differ by rounding.
        frames_per_slot: Number of input frames of one output slot.
        interpolation: Interpolation by which frames are resized.
        resize: How frames are brought to the input size.
        sampler: How frames of a video are chosen, a name of ``fewact.video.samplers``.
        size: Requested height and width of frames; 0 means the network's own.
        variant: Other facts that change features and do not show in the weights.
        shallow: Shape (c, h, w) of the last block at stride 8; None where there is none.
        joints: Layout of the joints in precomputed vectors, see ``fewact.data.joints``; or empty.
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
    resize: Resize = "squash"
    sampler: str = "segments"
    size: int = 0
    variant: str = ""
    shallow: tuple[int, int, int] | None = None
    joints: str = ""

    def facts(self, *without: str) -> dict[str, Any]:
        """Return the facts by name, without some and without defaults of ``LATER``."""
        defaults = {field.name: field.default for field in fields(self)}
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in without and not (name in LATER and value == defaults[name])
        }

    @property
    def reading(self) -> dict[str, Any]:
        """How frames are chosen and resized, as options of ``create``, without defaults."""
        return {name: value for name, value in self.facts().items() if name in READING}

    def is_read(self, reading: Mapping[str, Any]) -> bool:
        """Return whether frames are chosen and resized so, by some options of ``create``."""
        settings = {"resize": self.resize, "sampler": self.sampler}
        sizes = (self.size, self.input_size[0])  # 0 and the network's own size mean the same
        return all(
            value in sizes if name == "size" else settings[name] == value
            for name, value in reading.items()
        )

    @property
    def summary(self) -> str:
        """Name, precision and engine, and the options of reading that are not at their default."""
        named = {"size": f"{self.size} pixels"}
        words = [str(named.get(name, value)) for name, value in self.reading.items()]
        return ", ".join([self.name, self.precision, self.engine, *words])

    @property
    def flags(self) -> str:
        """Options of the command line that choose this backbone, without its weights."""
        values = {"backbone": self.name, "precision": self.precision, "engine": self.engine}
        return " ".join(f"--{name} {value}" for name, value in (values | self.reading).items())

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...] | None]:
        """Shapes of one frame's features by level; None for a missing level."""
        return {
            "vectors": (self.vectors,),
            "maps": self.maps,
            "middle": self.middle,
            "shallow": self.shallow,
            "pixels": (3, *self.input_size),
        }

    def of_size(self, size: int) -> "Card":
        """Return the card for frames of another height and width, a multiple of 32 pixels."""

        def scaled(shape: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
            if shape is None:
                return None
            channels, *sides = shape
            height, width = (
                side * size // input_side
                for side, input_side in zip(sides, self.input_size, strict=True)
            )
            return channels, height, width

        return replace(
            self,
            size=size,
            input_size=(size, size),
            maps=scaled(self.maps),
            middle=scaled(self.middle),
            shallow=scaled(self.shallow),
        )

    def has(self, level: Level) -> bool:
        """Return whether the backbone offers a level."""
        return self.shapes[level] is not None

    @property
    def network_levels(self) -> tuple[Level, ...]:
        """Levels that the network computes, in this order."""
        return tuple(level for level in FROM_SHALLOW if self.has(level))

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

    def prepared_aspect(self, aspect: float) -> float:
        """Return width over height of the part of a frame that is left after resizing."""
        height, width = self.input_size
        return width / height if self.resize == "centre-crop" else aspect

    @property
    def digest(self) -> str:
        """SHA-256 of all facts that change features; the location of the weights does not count."""
        return self._digest(*NOT_IN_DIGESTS)

    @property
    def network_digest(self) -> str:
        """SHA-256 of these facts without the engine; features of two engines differ by rounding."""
        return self._digest(*NOT_IN_DIGESTS, "engine")

    def _digest(self, *without: str) -> str:
        facts = json.dumps(self.facts(*without), sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()


class TextFacts(BaseModel):
    """Description of class embeddings: everything but the names that determines them.

    Args:
        encoder: Name of the text encoder; ``precomputed`` for embeddings from outside.
        sha256: Hash of everything that changes the encoder's vectors; for precomputed embeddings,
            hash of the embeddings.
        templates: Prompt templates.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str
    sha256: str
    templates: tuple[str, ...] = ()


def check_device_name(name: str) -> str:
    """Return the name of a device if an engine could know it.

    >>> check_device_name("cuda:1")
    'cuda:1'
    """
    known_name = OTHER_NAMES.get(name.lower())
    if known_name is None and re.fullmatch(r"[a-z]+(:[0-9]+)?", name):
        return name
    raise OptionError(
        "there is no such device",
        where="device",
        got=repr(name),
        expected=DEVICES,
        hint=f'Did you mean "{known_name}"?' if known_name else "",
    )


def device_type(device: Device) -> str:
    """Return the type of a device.

    >>> device_type("cuda:1")
    'cuda'
    """
    return device.partition(":")[0]


def check_name(what: str, name: str, choices: tuple[str, ...]) -> str:
    """Return the value of an option after checking that it is a choice."""
    if name not in choices:
        raise OptionError(
            f"there is no such {what}",
            where=what,
            got=repr(name),
            expected=", ".join(f'"{choice}"' for choice in choices),
            hint=did_you_mean(str(name), choices),
        )
    return name


def check_engine(engine: str, precision: str, device: Device) -> None:
    """Refuse ``onnx`` and int8 where they do not run; the device may be ``auto``."""
    got = f"engine {engine}, device {device}, precision {precision}"
    type_ = device_type(device)
    if engine == "onnx" and (type_ not in ("auto", "cpu", "cuda") or precision == "bfloat16"):
        raise OptionError(
            "the engine onnx runs on a CPU in float32 or int8, or on a CUDA GPU in float32",
            where="engine",
            got=got,
            hint='Use engine "auto" or "torch".',
        )
    if precision == "int8" and (type_ not in ("auto", "cpu") or engine == "torch"):
        raise OptionError(
            "int8 is computed by the engine onnx on a CPU only",
            where="precision",
            got=got,
            hint='Use precision "auto".',
        )
