"""Fusion: the default, a weighted sum of similarities, not trained on real videos; ours.

``terms`` defines the similarities: appearance, motion and second-order moments. ``weighted_terms``
adds them up, as ``options`` chooses them. ``motion_network`` sees motion in images of differences.
``camera_weight`` estimates from the support whether the camera is static. ``crop`` and
``permissive`` prepare feature maps. ``method`` is the method.
"""

from fewact.methods.fusion.method import Fusion, FusionState
from fewact.methods.fusion.options import FusionOptions, TermWeights

__all__ = ["Fusion", "FusionOptions", "FusionState", "TermWeights"]
