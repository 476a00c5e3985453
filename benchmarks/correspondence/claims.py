"""Statements about the aligners, each with what was measured and whether it holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.correspondence.compared import COMPARED
from benchmarks.correspondence.measure import MIDDLE, RATIOS, Estimate, Recovered, mean_of
from benchmarks.correspondence.pairs import DISTORTIONS

LABELS = tuple(one.label for one in COMPARED)
ORDERED = tuple(one.label for one in COMPARED if one.ordered)
BLIND = tuple(one.label for one in COMPARED if not one.ordered)
PLACES = tuple(DISTORTIONS)

CHANCE = 5.0
"""Points from 50 % that count as chance: three standard errors at 1,000 tasks."""


@dataclass(frozen=True)
class Claim:
    """A statement that the measurement bears out or not.

    Args:
        says: The statement.
        measured: The figures that decide it.
        holds: Whether they bear it out.
    """

    says: str
    measured: str
    holds: bool


Shares = Callable[..., Tensor]
"""Shares (p) of an aligner's label, a distortion and the number of a ratio (the middle one)."""


def claims(
    recovered: Recovered, accuracy: Mapping[str, Sequence[Estimate]], change: Tensor
) -> Iterator[Claim]:
    """All statements.

    Args:
        recovered: What ``recover`` found.
        accuracy: What ``tell_apart`` found.
        change: (aligner p) what ``change_by_order`` found.
    """
    shares, found = _reader(recovered.mass), _reader(recovered.found)
    yield from _on_order(shares, change)
    yield from _on_material(shares, recovered)
    yield from _on_noise(shares)
    yield from _on_blur(shares, found)
    yield from _on_tasks(accuracy)


def _reader(of: Tensor) -> Shares:
    """Looks up shares (distortion aligner ratio p) by name."""

    def read(label: str, distortion: str, ratio: int = MIDDLE) -> Tensor:
        return of[PLACES.index(distortion), LABELS.index(label), ratio]

    return read


def _on_order(shares: Shares, change: Tensor) -> Iterator[Claim]:
    blind = max(change[LABELS.index(label)].max().item() for label in BLIND)
    bound = min(change[LABELS.index(label)].min().item() for label in ORDERED)
    yield Claim(
        f"The value of {_listed(BLIND)} does not depend on the order of the nodes; that of "
        f"{_listed(ORDERED)} does.",
        f"a permutation changes it by at most {blind:.0e}, and by at least {bound:.2f}",
        blind < 1e-9 < bound,
    )
    best, worst = _extremes(ORDERED, BLIND, lambda label: shares(label, "permuted"))
    yield Claim(
        "If nodes are permuted, every aligner that ignores order recovers more than every one that "
        "uses it.",
        f"{worst[0]} {worst[1]:.1f}, the least without order; {best[0]} {best[1]:.1f}, the most "
        "with order",
        worst[1] > best[1],
    )
    swapped = {label: _per_cent(shares(label, "swapped parts")) for label in ("EMD", "DTW")}
    yield Claim(
        "Two swapped parts cost EMD nothing and DTW most of its mass.",
        f"EMD {_per_cent(shares('EMD', 'same')):.1f} → {swapped['EMD']:.1f}, "
        f"DTW {_per_cent(shares('DTW', 'same')):.1f} → {swapped['DTW']:.1f}",
        _per_cent(shares("EMD", "same")) - swapped["EMD"] < 1
        and swapped["DTW"] < _per_cent(shares("DTW", "same")) / 2,
    )


def _on_material(shares: Shares, recovered: Recovered) -> Iterator[Claim]:
    ceiling = dict(zip(PLACES, recovered.ceiling, strict=True))
    short = torch.stack([ceiling[name] - shares("EMD", name, 0) for name in PLACES])
    yield Claim(
        "Without noise, EMD reaches the maximum with equal weights in every pair.",
        f"{(short > 1e-9).sum()} of {short.numel():,} pairs fall short, by at most "
        f"{100 * short.max().item():.1f} points",
        short.max().item() < 1e-9,
    )
    apart = max(abs(mean_of(shares("EMD", n) - shares("Hungarian", n)).mean) for n in PLACES)
    yield Claim(
        "EMD with equal weights and Hungarian are equal.",
        f"their means differ by at most {apart:.2f} points",
        apart < 0.1,
    )
    over = {
        name: mean_of(shares("Bi-MHM", name, 0) - ceiling[name])
        for name in ("stretched", "repeated part")
    }
    yield Claim(
        "If one node has several counterparts, Bi-MHM exceeds that maximum: one node may be the "
        "nearest of many.",
        "; ".join(f"{name} {_signed(one)} points without noise" for name, one in over.items()),
        all(one.low > 0 for one in over.values()),
    )
    gain = {
        name: mean_of(shares("cross-reference EMD", name) - shares("EMD", name))
        for name in ("shifted", "dropped part")
    }
    yield Claim(
        "Cross-reference weights reduce the mass on material that the other video does not show.",
        "; ".join(f"{name} {_signed(one)} points" for name, one in gain.items()),
        all(one.low > 0 for one in gain.values()),
    )
    price = mean_of(shares("cross-reference EMD", "same") - shares("EMD", "same"))
    yield Claim(
        "If all nodes have a counterpart, cross-reference weights cost nothing.",
        f"same: {_signed(price)} points",
        price.high >= 0,
    )
    most = {label: _per_cent(shares(label, "shifted")) for label in ORDERED}
    yield Claim(
        "Among the aligners that use order, OTAM with λ 0.1 recovers most if the start is "
        "shifted: its ends are free.",
        ", ".join(f"{label} {share:.1f}" for label, share in most.items()),
        max(most, key=lambda label: most[label]) == "OTAM λ 0.1",
    )


