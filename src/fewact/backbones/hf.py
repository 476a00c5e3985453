"""What backbones have in common whose layers are those of the package transformers.

Only its model classes are taken: weights are read and checked as those of any other backbone, and
pictures are prepared by fewact itself.
"""

import importlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from torch import Tensor

from fewact.backbones.card import Interpolation
from fewact.backbones.catalogue import Description
from fewact.backbones.network import Network
from fewact.backbones.weights import Weights
from fewact.errors import WeightsError

INSTALL = "Run: pip install 'fewact[hf]'"
# The numbers that Pillow gives its filters, which configurations quote.
INTERPOLATIONS: dict[int, Interpolation] = {2: "bilinear", 3: "bicubic"}


@dataclass(frozen=True)
class Plan:
    """A network of transformers before it is made.

    Args:
        kind: The name of its class.
        config: Its configuration.
        usual: Its description.
    """

    kind: str
    config: Any
    usual: Description


class LibraryNetwork(Network):
    """A network around one of transformers.

    Args:
        options: What ``settle`` made of the options and the weights.
    """

    def __init__(self, options: Plan) -> None:
        super().__init__(options)
        self.config = options.config

    def describe(self) -> Description:
        """Facts of the network; shapes and normalisation are those of its weights."""
        usual: Description = self.options.usual
        return usual

    def make(self) -> Any:
        """Transformers' own part of it."""
        with quiet():
            return of_transformers(self.options.kind)(self.config)


def of_transformers(name: str) -> Any:
    """A class of transformers.

    Raises:
        WeightsError: transformers is not installed, or this version does not have the class.
    """
    try:
        return getattr(importlib.import_module("transformers"), name)
    except (ImportError, AttributeError) as error:
        raise WeightsError(
            "this network is built by the package transformers",
            got=str(error),
            hint=INSTALL,
        ) from None


def configure(kind: str, facts: Mapping[str, Any], *, where: str) -> Any:
    """A configuration of transformers from what config.json says.

    Args:
        kind: The configuration's class.
        facts: Its entries.
        where: Whose it is, for messages.

    Raises:
        WeightsError: An entry is not accepted, or transformers is not installed.
    """
    made = of_transformers(kind)
    strict = importlib.import_module("huggingface_hub").errors.StrictDataclassError
    try:
        with quiet():
            return made.from_dict(dict(facts))
    except (TypeError, ValueError, AttributeError, strict) as error:
        raise WeightsError(
            "the configuration is not accepted",
            where=where,
            got=" ".join(str(error).split()),
        ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Without the remarks that transformers prints while it makes something."""
    logging = importlib.import_module("transformers").logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def check_model_type(weights: Weights, expected: Collection[str]) -> str:
    """What config.json says that the weights are of; "" where it does not say.

    Raises:
        WeightsError: They are of another kind of network.
    """
    found = str(weights.config.get("model_type", ""))
    if found and found not in expected:
        raise WeightsError(
            "the configuration is of another network",
            where=weights.source,
            got=f"model_type = {found!r}",
            expected=", ".join(map(repr, expected)),
        )
    return found


def describe(usual: Description, config: Any, weights: Weights, **others: Any) -> Description:
    """A description with what the weights' configurations say of pictures and maps.

    Args:
        usual: What holds where they say nothing.
        config: Of transformers.
        weights: Whose preprocessor_config.json names normalisation and interpolation.
        **others: Further fields of the description.

    Raises:
        WeightsError: They ask for something that is not accepted.
    """
    size = _side(config.image_size, f"{weights.source}, image_size")
    across = size // _side(config.patch_size, f"{weights.source}, patch_size")
    return replace(
        _with_pictures(usual, weights),
        input_size=(size, size),
        maps=(config.hidden_size, across, across),
        variant=f"{config.hidden_act}, {config.num_attention_heads} heads, "
        f"epsilon {config.layer_norm_eps}",
        **others,
    )


def _with_pictures(usual: Description, weights: Weights) -> Description:
    given = weights.pictures
    filters = {str(number): name for number, name in INTERPOLATIONS.items()}
    resample = str(given.get("resample", ""))
    if resample and resample not in filters:
        raise WeightsError(
            "the pictures' interpolation is not accepted",
            where=f"{weights.source}, preprocessor_config.json",
            got=f"resample = {resample}",
            expected=", ".join(f"{number} ({name})" for number, name in filters.items()),
        )
    mean, std = (
        _three(given.get(key, usually), f"{weights.source}, preprocessor_config.json, {key}")
        for key, usually in (("image_mean", usual.mean), ("image_std", usual.std))
    )
    if given.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    interpolation = filters.get(resample, usual.interpolation)
    return replace(usual, mean=mean, std=std, interpolation=interpolation)


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
    if len(sides) != 1 or not isinstance(one := sides.pop(), int):
        raise WeightsError("only square pictures are read", where=where, got=repr(size))
    return one


def as_map(tokens: Tensor) -> Tensor:
    """Tokens of square pictures (n h·w c), row by row, as maps (n c h w)."""
    height = round(tokens.shape[1] ** 0.5)
    return cast(Tensor, tokens.transpose(1, 2).unflatten(2, (height, height)))
