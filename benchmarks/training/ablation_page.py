"""The page of the ablation of A²M²-Net: tables and claims."""

import json
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from math import inf

from benchmarks.markdown import heading
from benchmarks.training import halved
from benchmarks.training.ablation_variants import (
    ALIGNMENTS,
    CLAIMS,
    CLIP_MEAN,
    PROPOSED,
    Pair,
    moments_of,
)
from benchmarks.training.ablation_work import Work
from benchmarks.training.paired import differences, listed
from fewact.evaluation import Comparison, Result
from fewact.training import Recipe


def mean_of(results: Sequence[Result]) -> str:
    """Return the mean accuracy and, for several seeds, the lowest and highest."""
    accuracies = [one.accuracy for one in results]
    spread = f" ({min(accuracies):.1f} to {max(accuracies):.1f})" if len(accuracies) > 1 else ""
    return f"{statistics.mean(accuracies):.1f}{spread}"


def verdict(work: Work, better: Pair, worse: Pair, seeds: int) -> str:
    """Return the cells of a claim: mean difference, that of each seed, and whether it holds."""
    pairs = differences(*(work.results(*pair, "test", seeds) for pair in (better, worse)))
    mean = statistics.mean(pair.difference for pair in pairs)
    over = [pair.class_interval for pair in pairs]
    classes = ", ".join("–" if one is None else f"{one[0]:+.1f} … {one[1]:+.1f}" for one in over)
    return f"{mean:+.2f} | {listed(pairs)} | {classes} | {judged(pairs)}"


def judged(pairs: Sequence[Comparison]) -> str:
    """Return whether a claim holds by the differences of all seeds."""
    over = [pair.class_interval or (-inf, inf) for pair in pairs]
    if all(pair.difference > (pair.ci95 or 0) for pair in pairs):
        return "holds" + " for these classes" * (not all(low > 0 for low, _ in over))
    if all(pair.difference < -(pair.ci95 or 0) for pair in pairs):
        also = all(high < 0 for _, high in over)
        return "**the opposite holds**" + " for these classes" * (not also)
    return "**not confirmed**"


