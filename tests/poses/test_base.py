"""A function of the user's as an estimator."""

import numpy as np
import pytest

from fewact.core.errors import ExtensionError
from fewact.poses.base import FunctionEstimator, PoseEstimator
from tests.poses.made_up import Still, brightest, too_short

FRAMES = np.zeros((3, 20, 30, 3), np.uint8)
FRAMES[1, 4, 9] = 200
TIMES = np.arange(3) / 10


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_function_gets_all_frames(one_by_one: bool) -> None:
    estimator = FunctionEstimator("brightest", "2:xyc", brightest)
    joints = estimator.estimate(iter(FRAMES) if one_by_one else FRAMES, TIMES)
    assert isinstance(estimator, PoseEstimator)
    assert joints.shape == (3, 6)
    assert joints[:, 2].tolist() == [0, 1, 0]
    assert joints[1, :2].tolist() == pytest.approx([9.5 / 20, 4.5 / 20])


@pytest.mark.parametrize(
    "function", [too_short, lambda frames, times: np.full((3, 6), np.nan, np.float32)]
)
def test_what_a_function_returns_is_checked(function: object) -> None:
    with pytest.raises(ExtensionError) as caught:
        FunctionEstimator("mine", "2:xyc", function).estimate(FRAMES, TIMES)
    assert caught.value.where == "mine"
    assert "(3, 6)" in caught.value.expected


def test_an_object_with_the_members_is_an_estimator() -> None:
    assert isinstance(Still(), PoseEstimator)
    assert not isinstance(brightest, PoseEstimator)
