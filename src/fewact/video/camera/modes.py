"""Modes of stabilisation. Importing this module loads no torch."""

from typing import Literal

Stabilise = Literal["off", "auto", "on", "permissive"]
"""Whether camera motion is removed: never, where the camera moved, always, or where it moved, by
the permissive estimate."""
