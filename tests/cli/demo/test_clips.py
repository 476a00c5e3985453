"""The rendered clips: the motion is what the class says, and nothing else tells the class."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.cli.demo.clips import ACTIONS, FRAMES, HEIGHT, WIDTH, render

INDICES = range(4)


def moving(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(t h w): where a frame differs from the still picture, found as the median over time."""
    still = np.median(frames[::4], axis=0)
    return abs(frames - still).max(-1) > 40


def track(frames: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle (t 2), down and across, of what is not the background at the start and at the end."""
    apart = moving(frames)
    found = [apart[t] for t in (0, FRAMES - 1)]
    points = [np.argwhere(one) for one in found]
    return np.array([p.mean(0) for p in points]), np.array([len(p) for p in points])


def test_shape_and_determinism() -> None:
    one = render("turning", 3)
    assert one.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, render("turning", 3))
    assert (one != render("turning", 4)).mean() > 0.5
    assert (one != render("turning", 3, seed=1)).mean() > 0.5


@pytest.mark.parametrize(
    ("action", "axis", "sign"),
    [("falling", 0, 1), ("rising", 0, -1), ("moving right", 1, 1), ("moving left", 1, -1)],
)
def test_things_go_where_the_class_says(action: str, axis: int, sign: int) -> None:
    for index in INDICES:
        (first, last), _ = track(render(action, index))
        way = last - first
        assert sign * way[axis] > 25, index
        assert abs(way[1 - axis]) < abs(way[axis]), index


@pytest.mark.parametrize(("action", "sign"), [("growing", 1), ("shrinking", -1)])
def test_things_grow_and_shrink(action: str, sign: int) -> None:
    for index in INDICES:
        frames = render(action, index)[::sign].astype(np.int64)  # the thing is small at first
        covered = [(abs(frame - frames[0]).max(-1) > 25).sum() for frame in frames[::12]]
        assert covered == sorted(covered), index
        covered = [(abs(frame - frames[0]).max(-1) > 25).sum() for frame in frames[[0, 24, -1]]]
        assert covered[0] == 0
        assert covered[2] > covered[1] + 200 > 250, index


@pytest.mark.parametrize("action", ["turning", "bouncing"])
def test_what_turns_or_bounces_stays_about_its_place(action: str) -> None:
    for index in INDICES:
        rows, columns = np.nonzero(moving(render(action, index)).any(0))
        assert len(rows) > 100
        assert np.ptp(columns) < 0.65 * WIDTH, index
        assert np.ptp(rows) < 0.98 * HEIGHT, index


@pytest.mark.slow
def test_looks_do_not_tell_the_class() -> None:
    """Clips of one class differ in their mean colour as much as clips of different classes."""
    looks = np.array(
        [[render(action, index)[0].mean((0, 1)) for index in INDICES] for action in ACTIONS]
    )  # (n k 3)
    inside = looks.var(1).sum(-1).mean()
    between = looks.mean(1).var(0).sum()
    assert between < 0.6 * inside
