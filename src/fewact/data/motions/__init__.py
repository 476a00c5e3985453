"""The synthetic benchmark: rendered videos whose classes are orders of elementary motions.

``motions`` makes it. Of each video it knows which frame shows which part, and so how two videos of
a class are rightly aligned.
"""

from fewact.data.motions.benchmark import VERSION, MotionsBenchmark, motions, named
from fewact.data.motions.folder import read_folder, write_folder
from fewact.data.motions.presets import PRESETS
from fewact.data.motions.scene import Scene
from fewact.data.motions.truth import Truth, correspondence

__all__ = [
    "PRESETS",
    "VERSION",
    "MotionsBenchmark",
    "Scene",
    "Truth",
    "correspondence",
    "motions",
    "named",
    "read_folder",
    "write_folder",
]
