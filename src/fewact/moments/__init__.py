"""Second-order moments: descriptors of a video's maps over windows of several lengths."""

from fewact.moments.cross_frame import cross_frame
from fewact.moments.multi_scale import Descriptor, multi_scale_moments
from fewact.moments.root import newton_schulz_sqrt
from fewact.moments.third_order import third_order
from fewact.moments.triangle import from_upper_triangle, upper_triangle
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
