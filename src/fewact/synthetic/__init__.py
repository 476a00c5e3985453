"""The synthetic benchmark: rendered videos whose classes are orders of elementary motions.

``motions`` builds it. The ground truth says which frame of a video shows which part, and so gives
the correct alignment of two videos of a class.
"""

from fewact.synthetic.benchmark import VERSION, MotionsBenchmark, motions, named
from fewact.synthetic.classes import PRESETS
from fewact.synthetic.scene import Scene, Truth, correspondence

__all__ = [
    "PRESETS",
    "VERSION",
    "MotionsBenchmark",
    "Scene",
    "Truth",
    "correspondence",
    "motions",
    "named",
]
