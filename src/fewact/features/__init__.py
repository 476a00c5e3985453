"""Features of videos: what is requested, how it is computed, where it comes from.

``request`` names features, ``views`` decodes and stabilises frames, ``extract`` runs the backbone,
and ``sources`` gives features of videos, arrays or a store. Importing this module loads no torch.
"""

from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Features,
    MovingRequest,
    Request,
    SmallFrameRequest,
    Stabilise,
    View,
    parse_request,
)

__all__ = [
    "CameraRequest",
    "DifferenceImageRequest",
    "DifferenceRequest",
    "FeatureRequest",
    "Features",
    "MovingRequest",
    "Request",
    "SmallFrameRequest",
    "Stabilise",
    "View",
    "parse_request",
]
