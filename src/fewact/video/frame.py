"""A frame of a video that overlapping clips share, with what was computed of it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

Image = TypeVar("Image")
Value = TypeVar("Value")


class SharedFrame(Generic[Image]):
    """Frame, and what was computed of it alone or of it and a later one: each is computed once.

    Args:
        image: The frame.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self._values: dict[object, Any] = {}

    def of(self, compute: "Callable[[SharedFrame[Image]], Value]") -> Value:
        """Return what a function returns for this frame."""
        if compute not in self._values:
            self._values[compute] = compute(self)
        value: Value = self._values[compute]
        return value

    def with_later(
        self,
        later: "SharedFrame[Image]",
        compute: "Callable[[SharedFrame[Image], SharedFrame[Image]], Value]",
    ) -> Value:
        """Return what a function returns for this frame and a later one.

        The earlier frame keeps it, so that no frame keeps those that are forgotten.
        """
        key = compute, later
        if key not in self._values:
            self._values[key] = compute(self, later)
        value: Value = self._values[key]
        return value


def shared(frames: "Iterable[Image] | Sequence[SharedFrame[Image]]") -> list[SharedFrame[Image]]:
    """Return frames as shared ones; those that are shared already stay what they are."""
    return [frame if isinstance(frame, SharedFrame) else SharedFrame(frame) for frame in frames]
