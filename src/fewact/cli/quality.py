"""``--quality``: the size of frames, the backbone and the options that it sets."""

from typing import Annotated, Any, Literal

import typer

from fewact.backbones import BackboneSpec
from fewact.cli.options import parse_options
from fewact.core.errors import OptionError

QualityChoice = Literal["fast", "normal", "best"]
"""How much time the default method spends for accuracy."""

Quality = Annotated[
    QualityChoice,
    typer.Option(
        metavar="NAME",
        help="Time that the default method spends for accuracy: fast (sets --size 160 and "
        "--option frames=5), normal, or best (sets --backbone efficientnet-lite0-lite1, "
        "--size 192 and --option motion_frames=48).",
    ),
]


def check_quality(quality: QualityChoice, method: str, *, features: bool) -> None:
    """Refuse a quality that does not apply.

    Args:
        quality: Quality.
        method: Name of the method.
        features: Whether the data are features instead of videos.

    Raises:
        OptionError: The method has no qualities, or features have none.
    """
    if quality == "normal":
        return
    from fewact.methods.quality import quality_of

    if features:
        raise OptionError("features have no quality", where="--quality", got=quality)
    quality_of(quality, method)


def method_options(
    requested: list[str] | None, quality: QualityChoice, method: str
) -> dict[str, Any]:
    """Return the options of a method: those of the quality, and those that were requested.

    Args:
        requested: Values of ``--option``.
        quality: Quality.
        method: Name of the method.

    Raises:
        OptionError: The quality does not apply, or an option is no NAME=VALUE.
    """
    found = parse_options(requested or ())
    if quality == "normal":
        return found
    from fewact.methods.quality import quality_of

    return {**quality_of(quality, method).options, **found}


def backbone_of(requested: BackboneSpec, quality: QualityChoice, method: str) -> BackboneSpec:
    """Return a backbone with the network and the size of a quality.

    A size that was requested stays.

    Args:
        requested: Backbone of the command line.
        quality: Quality.
        method: Name of the method.

    Raises:
        OptionError: The quality does not apply, or it needs another backbone than the requested
            one.
    """
    if quality == "normal":
        return requested
    from fewact import backbones
    from fewact.methods.quality import quality_of

    chosen = quality_of(quality, method)
    if chosen.backbone != "auto":
        named = chosen.backbone if requested.name == "auto" else requested.name
        own = (named, requested.weights)
        if own != (chosen.backbone, "default"):
            raise OptionError(
                "this quality has a backbone of its own",
                where="--quality",
                got=f"{quality}, backbone {own[0]}, weights {own[1]}",
                expected=f"the backbone {chosen.backbone} with its default weights",
                hint="With another backbone, --option motion_frames=48 compares more frames of "
                "motion.",
            )
        requested = requested.model_copy(update={"name": chosen.backbone})
    size = 0 if "size" in requested.model_fields_set else chosen.size
    reads_it = backbones.describe(requested.name).any_size
    return requested.model_copy(update={"size": size}) if size and reads_it else requested
