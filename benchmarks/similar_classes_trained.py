"""Similar classes and training: accuracy on the pairs of classes that are confused most.

    python -m benchmarks.similar_classes_trained [--methods FOLDER] [--clip-spm FOLDER]
        [--clip-spm-frames FOLDER] [--page docs/results/similar-classes-trained.md]

Reads results that other benchmarks keep with their predicted classes: FOLDER of
``benchmarks.methods_trained`` (A²M²-Net and others on ``utd27_depth``), of
``benchmarks.training.clip_spm`` and of ``benchmarks.training.clip_spm_ablation`` (``clips``).
Nothing is trained or evaluated here. For each seed, with its own test classes, the pairs that the
reference confuses most are chosen on the first half of the episodes; all methods are compared on
queries of these pairs in the second half.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.training.ablation_page import wrapped
from benchmarks.training.clip_spm_ablation_work import BASELINE, ROWS, Work
from fewact.evaluation import PairAccuracy, Result, confusion, load, pair_accuracies

PAIRS = 3
"""Number of pairs of each seed, of 21 pairs of seven classes."""

Seeds = Mapping[int, Mapping[str, Result]]


@dataclass(frozen=True)
class Table:
    """Results of one benchmark.

    Args:
        title: Heading.
        reference: Method whose confusions choose the pairs.
        text: What the rows are.
        seeds: Results by seed and method.
    """

    title: str
    reference: str
    text: str
    seeds: Seeds


def read(files: Mapping[tuple[int, str], Path], reference: str) -> Seeds:
    """Return the results of all methods that each seed of the reference has."""
    found: dict[int, dict[str, Result]] = {}
    for (seed, name), file in files.items():
        found.setdefault(seed, {})[name] = load(file)
    complete = {seed: own for seed, own in sorted(found.items()) if reference in own}
    shared = [name for name in complete[min(complete)] if all(name in x for x in complete.values())]
    return {seed: {name: own[name] for name in shared} for seed, own in complete.items()}


def of_methods(folder: Path) -> Table:
    """Return the results of ``benchmarks.methods_trained``."""
    reference = "a2m2, not trained"
    files: dict[tuple[int, str], Path] = {}
    for file in sorted((folder / "cells" / "utd27_depth").glob("*.result")):
        name, _, seed = file.name.removesuffix(".result").rpartition("-")
        files[int(seed), name.replace("_", " ")] = file
    return Table(
        "A²M²-Net",
        reference,
        "The methods are those of [one budget](methods.md).",
        read(files, reference),
    )


def of_clip_spm(folder: Path) -> Table:
    """Return the results of ``benchmarks.training.clip_spm``."""
    reference = "ProtoNet not trained"
    files = {
        (int(file.parent.name.removeprefix("seed")), file.stem.replace("_", " ")): file
        for file in sorted((folder / "clips").glob("seed*/*.json"))
    }
    return Table(
        "CLIP-SPM",
        reference,
        "The heads are those of [parts of CLIP-SPM](clip_spm.md): without SPM no class name is"
        " used, without PADM nothing is refined.",
        read(files, reference),
    )


def of_ablation(folder: Path) -> Table:
    """Return the one-shot results of ``benchmarks.training.clip_spm_ablation``."""
    work, files = Work(folder, 0, (0, 0), {}), {}
    for found in sorted((folder / "clips").glob("seed*")):
        seed = int(found.name.removeprefix("seed"))
        for name in ROWS:
            file = work.result("clips", seed, name, 1)
            if file.exists():
                files[seed, name] = file
    return Table(
        "CLIP-SPM, trained from frames",
        BASELINE,
        "The rows are those of [the ablation from frames](clip-spm-ablation.md): each has one part"
        " more than the one before.",
        read(files, BASELINE),
    )


def rows(table: Table) -> list[str]:
    """Return the table as Markdown."""
    found: dict[str, list[tuple[float, PairAccuracy]]] = {}
    chosen = []
    for seed, results in table.seeds.items():
        half = results[table.reference].setup.episodes.protocol.count // 2
        pairs = confusion(results[table.reference], slice(half)).most_confused(PAIRS)
        names = "; ".join(f"{one.first}, {one.second}".replace("_", r"\_") for one in pairs)
        chosen.append(f"Seed {seed}: {names}.")
        on_pairs = pair_accuracies(list(results.values()), pairs, slice(half, None))
        for (name, result), pair in zip(results.items(), on_pairs, strict=True):
            found.setdefault(name, []).append((result.accuracy, pair))
    lines = [
        f"| method | all queries | queries of the {PAIRS} pairs, mean | each seed |",
        "|---|---|---|---|",
    ]
    for name, each in sorted(found.items(), key=lambda one: mean(one[1])):
        every = statistics.mean(accuracy for accuracy, _ in each)
        seeds = ", ".join(f"{one.accuracy:.1f} ± {one.ci95:.1f}" for _, one in each)
        lines.append(f"| {name} | {every:.1f} | {mean(each):.1f} | {seeds} |")
    return ["", f"## {table.title}", "", table.text, "", *lines, "", " ".join(chosen)]


def mean(each: Sequence[tuple[float, PairAccuracy]]) -> float:
    """Return the mean accuracy on the pairs over the seeds."""
    return statistics.mean(one.accuracy for _, one in each)


def page(tables: Sequence[Table], command: str) -> str:
    """Return the page as Markdown; all figures come from the results."""
    own = all(table.title.startswith("CLIP-SPM") for table in tables)
    which = "CLIP-SPM trained" if own else "trained methods"
    lines = [
        f"# Similar classes, {which}",
        "",
        "Does training help exactly where classes are similar? The companion of [similar"
        " classes](similar-classes.md), whose methods are not trained.",
        "",
        f"    {command}",
        "",
        "`utd27_depth`, seven test classes of another division in each seed, people kept apart,"
        f" 5-way, 1 shot. The {PAIRS} pairs that the reference confuses most are chosen on the"
        " first half of the episodes; the accuracies on pairs are those of the second half, on"
        " queries of a pair in episodes that have both its classes; ± is the 95 % interval over"
        " these queries. Both halves have the same clips, and the pairs are hard for the reference"
        " by choice: compare the other rows with each other.",
    ]
    for table in tables:
        lines += [*rows(table), "", f"The reference is *{table.reference}*."]
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--methods", type=Path, help="folder of benchmarks.methods_trained")
    parser.add_argument("--clip-spm", type=Path, help="folder of benchmarks.training.clip_spm")
    parser.add_argument(
        "--clip-spm-frames", type=Path, help="folder of benchmarks.training.clip_spm_ablation"
    )
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    tables, more = [], ""
    if options.methods is not None:
        tables.append(of_methods(options.methods))
        more += " --methods FOLDER"
    if options.clip_spm is not None:
        tables.append(of_clip_spm(options.clip_spm))
        more += " --clip-spm FOLDER"
    if options.clip_spm_frames is not None:
        tables.append(of_ablation(options.clip_spm_frames))
        more += " --clip-spm-frames FOLDER"
    text = page(tables, f"python -m benchmarks.similar_classes_trained{more}")
    print(text)
    if options.page is not None:
        options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
