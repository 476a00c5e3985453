"""A²M²-Net in the paper's form on real clips, where it learns: which of its claims hold?

    python -m benchmarks.training.paper_form_clips ASSETS --work FOLDER [--seeds 3]
        [--episodes 2000] [--moments sqrt mean covariance]
        [--page docs/results/paper-form-clips.md]

FOLDER is that of ``benchmarks.methods_trained``: its row "a2m2, as published" on ``utd27_depth`` is
trained there, unless it is already. The same is trained with other moments; validation classes
choose each checkpoint. All alignments are compared on each, on the same episodes. What FOLDER
contains is not computed again.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.markdown import heading
from benchmarks.methods_trained import CLIPS, STAGE, TO_WIDTH, WIDTH, Data, read_data, recipe
from benchmarks.training.ablation_page import mean_of, wrapped
from benchmarks.training.ablation_variants import ALIGNMENTS
from benchmarks.training.paper_form import MOMENTS, table_of_claims
from fewact.evaluation import Result, RunOptions, checkpoint, evaluate_method, load
from fewact.evaluation.encode import encode_list
from fewact.evaluation.episodes import Protocol, draw
from fewact.training import train

LABEL = "a2m2, as published"

Found = Mapping[str, Sequence[Sequence[Result]]]
"""Results by moments, seed and alignment."""


def run_folder(work: Path, moments: str, seed: int) -> Path:
    """Return the folder of a run."""
    name = LABEL if moments == "sqrt" else f"{LABEL}, {moments}"
    return work / "cells" / CLIPS / "runs" / f"{name}-{seed}"


def results_of(work: Path, data: Data, moments: str, seed: int, episodes: int) -> list[Result]:
    """Train a checkpoint, unless that is done, and return the result of each alignment."""
    folder, test = run_folder(work, moments, seed), data.videos["test"]
    kept = work / "paper_form_clips" / f"{moments}-{seed}"
    files = [kept / f"{how}, {episodes}.json" for how in ALIGNMENTS]
    if not all(file.exists() for file in files):
        changes = {"moments": {**TO_WIDTH, "descriptor": moments}} if moments != "sqrt" else {}
        train(recipe(LABEL, seed, test.groups, changes), data.training(), folder, device="cpu")
        drawn = draw(test, Protocol(5, 1, 1, episodes, 1, test.groups))
        best = checkpoint.read(folder)
        bank = encode_list(best.method(), data.sources["test"], test, drawn.needed)
        for how, file in zip(ALIGNMENTS.values(), files, strict=True):
            method = best.method(**{"alignment.time_weight": 0.0, **how})
            evaluate_method(method, bank, test, drawn, run=RunOptions(output=file))
    found = [load(file) for file in files]
    cells = ", ".join(f"{one.accuracy:.1f}" for one in found)
    print(f"{moments}, seed {seed}: {cells}", flush=True)
    return found


def curve(folder: Path) -> tuple[float, float]:
    """Return the validation accuracy before training and of the chosen checkpoint."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [one["accuracy"] for one in map(json.loads, lines) if "accuracy" in one]
    return found[0], max(found)


def page(found: Found, work: Path, command: str) -> str:
    """Return the page as Markdown; all figures come from the results."""
    setup = next(iter(found.values()))[0][0].setup
    steps = STAGE["steps"] * STAGE["accumulate"]
    lines = [
        "# A²M²-Net in the paper's form, on real clips",
        "",
        "On [`motions`](paper-form.md) the paper's form stays at chance. Here it learns: which of"
        " the paper's claims hold then?",
        "",
        f"    {command}",
        "",
        "The row *as published* of [one budget](methods.md): maps of the last stage of the default"
        f" network (ImageNet, not trained), in {WIDTH} principal directions of the training frames;"
        f" a learned reduction of two layers to {WIDTH} channels; the clip's mean kept; {steps}"
        " episodes of training, without pre-training. `utd27_depth`: 15 classes for training, 5"
        f" that choose the checkpoint, {setup.videos.classes} for the test, in another division for"
        " each seed; people are kept apart. Each type of moments is trained by itself, with the"
        " transport and cross-reference weights; alignments are compared on the same checkpoint."
        f" {setup.episodes.protocol.count} episodes, 5-way, 1 shot, 1 query per class. Chance: 20.",
        "",
        "Accuracies are means over the seeds, with the lowest and the highest; *validation* is"
        " before training and of the chosen checkpoint.",
        "",
        heading("moments", "validation", *ALIGNMENTS),
    ]
    for moments, results in found.items():
        curves = [curve(run_folder(work, moments, seed)) for seed in range(len(results))]
        before, after = (statistics.mean(one) for one in zip(*curves, strict=True))
        cells = " | ".join(mean_of(one) for one in zip(*results, strict=True))
        lines.append(f"| {moments} | {before:.1f} → {after:.1f} | {cells} |")
    lines += [
        "",
        "## Claims",
        "",
        "Differences in points, paired on the same episodes, with their 95 % interval over"
        " episodes; a claim holds if both intervals of each seed are above zero, as on the"
        " [other pages](ablation.md).",
        "",
        *table_of_claims(found, "last stage, clip mean kept"),
    ]
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder of methods_trained")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--moments", nargs="+", choices=MOMENTS, default=list(MOMENTS))
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    every = [read_data(options.work, CLIPS, options.assets, seed) for seed in range(options.seeds)]
    found = {
        moments: [
            results_of(options.work, data, moments, seed, options.episodes)
            for seed, data in enumerate(every)
        ]
        for moments in options.moments
    }
    if options.page is not None:
        more = f" --seeds {options.seeds} --episodes {options.episodes}"
        if options.moments != list(MOMENTS):
            more += f" --moments {' '.join(options.moments)}"
        command = f"python -m benchmarks.training.paper_form_clips ASSETS --work FOLDER{more}"
        options.page.write_text(page(found, options.work, command), encoding="utf-8")


if __name__ == "__main__":
    main()
