"""The comparison of trained methods: the recipe of each, the reduction, and the page."""

import numpy as np
import pytest
import torch

from benchmarks.methods_trained import SMALL, STAGE, TRAINED, principal, recipe
from benchmarks.methods_trained_page import Cell, interval, page, paired
from fewact.methods.cards import stand_in


@pytest.mark.parametrize("name", TRAINED)
def test_all_methods_have_the_same_budget(name: str) -> None:
    made, other = (recipe(one, 3, "none") for one in (name, "trx"))
    (stage,), (first,) = made.stages, other.stages
    assert stage.model_copy(update={"loss_weights": {}}) == first.model_copy(
        update={"loss_weights": {}}
    )
    assert (stage.steps, made.seed) == (STAGE["steps"], 3)
    assert made.method.options.get("seed", 3) == 3
    assert made.validation == other.validation
    assert made.method.name == TRAINED[name][0]
    assert set(made.method.options) <= {*SMALL, "seed", *TRAINED[name][1]}
    assert stand_in(made.method.name, made.method.options)


def test_principal_directions_come_in_order_of_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(40, 8, 80, generator=generator) * torch.linspace(3, 0.1, 80)
    directions = principal(frames)
    torch.testing.assert_close(directions.T @ directions, torch.eye(64), atol=1e-5, rtol=0)
    size = (frames.flatten(0, 1) @ directions).square().mean(0)
    assert (size.diff() < 1e-3).all()


def test_the_page_has_paired_differences_of_the_mean_over_seeds() -> None:
    def cell(label: str, seed: int, values: list[float]) -> Cell:
        validation = None if label == "otam" else 50.0
        return Cell(label, seed, values, validation, 0.0, 0.5, 5.0, 0.0, 7)

    base, mine = [20.0, 40.0, 60.0, 80.0], [40.0, 40.0, 80.0, 80.0]
    found = {"plain": [cell("otam", 0, base), cell("trx", 0, mine), cell("trx", 1, base)]}
    text = page(found, ["otam", "trx"], STAGE, 64, 4)
    each = np.array([10.0, 0.0, 10.0, 0.0])
    centre, half = interval(each)
    assert centre == 5.0
    assert half == pytest.approx(1.96 * np.std(each, ddof=1) / 2)
    assert f"| trx | {centre:+.2f} ± {half:.2f} |" in text
    own = interval(np.array([30.0, 40.0, 70.0, 80.0]))
    assert f"| trx | {own[0]:.2f} ± {own[1]:.2f} (2: 50.0 … 60.0) |" in text
    assert "| otam | 7 | – | 0.50 | 5.0 | 10 | 0e+00 |" in text


def test_differences_are_paired_by_seed() -> None:
    def cell(label: str, seed: int, value: float, validation: float | None = 50.0) -> Cell:
        return Cell(label, seed, [value, value + 20], validation, 0.0, 0.5, 5.0, 0.0, 7)

    cells = [cell("otam", 0, 20, None), cell("trx", 0, 40), cell("trx", 1, 60), cell("strm", 1, 0)]
    free, split = (paired(cells, "trx", "otam", split_by_seed=split) for split in (False, True))
    assert free is not None
    assert split is not None
    assert free.tolist() == [[20, 20], [40, 40]]
    assert split.tolist() == [[20, 20]]
    trained = paired(cells, "strm", "trx", split_by_seed=False)
    assert trained is not None
    assert trained.tolist() == [[-60, -60]]
    assert paired(cells, "molo", "trx", split_by_seed=False) is None


def test_an_ordering_holds_if_all_seeds_agree_and_the_test_is_sure() -> None:
    generator = np.random.default_rng(0)

    def cell(label: str, seed: int, shift: float) -> Cell:
        values = 20.0 * generator.integers(0, 2, 400) + shift
        return Cell(label, seed, values.tolist(), 50.0, 1.0, 0.5, 5.0, 0.0, 7)

    cells = [cell("otam", s, 20) for s in range(2)] + [cell("trx", s, 40) for s in range(2)]
    cells += [cell("strm", 0, 20), cell("strm", 1, 60)]
    text = page({"plain": cells}, ["otam", "trx", "strm"], STAGE, 64, 400)
    assert "| trx > otam | **+** +" in text
    assert "| strm > trx | **?** " in text
    assert "| molo > hyrsm | – |" in text
