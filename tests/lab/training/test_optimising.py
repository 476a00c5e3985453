"""Rates, groups and the average of weights."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from fewact.lab.training.optimising import Average, make_optimiser, rate_factor, set_rates
from fewact.lab.training.recipe import ClassifyStage


def stage_of(**changes: Any) -> ClassifyStage:
    content = {"kind": "classify", "inputs": "stored", "steps": 10, "lr": 0.1} | changes
    return ClassifyStage.model_validate(content)


def test_schedules() -> None:
    def shares(**changes: Any) -> list[float]:
        return [rate_factor(stage_of(**changes), step) for step in range(10)]

    assert shares() == [1.0] * 10
    assert shares(warmup=4)[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    cosine = shares(schedule="cosine", warmup=2)
    assert cosine[2:] == pytest.approx([(1 + math.cos(math.pi * i / 8)) / 2 for i in range(8)])
    own = shares(schedule="steps", milestones=(3, 6), factors=(0.5, 0.01))
    assert own == [1.0] * 3 + [0.5] * 3 + [0.01] * 4
    steps = shares(schedule="steps", milestones=(3, 6), factor=0.5)
    assert steps == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    assert shares(schedule="linear")[5] == 0.5


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_a_falling_schedule_reaches_zero_one_step_after_the_last(schedule: str) -> None:
    """As torch's schedulers do with as many steps."""
    optimiser = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    theirs = (
        torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10)
        if schedule == "cosine"
        else torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, 10)
    )
    for step in range(11):
        assert rate_factor(stage_of(schedule=schedule), step) == pytest.approx(
            optimiser.param_groups[0]["lr"], abs=1e-6
        )
        optimiser.step()
        theirs.step()
    assert rate_factor(stage_of(schedule=schedule), 10) == pytest.approx(0)


def test_groups_by_name_the_first_that_matches() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight.requires_grad_(False)
    groups = [
        {"match": "*.bias", "lr": 0.0, "weight_decay": 0.0},
        {"match": "0.*", "lr": 0.5},
    ]
    stage = stage_of(groups=groups, weight_decay=0.3, schedule="linear")
    optimiser = make_optimiser(module, stage)
    found = {
        name: (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for name, parameter in module.named_parameters()
        if any(parameter is one for one in group["params"])
    }
    assert found == {"0.weight": (0.5, 0.3), "0.bias": (0.0, 0.0), "1.bias": (0.0, 0.0)}
    set_rates(optimiser, stage, 5)
    assert sorted(group["lr"] for group in optimiser.param_groups) == [0.0, 0.25]
    set_rates(optimiser, stage, 0)
    assert sorted(group["lr"] for group in optimiser.param_groups) == [0.0, 0.5]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_kinds(name: str, kind: type) -> None:
    assert type(make_optimiser(nn.Linear(2, 2), stage_of(optimiser=name))) is kind


def test_average() -> None:
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    first = module[0].weight.detach().clone()
    average = Average(module, 0.9)
    with torch.no_grad():
        module[0].weight.add_(1.0)
        module[1].running_mean.fill_(4.0)  # type: ignore[union-attr]
    average.update(module)
    torch.testing.assert_close(average.tensors["0.weight"], first + 0.1)
    assert average.tensors["1.running_mean"] == 4.0
