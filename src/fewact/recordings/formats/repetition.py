"""A repetition within an event."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Repetition:
    """An action, performed once.

    Args:
        start: Start, in seconds of the recording.
        end: End, in seconds of the recording.
        motion_range: Range of the angle of a joint, in degrees; None without joints.
        joint: Joint of this angle; empty without joints.
    """

    start: float
    end: float
    motion_range: float | None = None
    joint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are known, for JSON: milliseconds and tenths of degrees."""
        fields: dict[str, Any] = {"start": round(self.start, 3), "end": round(self.end, 3)}
        if self.motion_range is not None:
            fields |= {"motion_range": round(self.motion_range, 1), "joint": self.joint}
        return fields
