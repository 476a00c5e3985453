"""D²ST-Adapter against its equations, written out cell by cell.

On random weights, the frames of the public code's adapters of three stages agree within 1e-14 in
float64; none of it is here.
"""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.core.errors import ShapeError
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.base import TorchMethod
from fewact.lab.methods.d2st import D2ST
from tests.methods.made_up import drawn
from tests.refused import refused

Array = NDArray[np.float64]
SIZES = pytest.mark.parametrize(
    ("size", "spatial", "grid"),
    [
        ((8, 7, 7), (2, 2, 2), 1),
        ((5, 4, 3), (2, 3, 2), 2),
        ((1, 1, 1), (2, 2, 2), 1),
        ((4, 8, 6), (3, 1, 4), 3),
    ],
)


def made(size: tuple[int, int, int], spatial: tuple[int, int, int], grid: int) -> D2ST:
    """Return a method of 24 channels, four to each of two heads, with random weights."""
    t, *cells = size
    options: dict[str, Any] = {"map_size": cells, "spatial_samples": spatial, "temporal_grid": grid}
    method = methods.create("d2st", frames=t, map_channels=24, divisor=3, heads=2, **options)
    assert isinstance(method, D2ST)
    generator = torch.Generator().manual_seed(1)
    for weight in method.parameters():
        weight.data = torch.randn(weight.shape, generator=generator).double()
    return method.double().eval()


def linear(conv: dict[str, Array], name: str, maps: Array) -> Array:
    found: Array = np.einsum("oc,c...->o...", conv[f"{name}.weight"][..., 0, 0, 0], maps)
    bias = conv.get(f"{name}.bias")
    return found if bias is None else found + bias[:, None, None, None]


