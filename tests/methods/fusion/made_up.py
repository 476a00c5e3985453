"""Features and methods for the tests of fusion."""

from typing import Any

import torch

from benchmarks.fusion_variants import with_fields, with_weights
from fewact import methods
from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    MovingRequest,
    Request,
    SmallFrameRequest,
    View,
)
from fewact.lab.methods.promises.subject import made_up_card, made_up_features
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import MotionTerm

VECTORS, MIDDLE = FeatureRequest("vectors", View(8)), FeatureRequest("middle", View(8))
MOVING = MovingRequest(view=View(8))
CAMERA = CameraRequest(View(32, "auto"))
SMALL, DIFFERENCES, IMAGES = (
    request(View(32, "auto"))
    for request in (SmallFrameRequest, DifferenceRequest, DifferenceImageRequest)
)


def create(**options: Any) -> Fusion:
    method = methods.create("fusion", **options)
    assert isinstance(method, Fusion)
    return method.double().eval()


def changed(method: Fusion, **fields: Any) -> Fusion:
    """Change fields of the method's motion terms."""
    method.map_terms = with_fields(method.map_terms, MotionTerm, **fields)
    return method


def features(
    *leading: int, seed: int = 0, maps: bool = True, **options: Any
) -> dict[Request, torch.Tensor]:
    found = made_up_features(create(**options), made_up_card(maps=maps), *leading, seed=seed)
    return {request: values.double() for request, values in found.items()}


def weighted(weights: dict[str, float], **options: Any) -> Fusion:
    """Return the method with other weights of some terms, by the names of their nodes."""
    method = create(**options)
    method.map_terms = with_weights(method.map_terms, weights)
    return method
