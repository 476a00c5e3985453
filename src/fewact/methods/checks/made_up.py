"""Features of made-up videos and the card of the backbone that they seem to come from."""

import torch
from torch import Tensor

from fewact.backbones.card import Card
from fewact.features.request import CameraMotionRequest, Features, Request
from fewact.methods.base import Method


def made_up_card(*, maps: bool = True) -> Card:
    """Return the card of a made-up backbone, with maps or with vectors alone."""
    return Card(
        name="made-up",
        input_size=(16, 16),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        vectors=12,
        maps=(10, 3, 3) if maps else None,
        middle=(6, 8, 8) if maps else None,
        shallow=(5, 16, 16) if maps else None,
        parameters=0,
        licence="none",
        weights="none",
        weights_sha256="",
        trained_on=(),
    )


def made_up_text(card: Card, b: int, n: int, seed: int = 0) -> Tensor:
    """Return random embeddings (b n d) of class names, as long as the card's vectors."""
    generator = torch.Generator().manual_seed(1000 + seed)
    return torch.randn(b, n, card.vectors, generator=generator)


def made_up_features(method: Method, card: Card, *leading: int, seed: int = 0) -> Features:
    """Return random features (… t …) for scoring and training, as non-negative as after a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[Request, Tensor] = {}
    for request in dict.fromkeys((*method.requests(card), *method.training_requests(card))):
        values = torch.rand(*leading, *request.shape(card), generator=generator)
        if isinstance(request, CameraMotionRequest):
            affine = torch.eye(2, 3).flatten() + 0.2 * (values[..., 1:] - 0.5)
            log_odds = values[..., :1, :1] - 0.5  # some cameras moved, others did not
            values = torch.cat([log_odds.expand_as(values[..., :1]), affine], -1)
        found[request] = (values * 255).to(torch.uint8) if request.dtype == "uint8" else values
    return found
