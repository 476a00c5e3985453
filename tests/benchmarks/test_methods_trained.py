"""The comparison of trained methods: the recipe of each, the reduction, and the page."""

import numpy as np
import pytest
import torch

from benchmarks.methods_trained import SMALL, STAGE, TRAINED, principal, recipe
from benchmarks.methods_trained_page import Cell, interval, page


@pytest.mark.parametrize("name", TRAINED)
def test_all_methods_have_the_same_budget(name: str) -> None:
    made, other = (recipe(one, 3, "none") for one in (name, TRAINED[0]))
    (stage,), (first,) = made.stages, other.stages
    assert stage.model_copy(update={"loss_weights": {}}) == first.model_copy(
        update={"loss_weights": {}}
    )
    assert (stage.steps, made.seed, made.method.options["seed"]) == (STAGE["steps"], 3, 3)
    assert made.validation == other.validation
    assert set(made.method.options) <= {*SMALL, "seed"}


def test_principal_directions_come_in_order_of_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(40, 8, 80, generator=generator) * torch.linspace(3, 0.1, 80)
    directions = principal(frames)
    torch.testing.assert_close(directions.T @ directions, torch.eye(64), atol=1e-5, rtol=0)
    size = (frames.flatten(0, 1) @ directions).square().mean(0)
    assert (size.diff() < 1e-3).all()


def test_the_page_has_paired_differences_of_the_mean_over_seeds() -> None:
    def cell(label: str, seed: int, values: list[float]) -> Cell:
        return Cell(label, seed, values, None, 0.0, 0.5, 5.0, 0.0, 7)

    base, mine = [20.0, 40.0, 60.0, 80.0], [40.0, 40.0, 80.0, 80.0]
    found = {"plain": [cell("otam", 0, base), cell("trx", 0, mine), cell("trx", 1, base)]}
    text = page(found, ["otam", "trx"], STAGE, 64, 4)
    each = np.array([10.0, 0.0, 10.0, 0.0])
    centre, half = interval(each)
    assert centre == 5.0
    assert half == pytest.approx(1.96 * np.std(each, ddof=1) / 2)
    assert f"| trx | {centre:+.2f} ± {half:.2f} |" in text
    own = interval(np.array([30.0, 40.0, 70.0, 80.0]))
    assert f"| trx | {own[0]:.2f} ± {own[1]:.2f} (50.0 … 60.0) |" in text
    assert "| otam | 7 | – | 0.50 | 5.0 | 10 | 0e+00 |" in text
