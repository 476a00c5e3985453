"""The contract of pose estimators: frames of a clip to the joints of the bodies in them.

A frame's joints are a vector (d) whose numbers a layout names, see ``fewact.data.joints``. The unit
of x and y is the height of the frame: (0, 0) is its top left corner and (width / height, 1) its
bottom right one, so that angles and lengths are those of the picture. A joint may be outside of the
frame. A joint with the confidence 0 is missing; a frame without a body is all zeros.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import ExtensionError
from fewact.data.joints import parse_joints

HIGHEST_RATE = 16.0
"""Most frames a second that are worth estimating: joints between them are interpolated."""


@runtime_checkable
class PoseEstimator(Protocol):
    """Estimator of the joints of one body, the main one if there are several."""

    @property
    def name(self) -> str:
        """Name by which ``fewact.poses.create`` makes this estimator again."""
        ...

    @property
    def layout(self) -> str:
        """Layout of the joints, such as ``pose33:xyzc``."""
        ...

    def estimate(
        self, frames: Iterable[NDArray[np.uint8]], times: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the joints (t d) of the frames of a clip.

        The frames are those of one clip in their order, so that a body can be followed. An
        estimator keeps nothing from one call to the next.

        Args:
            frames: RGB frames (h w 3), all of one size: an array (t h w 3), or an iterable that
                is read once.
            times: Times (t) of the frames, in seconds, ascending.
        """
        ...


@dataclass(frozen=True, eq=False)
class Person:
    """One of several bodies in a clip.

    Args:
        joints: Joints (t d) of the clip's frames; zeros where the body is not found.
        boxes: Left, top, width and height (t 4) of the body, in heights of the frame; zeros
            where it is not found.
    """

    joints: NDArray[np.float32]
    boxes: NDArray[np.float32]


@runtime_checkable
class EstimatesPeople(Protocol):
    """Optional part of an estimator: the joints and the boxes of all bodies."""

    def estimate_people(
        self, frames: Iterable[NDArray[np.uint8]], times: NDArray[np.float64]
    ) -> list[Person]:
        """Return each body that was followed, the one found in most frames first.

        Args:
            frames: As for ``PoseEstimator.estimate``.
            times: As for ``PoseEstimator.estimate``.
        """
        ...


@dataclass(frozen=True)
class FunctionEstimator:
    """Function of the user's as an estimator.

    Args:
        name: ``module:function``.
        layout: Layout of the joints that it returns.
        function: Returns the joints (t d) of frames (t h w 3), uint8, at times (t).
    """

    name: str
    layout: str
    function: Any = field(repr=False)

    def estimate(
        self, frames: Iterable[NDArray[np.uint8]], times: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the joints of frames, see ``PoseEstimator.estimate``."""
        stack = frames if isinstance(frames, np.ndarray) else np.stack(list(frames))
        values = np.asarray(self.function(stack, times), np.float32)
        expected = len(stack), parse_joints(self.layout).width
        if values.shape != expected or not np.isfinite(values).all():
            raise ExtensionError(
                "this pose estimator returned something else than the joints of the frames",
                where=self.name,
                got=f"an array {values.shape}",
                expected=f"finite numbers {expected}",
            )
        return values
