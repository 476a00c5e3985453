"""Features and methods for the tests of fusion."""

from typing import Any

from numpy.typing import NDArray

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
from fewact.lab.methods.adapters import on_tensors
from fewact.lab.methods.promises.subject import made_up_features
from fewact.methods.cards import made_up_card
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
    return method


def changed(method: Fusion, **fields: Any) -> Fusion:
    """Change fields of the method's motion terms."""
    method.terms = with_fields(method.terms, MotionTerm, **fields)
    return method


def features(*leading: int, seed: int = 0, **options: Any) -> dict[Request, NDArray[Any]]:
    """Return random features (… t …) in float64."""
    method = on_tensors(create(**options))
    found = made_up_features(method, made_up_card(), *leading, seed=seed)
    return {request: values.double().numpy() for request, values in found.items()}


def weighted(weights: dict[str, float], **options: Any) -> Fusion:
    """Return the method with other weights of some terms, by the names of their nodes."""
    method = create(**options)
    method.terms = with_weights(method.terms, weights)
    return method
