"""How much time the default method spends for accuracy: a backbone, a size and options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fewact.core.errors import OptionError, did_you_mean


@dataclass(frozen=True)
class Quality:
    """What a word for the time means.

    Args:
        size: Height and width that frames are resized to, by a network that reads several sizes;
            0 means the default of the backbone.
        backbone: Name of the backbone.
        options: Options of the method.
    """

    size: int = 0
    backbone: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)


QUALITIES: Mapping[str, Quality] = {
    "fast": Quality(size=160, options={"frames": 5}),
    "normal": Quality(),
    "best": Quality(size=192, backbone="efficientnet-lite0-lite1", options={"motion_frames": 48}),
}
"""Times and accuracies are in docs/results/accuracy.md."""

METHODS = ("auto", "fusion")
"""Methods that have qualities."""


def quality_of(quality: str, method: str) -> Quality:
    """Return what a quality of the default method means.

    Args:
        quality: ``fast``, ``normal`` or ``best``.
        method: Name of the method.

    Raises:
        OptionError: The quality is unknown, or the method has none besides ``normal``.

    >>> quality_of("best", "fusion").backbone
    'efficientnet-lite0-lite1'
    """
    if quality not in QUALITIES:
        raise OptionError(
            "unknown quality",
            got=repr(quality),
            expected=", ".join(QUALITIES),
            hint=did_you_mean(quality, QUALITIES),
        )
    if quality != "normal" and method not in METHODS:
        raise OptionError(
            "only the default method has qualities",
            where="quality",
            got=f"{quality}, method {method}",
            expected="the method fusion",
            hint="Change options of the method instead.",
        )
    return QUALITIES[quality]
