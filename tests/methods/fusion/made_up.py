"""Features and methods for the tests of fusion."""

from typing import Any

import torch

from benchmarks.fusion_variants import with_fields
from fewact import methods
from fewact.features.request import (
    CameraMotionRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Request,
    View,
)
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import Motion
from tests.methods.made_up import make_card, make_features

VECTORS, FULL_FRAME = FeatureRequest("vectors", View(8)), FeatureRequest("middle", View(8))
STABILISED = FeatureRequest("middle", View(24, "auto"))
SHALLOW = FeatureRequest("shallow", View(24, "auto"))
CAMERA = CameraMotionRequest(View(24, "auto"))
DIFFERENCES = DifferenceRequest(View(24, "auto"))
PERMISSIVE_DIFFERENCES = DifferenceRequest(View(24, "permissive"))
IMAGES = DifferenceImageRequest(View(24, "auto"))
PERMISSIVE_IMAGES = DifferenceImageRequest(View(24, "permissive"))
FEW = View(8, "auto", of=24)
"""Frames of moments."""
OF_MOMENTS, CAMERA_OF_MOMENTS = FeatureRequest("middle", FEW), CameraMotionRequest(FEW)
IDENTITY = torch.eye(2, 3, dtype=torch.float64).flatten()
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
    """Features of videos whose cameras all moved."""
    found = make_features(create(), make_card(maps=maps), *leading, seed=seed)
    if maps:
        found[CAMERA][..., 0] = found[CAMERA][..., 0].abs()
        for part, whole in ((OF_MOMENTS, STABILISED), (CAMERA_OF_MOMENTS, CAMERA)):
            found[part] = found[whole][(*(slice(None) for _ in leading), FEW.positions)]
    return {request: values.double() for request, values in found.items()}


def is_maps(request: Request) -> bool:
    return isinstance(request, FeatureRequest) and request.level in ("middle", "shallow")


def without_motion_of_camera(
    found: dict[Request, torch.Tensor],
) -> dict[Request, torch.Tensor]:
    """The same features where the permissive estimate is the conservative one."""
    still = {
        one: torch.cat([found[one][..., :1], IDENTITY.expand_as(found[one][..., 1:])], -1)
        for one in (CAMERA, CAMERA_OF_MOMENTS)
    }
    equal = {PERMISSIVE_DIFFERENCES: found[DIFFERENCES], PERMISSIVE_IMAGES: found[IMAGES]}
    return {**found, **still, **equal}
