"""The page of the ablation of A²M²-Net: tables and claims."""

import json
import statistics
import textwrap
from collections.abc import Mapping, Sequence

from benchmarks.training import halved
from benchmarks.training.ablation_variants import ALIGNMENTS, CLAIMS, PROPOSED, Pair
from benchmarks.training.ablation_work import Work
from benchmarks.training.paired import differences, listed
from fewact.evaluation import Result
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
    if all(pair.difference > pair.ci95 for pair in pairs):
        result = "holds"
    else:
        lost = all(pair.difference < -pair.ci95 for pair in pairs)
        result = "**the opposite holds**" if lost else "**not confirmed**"
    return f"{mean:+.2f} | {listed(pairs)} | {result}"


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


def page(
    work: Work,
    names: Sequence[str],
    seeds: int,
    through: Mapping[Pair, Sequence[Result]],
    recipe: Recipe,
    command: str,
) -> str:
    """Return the page as Markdown; all figures come from the results."""
    setup = work.results(*PROPOSED, "test", 1)[0].setup
    protocol, (stage,) = setup.episodes.protocol, recipe.stages
    train, val = (work.videos[split] for split in ("train", "val"))
    width = recipe.method.options["moments"]["width"]
    learns = (
        f"8 frames of {halved.SIDE} × {halved.SIDE} pass the default network (stride 16) and one"
        f" matrix of {width} channels. Both are trained together, except for the first blocks and"
        " the batch norms' statistics, by episodes"
        if work.network
        else "Stored maps of the default network (stride 16, 8 frames) pass one matrix of"
        f" {width} channels, which is trained by episodes"
    )
    ends = (
        " Single scales use the checkpoint of all three. On validation classes, training takes"
        f" the paper's pair ({', '.join(PROPOSED)}) from {on_validation(work, PROPOSED[0], seeds)}."
        " [The same with stored maps](ablation.md)."
        if work.network
        else " [The same with the network trained, too](ablation-network.md)."
    )
    lines = [
        "# Ablation of A²M²-Net, " + ("network trained" if work.network else "stored maps"),
        "",
        f"Data: `motions`, preset `{work.preset}`, whose classes differ in the order of motions."
        f" {learns}"
        f" ({stage.steps} steps of {_count(stage.accumulate, 'episode')}) on"
        f" {len(train.videos)} videos of"
        f" {len(train.classes)} classes; {len(val.videos)} videos of {len(val.classes)} classes"
        f" choose the checkpoint. Test: {setup.videos.videos} videos of {setup.videos.classes}"
        f" classes, {protocol.count} episodes, {protocol.ways}-way, {protocol.shots} shot,"
        f" {protocol.queries} query per class; chance {100 / protocol.ways:.0f} %. The cells show"
        f" the mean, the lowest and the highest of {seeds} seeds.",
        "",
        "For each type of moments, one checkpoint is trained with the transport and cross-reference"
        " weights. All alignments are compared on it. Only `time`, the diagonal and OTAM use the"
        f" order of windows.{ends}",
        "",
        f"    {command}",
        "",
        "| moments | " + " | ".join(ALIGNMENTS) + " |",
        "|---" * (len(ALIGNMENTS) + 1) + "|",
    ]
    for name in names:
        cells = [mean_of(work.results(name, how, "test", seeds)) for how in ALIGNMENTS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if through:
        lines += [
            "",
            f"The best pairs{' of the paper' * work.network} by validation, and those that the"
            " paper compares with, each trained with the alignment that scores it. The last columns"
            " show the gain of each seed over the same pair in the table above, and over the"
            f" paper's pair there ({', '.join(PROPOSED)}).",
            "",
            "| moments, alignment | accuracy | gain over the same pair | over the paper's pair |",
            "|---|---|---|---|",
        ]
        for (name, how), results in through.items():
            gains = [
                differences(results, work.results(*pair, "test", seeds))
                for pair in ((name, how), PROPOSED)
            ]
            each = " | ".join(listed(one) for one in gains)
            lines.append(f"| {name}, {how} | {mean_of(results)} | {each} |")
    lines += [
        "",
        "## Claims",
        "",
        "Differences in points, paired on the same episodes; ± is their 95 % interval over"
        " episodes. A claim holds if the interval of each seed is above zero.",
        "",
        "| claim | mean | each seed | |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {claim} | {verdict(work, better, worse, seeds)} |"
        for claim, (better, worse) in CLAIMS.items()
        if {better[0], worse[0]} <= set(names)
    ]
    return "\n".join((*map(wrapped, lines), ""))


def _count(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"{number} {what}s"


def wrapped(line: str) -> str:
    """Return a paragraph in lines of 100 characters; tables, headings and commands unchanged."""
    return line if line.startswith(("|", "#", " ")) else textwrap.fill(line, 100)
