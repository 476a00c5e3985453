"""``--quality``: the options of the method and the size of frames that it sets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from fewact.cli.options import BackboneOptions, parse_options
from fewact.errors import OptionError


class QualityChoice(StrEnum):
    """How much time the default method spends for accuracy."""

    FAST = "fast"
    NORMAL = "normal"
    BEST = "best"


Quality = Annotated[
    QualityChoice,
    typer.Option(
        metavar="NAME",
        help="Time that the default method spends for accuracy: fast, which sets --size 160 "
        "and its option weights, normal, or best, which sets its option frames.",
    ),
]


def method_options(
    texts: Sequence[str] | None, quality: QualityChoice, method: str, *, features: bool
) -> dict[str, Any]:
    """Return the options of a method: those of the quality, replaced by those of the texts.

    Args:
        texts: KEY=VALUE texts of the command line.
        quality: Quality.
        method: Name of the method.
        features: Whether the data are features instead of videos.

    Raises:
        OptionError: A text is invalid, or the quality does not apply.
    """
    options = parse_options(texts or ())
    if quality is QualityChoice.NORMAL:
        return options
    from fewact.methods.quality import quality_of

    if features:
        raise OptionError("features have no quality", where="--quality", got=quality.value)
    return _replaced(quality_of(quality.value, method).options, options)


def _replaced(options: Mapping[str, Any], by: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with others in their place; those that have keys are replaced key by key."""
    own = {
        name: {**options[name], **value}
        for name, value in by.items()
        if isinstance(value, dict) and isinstance(options.get(name), Mapping)
    }
    return {**options, **by, **own}


def backbone_options(
    options: BackboneOptions, quality: QualityChoice, method: str
) -> BackboneOptions:
    """Return the options of a backbone with the size of a quality, unless one was requested.

    Args:
        options: Options of the command line.
        quality: Quality.
        method: Name of the method.

    Raises:
        OptionError: The quality does not apply.
    """
    if quality is QualityChoice.NORMAL or options.size is not None:
        return options
    from fewact import backbones
    from fewact.methods.quality import quality_of

    size = quality_of(quality.value, method).size
    reads_it = backbones.describe(options.backbone or "auto").any_size
    return replace(options, size=size) if size and reads_it else options
