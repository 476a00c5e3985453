"""CLIP-SPM's ablation from frames: baseline, + HSMR, + SPM, + PADM, and the paper's losses.

    python -m benchmarks.training.clip_spm_ablation ASSETS --work FOLDER [--only clips]
        [--row NAME] [--seeds 1] [--episodes 10000] [--page docs/results/clip-spm-ablation.md]

CLIP's weights were not available: the image encoder is a CLIP vision transformer of small width
with random initial weights. It is first trained to classify the training classes, which replaces
CLIP's pre-training; each row then trains encoder and method in one-shot episodes from there. Class
names pass a small sentence encoder and a learned projection.

Data: ``motions``, preset ``misaligned``; ``clips``, the 27 classes of ``utd27_depth``, 15 / 5 / 7
in a random order for each seed, people kept apart. Frames are read once, at 32 × 32 pixels.
Validation classes choose the checkpoint; its accuracy is measured with 1, 3 and 5 shots, each row
on the same episodes. What FOLDER contains is not computed again.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.markdown import heading
from benchmarks.training.clip_spm_ablation_work import (
    BASELINE,
    ENCODER,
    ROWS,
    SHOTS,
    SIDE,
    Work,
)
from benchmarks.training.paired import differences, listed
from fewact.evaluation import Result

STEPS: dict[str, tuple[str, str]] = {
    "+ HSMR": ("+ HSMR", BASELINE),
    "+ SPM": ("+ SPM", "+ HSMR"),
    "+ PADM": ("+ PADM", "+ SPM"),
    "+ L_text, L_cons": ("+ L_text, L_cons", "+ PADM"),
    "complete, joint − inductive": ("+ PADM, joint", "+ PADM"),
    "complete − baseline": ("+ PADM", BASELINE),
}
"""Differences: a row, and the row that it is compared with."""


def tables(seeds: list[dict[tuple[str, int], Result]], rows: Sequence[str]) -> str:
    """Return a table of accuracies, and one of the differences between rows."""
    heads = [f"{shots} shot{'s' * (shots > 1)}" for shots in SHOTS]
    lines = [heading("", *heads)]
    for name in rows:
        cells = []
        for shots in SHOTS:
            each = [one[name, shots] for one in seeds if (name, shots) in one]
            mean = statistics.mean(result.accuracy for result in each)
            half = statistics.mean(result.ci95 or 0 for result in each)
            cells.append(f"{mean:.1f} ± {half:.1f}")
        few = " (first seed)" if len(each) < len(seeds) else ""
        lines.append(f"| {name}{few} | " + " | ".join(cells) + " |")
    lines += ["", heading("difference", *heads)]
    for name, (row, other) in STEPS.items():
        if not {row, other} <= set(rows):
            continue
        both = [one for one in seeds if {(row, SHOTS[0]), (other, SHOTS[0])} <= set(one)]
        cells = [
            listed(differences([one[row, k] for one in both], [one[other, k] for one in both]))
            for k in SHOTS
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(work: Work, command: str) -> str:
    """Return the page as Markdown, from the stored results."""
    parts = []
    for data, about in (
        (
            "motions",
            "Rendered videos, preset `misaligned`: classes differ in the order of motions.",
        ),
        ("clips", "`utd27_depth`: classes in a random order for each seed, people kept apart."),
    ):
        seeds = list(work.results(data))
        if not seeds:
            continue
        setup = seeds[0][work.rows[0], 1].setup
        protocol = setup.episodes.protocol
        parts.append(
            f"## {data}\n\n{about} Test: {setup.videos.videos} videos of {setup.videos.classes} "
            f"classes; {protocol.count} episodes of {protocol.ways} ways, {protocol.queries} query "
            f"per class; seeds: {len(seeds)}. Chance {100 / protocol.ways:.0f} %.\n\n"
            f"{tables(seeds, work.rows)}\n"
        )
    layers, width = ENCODER["num_hidden_layers"], ENCODER["hidden_size"]
    return f"""# CLIP-SPM's ablation, trained from frames

    {command}

The rows of the paper's ablation, and the two losses that its public code leaves out. **Not CLIP's
weights**, which were not available: the image encoder is a CLIP vision transformer of {layers}
layers and width {width} on {SIDE} × {SIDE} pixels with random initial weights. {work.steps[0]}
steps of classification of the training classes replace CLIP's pre-training; then each row trains
encoder and method for {work.steps[1]} steps of two one-shot episodes. Class names pass a small
sentence encoder and a learned projection. These figures say nothing about the published ones; they
say what the parts do where encoder and method are trained together, which frozen features cannot
show: HSMR acts on the encoder alone.

- *baseline*: OTAM on plain frames. *+ HSMR*: the motion loss. *+ SPM*: fusion with texts and
  generated prompts. *+ PADM*: refinement around anchors, the complete method. *+ L_text, L_cons*:
  the complete method with the paper's losses on texts and consistency.
- *joint*: trained and scored with all queries of an episode together, which is transductive.
  Without PADM, queries do not see each other.
- The rows after *+ PADM* have the first seed only.

The same checkpoint, trained with one shot, is scored with 1, 3 and 5 shots. Validation classes
choose it. Differences are paired on the same episodes; ± is the 95 % interval over episodes, one
entry a seed, each with another division of the classes. An interval over episodes says nothing
about another training or other classes.

{chr(10).join(parts)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", choices=("motions", "clips"))
    parser.add_argument(
        "--row", action="append", choices=tuple(ROWS), help="row to train (default: all)"
    )
    parser.add_argument("--videos", type=int, default=8, help="videos per class of motions")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--steps", type=json.loads, default=[400, 150], help="of both stages")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--page", type=Path, help="file for the page")
    options = parser.parse_args()
    changes = {n: json.loads(v) for n, _, v in (text.partition("=") for text in options.set)}
    rows = tuple(ROWS) if options.row is None else tuple(options.row)
    work = Work(options.work, options.episodes, tuple(options.steps), changes, rows)
    chosen = [data for data in ("motions", "clips") if options.only in (None, data)]
    for seed in range(options.seeds):
        for data in chosen:
            work.scored(data, seed, work.lists(options.assets, data, seed, options.videos))
    for data in chosen:
        if seeds := list(work.results(data)):
            print(f"{data}\n{tables(seeds, work.rows)}")
    if options.page is not None:
        command = (
            "python -m benchmarks.training.clip_spm_ablation ASSETS --work FOLDER"
            + (f" --only {options.only}" if options.only else "")
            + (f" --videos {options.videos}" if "motions" in chosen else "")
            + f" --seeds {options.seeds} --episodes {options.episodes} --steps '{options.steps}'"
            + "".join(f' --row "{one}"' for one in options.row or ())
            + "".join(f" --set {one}" for one in options.set)
        )
        options.page.write_text(page(work, command), encoding="utf-8")


if __name__ == "__main__":
    main()
