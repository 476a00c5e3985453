"""Fusion: the default, a weighted sum of similarities, not trained on real videos; ours.

``terms`` defines the similarities: appearance, motion and second-order moments. ``weighted_terms``
adds them up, as ``options`` chooses them; ``vectors`` does so for a backbone without maps.
``camera_weight``, ``permissive`` and ``mismatch`` decide weights from the support and the query.
``motion_network`` sees motion in images of differences. ``crop`` and ``channel_mixing`` prepare
feature maps. ``method`` is the method.
"""

from fewact.methods.fusion.method import Fusion, FusionOptions, FusionState, TermWeights

__all__ = ["Fusion", "FusionOptions", "FusionState", "TermWeights"]
