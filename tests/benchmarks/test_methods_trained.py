"""All trained methods have the same budget, and are compared in pairs."""

from dataclasses import replace

import pytest
import torch

from benchmarks.methods_trained import (
    SIZES,
    SMALL,
    STAGE,
    TRAINED,
    paired_cell,
    principal,
    recipe,
    split_by_class,
)
from fewact.lab.methods import stand_in
from fewact.lab.training import TrainingData
from tests.lab.evaluation.episodes.made_up import videos_of


def test_splits_have_disjoint_classes() -> None:
    videos = videos_of(classes=27, each=2)
    lists = list(split_by_class(videos, 0).values())
    assert tuple(len(part.classes) for part in lists) == SIZES
    assert TrainingData(lists[0], lists[1])
    assert split_by_class(videos, 1)["test"].classes != lists[2].classes
    unsplit = {replace(video, split=None) for part in lists for video in part.videos}
    assert unsplit == set(videos.videos)


@pytest.mark.parametrize("name", TRAINED)
def test_all_methods_have_the_same_budget(name: str) -> None:
    changed, first = (recipe(label, 3, "none") for label in (name, "trx"))
    stages = [part.stages[0].model_copy(update={"loss_weights": {}}) for part in (changed, first)]
    assert stages[0] == stages[1]
    assert (stages[0].steps, changed.seed) == (STAGE["steps"], 3)
    assert changed.validation == first.validation
    assert set(changed.method.options) <= {*SMALL, "seed", *TRAINED[name][1]}
    assert stand_in(changed.method.name, changed.method.options)


def test_principal_directions_come_in_order_of_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(40, 8, 80, generator=generator) * torch.linspace(3, 0.1, 80)
    directions = principal(frames)
    torch.testing.assert_close(directions.T @ directions, torch.eye(64), atol=1e-5, rtol=0)
    size = (frames.flatten(0, 1) @ directions).square().mean(0)
    assert (size.diff() < 1e-3).all()


def test_differences_are_paired_by_seed() -> None:
    first = {seed: torch.tensor([40.0, 60.0]).numpy() + seed for seed in range(3)}
    assert paired_cell(first, {0: first[0] - 20}) == "+21.00 ± 0.00"  # one result for all seeds
    assert paired_cell(first, {seed: first[seed] - 20 for seed in first}) == "+20.00 ± 0.00"
    assert paired_cell(first, {}) == "–"
