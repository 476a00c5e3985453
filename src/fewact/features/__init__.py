"""Features of videos: what is requested, how it is computed and stored.

``request`` names features, ``views`` decodes and stabilises frames, ``extract`` runs the backbone,
``store`` keeps features in a folder, and ``precomputed`` describes features that were computed
elsewhere.
"""

from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Features,
    JointRequest,
    MovingRequest,
    Request,
    SmallFrameRequest,
    Stabilise,
    View,
)

__all__ = [
    "CameraRequest",
    "DifferenceImageRequest",
    "DifferenceRequest",
    "FeatureRequest",
    "Features",
    "JointRequest",
    "MovingRequest",
    "Request",
    "SmallFrameRequest",
    "Stabilise",
    "View",
]
