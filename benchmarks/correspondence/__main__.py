"""Measure how much of known correspondences the aligners recover; write the page and figures.

python -m benchmarks.correspondence [--pairs 300] [--tasks 1000] [--seed 1] [--docs docs/results]
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.correspondence.claims import claims
from benchmarks.correspondence.drawing import noise_figure, plans_figure
from benchmarks.correspondence.measure import (
    MIDDLE,
    RATIOS,
    change_by_order,
    plans_of,
    recover,
    task_accuracies,
)
from benchmarks.correspondence.page import page
from benchmarks.correspondence.pairs import DISTORTIONS, make_pairs


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=300, help="pairs for each distortion")
    parser.add_argument("--tasks", type=int, default=1000, help="tasks of each type")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--docs",
        type=Path,
        default=Path(__file__).parents[2] / "docs" / "results",
        help="folder of the page",
    )
    options = parser.parse_args(arguments)
    if min(options.pairs, options.tasks) < 2:
        parser.error("an interval needs two pairs and two tasks")
    start = time.process_time()
    recovered = recover(options.pairs, options.seed)
    accuracy = task_accuracies(options.tasks, options.seed)
    found = list(claims(recovered, accuracy, change_by_order(options.pairs, options.seed)))
    shown = [make_pairs(name, 1, options.seed) for name in DISTORTIONS]
    plans = [plans_of(pair, RATIOS[MIDDLE])[:, 0] for pair in shown]
    truths = [pair.truth[0] for pair in shown]
    seconds = time.process_time() - start
    text = page(recovered, accuracy, found, tasks=options.tasks, seed=options.seed, seconds=seconds)
    options.docs.mkdir(parents=True, exist_ok=True)
    (options.docs / "alignment.md").write_text(text)
    (options.docs / "alignment-noise.svg").write_text(noise_figure(recovered))
    (options.docs / "alignment-plans.svg").write_text(plans_figure(plans, truths))
    for one in found:
        print(
            f"{'holds' if one.holds else 'DOES NOT HOLD':14}{one.statement}\n{'':14}{one.measured}"
        )
    print(f"{seconds:.0f} s")


if __name__ == "__main__":
    main()
