"""Fraction of the truth that each aligner recovers, and the class that it finds nearer."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.correspondence.compared import COMPARED, pose
from benchmarks.correspondence.pairs import DISTORTIONS, Pairs, make_pairs
from benchmarks.correspondence.tasks import TASKS, make_task
from fewact import align

RATIOS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, math.inf)
"""Ratios of the noise's length to the signal's; the last is noise without a signal."""

MIDDLE = RATIOS.index(2.0)
"""Index of the noise of tables and figures that show one noise only."""

TASK_RATIO = 2.0


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs or tasks, in per cent, and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Recovered:
    """Recovered fractions of each pair, from 0 to 1.

    Args:
        mass: (distortion aligner ratio p) fraction of the plan's mass on true correspondences.
        found: (distortion aligner ratio p) fraction of the second video's nodes with a counterpart
            for which the plan's largest entry is a true one.
        ceiling: (distortion p) largest ``mass`` of a plan with equal weights.
        chance: (distortion p) ``mass`` of a uniform plan.
    """

    mass: Tensor
    found: Tensor
    ceiling: Tensor
    chance: Tensor


def mean_of(fractions: Tensor) -> Estimate:
    """Return the mean of fractions (p) with an interval of 1.96·s/√p on each side."""
    mean = fractions.mean().item()
    half = 1.96 * fractions.std().item() / math.sqrt(len(fractions))
    return Estimate(100 * mean, 100 * (mean - half), 100 * (mean + half))


def proportion_of(right: Tensor) -> Estimate:
    """Return the fraction of correct tasks (p) with Wilson's interval, valid near 0 and 100."""
    fraction, count, z = right.mean().item(), len(right), 1.96
    centre = (fraction + z * z / (2 * count)) / (1 + z * z / count)
    spread = math.sqrt(fraction * (1 - fraction) / count + (z / (2 * count)) ** 2)
    half = z * spread / (1 + z * z / count)
    return Estimate(100 * fraction, 100 * (centre - half), 100 * (centre + half))


def true_mass(plan: Tensor, truth: Tensor) -> Tensor:
    """Return the fraction of plans (… m m') on true correspondences: (…)."""
    return (plan * truth).sum((-2, -1)) / plan.sum((-2, -1))


def nodes_found(plan: Tensor, truth: Tensor) -> Tensor:
    """Return the fraction of columns with a counterpart whose largest entry is a true one: (…).

    Ties count in part; a column without mass counts as missed.
    """
    largest = (plan == plan.amax(-2, keepdim=True)) & (plan > 0)
    right = (largest & truth).sum(-2) / largest.sum(-2).clamp_min(1)  # (… m')
    has = truth.any(-2)
    return (right * has).sum(-1) / has.sum(-1)


def recover(count: int, seed: int) -> Recovered:
    """Return the recovered fractions of pairs under every distortion and noise.

    Args:
        count: Number of pairs for each distortion, the same under every noise.
        seed: Seed of the pairs.
    """
    mass, found, ceiling, chance = [], [], [], []
    for distortion in DISTORTIONS:
        pairs = make_pairs(distortion, count, seed)
        plans = [plans_of(pairs, ratio) for ratio in RATIOS]  # each (aligner p m m')
        mass.append(torch.stack([true_mass(plan, pairs.truth) for plan in plans], 1))
        found.append(torch.stack([nodes_found(plan, pairs.truth) for plan in plans], 1))
        # The best plan is the cheapest if false correspondences cost 1.
        ceiling.append(1 - align.hungarian(1 - pairs.truth.double(), plan=False).value)
        chance.append(pairs.truth.double().mean((-2, -1)))
    return Recovered(*map(torch.stack, (mass, found, ceiling, chance)))


def plans_of(pairs: Pairs, ratio: float) -> Tensor:
    """Return the plan of each aligner for pairs under a noise: (aligner p m m')."""
    posed = pose(pairs.first, pairs.noisy(ratio))
    plans = [compared(posed).plan for compared in COMPARED]
    return torch.stack([plan for plan in plans if plan is not None])


def task_accuracies(count: int, seed: int) -> dict[str, list[Estimate]]:
    """Return the accuracy of each aligner in each type of task; a tie counts as half.

    Args:
        count: Number of tasks of each type.
        seed: Seed of the tasks.
    """
    accuracies: dict[str, list[Estimate]] = {}
    for name in TASKS:
        task = make_task(name, count, TASK_RATIO, seed)
        posed = [pose(task.support[:, of], task.query) for of in range(2)]
        accuracies[name] = []
        for compared in COMPARED:
            own, other = (compared(to).value for to in posed)
            right = (own < other).double() + 0.5 * (own == other)
            accuracies[name].append(proportion_of(right))
    return accuracies


def change_by_order(count: int, seed: int) -> Tensor:
    """Return the change of each aligner's value if the second video's nodes are permuted.

    Args:
        count: Number of pairs.
        seed: Seed of the pairs.

    Returns:
        (aligner p) absolute changes.
    """
    pairs = make_pairs("same", count, seed)
    second = pairs.noisy(RATIOS[MIDDLE])
    order = torch.randperm(second.shape[1], generator=torch.Generator().manual_seed(seed))
    before, after = pose(pairs.first, second), pose(pairs.first, second[:, order])
    changes = [(compared(after).value - compared(before).value).abs() for compared in COMPARED]
    return torch.stack(changes)
