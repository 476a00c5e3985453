"""A frame of a video that overlapping clips share, with values that were computed from it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

Image = TypeVar("Image")
Value = TypeVar("Value")


class SharedFrame(Generic[Image]):
    """Frame that caches the values of functions of it, or of it and a later frame.

    Args:
        image: The frame.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self._values: dict[object, Any] = {}

    def of(self, compute: "Callable[[SharedFrame[Image]], Value]") -> Value:
        """Return a function's value for this frame; it is computed once."""
        if compute not in self._values:
            self._values[compute] = compute(self)
        value: Value = self._values[compute]
        return value

    def with_later(
        self,
        later: "SharedFrame[Image]",
        compute: "Callable[[SharedFrame[Image], SharedFrame[Image]], Value]",
    ) -> Value:
        """Return a function's value for this frame and a later frame; it is computed once.

        The earlier frame keeps the value, so that a frame keeps no frames before it alive.
        """
        key = compute, later
        if key not in self._values:
            self._values[key] = compute(self, later)
        value: Value = self._values[key]
        return value


def shared(frames: "Iterable[Image] | Sequence[SharedFrame[Image]]") -> list[SharedFrame[Image]]:
    """Return frames as shared frames; frames that are shared already are returned unchanged."""
    return [frame if isinstance(frame, SharedFrame) else SharedFrame(frame) for frame in frames]
