"""Sums, means and maxima equal PyTorch's, whether compiled or not."""

import numpy as np
import pytest

from fewact.video.camera import _native
from fewact.video.pooling import (
    largest_of_blocks,
    mean_blocks,
    mean_colours,
    mean_parts,
    totals,
)

SIZES = [(1, 1), (5, 7), (12, 16), (13, 16), (31, 9)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [1, 2, 4, 20])
def test_blocks_equal_those_of_torch(size: tuple[int, int], side: int) -> None:
    functional = pytest.importorskip("torch.nn.functional")
    import torch

    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    images = np.moveaxis(frames, -1, 1).astype(np.float32)
    means = functional.avg_pool2d(torch.from_numpy(images), side, ceil_mode=True).numpy()
    largest = functional.max_pool2d(torch.from_numpy(images), side, ceil_mode=True).numpy()
    np.testing.assert_array_equal(mean_blocks(images, side), means)
    np.testing.assert_array_equal(largest_of_blocks(images, side), largest)
    np.testing.assert_array_equal(mean_colours(frames, side), np.moveaxis(means, 1, -1))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("new", [(1, 1), (3, 4), (5, 7), (40, 11)])
def test_parts_equal_those_of_torch(size: tuple[int, int], new: tuple[int, int]) -> None:
    functional = pytest.importorskip("torch.nn.functional")
    import torch

    image = np.random.default_rng(0).random(size, np.float32)
    expected = functional.adaptive_avg_pool2d(torch.from_numpy(image)[None], new)[0].numpy()
    found = mean_parts(image, new)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("length", [8, 31, 33, 500, 784, 12544, 16385, 100_003])
def test_sums_equal_those_of_torch_to_the_last_bit(
    length: int, compiled: bool, monkeypatch
) -> None:
    torch = pytest.importorskip("torch")
    if not compiled:
        monkeypatch.setattr(_native, "library", lambda: None)
    rng = np.random.default_rng(length)
    values = (rng.integers(0, 255_001, (2, length)) / 1000).astype(np.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several add in another order
    expected = [float(row.sum()) for row in torch.from_numpy(values)]
    torch.set_num_threads(threads)
    if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"):
        assert totals(values).tolist() == expected
    np.testing.assert_allclose(totals(values), values.sum(1, dtype=np.float64), rtol=1e-6)
