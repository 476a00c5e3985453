import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact.core.errors import OptionError
from fewact.moments import window_times, windows
from tests.refused import refused


def test_default_windows():
    expected = [(i, i + 1) for i in range(8)]
    expected += [(0, 2), (2, 4), (4, 6), (6, 8), (0, 4), (4, 8)]
    assert windows(8) == tuple(expected)


@pytest.mark.parametrize(("lengths", "m"), [((1, 2, 4), 14), ((2, 4, 8), 7), ((1, 4, 8), 11)])
def test_number_of_windows_of_eight_frames(lengths, m):
    assert len(windows(8, lengths)) == m


@settings(deadline=None)
@given(st.integers(1, 30), st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_each_length_tiles_the_video(t, lengths):
    spans = iter(windows(t, lengths))
    for length in lengths:
        covered = []
        while len(covered) < t:
            start, stop = next(spans)
            assert stop - start == length or (stop == t and 0 < stop - start < length)
            covered += range(start, stop)
        assert covered == list(range(t))
    assert next(spans, None) is None


def test_times_are_centres():
    times = window_times(5, (1, 2))
    assert times.dtype == np.float32
    np.testing.assert_allclose(times, [0.1, 0.3, 0.5, 0.7, 0.9, 0.2, 0.6, 0.9], rtol=1e-6)


def test_nodes_of_the_grid_have_their_windows_time():
    times = window_times(4, (2, 4), grid=2, dtype=torch.float64)
    assert times.dtype == torch.float64
    assert times.tolist() == [0.25, 0.75, 0.5] + [0.25] * 4 + [0.75] * 4 + [0.5] * 4


@pytest.mark.parametrize(
    ("t", "lengths", "named"), [(0, (1,), "t"), (8, (), "lengths"), (8, (1, 0), "lengths")]
)
def test_refuses_windows(t, lengths, named):
    with refused(OptionError, where=named):
        windows(t, lengths)


@pytest.mark.parametrize("grid", [0, 3])
def test_refuses_grids(grid):
    with refused(OptionError, where="grid"):
        window_times(8, grid=grid)
