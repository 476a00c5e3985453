"""Second-order moments: descriptors of a video's maps over windows of several lengths."""

from fewact.moments.second_order import (
    Descriptor,
    cross_frame,
    from_upper_triangle,
    multi_scale_moments,
    newton_schulz_sqrt,
    upper_triangle,
)
from fewact.moments.third_order import third_order
from fewact.moments.windows import window_times, windows

__all__ = [
    "Descriptor",
    "cross_frame",
    "from_upper_triangle",
    "multi_scale_moments",
    "newton_schulz_sqrt",
    "third_order",
    "upper_triangle",
    "window_times",
    "windows",
]
