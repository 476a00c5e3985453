"""What each aligner recovers of the truth, and which class it finds nearer."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.correspondence.compared import COMPARED, pose
from benchmarks.correspondence.pairs import DISTORTIONS, Pairs, make_pairs
from benchmarks.correspondence.tasks import TASKS, make_task
from fewact import align

RATIOS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, math.inf)
"""Lengths of the noise over that of the signal; the last is noise without a signal."""

MIDDLE = RATIOS.index(2.0)
"""The noise of tables and pictures that show one noise alone."""

TASK_RATIO = 2.0


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs or tasks, in per cent, and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Recovered:
    """What was recovered of each pair, from 0 to 1.

    Args:
        mass: (distortion aligner ratio p) share of the plan's mass that is on true correspondences.
        found: (distortion aligner ratio p) share of the second video's nodes that have a
            counterpart for which the plan's largest entry is a true one.
        ceiling: (distortion p) largest ``mass`` of a plan that gives all nodes the same weight.
        chance: (distortion p) ``mass`` of a plan that is the same everywhere.
    """

    mass: Tensor
    found: Tensor
    ceiling: Tensor
    chance: Tensor


def mean_of(shares: Tensor) -> Estimate:
    """Mean of shares (p) with an interval of 1.96·s/√p on each side."""
    mean, half = shares.mean().item(), 1.96 * shares.std().item() / math.sqrt(len(shares))
    return Estimate(100 * mean, 100 * (mean - half), 100 * (mean + half))


def proportion_of(right: Tensor) -> Estimate:
    """Share of what is right (p) with Wilson's interval, which is honest near 0 and 100."""
    share, count, z = right.mean().item(), len(right), 1.96
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    spread = math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    half = z * spread / (1 + z * z / count)
    return Estimate(100 * share, 100 * (centre - half), 100 * (centre + half))


def true_mass(plan: Tensor, truth: Tensor) -> Tensor:
    """Share of plans (… m m') that lies on true correspondences: (…)."""
    return (plan * truth).sum((-2, -1)) / plan.sum((-2, -1))


def nodes_found(plan: Tensor, truth: Tensor) -> Tensor:
    """Share of columns with a counterpart whose largest entry is a true one: (…).

    Where several entries are the largest, each counts for its part; a column without mass finds
    nothing.
    """
    largest = (plan == plan.amax(-2, keepdim=True)) & (plan > 0)
    right = (largest & truth).sum(-2) / largest.sum(-2).clamp_min(1)  # (… m')
    has = truth.any(-2)
    return (right * has).sum(-1) / has.sum(-1)


def recover(count: int, seed: int) -> Recovered:
    """Align pairs under every distortion and noise.

    Args:
        count: Pairs of each distortion, the same under every noise.
        seed: Gives the same pairs each time.
    """
    mass, found, ceiling, chance = [], [], [], []
    for distortion in DISTORTIONS:
        pairs = make_pairs(distortion, count, seed)
        plans = [plans_of(pairs, ratio) for ratio in RATIOS]  # each (aligner p m m')
        mass.append(torch.stack([true_mass(plan, pairs.truth) for plan in plans], 1))
        found.append(torch.stack([nodes_found(plan, pairs.truth) for plan in plans], 1))
        # The best plan is the cheapest where false correspondences cost 1.
        ceiling.append(1 - align.hungarian(1 - pairs.truth.double(), plan=False).value)
        chance.append(pairs.truth.double().mean((-2, -1)))
    return Recovered(*map(torch.stack, (mass, found, ceiling, chance)))


def plans_of(pairs: Pairs, ratio: float) -> Tensor:
    """The plan of each aligner for pairs under a noise: (aligner p m m')."""
    posed = pose(pairs.first, pairs.seen(ratio))
    plans = [compared(posed).plan for compared in COMPARED]
    return torch.stack([plan for plan in plans if plan is not None])


def tell_apart(count: int, seed: int) -> dict[str, list[Estimate]]:
    """Accuracy of each aligner in each kind of task; two classes equally near count as half.

    Args:
        count: Tasks of each kind.
        seed: Gives the same tasks each time.
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
    """How much each aligner's value changes when the second video's nodes are permuted.

    Args:
        count: Pairs.
        seed: Gives the same pairs each time.

    Returns:
        (aligner p), without a sign.
    """
    pairs = make_pairs("same", count, seed)
    second = pairs.seen(RATIOS[MIDDLE])
    order = torch.randperm(second.shape[1], generator=torch.Generator().manual_seed(seed))
    before, after = pose(pairs.first, second), pose(pairs.first, second[:, order])
    changes = [(compared(after).value - compared(before).value).abs() for compared in COMPARED]
    return torch.stack(changes)
