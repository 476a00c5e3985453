"""The motion-centred crop of maps."""

import itertools
import math

import numpy as np
import pytest

from fewact.methods.fusion.crop import motion_centred_crop
from tests.methods.made_up import assert_close, uniform


@pytest.mark.parametrize("at", [(0, 0), (2, 5), (8, 3)])
@pytest.mark.parametrize("wide", [1, 4, 8])
def test_the_crop_is_centred_on_the_changes_and_as_wide(at: tuple[int, int], wide: int) -> None:
    rows = np.arange(16) - 7.5
    maps = np.stack(np.meshgrid(rows, rows, indexing="ij"))  # a cell's value is its position
    changes = np.zeros((3, 2, 16, 16))
    down, right = (slice(first, first + wide) for first in at)
    changes[..., down, right] = np.array([1.0, -2.0, 1.0])[:, None, None, None]
    cropped = motion_centred_crop(np.broadcast_to(maps, (3, 2, 16, 16)), changes, 9)
    side = min(max(4 * math.sqrt((wide**2 - 1) / 12), 8), 16)
    steps = ((np.arange(9) + 0.5) / 9 - 0.5) * side
    for axis, first in enumerate(at):
        line = np.clip(steps + rows[first] + (wide - 1) / 2, -7.5, 7.5)
        expected = line[:, None] if axis == 0 else line
        assert_close(cropped[:, axis], np.broadcast_to(expected, (3, 9, 9)))


def test_the_crop_of_a_video_does_not_depend_on_other_videos() -> None:
    maps = uniform(2, 3, 4, 5, 7, 9)
    changes = maps - maps.mean(-4, keepdims=True)
    together = motion_centred_crop(maps, changes, 6)
    assert together.shape == (2, 3, 4, 5, 6, 6)
    for i, j in itertools.product(range(2), range(3)):
        alone = motion_centred_crop(maps[i, j], changes[i, j], 6)
        assert_close(together[i, j], alone)


def test_the_crop_follows_a_shift_of_its_content() -> None:
    maps = np.zeros((4, 3, 14, 14))
    maps[..., 4:9, 5:9] = uniform(4, 3, 5, 4)
    shifted = np.roll(maps, (2, -1), (-2, -1))
    here, there = (motion_centred_crop(m, m - m.mean(0), 12) for m in (maps, shifted))
    assert_close(here, there)


def test_maps_without_changes_give_the_central_half() -> None:
    maps = np.broadcast_to(uniform(1, 2, 8, 8), (3, 2, 8, 8))
    assert np.array_equal(motion_centred_crop(maps, np.zeros_like(maps), 4), maps[..., 2:6, 2:6])


def test_a_cell_is_the_mean_of_its_samples() -> None:
    maps = uniform(2, 4, 5, 7, 9)
    changes = maps - maps.mean(-4, keepdims=True)
    samples = motion_centred_crop(maps, changes, 12)
    cells = motion_centred_crop(maps, changes, 4, 3)
    assert_close(cells, samples.reshape(*samples.shape[:-2], 4, 3, 4, 3).mean((-3, -1)))
