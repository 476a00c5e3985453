"""The option ``--quality``: how much time the default method spends for accuracy."""

from typing import Annotated, Literal

import typer

from fewact.core.errors import OptionError
from fewact.methods import QUALITIES, quality_of
from fewact.networks import BackboneSpec, describe

QualityName = Literal["fast", "normal", "best"]

Quality = Annotated[
    QualityName,
    typer.Option(
        metavar="NAME",
        help="Time that the default method spends for accuracy: fast (sets --size 160 and "
        "--option frames=5), normal, or best (sets --backbone efficientnet-lite0-lite1, "
        "--size 192 and --option motion_frames=48).",
        rich_help_panel="Method",
    ),
]


def check_quality(quality: QualityName, method: str, *, features: bool) -> None:
    """Refuse a quality if the method is not the default one, or if the clips are features."""
    if features and quality != "normal":
        raise OptionError("features have no quality", where="--quality", got=quality)
    quality_of(quality, method)


def backbone_of(requested: BackboneSpec, quality: QualityName) -> BackboneSpec:
    """Return a backbone with the network and the size of a quality; a requested size stays."""
    preset = QUALITIES[quality]
    if preset.backbone != "auto":
        named = preset.backbone if requested.name == "auto" else requested.name
        if (named, requested.weights) != (preset.backbone, "default"):
            raise OptionError(
                "this quality has a backbone of its own",
                where="--quality",
                got=f"{quality}, backbone {named}, weights {requested.weights}",
                expected=f"the backbone {preset.backbone} with its default weights",
                hint="With another backbone, --option motion_frames=48 compares more frames of "
                "motion.",
            )
        requested = requested.model_copy(update={"name": preset.backbone})
    if "size" in requested.model_fields_set or not describe(requested.name).any_size:
        return requested
    return requested.model_copy(update={"size": preset.size}) if preset.size else requested
