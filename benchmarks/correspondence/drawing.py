"""Figures: mass on true correspondences against noise, and plans with the truth outlined."""

import math
import textwrap
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.correspondence.compared import COMPARED
from benchmarks.correspondence.measure import RATIOS, Recovered, mean_of, true_mass
from benchmarks.correspondence.pairs import DISTORTIONS, M
from fewact.core import svg

FAMILIES = {"ignores order": False, "uses order": True}

STYLE = """
text{font:11px system-ui,"DejaVu Sans",sans-serif;fill:#222}
.quiet{fill:#666}.small{font-size:9px}.middle{text-anchor:middle}.end{text-anchor:end}
.ground{fill:#fff}.frame{fill:none;stroke:#bbb}.grid{stroke:#e4e4e4}
.line{fill:none;stroke-width:1.8}.band{stroke:none;fill-opacity:.18}
.limit,.chance{fill:none;stroke:#777;stroke-dasharray:5 3}.chance{stroke-dasharray:1 3}
.s0{stroke:#0072b2}.s1{stroke:#d55e00}.s2{stroke:#cc3f90;stroke-dasharray:6 4}.s3{stroke:#009e73}
.s4{stroke:#b58900}
.b0{fill:#0072b2}.b1{fill:#d55e00}.b2{fill:#cc3f90}.b3{fill:#009e73}.b4{fill:#b58900}
.mass{fill:#0060a8}.truth{fill:none;stroke:#d55e00;stroke-width:.16}
@media (prefers-color-scheme:dark){
text{fill:#e6e6e6}.quiet{fill:#a0a0a0}.ground{fill:#14171c}.frame{stroke:#555}.grid{stroke:#2b3038}
.limit,.chance{stroke:#999}
.s0{stroke:#56b4e9}.s1{stroke:#ff8a4c}.s2{stroke:#f08cc4}.s3{stroke:#2fd0a0}.s4{stroke:#e6c229}
.b0{fill:#56b4e9}.b1{fill:#ff8a4c}.b2{fill:#f08cc4}.b3{fill:#2fd0a0}.b4{fill:#e6c229}
.mass{fill:#7cc7ff}.truth{stroke:#ff8a4c}
}"""
"""Each figure has its own background, so that it can be read on a light and on a dark page."""

PANEL, HEIGHT, GAP = 128, 104, 14
"""Width and height of a panel of the first figure, and the gap to the next, in pixels."""

CELL = 6
"""Side of a cell of a plan in pixels."""

DASHED = 2
"""Position in its family of the aligner that is drawn with dashes: Hungarian, DTW."""

LEVELS = 16
"""Number of shades of mass; the darkest is the full mass of one node."""


def ratio_name(ratio: float) -> str:
    """Return the label of a ratio of noise to signal."""
    return {0.5: "½", math.inf: "∞"}.get(ratio, f"{ratio:g}")


def noise_figure(recovered: Recovered) -> str:
    """Return the mass on true correspondences against noise, by distortion and family."""
    left, top, row = 50, 40, HEIGHT + 76
    width, height = left + len(DISTORTIONS) * (PANEL + GAP), top + 2 * row
    parts = [_text(left, 18, "Fraction of the plan's mass on true correspondences, in per cent")]
    parts.append(_path(f"M{width - 416} 14h26", "limit"))
    parts.append(_text(width - 384, 18, "maximum with equal weights", "quiet"))
    parts.append(_path(f"M{width - 196} 14h26", "chance"))
    parts.append(_text(width - 164, 18, "uniform plan", "quiet"))
    for number, (family, ordered) in enumerate(FAMILIES.items()):
        shown = [index for index, one in enumerate(COMPARED) if one.ordered == ordered]
        y = top + number * row
        parts += _legend(left, y + 6, family, shown)
        for column, distortion in enumerate(DISTORTIONS):
            x = left + column * (PANEL + GAP)
            parts += _panel(recovered, column, shown, x, y + 34)
            parts.append(_text(x + PANEL / 2, y + 28, distortion, "middle"))
            parts += _ticks(x, y + 34, first=column == 0)
    parts.append(
        _text(left, height - 8, "Across: length of the noise over that of the signal.", "quiet")
    )
    title = "Mass on true correspondences against noise, by aligner"
    return svg.document(width, height, parts, title=title, style=STYLE)


def _legend(x: float, y: float, family: str, shown: Sequence[int]) -> list[str]:
    parts = [_text(x, y, family, "quiet")]
    x += 100
    for colour, index in enumerate(shown):
        label = COMPARED[index].label
        parts.append(_path(f"M{x:g} {y - 4:g}h26", f"line s{colour}"))
        parts.append(_text(x + 32, y, label))
        x += 62 + 6.6 * len(label)
    return parts


