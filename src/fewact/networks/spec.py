"""Specs of a backbone and of a text encoder. Importing this module loads no torch."""

import re
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias, get_args

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from fewact.core.errors import OptionError, did_you_mean
from fewact.core.options import Flag, Spec
from fewact.networks import catalogue
from fewact.networks.card import Resize
from fewact.networks.catalogue import (
    AUTO,
    AUTO_SIZE,
    Description,
    describe,
    text_names,
    text_of,
)
from fewact.video.samplers import SEGMENTS, sampler_of

if TYPE_CHECKING:
    import torch

    from fewact.networks.backbone import Backbone

Device: TypeAlias = "str | torch.device"
"""Name of a device, or torch's own."""

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
"""Names that people use for devices, and torch's."""

BACKBONE: Final = "backbone"
"""Name of the text encoder in the backbone's weights."""

STRIDE, MAX_SIZE = 32, 1024
"""Stride of the deepest maps, and the largest height and width of frames, in pixels."""

CHOICES: Final = {"precision": PRECISIONS, "engine": ENGINES, "resize": get_args(Resize)}


def check_device_name(name: str) -> str:
    """Return the name of a device if torch could know it.

    >>> check_device_name("cuda:1")
    'cuda:1'
    """
    torch_name = OTHER_NAMES.get(name.lower())
    if torch_name is None and re.fullmatch(r"[a-z]+(:[0-9]+)?", name):
        return name
    raise OptionError(
        "there is no such device",
        where="device",
        got=repr(name),
        expected=DEVICES,
        hint=f'Did you mean "{torch_name}"?' if torch_name else "",
    )


def check_name(what: str, name: str, choices: tuple[str, ...]) -> str:
    """Return a name of an option that has few values."""
    if name not in choices:
        raise OptionError(
            f"there is no such {what}",
            where=what,
            got=repr(name),
            expected=", ".join(f'"{choice}"' for choice in choices),
            hint=did_you_mean(str(name), choices),
        )
    return name


class BackboneSpec(Spec):
    """Backbone with its weights, as the command line, recipes, checkpoints and models write it.

    Args:
        name: Network that computes the features, see `fewact backbones`; ``auto`` is
            EfficientNet-Lite0, whose weights come with fewact, with frames of 192 × 192 pixels.
        weights: Weights of the backbone: ``default``; ``random`` (seeded, for tests);
            ``hf-hub:owner/name``; ``local-dir:folder``; or a .safetensors file.
        precision: Precision of the backbone: ``float32``; ``bfloat16``; ``int8``, which is the
            default network with ONNX Runtime, faster on processors with VNNI; or ``auto``, which is
            one of the first two by the device, the engine and the network.
        engine: Inference engine of the backbone: ``torch``; ``onnx``, which is ONNX Runtime on a
            CPU in float32 or int8, for networks whose graphs come with fewact; or ``auto``, which
            is ``onnx`` where it can be used and has the precision.
        device: Device to run on: ``auto`` (a CUDA GPU if there is one), ``cpu``, ``cuda``,
            ``cuda:1``, …
        resize: How frames are brought to the network's size: ``squash``, which changes the aspect
            ratio; ``centre-crop``, which keeps it and cuts off the edges; or ``squash-crop``, which
            does both, as CLIP-FSAR's code.
        sampler: Rule that chooses the frames of a video: ``segments``, the middles of equal
            segments; or one of the published codes: ``perrett``, ``blocks``, ``window:RATE``,
            ``dense:STRIDE``, see ``fewact.video.samplers``.
        size: Height and width that frames are resized to, in pixels, a multiple of 32; 0 means 192
            for ``auto``, and the network's own, such as 224, for a network that is named. Only some
            networks read others.
        options: Options of this backbone, such as ``last_stride`` of ``resnet50``.
    """

    name: Annotated[str, Flag("backbone", "NAME")] = "auto"
    weights: Annotated[str, Flag(metavar="WEIGHTS")] = "default"
    precision: Annotated[Literal["auto", "float32", "bfloat16", "int8"], Flag(metavar="NAME")] = (
        "auto"
    )
    engine: Annotated[Literal["auto", "torch", "onnx"], Flag(metavar="NAME")] = "auto"
    device: Annotated[str, Flag(metavar="NAME")] = "auto"
    resize: Annotated[Resize, Flag(metavar="NAME")] = "squash"
    sampler: Annotated[str, Flag(metavar="NAME")] = SEGMENTS
    size: Annotated[int, Flag(metavar="PIXELS")] = 0
    options: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("precision", "engine", "resize", mode="before")
    @classmethod
    def _check_choice(cls, value: Any, info: ValidationInfo) -> str:
        field = str(info.field_name)
        return check_name(field, value, CHOICES[field])

    @field_validator("device")
    @classmethod
    def _check_device(cls, device: str) -> str:
        return device if device == "auto" else check_device_name(device)

    @field_validator("sampler")
    @classmethod
    def _check_sampler(cls, sampler: str) -> str:
        sampler_of(sampler)
        return sampler

    @field_validator("size", mode="before")
    @classmethod
    def _check_size(cls, size: Any) -> int:
        number = int(size) if isinstance(size, Integral) else -1
        if number % STRIDE or not 0 <= number <= MAX_SIZE:
            raise OptionError(
                "invalid size of frames",
                where="size",
                got=str(size)[:40],
                expected=f"a multiple of {STRIDE} up to {MAX_SIZE}, or 0 for the network's own",
            )
        return number

    def over(self, default: Self | None) -> Self:
        """Return this spec, with what it does not set taken from another one.

        Args:
            default: Spec of a trained method. None, one of another network, and one of features
                whose weights are unknown change nothing.
        """
        if default is None or not default.weights:
            return self
        if self.requested.get("name", default.name) != default.name:
            return self
        options = {**default.options, **self.options}
        return default.model_copy(update=self.requested | {"options": options})

    def check(self) -> None:
        """Refuse a backbone that cannot be created, as far as that is known without torch.

        Raises:
            UnknownNameError: There is no backbone of this name.
            OptionError: The network cannot read frames of this size, or no engine has this
                precision.
        """
        check_size(self.size, describe(self.name))
        check_engine(self.engine, self.precision, self.device.partition(":")[0])

    def create(self) -> "Backbone":
        """Build the network and load its weights.

        Raises:
            UnknownNameError: There is no backbone of this name.
            WeightsError: The weights cannot be read or are of another network.
            OptionError: An option or the device is unknown, or the engine cannot be used.
        """
        from fewact.core.workers import on_one_core
        from fewact.networks.backbone import build

        self.check()
        network = catalogue.NETWORKS.get(self.resolved.name)
        return on_one_core(lambda: build(self.resolved, network))

    @property
    def resolved(self) -> Self:
        """The same backbone with the network that ``auto`` is."""
        if self.name != "auto":
            return self
        return self.model_copy(update={"name": AUTO, "size": self.size or AUTO_SIZE})

    @property
    def with_absolute_weights(self) -> Self:
        """The same backbone with the absolute path of its weights, for other processes."""
        if self.weights in ("default", "random") or self.weights.startswith("hf-hub:"):
            return self
        scheme, colon, folder = self.weights.partition("local-dir:")
        path = Path(folder if colon else scheme)
        if not path.exists():
            return self
        return self.model_copy(update={"weights": f"{colon}{path.resolve()}"})


