"""How much time the default method spends for accuracy: options for a word."""

from collections.abc import Mapping
from typing import Any

from fewact.errors import OptionError, did_you_mean

QUALITIES: Mapping[str, Mapping[str, Any]] = {
    "fast": {"weights": {"motion": 0, "shallow_motion": 2, "moments": 0}},
    "normal": {},
    "best": {"frames": 24, "motion_frames": 24},
}
"""Options of ``fusion``, see docs/results/quality.md. Where ``motion_frames`` is an odd multiple of
``frames``, these are among those, and run through the network once where the camera is static."""

METHODS = ("auto", "fusion")
"""Methods that have qualities."""


def quality_options(quality: str, method: str) -> dict[str, Any]:
    """Return the options of the default method for a quality.

    Args:
        quality: ``fast``, ``normal`` or ``best``.
        method: Name of the method.

    Raises:
        OptionError: The quality is unknown, or the method has none besides ``normal``.

    >>> quality_options("best", "fusion")
    {'frames': 24, 'motion_frames': 24}
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
    return dict(QUALITIES[quality])
