"""Segments of recordings that do not overlap."""

import numpy as np

from fewact.recordings.segments import apart


def test_windows_that_overlap_are_one() -> None:
    starts = np.array([0.0, 0.5, 2.0, 2.1])
    assert apart(starts, starts + 1, np.array([0.1, 0.9, 0.3, 0.4]), 4) == [1, 3]