def _panel(recovered: Recovered, column: int, shown: Sequence[int], x: int, y: int) -> list[str]:
    parts = [_path(f"M{x} {y + HEIGHT / 2:g}h{PANEL}", "grid")]
    for values, name in ((recovered.ceiling, "limit"), (recovered.chance, "chance")):
        level = _up(y, 100 * values[column].mean().item())
        parts.append(_path(f"M{x} {level:.1f}h{PANEL}", name))
    # The dashed line comes last: it covers others, which remain visible through it.
    for colour, index in sorted(enumerate(shown), key=lambda one: one[0] == DASHED):
        found = [mean_of(recovered.mass[column, index, ratio]) for ratio in range(len(RATIOS))]
        across = [_along(x, ratio) for ratio in range(len(RATIOS))]
        upper = [(at, _up(y, one.high)) for at, one in zip(across, found, strict=True)]
        lower = [(at, _up(y, one.low)) for at, one in zip(across, found, strict=True)]
        line = [(at, _up(y, one.mean)) for at, one in zip(across, found, strict=True)]
        parts.append(_path(_through(upper + lower[::-1]) + "z", f"band b{colour}"))
        parts.append(_path(_through(line), f"line s{colour}"))
    parts.append(svg.rectangle(x, y, PANEL, HEIGHT, None, class_="frame"))
    return parts


def _ticks(x: int, y: int, *, first: bool) -> list[str]:
    parts = [
        _text(_along(x, number), y + HEIGHT + 12, ratio_name(ratio), "quiet small middle")
        for number, ratio in enumerate(RATIOS)
    ]
    if first:
        parts += [_text(x - 6, _up(y, at) + 3, f"{at}", "quiet small end") for at in (0, 50, 100)]
    return parts


def _along(x: float, ratio: int) -> float:
    """Return the horizontal position of a ratio in a panel."""
    return x + 8 + ratio * (PANEL - 16) / (len(RATIOS) - 1)


def _up(y: float, percentage: float) -> float:
    """Return the vertical position of a percentage in a panel."""
    return y + HEIGHT - 4 - min(max(percentage, 0.0), 100.0) / 100 * (HEIGHT - 8)


def _through(points: Sequence[tuple[float, float]]) -> str:
    """Return the path through points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def plans_figure(plans: Sequence[Tensor], truths: Sequence[Tensor]) -> str:
    """Return the plans of one pair for each distortion, with the truth outlined.

    Args:
        plans: (aligner m m') for each distortion.
        truths: (m m') for each distortion.
    """
    side, left, top = CELL * M, 98, 62
    width, height = left + len(COMPARED) * (side + 10), top + len(plans) * (side + 20)
    parts = [
        _text(
            8, 18, "Down: nodes of the first video. Across: nodes of the second. Outlined: truth."
        ),
        _text(
            width - 10, 18, "Below each: fraction of its mass on true correspondences.", "quiet end"
        ),
    ]
    for column, compared in enumerate(COMPARED):
        x = left + column * (side + 10) + side / 2
        for line, words in enumerate(textwrap.wrap(compared.label, 15)):
            parts.append(_text(x, 40 + 13 * line, words, "middle"))
    for number, (name, of_pair, truth) in enumerate(zip(DISTORTIONS, plans, truths, strict=True)):
        y = top + number * (side + 20)
        parts.append(_text(left - 8, y + side / 2, name, "end"))
        for column, plan in enumerate(of_pair):
            x = left + column * (side + 10)
            parts += _heat(plan, truth, x, y)
            mass = f"{100 * true_mass(plan, truth).item():.0f} %"
            parts.append(_text(x + side / 2, y + side + 11, mass, "quiet small middle"))
    title = "Plans of all aligners, one pair per distortion"
    return svg.document(width, height, parts, title=title, style=STYLE)


def _heat(plan: Tensor, truth: Tensor, x: int, y: int) -> list[str]:
    """Return one plan; cells of one shade share a path, so that the file stays small."""
    shade = (plan / plan.sum() * M * LEVELS).round().clamp_max(LEVELS).int()  # (m m')
    cells = [
        _path(_cells(shade == level), "mass", fill_opacity=f"{level / LEVELS:g}")
        for level in torch.unique(shade).tolist()
        if level
    ]
    cells.append(_path(_cells(truth), "truth"))
    side = CELL * M
    return [
        svg.element("g", *cells, transform=f"translate({x} {y}) scale({CELL})"),
        svg.rectangle(x, y, side, side, None, class_="frame"),
    ]


def _cells(which: Tensor) -> str:
    return "".join(f"M{j} {i}h1v1h-1z" for i, j in which.nonzero().tolist())


def _path(d: str, kind: str, **attributes: svg.Value) -> str:
    """Return a path of a class of the style sheet."""
    return svg.element("path", class_=kind, d=d, **attributes)


def _text(x: float, y: float, words: str, kind: str | None = None) -> str:
    """Return a text of a class of the style sheet."""
    return svg.text(x, y, words, colour=None, class_=kind)
