"""Lengths and frame rates of windows."""

import pytest

from fewact.classifier.windows import FASTEST, window_lengths, window_rate
from fewact.core.errors import ModelError
from fewact.features.request import FeatureRequest, View


@pytest.mark.parametrize(
    ("durations", "lengths"),
    [([2.0], 1), ([2.0, 2.2, 2.4], 1), ([1.0, 1.9], 2), ([1.0, 60.0], 3)],
)
def test_window_lengths_follow_the_training_clips(durations: list[float], lengths: int) -> None:
    found = window_lengths(durations)
    assert len(found) == lengths
    assert min(durations) <= found[0] <= found[-1] <= max(durations)
    assert list(found) == sorted(found)


def test_a_model_that_knows_no_durations_is_refused() -> None:
    with pytest.raises(ModelError) as refused:
        window_lengths([])
    assert refused.value.hint


@pytest.mark.parametrize(("length", "rate"), [(0.5, FASTEST), (2.0, 8.0), (16.0, 1.0)])
def test_the_shortest_window_has_twice_the_frames_that_are_read(length: float, rate: float) -> None:
    requests = [FeatureRequest("vectors", View(frames)) for frames in (4, 8)]
    assert window_rate(requests, [length, 30.0]) == rate
