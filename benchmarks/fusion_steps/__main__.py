"""Ablation of the steps of ``fusion`` on the development clips: docs/decisions/fusion-steps.md.

    python -m benchmarks.fusion_steps extract ASSETS --cache FOLDER
    python -m benchmarks.fusion_steps measure ASSETS --cache FOLDER
    python -m benchmarks.fusion_steps tables ASSETS --cache FOLDER > TABLES

``extract`` computes the features of every clip once for each simulated camera. ``measure``
evaluates every variant on the same episodes and stores the accuracy of each episode, in some hours.
``tables`` prints the paired differences. What FOLDER contains is not computed again.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.fusion_steps.clips import (
    SETS,
    development_sets,
    extract_features,
    load_features,
    recorded,
)
from benchmarks.fusion_steps.episodes import Cell
from benchmarks.fusion_steps.tables import print_tables
from benchmarks.fusion_steps.variants import VARIANTS, variants_of
from fewact import backbones

CONDITIONS = ("fixed", "hand", "framing", "shake", "pan", "flipped", "rough", "sweep")


def extract_all(options: argparse.Namespace) -> None:
    """Compute and store the features of each set and condition."""
    backbone = backbones.create()
    sets = development_sets(options.assets)
    options.cache.mkdir(parents=True, exist_ok=True)
    for condition in options.conditions:
        for name in options.sets:
            file = feature_file(options, name, condition)
            if file.exists() or (condition == "flipped" and name != "arms"):
                continue
            begin = time.time()
            videos = recorded(sets[name], condition, options.seed)
            count = extract_features(videos, backbone, file)
            print(f"{file.name}: {count} clips, {time.time() - begin:.0f} s", flush=True)


def feature_file(options: argparse.Namespace, name: str, condition: str) -> Path:
    """Return the file of the features of a set under a condition."""
    cache: Path = options.cache
    return cache / f"{name}-{condition}-{options.seed}.pt"


def cells(options: argparse.Namespace) -> Iterator[tuple[str, str, str, str, bool]]:
    """Yield cell, set, conditions of queries and support, and whether it has vectors only."""
    for condition in options.conditions:
        for name in options.sets:
            if not feature_file(options, name, condition).exists():
                continue
            fixed = feature_file(options, name, "fixed").exists()
            if condition == "flipped":
                if fixed:
                    yield f"{name}-flipped", name, "flipped", "fixed", False
                continue
            yield f"{name}-{condition}", name, condition, condition, False
            if condition == "hand" and fixed:
                yield f"{name}-hand queries", name, "hand", "fixed", False
            if condition in ("fixed", "hand"):
                yield f"{name}-{condition}, vectors", name, condition, condition, True


def measure_all(options: argparse.Namespace) -> None:
    """Evaluate every variant in every cell, and store the accuracies of the episodes."""
    sets = development_sets(options.assets)
    for cell_name, name, queries, support, vectors in cells(options):
        target = options.cache / f"result-{cell_name}-{options.seed}.npz"
        known = dict(np.load(target)) if target.exists() else {}
        needed = {
            title: variant
            for title, variant in variants_of(cell_name, vectors=vectors).items()
            if f"{title}/1" not in known and title in (options.only or [title])
        }
        if not needed:
            continue
        begin = time.time()
        features = load_features(feature_file(options, name, support), vectors=vectors)
        as_queries = features
        if queries != support:
            as_queries = load_features(feature_file(options, name, queries), vectors=vectors)
        cell = Cell(sets[name], as_queries, features)
        for title, variant in needed.items():
            found = cell.accuracies(variant.method())
            known |= {f"{title}/{shots}": value for shots, value in found.items()}
            np.savez(target, **known)
        print(f"{cell_name}: {len(needed)} variants, {time.time() - begin:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("extract", "measure", "tables"))
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--cache", type=Path, required=True, help="folder of features and results")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--conditions", nargs="+", default=CONDITIONS, choices=CONDITIONS)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(VARIANTS),
        metavar="VARIANT",
        help="variants (default: all)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the cameras' paths")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        if options.command == "extract":
            extract_all(options)
        elif options.command == "measure":
            measure_all(options)
        else:
            print_tables(options.cache, options.seed, development_sets(options.assets))


if __name__ == "__main__":
    main()
