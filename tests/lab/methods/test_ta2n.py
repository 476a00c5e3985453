"""TA2N against a slow reference of the note's equations, and against what it promises.

The reference warps with ``grid_sample`` and convolves the concatenated maps of each pair, as the
equations say; the method computes each video's part once.
"""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.base import TrainingBatch
from fewact.lab.methods.common import shots
from fewact.lab.methods.ta2n import TA2N
from tests.methods.made_up import drawn

C = 6
REQUEST = FeatureRequest("maps", View(8))
LABELS = torch.tensor([1, 0, 1, 1])  # three shots, and one


def create(*, filled: bool = True, **options: Any) -> TA2N:
    """A method whose zero layers, and whose batch norms, are filled."""
    method = methods.create("ta2n", **{"map_channels": C, **options})
    assert isinstance(method, TA2N)
    if filled:
        generator = torch.Generator().manual_seed(5)
        for name, value in method.state_dict().items():
            if name.endswith("running_var"):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
            elif value.is_floating_point() and ("norms" in name or "head" in name):
                value.add_(0.3 * torch.randn(value.shape, generator=generator))
    return method.eval().double()


def block(maps: Tensor, convolution: Any, norm: Any, kernel: tuple[int, int, int]) -> Tensor:
    found = functional.batch_norm(
        functional.conv3d(maps[None], convolution.weight, convolution.bias, padding=1),
        *(norm.running_mean, norm.running_var, norm.weight, norm.bias),
        eps=norm.eps,
    )
    sides = [min(side, size) for side, size in zip(kernel, found.shape[-3:], strict=True)]
    return functional.max_pool3d(found, sides).relu()[0]


def warped(method: TA2N, maps: Tensor) -> Tensor:
    """Equation 1: (c t h w) → (c t h w)."""
    if method.warp is None:
        return maps
    c, t, h, w = maps.shape
    found = maps
    for convolution, norm in zip(method.warp.convolutions, method.warp.norms, strict=True):
        found = block(found, convolution, norm, (2, 2, 2))
    a, b = method.warp.head(found.flatten(1).max(1).values)
    times = a * torch.linspace(-1, 1, t, dtype=torch.float64) + b
    grid = torch.stack([times, torch.full_like(times, -1)], -1)[None, None]  # (1 1 t 2)
    image = maps.permute(0, 2, 3, 1).reshape(1, c * h * w, 1, t)
    resampled = functional.grid_sample(image, grid, align_corners=True)
    return resampled[0, :, 0].reshape(c, h, w, t).movedim(-1, 1)


def prototype(method: TA2N, shots: list[Tensor]) -> Tensor:
    """Equation 2, with each shot as the reference in turn."""
    if method.shots is None:
        return torch.stack(shots).mean(0)
    found = []
    for reference in shots:
        for shot in shots:
            keys = method.shots.keys.weight @ shot.mean((-2, -1))  # (c t)
            queries = method.shots.queries.weight @ reference.mean((-2, -1))
            attention = (keys.T @ queries / C**0.5).softmax(0)  # over the shot's frames
            values = torch.einsum("dc,cthw->dthw", method.shots.values.weight, shot)
            found.append(torch.einsum("xy,cxhw->cyhw", attention, values))
    return torch.stack(found).mean(0)


def mask(offset: Tensor, size: tuple[int, int], perturbation: float) -> Tensor:
    """Nine soft boxes of one frame, cell by cell: (2) → (h w)."""
    total = torch.zeros(size, dtype=torch.float64)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            one = torch.zeros(size, dtype=torch.float64)
            for y in range(size[0]):
                for x in range(size[1]):
                    value = 1.0
                    for at, side, move, k in ((x, size[1], 0, i), (y, size[0], 1, j)):
                        position = 2 * at / (side - 1) - 1 if side > 1 else 0.0
                        g = abs(position + float(offset[move]) + perturbation * k)
                        value *= 1.0 if g < 1 else max(0.0, 1 - (g - 1) * (side - 1) / 2)
                    one[y, x] = value
            total += one / one.sum() / 9
    return total


def aligned(method: TA2N, support: Tensor, query: Tensor) -> Tensor:
    """Equations 3 to 5: (c t h w), (c t h w) → ()."""
    coordination, offsets = method.coordination, method.offsets
    s, q = support.mean((-2, -1)), query.mean((-2, -1))  # (c t)
    if coordination is not None and offsets is not None:
        attention = (coordination.keys.weight @ s).T @ (coordination.queries.weight @ q) / C**0.5
        values = coordination.values.weight @ q
        query = query + (values @ attention.softmax(1).T)[..., None, None]
        support = support + (coordination.values.weight @ s)[..., None, None]
        found = torch.cat([support, query])
        for convolution, norm in zip((offsets.first, offsets.second), offsets.norms, strict=True):
            found = block(found, convolution, norm, (1, 2, 2))
        found = found.flatten(2).max(2).values  # (e t)
        moves = (0.75 * offsets.head(found[None])[0]).T  # (t 2)
        size, p = tuple(support.shape[-2:]), method.options.perturbation
        s, q = (
            torch.stack(
                [(maps[:, i] * mask(m, size, p)).sum((-2, -1)) for i, m in enumerate(by)], 1
            )
            for maps, by in ((support, moves), (query, -moves))
        )
    return -(1 - functional.cosine_similarity(s, q, dim=0)).sum()


