"""``--quality``, and the options of a method that it and ``--option`` set."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from fewact.cli.options import parse_options
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
        help="Time that the default method spends for accuracy: fast, normal or best. They set its "
        "options frames, motion_frames and weights.",
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
    from fewact.methods.quality import quality_options

    if features:
        raise OptionError("features have no quality", where="--quality", got=quality.value)
    return {**quality_options(quality.value, method), **options}
