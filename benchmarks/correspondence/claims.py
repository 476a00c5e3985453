"""Statements about the aligners, each with its measured values and whether it holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.correspondence.compared import COMPARED
from benchmarks.correspondence.measure import MIDDLE, RATIOS, Estimate, Recovered, mean_of
from benchmarks.correspondence.pairs import DISTORTIONS

LABELS = tuple(one.label for one in COMPARED)
ORDERED = tuple(one.label for one in COMPARED if one.ordered)
UNORDERED = tuple(one.label for one in COMPARED if not one.ordered)
NAMES = tuple(DISTORTIONS)

CHANCE = 5.0
"""Points from 50 % that count as chance: three standard errors at 1,000 tasks."""


@dataclass(frozen=True)
class Claim:
    """A statement that the measurement confirms or not.

    Args:
        statement: The statement.
        measured: Values that decide it.
        holds: Whether they confirm it.
    """

    statement: str
    measured: str
    holds: bool


Lookup = Callable[..., Tensor]
"""Function from label, distortion and index of the ratio (default: middle) to fractions (p)."""


def claims(
    recovered: Recovered, accuracy: Mapping[str, Sequence[Estimate]], change: Tensor
) -> Iterator[Claim]:
    """Yield all statements.

    Args:
        recovered: Result of ``recover``.
        accuracy: Result of ``task_accuracies``.
        change: (aligner p) result of ``change_by_order``.
    """
    fractions, found = _reader(recovered.mass), _reader(recovered.found)
    yield from _on_order(fractions, change)
    yield from _on_counterparts(fractions, recovered)
    yield from _on_noise(fractions)
    yield from _on_blur(fractions, found)
    yield from _on_tasks(accuracy)


def _reader(of: Tensor) -> Lookup:
    """Return a function that looks up fractions (distortion aligner ratio p) by name."""

    def read(label: str, distortion: str, ratio: int = MIDDLE) -> Tensor:
        return of[NAMES.index(distortion), LABELS.index(label), ratio]

    return read


def _on_order(fractions: Lookup, change: Tensor) -> Iterator[Claim]:
    unordered = max(change[LABELS.index(label)].max().item() for label in UNORDERED)
    ordered = min(change[LABELS.index(label)].min().item() for label in ORDERED)
    yield Claim(
        f"The value of {_listed(UNORDERED)} does not depend on the order of the nodes; that of "
        f"{_listed(ORDERED)} does.",
        f"a permutation changes it by at most {unordered:.0e}, and by at least {ordered:.2f}",
        unordered < 1e-9 < ordered,
    )
    best, worst = _extremes(ORDERED, UNORDERED, lambda label: fractions(label, "permuted"))
    yield Claim(
        "If nodes are permuted, every aligner that ignores order recovers more than every one that "
        "uses it.",
        f"{worst[0]} {worst[1]:.1f}, the least without order; {best[0]} {best[1]:.1f}, the most "
        "with order",
        worst[1] > best[1],
    )
    swapped = {label: _per_cent(fractions(label, "swapped parts")) for label in ("EMD", "DTW")}
    yield Claim(
        "Two swapped parts cost EMD nothing and DTW most of its mass.",
        f"EMD {_per_cent(fractions('EMD', 'same')):.1f} → {swapped['EMD']:.1f}, "
        f"DTW {_per_cent(fractions('DTW', 'same')):.1f} → {swapped['DTW']:.1f}",
        _per_cent(fractions("EMD", "same")) - swapped["EMD"] < 1
        and swapped["DTW"] < _per_cent(fractions("DTW", "same")) / 2,
    )


def _on_counterparts(fractions: Lookup, recovered: Recovered) -> Iterator[Claim]:
    ceiling = dict(zip(NAMES, recovered.ceiling, strict=True))
    short = torch.stack([ceiling[name] - fractions("EMD", name, 0) for name in NAMES])
    yield Claim(
        "Without noise, EMD reaches the maximum with equal weights in every pair.",
        f"{(short > 1e-9).sum()} of {short.numel():,} pairs fall short, by at most "
        f"{100 * short.max().item():.1f} points",
        short.max().item() < 1e-9,
    )
    apart = max(abs(mean_of(fractions("EMD", n) - fractions("Hungarian", n)).mean) for n in NAMES)
    yield Claim(
        "EMD with equal weights and Hungarian are equal.",
        f"their means differ by at most {apart:.2f} points",
        apart < 0.1,
    )
    over = {
        name: mean_of(fractions("Bi-MHM", name, 0) - ceiling[name])
        for name in ("stretched", "repeated part")
    }
    yield Claim(
        "If one node has several counterparts, Bi-MHM exceeds that maximum: one node may be the "
        "nearest of many.",
        "; ".join(f"{name} {_signed(one)} points without noise" for name, one in over.items()),
        all(one.low > 0 for one in over.values()),
    )
    gain = {
        name: mean_of(fractions("cross-reference EMD", name) - fractions("EMD", name))
        for name in ("shifted", "dropped part")
    }
    yield Claim(
        "Cross-reference weights reduce the mass on material that the other video does not show.",
        "; ".join(f"{name} {_signed(one)} points" for name, one in gain.items()),
        all(one.low > 0 for one in gain.values()),
    )
    price = mean_of(fractions("cross-reference EMD", "same") - fractions("EMD", "same"))
    yield Claim(
        "If all nodes have a counterpart, cross-reference weights cost nothing.",
        f"same: {_signed(price)} points",
        price.high >= 0,
    )
    most = {label: _per_cent(fractions(label, "shifted")) for label in ORDERED}
    yield Claim(
        "Among the aligners that use order, OTAM with λ 0.1 recovers most if the start is "
        "shifted: its ends are free.",
        ", ".join(f"{label} {value:.1f}" for label, value in most.items()),
        max(most, key=lambda label: most[label]) == "OTAM λ 0.1",
    )


def _on_noise(fractions: Lookup) -> Iterator[Claim]:
    strong = RATIOS.index(8.0)
    yield Claim(
        "If the order is right, DTW and the diagonal tolerate noise under which EMD fails.",
        f"same, noise 8: EMD {_per_cent(fractions('EMD', 'same', strong)):.1f}, "
        f"DTW {_per_cent(fractions('DTW', 'same', strong)):.1f}, "
        f"diagonal {_per_cent(fractions('diagonal', 'same', strong)):.1f}",
        _per_cent(fractions("EMD", "same", strong))
        < _per_cent(fractions("DTW", "same", strong)) / 2,
    )
    alone = {name: _per_cent(fractions("DTW", name, -1)) for name in ("same", "permuted")}
    yield Claim(
        "This is a prior: on noise alone DTW still returns the diagonal, right or wrong.",
        f"noise alone: same {alone['same']:.1f}, permuted {alone['permuted']:.1f}",
        alone["same"] > 95 and alone["permuted"] < 10,
    )
    clean, noisy = (_per_cent(fractions("DTW", "shifted", at)) for at in (0, MIDDLE))
    yield Claim(
        "DTW loses shifts under noise: a path that leaves the diagonal has more cells, and noise "
        "makes every cell expensive.",
        f"shifted: {clean:.1f} without noise, {noisy:.1f} at the middle noise",
        noisy < clean / 2,
    )


def _on_blur(fractions: Lookup, found: Lookup) -> Iterator[Claim]:
    worse = min(
        mean_of(fractions("OTAM λ 0.1", name) - fractions("OTAM λ 0.5", name)).low for name in NAMES
    )
    yield Claim(
        "OTAM with λ 0.5 is too soft for cosine costs: λ 0.1 recovers more under every distortion.",
        f"the smallest difference is above {worse:.1f} points",
        worse > 0,
    )
    soft = {label: _per_cent(fractions(label, "same")) for label in ("EMD", "Sinkhorn")}
    sharp = {label: _per_cent(fractions(label, "same", 0)) for label in soft}
    yield Claim(
        "Sinkhorn with ε 0.05 blurs what EMD still recovers: noise reduces the differences "
        "between costs, and ε stays the same.",
        f"same: EMD {soft['EMD']:.1f}, Sinkhorn {soft['Sinkhorn']:.1f}; without noise "
        f"{sharp['EMD']:.1f}, {sharp['Sinkhorn']:.1f}",
        soft["Sinkhorn"] < soft["EMD"] - 10,
    )
    gain = {
        name: mean_of(found("Sinkhorn", name) - found("EMD", name))
        for name in ("shifted", "stretched", "repeated part", "dropped part")
    }
    yield Claim(
        "The peaks of the blurred plan are right more often than EMD's choice if material is new "
        "or repeated.",
        "found: " + "; ".join(f"{name} {_signed(one)} points" for name, one in gain.items()),
        all(one.low > 0 for one in gain.values()),
    )


def _on_tasks(accuracy: Mapping[str, Sequence[Estimate]]) -> Iterator[Claim]:
    def of(task: str, labels: Sequence[str]) -> list[float]:
        return [accuracy[task][LABELS.index(label)].mean for label in labels]

    for task in ("order", "order, shifted videos"):
        unordered, ordered = of(task, UNORDERED), of(task, ORDERED)
        yield Claim(
            f"Task “{task}”: aligners that ignore order are at chance, the others are not.",
            f"without order {_range(unordered)}, with order {_range(ordered)}",
            max(abs(value - 50) for value in unordered) < CHANCE < min(ordered) - 50,
        )
    task = "content, permuted videos"
    unordered, ordered = of(task, UNORDERED), of(task, ORDERED)
    yield Claim(
        f"Task “{task}”: every aligner that ignores order is better than every one that uses it.",
        f"without order {_range(unordered)}, with order {_range(ordered)}",
        min(unordered) > max(ordered),
    )
    furthest = max(ORDERED, key=lambda label: of(task, [label])[0])
    yield Claim(
        f"Task “{task}”: every aligner that uses order is at chance.",
        f"{_range(ordered)}, the most by {furthest}",
        max(abs(value - 50) for value in ordered) < CHANCE,
    )


def _extremes(
    most: Sequence[str], least: Sequence[str], fractions: Callable[[str], Tensor]
) -> tuple[tuple[str, float], tuple[str, float]]:
    """Return the greatest mean among the first labels, and the least among the second."""
    upper = max(((label, _per_cent(fractions(label))) for label in most), key=lambda one: one[1])
    lower = min(((label, _per_cent(fractions(label))) for label in least), key=lambda one: one[1])
    return upper, lower


def _per_cent(fractions: Tensor) -> float:
    return 100 * fractions.mean().item()


def _signed(one: Estimate) -> str:
    return f"{one.mean:+.1f} ± {one.high - one.mean:.1f}".replace("-", "−")


def _range(fractions: Sequence[float]) -> str:
    return f"{min(fractions):.1f} to {max(fractions):.1f}"


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:-1]) + " and " + labels[-1]
