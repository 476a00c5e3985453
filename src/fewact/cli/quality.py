"""``--quality``: the size of frames, the backbone and the options that it sets."""

from dataclasses import replace
from typing import Annotated, Any, Literal

import typer

from fewact.cli.options import BackboneOptions, parse_options
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


def backbone_options(
    options: BackboneOptions, quality: QualityChoice, method: str
) -> BackboneOptions:
    """Return the options of a backbone with the network and the size of a quality.

    A size that was requested stays.

    Args:
        options: Options of the command line.
        quality: Quality.
        method: Name of the method.

    Raises:
        OptionError: The quality does not apply, or it needs another backbone than the requested
            one.
    """
    if quality == "normal":
        return options
    from fewact import backbones
    from fewact.methods.quality import quality_of

    chosen = quality_of(quality, method)
    if chosen.backbone != "auto":
        named = chosen.backbone if options.backbone in (None, "auto") else options.backbone
        own = (named, options.weights or "default")
        if own != (chosen.backbone, "default"):
            raise OptionError(
                "this quality has a backbone of its own",
                where="--quality",
                got=f"{quality}, backbone {own[0]}, weights {own[1]}",
                expected=f"the backbone {chosen.backbone} with its default weights",
                hint="With another backbone, --option motion_frames=48 compares more frames of "
                "motion.",
            )
        options = replace(options, backbone=chosen.backbone)
    size = chosen.size if options.size is None else 0
    reads_it = backbones.describe(options.backbone or "auto").any_size
    return replace(options, size=size) if size and reads_it else options
