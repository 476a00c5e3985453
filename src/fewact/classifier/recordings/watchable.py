"""Which classifiers can watch recordings, with which arguments, and how long windows last."""

import math
from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np

from fewact.backbones import Backbone
from fewact.classifier.fitted import Fitted
from fewact.core.errors import ModelError, OptionError

LENGTH_RATIO = 1.25
"""Ratio of the durations of training clips from which there is one more window length."""

MOST_LENGTHS = 3


def check_watchable(fitted: Fitted) -> tuple[Backbone, tuple[float, ...]]:
    """Return the backbone of a classifier that can watch recordings, and its ``window_lengths``.

    Raises:
        ModelError: The classifier is one of precomputed features, or does not know the durations
            of its training clips.
    """
    backbone = fitted.pipeline.backbone
    if not isinstance(backbone, Backbone):
        raise ModelError(
            "a classifier of precomputed features cannot watch a recording",
            hint="Teach a classifier from videos.",
        )
    return backbone, window_lengths(fitted.examples.durations)


def check_arguments(fps: float | None, ahead: int) -> None:
    """Check the arguments of a stream.

    Args:
        fps: Frames per second; None if they are not known.
        ahead: Number of windows that may wait.

    Raises:
        OptionError: ``fps`` is neither None nor above 0, or ``ahead`` is not an integer, or
            negative.
    """
    if fps is not None and not (isinstance(fps, Real) and math.isfinite(fps) and fps > 0):
        raise OptionError(
            "invalid frame rate", where="fps", got=repr(fps), expected="frames per second, > 0"
        )
    if not (isinstance(ahead, Integral) and ahead >= 0):
        raise OptionError(
            "invalid number of windows", where="ahead", got=repr(ahead), expected="an integer, >= 0"
        )


def window_lengths(durations: Sequence[float]) -> tuple[float, ...]:
    """Return the durations of windows for training clips of these durations, ascending.

    They are spread evenly, in their ratios, from the lower to the upper quartile of the durations.

    Args:
        durations: Known durations of the training clips, in seconds.

    Raises:
        ModelError: There is none.

    >>> window_lengths([2.0, 2.0, 2.1])
    (2.0,)
    >>> window_lengths([1.0, 2.0, 4.0, 4.0])
    (1.75, 2.646, 4.0)
    """
    if not durations:
        raise ModelError(
            "the model does not know how long its training clips are",
            hint="Teach again from the clips.",
        )
    low, high = np.quantile(durations, (0.25, 0.75))
    count = min(MOST_LENGTHS, 1 + int(math.log(high / low) / math.log(LENGTH_RATIO)))
    if count == 1:
        return (round(float(np.median(durations)), 3),)
    return tuple(float(x) for x in np.geomspace(low, high, count).round(3))
