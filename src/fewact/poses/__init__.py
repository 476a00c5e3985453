"""Pose estimators: joints of bodies from the frames of a clip. One file per estimator."""

import importlib
from collections.abc import Callable
from typing import Any

from fewact.core.errors import ExtensionError, OptionError, UserError
from fewact.core.options import AUTO, OFF
from fewact.core.registry import Registry
from fewact.data.joints import parse_joints
from fewact.poses.base import (
    HIGHEST_RATE,
    EstimatesPeople,
    FunctionEstimator,
    Person,
    PoseEstimator,
)

__all__ = [
    "AUTO",
    "HIGHEST_RATE",
    "OFF",
    "EstimatesPeople",
    "Person",
    "PoseEstimator",
    "create",
    "find",
    "names",
    "register",
]

Factory = Callable[[str], PoseEstimator]
"""Makes an estimator from what follows a colon behind its name, such as a file; "" by default."""

ESTIMATORS: Registry[Factory] = Registry(
    "pose estimator",
    {"mediapipe": "fewact.poses.mediapipe:create"},
    group="fewact.poses",
)
register = ESTIMATORS.register


def names() -> tuple[str, ...]:
    """Return the registered names; ``create`` also accepts ``auto`` and ``module:function``."""
    return ESTIMATORS.names()


def create(name: str = AUTO) -> PoseEstimator:
    """Return a pose estimator.

    Args:
        name: One of ``names()``, also followed by a colon and a file of weights; ``auto``; or
            ``module:attribute`` of a ``PoseEstimator``, or of a function from frames (t h w 3) and
            times (t) to joints (t d) that has an attribute ``layout``.

    Raises:
        UnknownNameError: There is no such estimator.
        WeightsError: Its weights are missing; the hint is the command that gets them.
        ExtraError: Its packages are missing.
        ExtensionError: The module of the user cannot be imported, or has no such estimator.
    """
    if name == OFF:
        raise OptionError("this names no estimator", where="pose", got=repr(OFF))
    if name == AUTO:
        return create(names()[0]) if (found := find()) is None else found
    known, colon, rest = name.partition(":")
    if colon and known not in names():
        return _of_user(name, known, rest)
    return ESTIMATORS.get(known)(rest)


def find(name: str = AUTO) -> PoseEstimator | None:
    """Return the estimator of a name; None for ``off``, and where ``auto`` finds no weights."""
    if name == OFF:
        return None
    if name != AUTO:
        return create(name)
    for candidate in names():
        try:
            return create(candidate)
        except UserError:
            continue
    return None


def _of_user(name: str, module: str, attribute: str) -> PoseEstimator:
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # The module is not ours: it may raise anything.
        raise ExtensionError(
            "this pose estimator cannot be imported",
            where=name,
            got=f"{type(error).__name__}: {error}",
            expected=f"module:function, or one of {', '.join(names())}",
        ) from error
    if isinstance(found, PoseEstimator):
        return found
    layout = getattr(found, "layout", None)
    if not callable(found) or not isinstance(layout, str):
        raise ExtensionError(
            "this is no pose estimator",
            where=name,
            got=type(found).__name__,
            expected='a function with an attribute layout, such as "coco17:xyc"',
        )
    parse_joints(layout)
    return FunctionEstimator(name, layout, found)