def reference(method: TA2N, support: Tensor, query: Tensor, labels: Tensor) -> Tensor:
    """Logits (q n) of maps (s t c h w) and (q t c h w)."""
    shots = [warped(method, video.transpose(0, 1)) for video in support]
    asked = [warped(method, video.transpose(0, 1)) for video in query]
    n = int(labels.max()) + 1
    classes = [
        prototype(method, [x for x, label in zip(shots, labels, strict=True) if label == c])
        for c in range(n)
    ]
    if method.shots is not None:
        value = method.shots.values.weight
        asked = [torch.einsum("dc,cthw->dthw", value, video) for video in asked]
    rows = [torch.stack([aligned(method, one, video) for one in classes]) for video in asked]
    return torch.stack(rows)


def scores(method: TA2N, support: Tensor, query: Tensor, labels: Tensor) -> Tensor:
    request = FeatureRequest("maps", View(method.options.frames))
    nodes, asked = (method.encode({request: x[None]}) for x in (support, query))
    with torch.no_grad():
        return method.score(method.support(nodes, labels[None], int(labels.max()) + 1), asked)[0]


@pytest.mark.slow
@pytest.mark.parametrize("aggregation", ["prototype", "attention"])
@pytest.mark.parametrize("stages", ["both", "first", "second", "none"])
@pytest.mark.parametrize("size", [(8, 7, 7), (5, 4, 2), (2, 1, 3)], ids=str)
def test_each_pair_is_aligned_as_the_equations_say(
    aggregation: str, stages: str, size: tuple[int, int, int]
) -> None:
    t, h, w = size
    method = create(frames=t, stages=stages, shot_aggregation=aggregation)
    support, query = drawn(4, t, C, h, w), drawn(3, t, C, h, w, seed=1)
    with torch.no_grad():
        expected = reference(method, support, query, LABELS)
    torch.testing.assert_close(scores(method, support, query, LABELS), expected)


def test_chunks_change_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    method, labels = create(), torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 1]])
    nodes, asked = (
        method.encode({REQUEST: drawn(3, videos, 8, C, 3, 3, seed=videos)}) for videos in (3, 5)
    )
    state = method.support(nodes, labels, 2)
    expected = method.score(state, asked)
    for limit in (1, 2 * 3 * 128 * 8 * 9):
        monkeypatch.setattr(shots, "MAX_ELEMENTS", limit)
        torch.testing.assert_close(method.score(state, asked), expected)


def test_a_new_warp_moves_little_and_no_offset_moves() -> None:
    method, maps = create(filled=False), drawn(2, 8, C, 7, 7)
    assert method.warp is not None
    scale = torch.tanh(torch.tensor(2.0, dtype=torch.float64))
    positions = (scale * torch.linspace(-1, 1, 8, dtype=torch.float64) + 1) / 2 * 7
    left = positions.floor().long().clamp(max=6)
    part = (positions - left)[:, None, None, None]
    expected = (1 - part) * maps[:, left] + part * maps[:, left + 1]
    torch.testing.assert_close(method.warp(maps), expected)
    response = drawn(2, 3, 128, 8, 7, 7)
    assert method.offsets is not None
    assert (method.offsets(response) == 0).all()


def test_without_moves_it_compares_mean_frames_in_order() -> None:
    """An identity warp, no offset, one box of a frame, and no attention: the diagonal baseline."""
    method = create(filled=False, perturbation=0.0)
    assert method.warp is not None
    assert method.coordination is not None
    last = method.warp.head[2]
    last.bias.data = torch.tensor([100.0, 0.0], dtype=torch.float64)  # a = tanh 100 = 1
    method.coordination.values.weight.data.zero_()
    support, query = drawn(4, 8, C, 7, 7), drawn(3, 8, C, 7, 7, seed=1)
    expected = scores(create(stages="none"), support, query, LABELS)
    torch.testing.assert_close(scores(method, support, query, LABELS), expected)
    baseline = methods.create("protonet", frame_matching="diagonal", eps=0.0)
    vectors = FeatureRequest("vectors", View(8))
    nodes, asked = (baseline.encode({vectors: x.mean((-2, -1))[None]}) for x in (support, query))
    logits = baseline.score(baseline.support(nodes, LABELS[None], 2), asked)[0]
    torch.testing.assert_close(8 * logits, expected)


def test_all_parts_are_trained_and_batch_norm_sees_all_pairs() -> None:
    method = create(shot_aggregation="attention", dropout=0.0).train()
    labels = torch.tensor([[0, 1, 0, 1]])
    batch = TrainingBatch(
        {REQUEST: drawn(1, 4, 8, C, 7, 7)},
        labels,
        {REQUEST: drawn(1, 4, 8, C, 7, 7, seed=1)},
        labels,
        2,
    )
    loss = sum(method.losses(batch).values())
    assert isinstance(loss, Tensor)
    loss.backward()
    for name, weight in method.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
    assert method.offsets is not None
    assert method.offsets.second.weight.grad.abs().sum() > 0  # type: ignore[union-attr]
    assert int(method.offsets.norms[0].num_batches_tracked) == 1  # type: ignore[arg-type]