def _on_noise(shares: Shares) -> Iterator[Claim]:
    strong = RATIOS.index(8.0)
    yield Claim(
        "If the order is right, DTW and the diagonal tolerate noise under which EMD fails.",
        f"same, noise 8: EMD {_per_cent(shares('EMD', 'same', strong)):.1f}, "
        f"DTW {_per_cent(shares('DTW', 'same', strong)):.1f}, "
        f"diagonal {_per_cent(shares('diagonal', 'same', strong)):.1f}",
        _per_cent(shares("EMD", "same", strong)) < _per_cent(shares("DTW", "same", strong)) / 2,
    )
    alone = {name: _per_cent(shares("DTW", name, -1)) for name in ("same", "permuted")}
    yield Claim(
        "This is a prior: on noise alone DTW still returns the diagonal, right or wrong.",
        f"noise alone: same {alone['same']:.1f}, permuted {alone['permuted']:.1f}",
        alone["same"] > 95 and alone["permuted"] < 10,
    )
    clean, seen = (_per_cent(shares("DTW", "shifted", at)) for at in (0, MIDDLE))
    yield Claim(
        "DTW loses shifts under noise: a path that leaves the diagonal has more cells, and noise "
        "makes every cell expensive.",
        f"shifted: {clean:.1f} without noise, {seen:.1f} at the middle noise",
        seen < clean / 2,
    )


def _on_blur(shares: Shares, found: Shares) -> Iterator[Claim]:
    worse = min(
        mean_of(shares("OTAM λ 0.1", name) - shares("OTAM λ 0.5", name)).low for name in PLACES
    )
    yield Claim(
        "OTAM with λ 0.5 is too soft for cosine costs: λ 0.1 recovers more under every distortion.",
        f"the smallest difference is above {worse:.1f} points",
        worse > 0,
    )
    soft = {label: _per_cent(shares(label, "same")) for label in ("EMD", "Sinkhorn")}
    sharp = {label: _per_cent(shares(label, "same", 0)) for label in soft}
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
        blind, bound = of(task, BLIND), of(task, ORDERED)
        yield Claim(
            f"Task “{task}”: aligners that ignore order are at chance, the others are not.",
            f"without order {_range(blind)}, with order {_range(bound)}",
            max(abs(share - 50) for share in blind) < CHANCE < min(bound) - 50,
        )
    task = "content, permuted videos"
    blind, bound = of(task, BLIND), of(task, ORDERED)
    yield Claim(
        f"Task “{task}”: every aligner that ignores order is better than every one that uses it.",
        f"without order {_range(blind)}, with order {_range(bound)}",
        min(blind) > max(bound),
    )
    furthest = max(ORDERED, key=lambda label: of(task, [label])[0])
    yield Claim(
        f"Task “{task}”: every aligner that uses order is at chance.",
        f"{_range(bound)}, the most by {furthest}",
        max(abs(share - 50) for share in bound) < CHANCE,
    )


def _extremes(
    most: Sequence[str], least: Sequence[str], shares: Callable[[str], Tensor]
) -> tuple[tuple[str, float], tuple[str, float]]:
    """The label with the greatest mean among the first, with the least among the second."""
    upper = max(((label, _per_cent(shares(label))) for label in most), key=lambda one: one[1])
    lower = min(((label, _per_cent(shares(label))) for label in least), key=lambda one: one[1])
    return upper, lower


def _per_cent(shares: Tensor) -> float:
    return 100 * shares.mean().item()


def _signed(one: Estimate) -> str:
    return f"{one.mean:+.1f} ± {one.high - one.mean:.1f}".replace("-", "−")


def _range(shares: Sequence[float]) -> str:
    return f"{min(shares):.1f} to {max(shares):.1f}"


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:-1]) + " and " + labels[-1]
