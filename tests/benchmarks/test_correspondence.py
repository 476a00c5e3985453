"""The benchmark of aligners against known correspondences: data, measures and page."""

import math
import random
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.correspondence import __main__ as script
from benchmarks.correspondence.compared import COMPARED, pose
from benchmarks.correspondence.drawing import noise_figure, plans_figure
from benchmarks.correspondence.measure import (
    RATIOS,
    Recovered,
    mean_of,
    nodes_found,
    plans_of,
    proportion_of,
    true_mass,
)
from benchmarks.correspondence.pairs import (
    COMMON,
    CORRELATION,
    DISTORTIONS,
    LENGTH,
    M,
    make_pairs,
    scenes,
)
from benchmarks.correspondence.tasks import TASKS, make_task
from fewact import align

DOCS = Path(__file__).parents[2] / "docs" / "results"
seeds = st.integers(0, 10_000)


def moments(distortion: str, seed: int) -> list[int]:
    return DISTORTIONS[distortion](random.Random(seed))


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_the_truth_is_where_the_nodes_are_the_same(distortion: str) -> None:
    pairs = make_pairs(distortion, 5, seed=3)
    same = (pairs.first[:, :, None] == pairs.second[:, None]).all(-1)
    assert torch.equal(pairs.truth, same)
    assert pairs.truth.shape == (5, M, M)
    assert pairs.truth.any()


@pytest.mark.parametrize("distortion", DISTORTIONS)
@given(seed=seeds)
def test_a_distortion_stays_inside_the_scene(distortion: str, seed: int) -> None:
    shown = moments(distortion, seed)
    assert len(shown) == M
    assert min(shown) >= -M // 2
    assert max(shown) < M + M // 2


@given(seed=seeds)
def test_each_distortion_does_what_it_says(seed: int) -> None:
    steps = {
        name: [after - before for before, after in pairwise(moments(name, seed))]
        for name in DISTORTIONS
    }
    assert moments("same", seed) == list(range(M))
    assert set(steps["shifted"]) == {1}
    assert 2 <= abs(moments("shifted", seed)[0]) <= 5
    stretched = moments("stretched", seed)
    assert (stretched[0], stretched[-1]) == (0, M - 1)
    assert min(steps["stretched"]) == 0
    assert max(steps["stretched"]) > 1
    back = [step for step in steps["repeated part"] if step != 1]
    assert len(back) == 1
    assert -4 <= back[0] <= -2
    skip = [step for step in steps["dropped part"] if step != 1]
    assert len(skip) == 1
    assert 4 <= skip[0] <= 6
    swapped = moments("swapped parts", seed)
    assert sorted(swapped) == list(range(M))
    assert sum(at != moment for at, moment in enumerate(swapped)) in (8, 10)
    assert sorted(moments("permuted", seed)) == list(range(M))


def test_scenes_have_the_stated_energy_and_correlation() -> None:
    scene = scenes(200, 28, torch.Generator().manual_seed(0))
    assert scene.square().mean().item() == pytest.approx(1, abs=0.02)
    common = scene.mean(1, keepdim=True)
    assert common.square().mean().item() == pytest.approx(COMMON, abs=0.02)
    changing = scene - common
    neighbours = (changing[:, 1:] * changing[:, :-1]).sum() / changing[:, 1:].square().sum()
    # Subtracting the mean makes neighbours a little less correlated than drawn.
    assert CORRELATION - 0.15 < neighbours.item() < CORRELATION


def test_noise_has_the_stated_ratio_to_the_signal() -> None:
    pairs = make_pairs("same", 100, seed=1)
    noise = pairs.noisy(4.0) - pairs.second
    ratio = noise.norm() / pairs.second.norm()
    assert ratio.item() == pytest.approx(4, rel=0.03)
    assert torch.equal(pairs.noisy(0), pairs.second)
    alone = pairs.noisy(math.inf)
    correlation = (alone * pairs.second).mean()
    assert correlation.abs().item() < 0.01


def test_a_seed_gives_the_same_pairs_and_another_seed_others() -> None:
    one, again, other = (make_pairs("permuted", 3, seed) for seed in (1, 1, 2))
    assert torch.equal(one.second, again.second)
    assert torch.equal(one.noise, again.noise)
    assert not torch.equal(one.truth, other.truth)


def test_every_aligner_of_the_package_is_compared() -> None:
    assert {one.name for one in COMPARED} == set(align.names())


def test_costs_are_cosine_costs_and_weights_follow_their_rule() -> None:
    pairs = make_pairs("shifted", 3, seed=5)
    posed = pose(pairs.first, pairs.second)
    cost = 1 - torch.cosine_similarity(pairs.first[:, :, None], pairs.second[:, None], dim=-1)
    torch.testing.assert_close(posed["uniform"].cost, cost)
    torch.testing.assert_close(posed["cross"].cost, cost)
    torch.testing.assert_close(posed["uniform"].a, torch.ones(3, M).double())
    raw = (pairs.first * pairs.second.mean(1, keepdim=True)).sum(-1).relu() + 1e-3
    torch.testing.assert_close(posed["cross"].a, M * raw / raw.sum(-1, keepdim=True))


def test_a_pair_without_noise_is_solved_by_aligners_that_can() -> None:
    pairs = make_pairs("permuted", 4, seed=2)
    plans = dict(zip((one.label for one in COMPARED), plans_of(pairs, 0.0), strict=True))
    for label in ("EMD", "Hungarian", "Bi-MHM"):
        assert true_mass(plans[label], pairs.truth).tolist() == pytest.approx([1] * 4)
        assert nodes_found(plans[label], pairs.truth).tolist() == pytest.approx([1] * 4)


