"""The page of ``benchmarks/methods_trained.py``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.markdown import heading
from fewact.evaluation.comparison import holm, sign_flip_p

BASELINE = "otam"
CLAIMS = (
    ("otam", "protonet, mean frame"),
    ("otam", "protonet, frames in order"),
    ("set matching (Bi-MHM)", "otam"),
    ("trx", "otam"),
    ("strm", "trx"),
    ("ta2n", "otam"),
    ("cpm", "trx"),
    ("hyrsm", "set matching (Bi-MHM)"),
    ("hyrsm", "otam"),
    ("hyrsm", "trx"),
    ("molo", "hyrsm"),
    ("a2m2, as published", "otam"),
    ("a2m2, as published", "trx"),
    ("a2m2, as published", "molo"),
)
"""Orderings that papers of the field claim: the first above the second."""

SPLIT_BY_SEED = "utd27_depth"
"""Data set whose classes are split in another way for each seed."""

LEVEL = 0.05
"""Largest corrected p-value of a difference that is called one."""


@dataclass(frozen=True)
class Cell:
    """One method on one data set with one seed.

    Args:
        label: Name of the method in the tables.
        seed: Seed of the training, or number of the split by class.
        per_episode: Accuracy of each test episode, in per cent.
        validation: Accuracy on the validation episodes; None without training.
        training_ms: Milliseconds of processor time per training episode.
        scoring_ms: Milliseconds of processor time per test episode, from encoded videos.
        loop_ms: The same of a loop over single episodes that encodes their videos.
        difference: Largest difference of a logit between loop and batch.
        parameters: Number of parameters.
    """

    label: str
    seed: int
    per_episode: Sequence[float]
    validation: float | None
    training_ms: float
    scoring_ms: float
    loop_ms: float
    difference: float
    parameters: int


def page(
    found: Mapping[str, Sequence[Cell]],
    labels: Sequence[str],
    stage: Mapping[str, Any],
    width: int,
    episodes: int,
) -> str:
    """Return the page as Markdown, without its conclusions."""
    budget = stage["steps"] * stage["accumulate"]
    parts = [
        "# All methods, the same features and the same budget",
        "",
        "    python -m benchmarks.methods_trained --work FOLDER --assets ASSETS "
        "--page docs/results/methods.md",
        "",
        "Maps of the default network (EfficientNet-Lite0, ImageNet, frozen) in",
        f"{width} principal directions of the training frames, on a grid of 4 × 4; a frame's",
        f"vector is its grid in {width} directions, since a mean over positions is blind to",
        "motion. On `motions` the mean over each clip is subtracted: where it is kept, methods",
        "without training are at chance. A mean over frames is then zero, and methods of mean",
        "frames are at chance by construction. Grid, width and subtraction are the best of about",
        "30 variants on the validation classes of `motions`, judged by methods without training;",
        "that favours them. `utd27_depth` keeps the mean, a change made after a look at test rows.",
        "",
        f"Every trained method gets the same {budget} training episodes (5-way, 1-shot,",
        f"{stage['queries']} queries per class), {stage['optimiser']} with rate {stage['lr']:g}",
        f"and the schedule {stage['schedule']}; keys and hidden layers are reduced likewise,",
        "and MoLo has no pixels to reconstruct. Validation classes choose among the checkpoints,",
        f"the initial weights included. Test: {episodes:,} episodes, 5-way, 1-shot, one query per",
        "class. `motions`: 64 classes for training, 12 for validation, 24 for the test;",
        "`utd27_depth`, real clips: 15, 5 and 7 classes, in another random order for each seed.",
        "± is half of the 95 % interval over the episodes of the mean over seeds; in brackets, the",
        "number of seeds and their range. A cell without brackets has one seed; methods without",
        "training need no more on `motions`, where all seeds are the same.",
        "",
        "`a2m2`, as published: maps of the last stage, learned reduction, the clip's mean kept,",
        "no time in the cost. Linear reduction: our preset with a trained matrix, initially the",
        f"identity. Descriptors are of {width} channels. `fusion` has its form for vectors: the",
        "default reads stabilised maps, which are not stored here.",
        "",
        "Methods that use class names are no rows. `clip_fsar`, `clip_spm` and `zero_shot` need",
        "images and texts in one space, and no weights of CLIP were available; with names they and",
        "`semantic_prompt` would know more than these rows. [CLIP-SPM](clip_spm.md) is measured",
        "with another text encoder.",
        "",
        "## Accuracy",
        "",
        *_accuracies(found, labels),
        "",
        f"## Paired differences from `{BASELINE}`",
        "",
        "On the same episodes, mean over seeds.",
        "",
        *_differences(found, labels),
        "",
        "## Orderings that papers claim",
        "",
        "Difference of the first and the second method on the same episodes, mean over the seeds",
        "that both have, whose number is in brackets. **+**: the first is better with each seed,",
        f"with p ≤ {LEVEL} in an exact sign-flip test over episodes, corrected for all cells of",
        "this table (Holm). **−**: the second is, likewise. **?**: neither can be said.",
        "",
        *_claims(found),
        "",
        "## Cost",
        "",
        "Milliseconds of processor time of one thread on a shared machine: medians of the seeds",
        "of the first data set that has the row, in brackets if it is not `plain`. Loop: one",
        "episode after another, each encoding its own videos; difference: the largest between",
        "their logits.",
        "",
        *_costs(found, labels),
        "",
    ]
    return "\n".join(parts)


def _of(cells: Sequence[Cell], label: str) -> list[Cell]:
    return [cell for cell in cells if cell.label == label]


def _accuracies(found: Mapping[str, Sequence[Cell]], labels: Sequence[str]) -> list[str]:
    lines = [heading("", *found)]
    for label in labels:
        row = []
        for name, cells in found.items():
            own = _of(cells, label)
            if not own:
                row.append("–")
                continue
            centre, half = interval(np.mean([cell.per_episode for cell in own], 0))
            each = [mean(cell.per_episode) for cell in own]
            spread = f" ({len(own)}: {min(each):.1f} … {max(each):.1f})" if len(own) > 1 else ""
            if name == SPLIT_BY_SEED and not spread:
                spread = " (1: other classes than the means of three)"
            row.append(f"{centre:.2f} ± {half:.2f}{spread}")
        lines.append(f"| {label} | " + " | ".join(row) + " |")
    return lines


def paired(
    cells: Sequence[Cell], first: str, second: str, *, split_by_seed: bool
) -> NDArray[np.float64] | None:
    """Return differences (seeds N) of two methods' accuracies, with the seeds that both have.

    Args:
        cells: Cells of a data set.
        first: Label of the first method.
        second: Label of the second one.
        split_by_seed: Whether each seed has its own test classes; otherwise one cell of a method
            without training stands for all seeds.
    """
    of_first, of_second = (
        {cell.seed: cell for cell in _of(cells, label)} for label in (first, second)
    )
    seeds = sorted(of_first.keys() | of_second.keys())
    for found in (of_first, of_second):
        free = [cell for cell in found.values() if cell.validation is None]
        if free and not split_by_seed:
            found |= dict.fromkeys(seeds, free[0])
    both = [seed for seed in seeds if seed in of_first and seed in of_second]
    if not both:
        return None
    return np.stack(
        [np.subtract(of_first[seed].per_episode, of_second[seed].per_episode) for seed in both]
    )


def _claims(found: Mapping[str, Sequence[Cell]]) -> list[str]:
    each = {
        (claim, name): difference
        for claim in CLAIMS
        for name, cells in found.items()
        if (difference := paired(cells, *claim, split_by_seed=name == SPLIT_BY_SEED)) is not None
    }
    # With one query per class, an accuracy is a whole number of fifths.
    p = holm([sign_flip_p(np.rint(x.sum(0) / 20).astype(np.int64)) for x in each.values()])
    verdicts = {
        key: _verdict(difference, value)
        for (key, difference), value in zip(each.items(), p, strict=True)
    }
    lines = [heading("", *found)]
    for claim in CLAIMS:
        row = [verdicts.get((claim, name), "–") for name in found]
        lines.append(f"| {claim[0]} > {claim[1]} | " + " | ".join(row) + " |")
    return lines


def _verdict(difference: NDArray[np.float64], p: float) -> str:
    centre, half = interval(difference.mean(0))
    signs = np.sign(difference.mean(1))
    sure = p <= LEVEL and (signs == signs[0]).all()
    mark = ("**+**" if centre > 0 else "**−**") if sure else "**?**"
    return f"{mark} {centre:+.2f} ± {half:.2f} ({len(difference)})"


def _differences(found: Mapping[str, Sequence[Cell]], labels: Sequence[str]) -> list[str]:
    lines = [heading("", *found)]
    for label in labels:
        if label == BASELINE:
            continue
        row = []
        for name, cells in found.items():
            split = name == SPLIT_BY_SEED
            difference = paired(cells, label, BASELINE, split_by_seed=split)
            if difference is None:
                row.append("–")
                continue
            centre, half = interval(difference.mean(0))
            row.append(f"{centre:+.2f} ± {half:.2f}")
        lines.append(f"| {label} | " + " | ".join(row) + " |")
    return lines


def _costs(found: Mapping[str, Sequence[Cell]], labels: Sequence[str]) -> list[str]:
    lines = [
        "| | parameters | training, per episode | scoring, per episode | loop, per episode "
        "| loop / scoring | difference |",
        "|---" * 7 + "|",
    ]
    for label in labels:
        of_data = {name: own for name, cells in found.items() if (own := _of(cells, label))}
        if not of_data:
            continue
        name, own = next(iter(of_data.items()))
        shown = label if name == next(iter(found)) else f"{label} ({name})"
        # A run that was stopped and resumed shows the time of its last part only.
        training, scoring, loop = (
            median(getattr(cell, name) for cell in own)
            for name in ("training_ms", "scoring_ms", "loop_ms")
        )
        lines.append(
            f"| {shown} | {own[0].parameters:,} | {f'{training:.0f}' if training else '–'} "
            f"| {scoring:.2f} | {loop:.1f} | {loop / scoring:.0f} "
            f"| {max(cell.difference for cell in own):.0e} |"
        )
    return lines


def interval(per_episode: Any) -> tuple[float, float]:
    """Return mean and half of the 95 % interval of accuracies or differences per episode."""
    values = np.asarray(per_episode)
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))
