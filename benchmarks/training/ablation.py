"""Ablation of A²M²-Net on ``motions``: moments against alignment, with and without order.

    python -m benchmarks.training.ablation --work FOLDER [--preset misaligned] [--videos 40]
        [--seeds 3] [--episodes 10000] [--only "sqrt;mean"] [--set stages.0.steps=100] [--through]
        [--page docs/results/ablation.md] [--network] [--small]

For each type of moments, with the clip's mean kept and with it subtracted, and each seed, one
reduction is trained on stored maps by the recipe ``a2m2-motions-lite0``; validation classes choose
its checkpoint. All alignments are compared on this checkpoint, on the same episodes of the test
classes. ``--through`` trains the best pairs of moments and alignment, by validation, again with
that alignment, and those that the paper's pair is compared with. What FOLDER contains is not
computed again; ``--page`` writes the results. ``--small`` stores maps of frames of half the height
and width, for a quarter of the time. With ``--network`` the default network is trained, too, from
such frames (``halved.py``), and single scales are compared on the checkpoint of all three.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.training.ablation_page import mean_of, page
from benchmarks.training.ablation_variants import (
    ALIGNMENTS,
    ALWAYS,
    CLIP_MEAN,
    FORMS,
    MOMENTS,
    Pair,
    moments_of,
    options_of,
)
from benchmarks.training.ablation_work import Work, result_file
from fewact.evaluation import Result
from fewact.training import read


def ablate(
    work: Work,
    names: Sequence[str],
    seeds: int,
    changes: Mapping[str, Any],
    splits: Sequence[str],
) -> None:
    """Train one checkpoint for each type of moments and seed, and evaluate all alignments on it."""
    for seed in range(seeds):
        for name in names:
            own = work.trained_moments(name)
            run = work.run(own, seed, {**options_of(MOMENTS[own]), **changes})
            every = [{**work.moments(name), **how} for how in ALIGNMENTS.values()]
            for split in splits if work.may_be_trained(name) else ("test",):
                if all(result_file(run, split, one).exists() for one in every):
                    continue
                bank = work.bank(run, split, work.moments(name))
                for one in every:
                    work.score(run, split, one, bank)
    for name in names:
        show(work, name, seeds)


def show(work: Work, name: str, seeds: int) -> None:
    """Print the mean accuracy over the seeds, and their range, for each alignment."""
    for title in ALIGNMENTS:
        results = work.results(name, title, "test", seeds)
        print(f"{name:40} {title:18} {mean_of(results)} ± {results[0].ci95:.2f}", flush=True)


def train_through(
    work: Work, names: Sequence[str], seeds: int, changes: Mapping[str, Any]
) -> dict[Pair, list[Result]]:
    """Train the best pairs, by validation, and those in ALWAYS with their own alignment."""

    def untrained(pair: Pair) -> float:
        return statistics.mean(one.accuracy for one in work.results(*pair, "val", seeds))

    every = [(name, how) for name in names if work.may_be_trained(name) for how in ALIGNMENTS]
    best = sorted(every, key=untrained, reverse=True)[: 2 if work.network else 3]
    fair = [
        (moments_of(form, clip_mean), how)
        for form, how in (ALWAYS[:1] if work.network else ALWAYS)
        for clip_mean in CLIP_MEAN
    ]
    found: dict[Pair, list[Result]] = {}
    for name, how in dict.fromkeys((*best, *(pair for pair in fair if pair in every))):
        before = untrained((name, how))
        print(f"through: {name}, {how}: {before:.1f} % on validation before", flush=True)
        for seed in range(seeds):
            more = options_of({**MOMENTS[name], **ALIGNMENTS[how]})
            run = work.run(f"through {name} {how}", seed, {**more, **changes})
            result = work.score(run, "test", ALIGNMENTS[how], work.bank(run, "test", {}))
            print(f"  seed {seed}: {result.accuracy:.1f} ± {result.ci95:.2f}", flush=True)
            found.setdefault((name, how), []).append(result)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of runs and results")
    parser.add_argument("--preset", default="misaligned")
    parser.add_argument("--videos", type=int, default=40, help="videos per class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--only", default=";".join(FORMS), help="forms of moments, separated by ;")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change the recipe"
    )
    parser.add_argument("--through", action="store_true", help="train with each alignment")
    parser.add_argument("--network", action="store_true", help="train the network, too")
    parser.add_argument("--small", action="store_true", help="Store maps of smaller frames")
    parser.add_argument("--page", type=Path, help="File for the page")
    options = parser.parse_args()
    changes = {n: json.loads(v) for n, _, v in (text.partition("=") for text in options.set)}
    forms = options.only.split(";")
    names = [moments_of(form, clip_mean) for form in forms for clip_mean in CLIP_MEAN]
    splits = ("val", "test") if options.through else ("test",)
    work = Work(
        options.work,
        options.preset,
        options.videos,
        options.episodes,
        network=options.network,
        small=options.small,
    )
    ablate(work, names, options.seeds, changes, splits)
    through = train_through(work, names, options.seeds, changes) if options.through else {}
    if options.page is not None:
        more = f" --videos {options.videos} --seeds {options.seeds}"
        more += f" --episodes {options.episodes}" + " --network" * options.network
        more += " --small" * options.small
        more += " --through" * options.through
        more += f' --only "{options.only}"' if forms != list(FORMS) else ""
        more += "".join(f" --set {one}" for one in options.set)
        command = f"python -m benchmarks.training.ablation --work FOLDER{more}"
        text = page(work, forms, options.seeds, through, read(work.recipe, changes), command)
        options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
