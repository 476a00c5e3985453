"""Made-up features, labels, texts and weights that depend on the words of their seeds alone."""

import hashlib
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewact.features.request import CameraRequest, Request
from fewact.lab.methods.base import Features
from fewact.methods.cards import made_up_card
from fewact.networks import Card

EPISODES, WAYS, QUERIES = 2, 5, 2

SHOTS: dict[str, tuple[int, ...]] = {
    "1 shot": (1, 1, 1, 1, 1),
    "3 shots": (3, 3, 3, 3, 3),
    "uneven shots": (3, 1, 2, 3, 1),
}
"""Number of support videos of each class."""

WIDTH = 16
"""Length of the vectors."""


def generator(*words: object) -> np.random.Generator:
    """Return a source of random numbers that depend on these words."""
    sha = hashlib.sha256(" ".join(map(str, words)).encode()).digest()
    return np.random.default_rng(list(sha))


def normal(shape: tuple[int, ...], *words: object) -> Tensor:
    """Return standard normal numbers, float32."""
    return torch.from_numpy(generator(*words).standard_normal(shape).astype(np.float32))


def card(*, maps: bool = True) -> Card:
    """Return the card of the backbone that the features seem to come from."""
    levels = {"maps": (10, 4, 4), "middle": (12, 8, 8)} if maps else {}
    return replace(made_up_card(maps=maps), vectors=WIDTH, **levels)


def labels(shots: tuple[int, ...], part: str) -> Tensor:
    """Return labels (b v) of so many videos of each class, in another order in each episode."""
    ordered = np.repeat(np.arange(len(shots)), shots)
    rows = [generator("order", part, shots, i).permutation(ordered) for i in range(EPISODES)]
    return torch.from_numpy(np.stack(rows))


def features(requests: tuple[Request, ...], of: Card, videos: Tensor, part: str) -> Features:
    """Return features (b v t …) of videos that look like their class.

    The first episode has no negative numbers, as after a ReLU. The others have.

    Args:
        requests: Requests of a method.
        of: Card of the backbone.
        videos: (b v) labels.
        part: "support" or "query".
    """
    return {one: _features(one, one.shape(of), videos, part) for one in requests}


def _features(request: Request, shape: tuple[int, ...], videos: Tensor, part: str) -> Tensor:
    b, v = videos.shape
    seed = str(request) if request.view.stabilise != "off" else f"{request}:off"
    own = normal((b, v, *shape), "video", seed, part, v)
    if isinstance(request, CameraRequest):  # More cameras are static than move.
        return 0.5 * own - 0.6
    pattern = normal((b, WAYS, *shape), "class", seed)
    index = videos.reshape(b, v, *[1] * len(shape)).expand(b, v, *shape)
    found = pattern.gather(1, index) + 0.8 * own
    if request.dtype == "uint8":
        return (128 + 40 * found).clamp(0, 255).to(torch.uint8)
    found[0].clamp_(min=0)
    return found


def text(b: int, n: int, width: int) -> Tensor:
    """Return embeddings (b n d) of class names."""
    return normal((b, n, width), "text", n, width)


def fill(module: nn.Module) -> None:
    """Replace all weights by fixed numbers that depend on their names and shapes alone."""
    state = module.state_dict()
    for name, old in state.items():
        if not old.is_floating_point() or not old.numel():
            continue
        drawn = normal(tuple(old.shape), "weight", name)
        if old.ndim >= 2:
            fan = old[0].numel()
            state[name] = drawn / fan**0.5
        elif old.ndim == 1:  # A bias near 0; a scale or a variance near 1.
            near = 1.0 if old.mean() > 0.5 else 0.0
            state[name] = near + 0.1 * drawn.abs()
        else:
            state[name] = old * (1 + 0.1 * drawn.abs())
    module.load_state_dict(state)


def vectors(
    kind: str, *, classes: int, each: int, frames: int, width: int
) -> tuple[list[str], NDArray[np.float32]]:
    """Return labels and vectors (v t d) of videos whose classes differ in some channels."""
    names = [f"{kind} {i % classes}" for i in range(classes * each)]
    centres = generator("centres", kind).standard_normal((classes, frames, width))
    noise = generator("noise", kind).standard_normal((len(names), frames, width))
    return names, (np.tile(centres, (each, 1, 1)) + 1.5 * noise).astype(np.float32)
