"""The motion-centred crop of maps."""

import itertools
import math

import pytest
import torch

from fewact.methods.fusion.crop import motion_centred_crop


@pytest.mark.parametrize("at", [(0, 0), (2, 5), (8, 3)])
@pytest.mark.parametrize("wide", [1, 4, 8])
def test_the_crop_is_centred_on_the_changes_and_as_wide(at: tuple[int, int], wide: int) -> None:
    rows = torch.arange(16, dtype=torch.float64) - 7.5
    maps = torch.stack(torch.meshgrid(rows, rows, indexing="ij"))  # a cell's value is its position
    changes = torch.zeros(3, 2, 16, 16, dtype=torch.float64)
    down, right = (slice(first, first + wide) for first in at)
    changes[..., down, right] = torch.tensor([1.0, -2.0, 1.0])[:, None, None, None]
    cropped = motion_centred_crop(maps.expand(3, 2, 16, 16), changes, 9)
    side = min(max(4 * math.sqrt((wide**2 - 1) / 12), 8), 16)
    steps = ((torch.arange(9, dtype=torch.float64) + 0.5) / 9 - 0.5) * side
    for axis, first in enumerate(at):
        line = (steps + rows[first] + (wide - 1) / 2).clamp(-7.5, 7.5)
        expected = line[:, None] if axis == 0 else line
        torch.testing.assert_close(cropped[:, axis], expected.expand(3, 9, 9))


def test_the_crop_of_a_video_does_not_depend_on_other_videos() -> None:
    maps = torch.rand(2, 3, 4, 5, 7, 9, dtype=torch.float64)
    changes = maps - maps.mean(-4, keepdim=True)
    together = motion_centred_crop(maps, changes, 6)
    assert together.shape == (2, 3, 4, 5, 6, 6)
    for i, j in itertools.product(range(2), range(3)):
        alone = motion_centred_crop(maps[i, j], changes[i, j], 6)
        torch.testing.assert_close(together[i, j], alone)


def test_the_crop_follows_a_shift_of_its_content() -> None:
    maps = torch.zeros(4, 3, 14, 14, dtype=torch.float64)
    maps[..., 4:9, 5:9] = torch.rand(4, 3, 5, 4, dtype=torch.float64)
    shifted = maps.roll((2, -1), (-2, -1))
    here, there = (motion_centred_crop(m, m - m.mean(0), 12) for m in (maps, shifted))
    torch.testing.assert_close(here, there)


def test_maps_without_changes_give_the_central_half() -> None:
    maps = torch.rand(1, 2, 8, 8).expand(3, 2, 8, 8)
    assert torch.equal(motion_centred_crop(maps, torch.zeros_like(maps), 4), maps[..., 2:6, 2:6])


def test_a_cell_is_the_mean_of_its_samples() -> None:
    maps = torch.rand(2, 4, 5, 7, 9, dtype=torch.float64)
    changes = maps - maps.mean(-4, keepdim=True)
    samples = motion_centred_crop(maps, changes, 12)
    cells = motion_centred_crop(maps, changes, 4, 3)
    torch.testing.assert_close(
        cells, samples.unflatten(-1, (4, 3)).unflatten(-3, (4, 3)).mean((-3, -1))
    )
