"""Camera motion: estimated, removed, and simulated."""

from typing import Literal

Stabilise = Literal["off", "auto", "on"]
"""Whether camera motion is removed: never, where the camera moved, or always."""
