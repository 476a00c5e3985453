"""Specs of a backbone and of a text encoder."""

from numbers import Integral
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from fewact.core.errors import OptionError
from fewact.core.options import Flag, Spec
from fewact.core.workers import on_one_core
from fewact.networks.backbone import Backbone
from fewact.networks.building import build
from fewact.networks.card import (
    ENGINES,
    PRECISIONS,
    Resize,
    check_device_name,
    check_engine,
    check_name,
)
from fewact.networks.catalogue import (
    AUTO_SIZE,
    DEFAULT_NETWORK,
    Description,
    describe,
    text_names,
    text_of,
)
from fewact.video.samplers import SEGMENTS, sampler_of

BACKBONE: Final = "backbone"
"""Name of the text encoder in the backbone's weights."""

STRIDE, LARGEST_SIDE = 32, 1024
"""Stride of the deepest maps, and the largest height and width of frames, in pixels."""

CHOICES: Final = {"precision": PRECISIONS, "engine": ENGINES, "resize": get_args(Resize)}


class BackboneSpec(Spec):
    """Backbone with its weights, as the command line, recipes, checkpoints and models write it.

    Args:
        name: Network that computes the features, see `fewact backbones`; ``auto`` is
            EfficientNet-Lite0, whose weights come with fewact, with frames of 192 × 192 pixels.
        weights: Weights of the backbone: ``default``; ``random`` (seeded, for tests);
            ``hf-hub:owner/name``; ``local-dir:folder``; or a .safetensors file.
        precision: Precision of the backbone: ``float32``; ``bfloat16``, by the engine ``torch``;
            ``int8``, the default network with ONNX Runtime, faster on processors with VNNI; or
            ``auto``: float32 with ONNX Runtime, and what is faster with torch.
        engine: Inference engine of the backbone: ``onnx``, which is ONNX Runtime, for networks
            whose graphs come with fewact; ``torch``, which needs the lab and runs every network; or
            ``auto``, which is ``onnx`` where it can be used and has the precision.
        device: Device to run on: ``cpu``, ``cuda``, ``cuda:1``, …; ``auto`` is a CUDA GPU if the
            engine can use one, else the CPU.
        resize: How frames are brought to the network's size: ``squash``, which changes the aspect
            ratio; ``centre-crop``, which keeps it and cuts off the edges; or ``squash-crop``, which
            does both, as CLIP-FSAR's code.
        sampler: Rule that chooses the frames of a video: ``segments``, the middles of equal
            segments; or one of the published codes: ``perrett``, ``blocks``, ``window:RATE``,
            ``dense:STRIDE``, see ``fewact.video.samplers``.
        size: Height and width that frames are resized to, in pixels, a multiple of 32; 0 means 192
            for ``auto``, and the network's own, such as 224, for a named network. Only some
            networks read other sizes.
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
        if number % STRIDE or not 0 <= number <= LARGEST_SIDE:
            raise OptionError(
                "invalid size of frames",
                where="size",
                got=str(size)[:40],
                expected=f"a multiple of {STRIDE} up to {LARGEST_SIDE}, or 0 for the network's own",
            )
        return number

    def over(self, default: Self | None) -> Self:
        """Return this spec with unset values from a default.

        Args:
            default: Spec of a trained method. It is ignored if it is None, is of another network,
                or does not state its weights.
        """
        if default is None or not default.weights:
            return self
        if self.requested.get("name", default.name) != default.name:
            return self
        options = {**default.options, **self.options}
        return default.model_copy(update=self.requested | {"options": options})

    def check(self) -> None:
        """Refuse a backbone that cannot be created, as far as its names say.

        Raises:
            UnknownNameError: There is no backbone of this name.
            OptionError: The network cannot read frames of this size, or no engine has this
                precision.
        """
        check_size(self.size, describe(self.name))
        check_engine(self.engine, self.precision, self.device)

    def create(self) -> Backbone:
        """Build the network and load its weights.

        Raises:
            UnknownNameError: There is no backbone of this name.
            WeightsError: The weights cannot be read or are of another network.
            OptionError: An option or the device is unknown, or the engine cannot be used.
            ExtraError: The network, engine, precision or device needs the lab.
        """
        self.check()
        values = {field: getattr(self.resolved, field) for field in type(self).model_fields}
        return on_one_core(lambda: build(**values))

    @property
    def resolved(self) -> Self:
        """The same backbone with the network that ``auto`` is."""
        if self.name != "auto":
            return self
        return self.model_copy(update={"name": DEFAULT_NETWORK, "size": self.size or AUTO_SIZE})

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
        weights: Weights of the text encoder; ``default`` means the backbone's weights, or the
            encoder's own.
        prompts: Name of a set of templates, one template with {}, .txt file with one template on
            each line, or templates; empty for the method's templates.
    """

    encoder: Annotated[str, Flag("text-encoder", "NAME")] = BACKBONE
    weights: Annotated[str, Flag("text-weights", "WEIGHTS")] = "default"
    prompts: Annotated[str | tuple[str, ...], Flag(metavar="TEMPLATES")] = ""

    def over(self, default: Self | None) -> Self:
        """Return this spec with unset values from a default.

        Args:
            default: Spec of a trained method; if this spec sets an encoder, only the prompts of
                the default are used.
        """
        if default is None:
            return self
        if "encoder" in self.model_fields_set:
            return self.model_copy(update={"prompts": self.prompts or default.prompts})
        return default.model_copy(update=self.requested)

    def of_backbone(self, backbone: str, weights: str) -> Self:
        """Return the same text encoder by its name and weights; ``backbone`` is resolved.

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
    """Refuse a size if the network reads frames of one size only."""
    if size and not network.any_size:
        raise OptionError(
            "this network reads frames of one size only",
            where="size",
            got=f"{size}, backbone {network.name}",
            expected=f"0, which means {network.input_size[0]}",
        )
