"""Samplers by name: those of published code, for tests and for training."""

import numpy as np
import pytest

from fewact.core.errors import OptionError
from fewact.video import (
    BlockCentres,
    Dense,
    PerrettTest,
    PerrettTrain,
    Segments,
    Timeline,
    Window,
)
from fewact.video.named import RULES, sampler_of, training_sampler


@pytest.mark.parametrize(
    ("name", "test", "train"),
    [
        ("segments", Segments(8), Segments(8, 5)),
        ("perrett", PerrettTest(8), PerrettTrain(8, 5)),
        ("blocks", BlockCentres(8), Segments(8, 5)),
        ("window", Window(8), Window(8, seed=5)),
        ("window:20", Window(8, 20), Window(8, 20, 5)),
        ("dense:4", Dense(8, 4), Dense(8, 4, 5)),
    ],
)
def test_names(name, test, train):
    assert sampler_of(name)(8) == test
    assert training_sampler(name, 8, 5) == train


@pytest.mark.parametrize("name", RULES)
def test_training_draws_frames_near_those_of_the_test(name):
    timeline = Timeline(np.arange(90) / 25, end=90 / 25)
    assert sampler_of(name)(8)(timeline).shape == (8,)
    drawn = {tuple(training_sampler(name, 8, seed)(timeline).tolist()) for seed in range(9)}
    assert len(drawn) > 1


@pytest.mark.parametrize("name", ["", "other", "segments:3", "window:", "window:0", "dense:-1"])
def test_other_names_are_refused(name):
    with pytest.raises(OptionError, match="no such sampler"):
        sampler_of(name)