def on_validation(work: Work, name: str, seeds: int) -> str:
    """Return the mean validation accuracy before the first step and of the chosen checkpoints."""
    before, after = [], []
    for seed in range(seeds):
        lines = (
            (work.run_folder(name, seed) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        )
        accuracies = [one["accuracy"] for one in map(json.loads, lines) if "accuracy" in one]
        before.append(accuracies[0])
        after.append(max(accuracies))
    return f"{statistics.mean(before):.1f} to {statistics.mean(after):.1f} %"


EVEN = {"emd, cross": "the transport", "diagonal": "the diagonal", "otam": "OTAM"}
"""Alignments in the correction of the page."""


def correction(work: Work, forms: Sequence[str], seeds: int) -> list[str]:
    """Return what was wrong before, with the gains on an even footing."""
    if not {"mean", "covariance"} <= set(forms):
        return []
    gains = []
    for how, name in EVEN.items():
        better, worse = (
            work.results(moments_of(form, "subtracted"), how, "test", seeds)
            for form in ("covariance", "mean")
        )
        mean = statistics.mean(pair.difference for pair in differences(better, worse))
        gains.append(f"{mean:+.1f} points with {name}")
    before = 26 if work.network else 22
    return [
        "",
        "An earlier version trained `mean` alone with the clip's mean kept and all other moments"
        f" with it subtracted, and said that covariances beat means by {before} points. Here both"
        f" are treated alike. With the mean subtracted, covariances gain {', '.join(gains)}. The"
        " pair that the page called the paper's form had the mean subtracted, too, one matrix in"
        " place of two layers, and no pre-training: it was not the paper's form.",
    ]


def page(
    work: Work,
    forms: Sequence[str],
    seeds: int,
    through: Mapping[Pair, Sequence[Result]],
    recipe: Recipe,
    command: str,
) -> str:
    """Return the page as Markdown; all figures come from the results."""
    names = [moments_of(PROPOSED[0], clip_mean) for clip_mean in CLIP_MEAN]
    setup = work.results(names[0], PROPOSED[1], "test", 1)[0].setup
    protocol, (stage,) = setup.episodes.protocol, recipe.stages
    train, val = (work.videos[split] for split in ("train", "val"))
    moments = recipe.method.options["moments"]
    width = moments["width"] if isinstance(moments, dict) else None
    learns = (
        f"8 frames of {halved.SIDE} × {halved.SIDE} pass the default network (stride 16) and one"
        f" matrix of {width} channels. Both are trained together, except for the first blocks and"
        " the batch norms' statistics, by episodes"
        if work.network
        else f"Stored maps of the default network (stride 16, 8 frames{_side(work)}) pass one"
        f" matrix of {width} channels, which is trained by episodes"
    )
    ends = (
        " Single scales use the checkpoint of all three. [The same with stored maps](ablation.md)."
        if work.network
        else " [The same with the network trained, too](ablation-network.md)."
    )
    lines = [
        "# Ablation of A²M²-Net, " + _subject(work),
        "",
        f"Data: `motions`, preset `{work.preset}`, whose classes differ in the order of motions."
        f" {learns}"
        f" ({stage.steps} steps of {_count(stage.accumulate, 'episode')}) on"
        f" {len(train.videos)} videos of"
        f" {len(train.classes)} classes; {len(val.videos)} videos of {len(val.classes)} classes"
        f" choose the checkpoint. Test: {setup.videos.videos} videos of {setup.videos.classes}"
        f" classes, {protocol.count} episodes, {protocol.ways}-way, {protocol.shots} shot,"
        f" {protocol.queries} query per class; chance {100 / protocol.ways:.0f} %. The cells show"
        " the mean over the seeds, and the lowest and the highest of several"
        f" ({_count(seeds, 'seed')} here).",
        "",
        "For each type of moments, with the clip's mean map kept and with it subtracted from each"
        " frame, one checkpoint is trained with the transport and cross-reference weights. All"
        " alignments are compared on it. Only `time`, the diagonal and OTAM use the order of"
        f" windows. On validation classes, training takes `{PROPOSED[0]}` from"
        f" {' and from '.join(_learned(work, one, seeds) for one in CLIP_MEAN)}.{ends}",
        "",
        f"    {command}",
        *correction(work, forms, seeds),
    ]
    for clip_mean in CLIP_MEAN:
        lines += [
            "",
            f"## Clip mean {clip_mean}",
            "",
            heading("moments", *ALIGNMENTS),
        ]
        for form in forms:
            name = moments_of(form, clip_mean)
            cells = [mean_of(work.results(name, how, "test", seeds)) for how in ALIGNMENTS]
            lines.append(f"| {form} | " + " | ".join(cells) + " |")
    if through:
        lines += _through(work, seeds, through)
    lines += [
        "",
        "## Claims",
        "",
        "Differences in points, paired on the same episodes; ± is their 95 % interval over"
        " episodes, and the next column the 95 % interval over other classes. A claim holds if both"
        " intervals of each seed are above zero. The paper does not state those that are inferred.",
    ]
    for clip_mean in CLIP_MEAN:
        lines += [
            "",
            f"| claim, clip mean {clip_mean} | mean | each seed | over other classes | |",
            "|---|---|---|---|---|",
        ]
        for claim, pair in CLAIMS.items():
            if {form for form, _ in pair} <= set(forms):
                better, worse = ((moments_of(form, clip_mean), how) for form, how in pair)
                lines.append(f"| {claim} | {verdict(work, better, worse, seeds)} |")
    return "\n".join((*map(wrapped, lines), ""))


def _learned(work: Work, clip_mean: str, seeds: int) -> str:
    return f"{on_validation(work, moments_of(PROPOSED[0], clip_mean), seeds)} (mean {clip_mean})"


def _through(work: Work, seeds: int, through: Mapping[Pair, Sequence[Result]]) -> list[str]:
    """Return the table of pairs that were trained with the alignment that scores them."""
    lines = [
        "",
        "## Trained with their own alignment",
        "",
        f"The best pairs{' of the paper' * work.network} by validation, and those that the"
        " paper compares with, each trained with the alignment that scores it. The last column"
        " shows the gain of each seed over the same pair in the tables above.",
        "",
        "| moments, alignment | accuracy | gain over the same pair |",
        "|---|---|---|",
    ]
    for (name, how), results in through.items():
        gains = listed(differences(results, work.results(name, how, "test", seeds)))
        lines.append(f"| {name}, {how} | {mean_of(results)} | {gains} |")
    return lines


def _subject(work: Work) -> str:
    return "network trained" if work.network else "stored maps"


def _side(work: Work) -> str:
    return f" of {halved.SIDE} × {halved.SIDE}" if work.small else ""


def _count(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"{number} {what}s"


def wrapped(line: str) -> str:
    """Return a paragraph in lines of 100 characters; tables, headings and commands unchanged."""
    if line.startswith(("|", "#", " ")):
        return line
    return textwrap.fill(line, 100, break_on_hyphens=False)  # Names of pages have hyphens.
