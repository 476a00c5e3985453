"""The synthetic benchmark: rendered videos whose classes are orders of elementary motions.

``motions`` makes it. Of each video it knows which frame shows which part, and so how two videos of
a class are rightly aligned.
"""

from fewact.synthetic.benchmark import VERSION, MotionsBenchmark, motions, named
from fewact.synthetic.folder import read_folder, write_folder
from fewact.synthetic.presets import PRESETS
from fewact.synthetic.scene import Scene
from fewact.synthetic.truth import Truth, correspondence

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
