"""Fusion: the training-free default, a weighted sum of similarities; ours.

``terms`` defines the similarities: appearance, motion and second-order moments. ``weighted_terms``
adds them up. ``camera_weight`` estimates from the support whether the camera is static. ``crop``
and ``permissive`` prepare feature maps. ``method`` is the method with its options.
"""

from fewact.methods.fusion.method import Fusion, FusionOptions, FusionState, TermWeights

__all__ = ["Fusion", "FusionOptions", "FusionState", "TermWeights"]
