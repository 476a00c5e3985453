"""The tables of the ablation: paired differences on the same episodes."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.fusion_steps.clips import SETS
from benchmarks.fusion_steps.episodes import SHOTS, classes_of
from benchmarks.fusion_steps.variants import (
    ADDED,
    DEFAULT,
    FLIP_BASE,
    FLIPPED,
    REDUCED,
    STEPS_OF_REDUCED,
    compared_with,
)
from benchmarks.markdown import heading
from fewact.data import VideoList
from fewact.evaluation.intervals import class_intervals, half_width

COLUMNS = ("fixed", "framing", "shake", "pan", "hand", "hand queries", "rough", "sweep", "flipped")
VECTORS = ("fixed, vectors", "hand, vectors")
LEAST, SHOWN = 0.5, (1, 5)

Accuracies = NDArray[np.float64]
"""Accuracy of each episode in per cent."""

Cells = Mapping[str, Mapping[str, Accuracies]]
"""Accuracies by cell, then by variant and shots."""


def print_tables(cache: Path, seed: int, sets: Mapping[str, VideoList]) -> None:
    """Print the summaries and the tables of all stored results, in Markdown."""
    found = results(cache, seed)
    for base in (DEFAULT, REDUCED):
        chosen = {
            key: cell
            for key, cell in found.items()
            if f"{base}/1" in cell and key.split("-", 1)[1] in COLUMNS
        }
        print(f"\n### Summary: {base}\n")
        unflipped = {key: cell for key, cell in chosen.items() if not key.endswith("-flipped")}
        print("\n".join(summary(unflipped, base, sets)))
        for name in SETS:
            part = {key: cell for key, cell in chosen.items() if key.startswith(f"{name}-")}
            if part:
                print(f"\n### {base}, {name}\n")
                print("\n".join(table(name, part, base)))
    vectors = {key: cell for key, cell in found.items() if key.split("-", 1)[1] in VECTORS}
    print("\n### Vectors only\n")
    print("\n".join(summary(vectors, DEFAULT, sets)) + "\n")
    renamed = {f"v-{key}".replace(", vectors", ""): cell for key, cell in vectors.items()}
    print("\n".join(table("vectors only", renamed, DEFAULT)))
    print("\n### Horizontal flip\n")
    for key in ("arms-fixed", "arms-flipped"):
        for name in FLIPPED if key in found else ():
            gains = [written(*gain(found[key], FLIP_BASE, name, shots)) for shots in SHOTS]
            print(f"- {key}: gain of {name} at 1 / 2 / 5 shots: {' / '.join(gains)}")


def results(cache: Path, seed: int) -> Cells:
    """Return the stored accuracies."""
    order = [f"{name}-{condition}" for name in SETS for condition in (*COLUMNS, *VECTORS)]
    found = {cell: cache / f"result-{cell}-{seed}.npz" for cell in order}
    return {cell: dict(np.load(path)) for cell, path in found.items() if path.exists()}


def gain(
    cell: Mapping[str, Accuracies], base: str, variant: str, shots: int
) -> tuple[float, float]:
    """Return the gain of the step in which a variant differs from the base.

    Returns:
        Accuracy with the step minus accuracy without it, and half of its 95 % interval.
    """
    difference = cell[f"{base}/{shots}"] - cell[f"{variant}/{shots}"]
    if variant in ADDED:
        difference = -difference
    return float(difference.mean()), half_width(difference)


def written(value: float, width: float) -> str:
    """Return a gain; bold from half a point if the interval is above 0, losses in italics."""
    text = f"{value:+.1f} ± {width:.1f}".replace("-", "−")
    if abs(value) < LEAST or abs(value) <= width:
        return text
    return f"**{text}**" if value > 0 else f"*{text}*"


def table(title: str, found: Cells, base: str) -> Iterator[str]:
    """Yield the rows of the variants, with a column for each cell of a set; 1 / 5 shots."""
    heads = [name.split("-", 1)[1] for name in found]
    yield heading(title, *heads)
    accuracies = (
        " / ".join(f"{cell[f'{base}/{shots}'].mean():.1f}" for shots in SHOWN)
        for cell in found.values()
    )
    yield f"| accuracy of {base} | " + " | ".join(accuracies) + " |"
    for name in compared_with(base):
        row = [
            " / ".join(written(*gain(cell, base, name, shots)) for shots in SHOWN)
            if f"{name}/1" in cell
            else ""
            for cell in found.values()
        ]
        if any(row):
            yield f"| {_label(name)} | " + " | ".join(row) + " |"


def summary(found: Cells, base: str, sets: Mapping[str, VideoList]) -> Iterator[str]:
    """Yield how often each step gains or loses half a point; the synthetic set is separate."""
    heads = (
        "step removed (or added)",
        "arms, rooms, ucf7: mean",
        "gains ≥ 0.5",
        "losses ≥ 0.5",
        "full_body: mean",
        "gains ≥ 0.5",
        "losses ≥ 0.5",
        "largest gain, 95 % interval over classes",
        "largest loss",
    )
    yield heading(*heads)
    for name in compared_with(base):
        every = {
            (key, shots): gain(cell, base, name, shots)
            for key, cell in found.items()
            if f"{name}/1" in cell
            for shots in SHOTS
        }
        if not every:
            continue
        row = [_label(name)]
        for synthetic in (False, True):
            part = {k: v for k, v in every.items() if k[0].startswith("full_body-") == synthetic}
            means = (
                np.mean([value for (_, s), (value, _) in part.items() if s == shots])
                for shots in SHOWN
            )
            row.append(" / ".join(f"{mean:+.1f}" for mean in means) if part else "")
            certain = [value for value, width in part.values() if abs(value) > width]
            for sign in (1, -1):
                number = sum(sign * value >= LEAST for value in certain)
                row.append(f"{number} of {len(part)}" if part else "")
        best, worst = max(every, key=lambda k: every[k][0]), min(every, key=lambda k: every[k][0])
        low, high = over_classes(found[best[0]], base, name, sets[best[0].split("-")[0]], best[1])
        row.append(f"{every[best][0]:+.1f} ({best[0]}, {best[1]}), {low:+.1f} to {high:+.1f}")
        row.append(f"{every[worst][0]:+.1f} ({worst[0]}, {worst[1]})")
        yield "| " + " | ".join(row).replace(" -", " −") + " |"


def over_classes(
    cell: Mapping[str, Accuracies], base: str, name: str, videos: VideoList, shots: int
) -> tuple[float, float]:
    """Return the 95 % interval of a gain by a bootstrap over classes."""
    difference = cell[f"{base}/{shots}"] - cell[f"{name}/{shots}"]
    intervals = class_intervals(
        (-difference if name in ADDED else difference)[None], *classes_of(videos, shots)
    )
    if intervals is None:
        raise SystemExit("an episode has all classes")
    return intervals[0]


def _label(variant: str) -> str:
    return STEPS_OF_REDUCED if variant == REDUCED else variant