def slow_found(plan: Tensor, truth: Tensor) -> float:
    credits = []
    for mass, true in zip(plan.T.tolist(), truth.T.tolist(), strict=True):
        if any(true):
            top = [i for i, share in enumerate(mass) if share == max(mass) and share > 0]
            credits.append(sum(true[i] for i in top) / len(top) if top else 0.0)
    return sum(credits) / len(credits)


@given(seed=seeds)
def test_found_counts_ties_in_part_and_empty_columns_as_missed(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    plan = torch.randint(0, 3, (4, 5), generator=draw).double()
    truth = torch.rand(4, 5, generator=draw) < 0.3
    truth[0, 0] = True
    assert nodes_found(plan, truth).item() == pytest.approx(slow_found(plan, truth))


def test_mass_is_a_share_whatever_the_plan_adds_up_to() -> None:
    plan = torch.tensor([[3.0, 1.0], [0.0, 4.0]])
    assert true_mass(plan, torch.eye(2).bool()).item() == pytest.approx(7 / 8)
    assert true_mass(5 * plan, torch.eye(2).bool()).item() == pytest.approx(7 / 8)


def test_intervals() -> None:
    # Wilson's interval for 10 of 10 and for 30 of 100, from its closed form at z = 1.96.
    all_right = proportion_of(torch.ones(10).double())
    assert (all_right.mean, all_right.high) == pytest.approx((100, 100))
    assert all_right.low == pytest.approx(100 * 10 / (10 + 1.96**2))
    some = proportion_of(torch.tensor([1.0] * 30 + [0.0] * 70).double())
    assert (some.low, some.high) == pytest.approx((21.89, 39.58), abs=0.01)
    mean = mean_of(torch.tensor([0.0, 0.5, 1.0]).double())
    assert mean.mean == pytest.approx(50)
    assert mean.high - mean.mean == pytest.approx(100 * 1.96 * 0.5 / 3**0.5)


def rows(video: Tensor) -> set[tuple[float, ...]]:
    return {tuple(node) for node in video.tolist()}


def test_tasks_differ_in_what_they_say() -> None:
    made = {name: make_task(name, 2, 0.0, seed=4) for name in TASKS}
    order, content = made["order"], made["content"]
    assert torch.equal(order.query, order.support[:, 0])
    assert torch.equal(order.query.flip(1), order.support[:, 1])
    assert torch.equal(content.query, content.support[:, 0])
    # Two contents look alike on the whole: their mean nodes are what stays the same.
    torch.testing.assert_close(content.support[:, 0].mean(1), content.support[:, 1].mean(1))
    mixed = made["content, permuted videos"]
    assert not torch.equal(mixed.query, mixed.support[:, 0])
    assert rows(mixed.query[0]) == rows(mixed.support[0, 0])
    assert rows(mixed.query[0]).isdisjoint(rows(mixed.support[0, 1]))
    late = made["order, shifted videos"]
    assert late.query.shape == (2, M, LENGTH)
    shared = rows(late.query[0]) & rows(late.support[0, 0])
    assert 4 <= len(shared) <= M


def test_figures_show_the_measured_values() -> None:
    shape = (len(DISTORTIONS), len(COMPARED), len(RATIOS), 2)
    mass = torch.zeros(shape).double()
    mass[0, 0] = 1.0
    limits = torch.full((len(DISTORTIONS), 2), 0.5).double()
    found = Recovered(mass, mass, limits, limits)
    lines = [
        one.attrib["d"]
        for one in ElementTree.fromstring(noise_figure(found)).iter()
        if one.attrib.get("class") == "line s0" and one.attrib["d"].count("L") == len(RATIOS) - 1
    ]
    assert len(lines) == 2 * len(DISTORTIONS)
    heights = [float(point.split()[1]) for point in lines[0][1:].split("L")]
    others = [float(point.split()[1]) for point in lines[1][1:].split("L")]
    assert max(heights) < min(others)  # upwards is more

    plan, truth = torch.zeros(M, M).double(), torch.zeros(M, M, dtype=torch.bool)
    plan[3, 7], truth[2, 5] = 1.0, True
    drawn = plans_figure([plan.expand(len(COMPARED), M, M)] * len(DISTORTIONS), [truth] * 7)
    shapes = [
        (one.attrib["class"], one.attrib["d"])
        for one in ElementTree.fromstring(drawn).iter()
        if one.attrib.get("class") in ("mass", "truth")
    ]
    panels = len(COMPARED) * len(DISTORTIONS)
    assert shapes == [("mass", "M7 3h1v1h-1z"), ("truth", "M5 2h1v1h-1z")] * panels


@pytest.mark.slow
def test_the_same_seed_writes_the_same_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script.time, "process_time", lambda: 0.0)
    for folder in ("one", "two"):
        script.main(["--pairs", "6", "--tasks", "20", "--docs", str(tmp_path / folder)])
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["alignment-noise.svg", "alignment-plans.svg", "alignment.md"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert "holds" in capsys.readouterr().out
    page = (tmp_path / "one" / "alignment.md").read_text()
    assert "| EMD | `emd(cost, a, b)` |" in page
    assert "\\" not in page  # Markdown of the cells is not escaped.


def test_one_pair_has_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        script.main(["--pairs", "1"])
    assert "two pairs" in capsys.readouterr().err


def test_the_page_in_docs_is_of_these_aligners_and_distortions() -> None:
    page = (DOCS / "alignment.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")] for line in page.splitlines()]
    named = {cells[1] for cells in rows if len(cells) > 2}
    assert {one.label for one in COMPARED} <= named
    assert set(DISTORTIONS) <= named
    for picture in ("alignment-noise.svg", "alignment-plans.svg"):
        assert f"({picture})" in page
        ElementTree.parse(DOCS / picture)