class TextSpec(Spec):
    """Text encoder and prompts, for methods that use class names.

    Args:
        encoder: Text encoder: ``minilm``, ``clip`` or ``siglip``, or ``backbone`` for the encoder
            in the backbone's weights.
        weights: Weights of the text encoder; ``default`` means those of the backbone, or the
            encoder's own.
        prompts: Name of a set of templates, one template with {}, .txt file with one template on
            each line, or templates; empty for those of the method.
    """

    encoder: Annotated[str, Flag("text-encoder", "NAME")] = BACKBONE
    weights: Annotated[str, Flag("text-weights", "WEIGHTS")] = "default"
    prompts: Annotated[str | tuple[str, ...], Flag(metavar="TEMPLATES")] = ""

    def over(self, default: Self | None) -> Self:
        """Return this spec, with what it does not set taken from another one.

        Args:
            default: Spec of a trained method; of another encoder only the prompts are taken.
        """
        if default is None:
            return self
        if "encoder" in self.model_fields_set:
            return self.model_copy(update={"prompts": self.prompts or default.prompts})
        return default.model_copy(update=self.requested)

    def of_backbone(self, backbone: str, weights: str) -> Self:
        """Return the same text encoder by its name and weights, those of a backbone resolved.

        Args:
            backbone: Name of the backbone.
            weights: Weights of the backbone.

        Raises:
            OptionError: The backbone has no text encoder.
        """
        if self.encoder != BACKBONE:
            return self
        encoder = text_of(backbone)
        if encoder is None:
            raise OptionError(
                "the backbone has no text encoder, and the method uses class names",
                where=backbone,
                expected=", ".join(text_names()),
                hint="Choose a text encoder: --text-encoder minilm.",
            )
        text_weights = weights if self.weights == "default" else self.weights
        return self.model_copy(update={"encoder": encoder, "weights": text_weights})


def check_size(size: int, network: Description) -> None:
    """Refuse another size than the network's own where the network reads no other."""
    if size and not network.any_size:
        raise OptionError(
            "this network reads frames of one size only",
            where="size",
            got=f"{size}, backbone {network.name}",
            expected=f"0, which means {network.input_size[0]}",
        )


def check_engine(engine: str, precision: str, device: str) -> None:
    """Refuse ``onnx`` and int8 where they do not run; ``auto`` is a device that is not resolved."""
    got = f"engine {engine}, device {device}, precision {precision}"
    elsewhere = device not in ("auto", "cpu")
    if engine == "onnx" and (elsewhere or precision == "bfloat16"):
        raise OptionError(
            "the engine onnx runs on a CPU only, in float32 or int8",
            where="engine",
            got=got,
            hint='Use engine "auto" or "torch".',
        )
    if precision == "int8" and (elsewhere or engine == "torch"):
        raise OptionError(
            "int8 is computed by the engine onnx on a CPU only",
            where="precision",
            got=got,
            hint='Use precision "auto".',
        )