def each_channel(
    weight: Array, bias: Array, maps: Array, stride: tuple[int, ...], padding: int = 0
) -> Array:
    """Return each channel's own convolution."""
    padded = np.pad(maps, [(0, 0), *[(padding, padding)] * 3])
    kernel = weight.shape[2:]
    counts = [(n - k) // s + 1 for n, k, s in zip(padded.shape[1:], kernel, stride, strict=True)]
    found = np.zeros((len(maps), *counts))
    for c, *at in itertools.product(range(len(maps)), *map(range, counts)):
        window = tuple(slice(i * s, i * s + k) for i, s, k in zip(at, stride, kernel, strict=True))
        found[(c, *at)] = (padded[c][window] * weight[c, 0]).sum() + bias[c]
    return found


def norm(weights: dict[str, Array], name: str, maps: Array) -> Array:
    centred = maps - maps.mean(0)
    unit = centred / np.sqrt(maps.var(0) + 1e-5)
    scale, shift = (weights[f"{name}.{part}"][:, None, None, None] for part in ("weight", "bias"))
    return np.asarray(unit * scale + shift)


def gelu(x: Array) -> Array:
    return np.asarray(x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2)


def between(maps: Array, at: Array) -> Array:
    """Return maps (c t h w) at a place in cells: linear between eight, zero outside."""
    found = np.zeros(len(maps))
    for corner in itertools.product((0, 1), repeat=3):
        cell = np.floor(at).astype(int) + corner
        if (cell >= 0).all() and (cell < maps.shape[1:]).all():
            found += np.prod(1 - np.abs(at - cell)) * maps[(slice(None), *cell)]
    return found


def attended(weights: dict[str, Array], prefix: str, maps: Array, points: tuple[int, ...]) -> Array:
    """Return the deformable attention of maps (c t h w) to points, with two heads."""
    own = {name.removeprefix(prefix): x for name, x in weights.items() if name.startswith(prefix)}
    size = np.array(maps.shape[1:])
    points = tuple(np.minimum(points, size))
    query = linear(own, "query", maps)
    samples = np.zeros((len(maps), math.prod(points)))
    for half in np.split(np.arange(len(maps)), 2):
        moved = each_channel(
            own["offsets.0.weight"], own["offsets.0.bias"], query[half], tuple(size // points)
        )
        offsets = linear(own, "offsets.3", gelu(norm(own, "offsets.1", moved)))
        for i, at in enumerate(itertools.product(*map(range, points))):
            place = np.array(
                [
                    (2 * k + 1) / m - 1 + min(1, 2 / m) * np.tanh(offsets[(axis, *at)])
                    for axis, (k, m) in enumerate(zip(at, points, strict=True))
                ]
            )
            samples[half, i] = between(maps[half], (place + 1) / 2 * (size - 1))
    keys, values = (linear(own, x, samples[..., None, None])[..., 0, 0] for x in ("key", "value"))
    found = np.zeros_like(maps)
    for half in np.split(np.arange(len(maps)), 2):
        for cell in itertools.product(*map(range, size)):
            of_cell = (slice(None), *cell)
            weight = np.exp(query[half][of_cell] @ keys[half] / math.sqrt(len(half)))
            found[(half, *cell)] = values[half] @ (weight / weight.sum())
    return linear(own, "out", found)


def frames_by_hand(method: D2ST, maps: Array) -> Array:
    """Return the frames (t c) of one video's maps (c t h w)."""
    weights = {name: x.numpy() for name, x in method.adapter.state_dict().items()}
    options = method.options
    x = linear(weights, "down", maps)
    x = x + each_channel(weights["positions.weight"], weights["positions.bias"], x, (1, 1, 1), 1)
    of_frame = (options.frames, options.temporal_grid, options.temporal_grid)
    both = [
        x + attended(weights, f"pathways.{i}.1.", norm(weights, f"pathways.{i}.0", x), points)
        for i, points in enumerate((options.spatial_samples, of_frame))
    ]
    adapted: Array = maps + linear(weights, "up", gelu((both[0] + both[1]) / 2))
    return adapted.mean((-2, -1)).T


def encoded(method: TorchMethod, maps: Tensor) -> Tensor:
    """Return the frames of maps (v t c h w)."""
    with torch.no_grad():
        return method.encode({FeatureRequest("maps", View(maps.shape[1])): maps})["frames"]


@SIZES
def test_frames_are_those_of_the_equations(
    size: tuple[int, int, int], spatial: tuple[int, int, int], grid: int
) -> None:
    method = made(size, spatial, grid)
    maps = drawn(2, size[0], 24, *size[1:])
    got = encoded(method, maps)
    expected = [frames_by_hand(method, video.transpose(0, 1).numpy()) for video in maps]
    np.testing.assert_allclose(got, np.stack(expected), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        encoded(method.float(), maps.float()), np.stack(expected), rtol=1e-3, atol=1e-3
    )


def test_scores_are_set_matching_of_class_means() -> None:
    method = made((4, 3, 3), (2, 2, 2), 1)
    support, query = (encoded(method, drawn(v, 4, 24, 3, 3))[None] for v in (3, 2))
    labels = torch.tensor([[0, 1, 0]])
    logits = method.score(method.support({"frames": support}, labels, 2), {"frames": query})
    classes = [support[0, [0, 2]].mean(0).numpy(), support[0, 1].numpy()]
    for q, video in enumerate(query[0].numpy()):
        for c, frames in enumerate(classes):
            cosine = [
                [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for y in frames] for x in video
            ]
            cost = 1 - np.array(cosine)
            distance = cost.min(1).sum() + cost.min(0).sum()
            assert float(logits[0, q, c]) == pytest.approx(-distance, abs=1e-9)


def test_before_training_the_maps_are_unchanged() -> None:
    method = methods.create("d2st", map_channels=24, map_size=(3, 4))
    maps = drawn(2, 8, 24, 3, 4).float()
    torch.testing.assert_close(encoded(method, maps), maps.mean((-2, -1)))


def test_maps_of_another_size_are_refused() -> None:
    method = methods.create("d2st", map_channels=24)
    with refused(ShapeError, got="(3, 4)", hint="map_size"):
        encoded(method, torch.zeros(1, 8, 24, 3, 4))
