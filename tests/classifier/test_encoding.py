"""Nodes of clips."""

import torch

from fewact.backbones import Backbone
from fewact.classifier.class_names import IMAGE_EMBEDDING
from fewact.classifier.encoding import ClipEncoder
from fewact.classifier.orientation import ORIENTATIONS
from fewact.classifier.pipeline import Pipeline
from tests.methods.test_checks import Nearest, Options


@torch.inference_mode()
def test_a_method_gets_no_features_that_it_does_not_request(backbone: Backbone) -> None:
    pipeline = Pipeline(backbone, Nearest(Options()))
    encoder = ClipEncoder(pipeline, None, image_embedding=True, orientations=True)
    requests = encoder.requests(backbone.card)
    dtypes = {request: getattr(torch, request.dtype) for request in requests}
    features = {r: torch.zeros(r.shape(backbone.card), dtype=dtypes[r]) for r in requests}
    assert len(features) > 1
    assert encoder.encode(features).keys() == {"mean", IMAGE_EMBEDDING, ORIENTATIONS}
