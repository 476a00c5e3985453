"""Fusion: the default, a weighted sum of similarities, not trained on real videos; ours.

``terms`` defines the similarities: appearance, motion and second-order moments. ``weighted_terms``
adds them up, with weights that the support decides; ``vectors`` does so for a backbone without
maps. ``motion_network`` sees motion in images of differences. ``crop`` prepares maps and images.
``method`` has the options and the method.
"""

from fewact.methods.fusion.method import Fusion, FusionOptions, FusionState, TermWeights

__all__ = ["Fusion", "FusionOptions", "FusionState", "TermWeights"]
