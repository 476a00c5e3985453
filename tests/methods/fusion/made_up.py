"""Features and methods for the tests of fusion."""

from typing import Any

import torch

from benchmarks.fusion_variants import with_fields
from fewact import methods
from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Request,
    SmallFrameRequest,
    View,
)
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import Motion
from tests.methods.made_up import make_card, make_features

VECTORS, MIDDLE = FeatureRequest("vectors", View(8)), FeatureRequest("middle", View(8))
CAMERA = CameraRequest(View(32, "auto"))
SMALL, DIFFERENCES, IMAGES = (
    request(View(32, "auto"))
    for request in (SmallFrameRequest, DifferenceRequest, DifferenceImageRequest)
)
PERMISSIVE_SMALL, PERMISSIVE_DIFFERENCES, PERMISSIVE_IMAGES = (
    request(View(32, "permissive"))
    for request in (SmallFrameRequest, DifferenceRequest, DifferenceImageRequest)
)
MOVING = {"cameras": "moving"}


def create(**options: Any) -> Fusion:
    method = methods.create("fusion", **options)
    assert isinstance(method, Fusion)
    return method.double().eval()


def changed(method: Fusion, **fields: Any) -> Fusion:
    """Change fields of the method's motion terms."""
    method.map_terms = with_fields(method.map_terms, Motion, **fields)
    return method


def features(*leading: int, seed: int = 0, maps: bool = True) -> dict[Request, torch.Tensor]:
    found = make_features(create(), make_card(maps=maps), *leading, seed=seed)
    return {request: values.double() for request, values in found.items()}


def of_one_view(found: dict[Request, torch.Tensor]) -> dict[Request, torch.Tensor]:
    """The same features where the permissive estimate is the conservative one."""
    return {
        **found,
        PERMISSIVE_SMALL: found[SMALL],
        PERMISSIVE_DIFFERENCES: found[DIFFERENCES],
        PERMISSIVE_IMAGES: found[IMAGES],
    }
