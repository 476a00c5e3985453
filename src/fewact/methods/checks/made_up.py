"""Features of made-up videos and the card of the backbone that they seem to come from."""

import torch
from torch import Tensor

from fewact.backbones.card import Card
from fewact.features.request import CameraRequest, Features, Request
from fewact.methods.base import Method

COURSES_SEED, NOISE = 2000, 0.1
"""Seed of the courses of ``separable_features``, and weight of what is random in each video."""


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


def made_up_text(card: Card, b: int, n: int) -> Tensor:
    """Return random embeddings (b n d) of class names, as long as the card's vectors."""
    generator = torch.Generator().manual_seed(1000)
    return torch.randn(b, n, card.vectors, generator=generator, dtype=torch.float32)


def made_up_features(method: Method, card: Card, *leading: int, seed: int = 0) -> Features:
    """Return random features (… t …) for scoring and training, as non-negative as after a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    return {
        request: _valid(request, _random((*leading, *request.shape(card)), generator))
        for request in _requests(method, card)
    }


def separable_features(method: Method, card: Card, labels: Tensor, seed: int) -> Features:
    """Return features (… t …) of videos of classes that are easy to distinguish.

    All videos of a class show the same random course over time, with a little noise.

    Args:
        method: Method whose requests are answered.
        card: Card of the made-up backbone.
        labels: Classes (…) of the videos.
        seed: Seed of the noise.
    """
    courses, noise = (torch.Generator().manual_seed(one) for one in (COURSES_SEED, seed))
    found: dict[Request, Tensor] = {}
    for request in _requests(method, card):
        shape = request.shape(card)
        course = _random((int(labels.max()) + 1, *shape), courses)[labels]
        other = _random((*labels.shape, *shape), noise)
        found[request] = _valid(request, course + NOISE * (other - course))
    return found


def _random(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float32)


def _requests(method: Method, card: Card) -> tuple[Request, ...]:
    return tuple(dict.fromkeys((*method.requests(card), *method.training_requests(card))))


def _valid(request: Request, values: Tensor) -> Tensor:
    """Return what a request may be answered with, made from values (… t …) from 0 to 1."""
    if isinstance(request, CameraRequest):
        values = values - 0.5  # some cameras moved, others did not
    return (values * 255).to(torch.uint8) if request.dtype == "uint8" else values
