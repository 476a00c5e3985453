"""Common code of backbones that use model classes of the package transformers.

Only the model classes are used: fewact reads and checks the weights, and prepares the images.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray
from torch import Tensor

from fewact.core.errors import WeightsError
from fewact.lab.networks.network import Network
from fewact.networks.card import Level
from fewact.networks.catalogue import Description
from fewact.networks.weights import CONFIG_ENTRY, Arrays, Weights
from fewact.video.resizing import Interpolation

INSTALL = "Run: pip install 'fewact[lab]'"
SSV2 = "Something-Something V2"
SSV2_CLASSES = 174
# Configurations name an interpolation by Pillow's number.
INTERPOLATIONS: dict[int, Interpolation] = {2: "bilinear", 3: "bicubic"}


@dataclass(frozen=True)
class Plan:
    """A network of transformers before it is built.

    Args:
        model_class: Name of its class in transformers.
        config: Configuration of transformers.
        description: Facts of the network.
        frames: Number of frames that it reads together.
    """

    model_class: str
    config: Any
    description: Description
    frames: int = 1


class LibraryNetwork(Network):
    """Network that wraps a model of transformers.

    Args:
        options: Plan as returned by ``resolve``.
    """

    def __init__(self, options: Plan) -> None:
        super().__init__(options)
        self.config = options.config

    def describe(self) -> Description:
        """Return the facts of the network; the weights decide shapes and normalisation."""
        description: Description = self.options.description
        return description

    @property
    def header(self) -> dict[str, str]:
        """Configuration of the network, as an entry of a weights file's header."""
        return {CONFIG_ENTRY: self.config.to_json_string(use_diff=False)}

    @property
    def frames_together(self) -> int:
        """Number of frames of a clip."""
        frames: int = self.options.frames
        return frames

    def make(self) -> Any:
        """Build the model of transformers."""
        return make_model(self.options.model_class, self.config)


class SlotNetwork(LibraryNetwork, ABC):
    """Network that reads frames together as a clip, and has tokens for each slot of some frames."""

    @abstractmethod
    def tokens(self, clips: Tensor) -> Tensor:
        """Return the tokens (n t·h·w d) of clips (n T 3 H W), slot by slot."""

    def pooled(self, vectors: Tensor) -> Tensor:
        """Return the vectors of slots for means (n d) of their tokens."""
        return vectors

    def forward(
        self, images: Tensor, levels: Collection[Level] = ("vectors", "maps")
    ) -> dict[Level, Tensor]:
        """Return levels of frames (n·T 3 H W): ``vectors`` (n·t d), ``maps`` (n·t d h w)."""
        tokens = self.tokens(images.unflatten(0, (-1, self.frames_together)))
        slots = self.frames_together // self.describe().frames_per_slot
        tokens = tokens.unflatten(1, (slots, -1)).flatten(0, 1)  # (n·t h·w d)
        features: dict[Level, Tensor] = {}
        if "maps" in levels:
            features["maps"] = as_map(tokens)
        if "vectors" in levels:
            features["vectors"] = self.pooled(tokens.mean(1))
        return features


def of_transformers(name: str) -> Any:
    """Return a class of transformers by name."""
    try:
        return getattr(importlib.import_module("transformers"), name)
    except (ImportError, AttributeError) as error:
        raise WeightsError(
            "this network is built by the package transformers",
            got=str(error),
            hint=INSTALL,
        ) from None


def configure(config_class: str, entries: Mapping[str, Any], *, where: str) -> Any:
    """Create a configuration of transformers from the entries of config.json."""
    config_type = of_transformers(config_class)
    strict = importlib.import_module("huggingface_hub").errors.StrictDataclassError
    try:
        with quiet():
            return config_type.from_dict(dict(entries))
    except (TypeError, ValueError, AttributeError, strict) as error:
        raise WeightsError(
            "the configuration is invalid",
            where=where,
            got=" ".join(str(error).split()),
        ) from None


