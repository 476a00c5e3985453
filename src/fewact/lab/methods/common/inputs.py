"""Inputs of methods with learnable weights: vectors and class texts of a known length."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fewact.core.array_api import check_shape
from fewact.core.errors import OptionError, ShapeError
from fewact.features.request import FeatureRequest, View
from fewact.lab.methods.base import Features, promoted
from fewact.networks.card import Card


def frame_vectors(features: Features, frames: int, width: int) -> Tensor:
    """Return the vectors (… t d) of videos, promoted to float32 at least, after checking them."""
    vectors = _of_request(features, FeatureRequest("vectors", View(frames)))
    check_shape(vectors, f"… {frames} d", "vectors")
    _check_size("vectors", vectors.shape[-1], width, "vector_width")
    return vectors.to(promoted(vectors))


def map_request(card: Card, frames: int) -> FeatureRequest:
    """Return the request for maps, or for vectors of a backbone without maps."""
    return FeatureRequest("maps" if card.has("maps") else "vectors", View(frames))


def frame_maps(features: Features, frames: int, channels: int) -> Tensor:
    """Return maps (… t c h w) of ``map_request``, float32 at least; vectors are 1×1 maps."""
    maps = features.get(FeatureRequest("maps", View(frames)))
    if maps is None:
        vectors = _of_request(features, FeatureRequest("vectors", View(frames)))
        check_shape(vectors, f"… {frames} d", "vectors")
        maps = vectors[..., None, None]
    check_shape(maps, f"… {frames} c h w", "maps")
    _check_size("maps", maps.shape[-3], channels, "map_channels")
    return maps.to(promoted(maps))


def _check_size(where: str, got: int, expected: int, option: str, hint: str = "") -> None:
    if got != expected:
        raise ShapeError(
            "the method was made for another size",
            where=where,
            got=str(got),
            expected=str(expected),
            hint=hint or f"Make the method with option {option}={got}.",
        )


def _of_request(features: Features, request: FeatureRequest) -> Tensor:
    values = features.get(request)
    if values is None:
        raise OptionError(
            "there are no features of this request",
            where="features",
            got=", ".join(map(str, features)) or "none",
            expected=str(request),
            hint="Make the method with the option frames of these features.",
        )
    return values


class ClassText(nn.Module):
    """Embeddings of class names, projected to the length of the vectors.

    Args:
        vector_width: Length d of the vectors.
        text_width: Length of the embeddings, for a learned projection to d; None for embeddings
            that are in the space of the vectors already.
    """

    def __init__(self, vector_width: int, text_width: int | None) -> None:
        super().__init__()
        self.width = text_width or vector_width
        self.projection = (
            nn.Identity() if text_width is None else nn.Linear(text_width, vector_width)
        )

    def forward(self, text: Tensor | None, n: int, like: Tensor) -> Tensor:
        """Return texts (… n d') as (… n d), with the data type and device of ``like``."""
        projected: Tensor = self.projection(class_text(text, n, self.width).to(like))
        return projected


def class_text(text: Tensor | None, n: int, width: int, *, hint: str = "") -> Tensor:
    """Return the embeddings (… n d) of class names after checking them."""
    if text is None:
        raise OptionError(
            "the method uses the names of the classes",
            where="text",
            got="none",
            expected=f"embeddings (b {n} {width}) of the names of the support classes",
        )
    check_shape(text, f"… {n} d", "text")
    _check_size("text", text.shape[-1], width, "text_width", hint)
    return text


def of_videos(text: Tensor, labels: Tensor) -> Tensor:
    """Return the text of each video's class: (b n d), (b s) → (b s d)."""
    return text.gather(1, labels[..., None].expand(-1, -1, text.shape[-1]))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator of the CPU inside the block, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # ``torch.manual_seed`` also seeds those of GPUs.
        yield