def make_model(model_class: str, config: Any, **options: Any) -> Any:
    """Build a model of transformers by the name of its class."""
    network_type = of_transformers(model_class)
    try:
        with quiet():
            return network_type(config, **options)
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            "the configuration is invalid",
            where=model_class,
            got=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the messages of transformers."""
    logging = importlib.import_module("transformers").logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def check_model_type(weights: Weights, expected: Collection[str]) -> str:
    """Return the model type in config.json; "" where there is none."""
    model_type = str(weights.config.get("model_type", ""))
    if model_type and model_type not in expected:
        raise WeightsError(
            "the configuration is of another network",
            where=weights.source,
            got=f"model_type = {model_type!r}",
            expected=", ".join(map(repr, expected)),
        )
    return model_type


def describe(
    defaults: Description,
    config: Any,
    weights: Weights,
    *,
    image_size: Any = None,
    variant_end: str = "",
    **facts: Any,
) -> Description:
    """Return the facts of a network with the entries of its configurations filled in.

    The configuration of transformers has input size and maps; the preprocessor's configuration has
    normalisation and interpolation. ``facts`` are further fields.

    Args:
        defaults: Facts without weights.
        config: Configuration of transformers.
        weights: Weights, for their preprocessor.
        image_size: Side of the images (default: the configuration's).
        variant_end: End of the variant.
        **facts: Further fields.
    """
    given = config.image_size if image_size is None else image_size
    size = _side(given, f"{weights.source}, image_size")
    across = size // _side(config.patch_size, f"{weights.source}, patch_size")
    return replace(
        _with_preprocessor(defaults, weights),
        input_size=(size, size),
        maps=(config.hidden_size, across, across),
        variant=f"{config.hidden_act}, {config.num_attention_heads} heads, "
        f"epsilon {config.layer_norm_eps}{variant_end}",
        **facts,
    )


def _with_preprocessor(defaults: Description, weights: Weights) -> Description:
    entries = weights.preprocessor
    filters = {str(number): name for number, name in INTERPOLATIONS.items()}
    resample = str(entries.get("resample", ""))
    if resample and resample not in filters:
        raise WeightsError(
            "the interpolation of images is not supported",
            where=f"{weights.source}, image processor",
            got=f"resample = {resample}",
            expected=", ".join(f"{number} ({name})" for number, name in filters.items()),
        )
    mean, std = (
        _three(entries.get(key, default), f"{weights.source}, image processor, {key}")
        for key, default in (("image_mean", defaults.mean), ("image_std", defaults.std))
    )
    if entries.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    interpolation = filters.get(resample, defaults.interpolation)
    return replace(defaults, mean=mean, std=std, interpolation=interpolation)


def _three(values: Any, where: str) -> tuple[float, float, float]:
    try:
        first, second, third = (float(value) for value in values)
    except (TypeError, ValueError):
        raise WeightsError(
            "these are not three numbers", where=where, got=repr(values)[:80]
        ) from None
    return first, second, third


def _side(size: Any, where: str) -> int:
    sides = set(size) if isinstance(size, list | tuple) else {size}
    if len(sides) != 1 or not isinstance(side := sides.pop(), int) or side < 1:
        raise WeightsError("only square images are supported", where=where, got=repr(size))
    return side


def without_prefix(tensors: Arrays, *prefixes: str) -> dict[str, NDArray[Any]]:
    """Return tensors without the name of the model inside a model with a head."""
    found: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        found[name.removeprefix(prefix)] = tensor
    return found


def as_map(tokens: Tensor) -> Tensor:
    """Reshape tokens of square images (n h·w c), row by row, to maps (n c h w)."""
    height = round(tokens.shape[1] ** 0.5)
    return cast(Tensor, tokens.transpose(1, 2).unflatten(2, (height, height)))


def trained_on(weights: Weights) -> tuple[str, ...]:
    """Return Something-Something if the head's classes or the weights' name show it."""
    labels = weights.config.get("id2label") or {}
    # The folders above may be those of the data set, whatever the weights were trained on.
    origins = [
        Path(str(origin)).name
        for origin in (weights.source, weights.config.get("_name_or_path", ""))
    ]
    named = " ".join(origins).casefold()
    return (SSV2,) if len(labels) == SSV2_CLASSES or "ssv2" in named else ()
