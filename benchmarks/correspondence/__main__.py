"""Measure what the aligners recover of known correspondences; write the page and its figures.

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
    tell_apart,
)
from benchmarks.correspondence.page import page
from benchmarks.correspondence.pairs import DISTORTIONS, make_pairs


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pairs", type=int, default=300, help="of each distortion")
    options.add_argument("--tasks", type=int, default=1000, help="of each kind")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--docs", type=Path, default=Path(__file__).parents[2] / "docs" / "results"
    )
    given = options.parse_args(arguments)
    if min(given.pairs, given.tasks) < 2:
        options.error("an interval takes two pairs and two tasks")
    start = time.process_time()
    recovered = recover(given.pairs, given.seed)
    accuracy = tell_apart(given.tasks, given.seed)
    found = list(claims(recovered, accuracy, change_by_order(given.pairs, given.seed)))
    shown = [make_pairs(name, 1, given.seed) for name in DISTORTIONS]
    plans = [plans_of(pair, RATIOS[MIDDLE])[:, 0] for pair in shown]
    truths = [pair.truth[0] for pair in shown]
    seconds = time.process_time() - start
    text = page(recovered, accuracy, found, tasks=given.tasks, seed=given.seed, seconds=seconds)
    given.docs.mkdir(parents=True, exist_ok=True)
    (given.docs / "alignment.md").write_text(text)
    (given.docs / "alignment-noise.svg").write_text(noise_figure(recovered))
    (given.docs / "alignment-plans.svg").write_text(plans_figure(plans, truths))
    for one in found:
        print(f"{'holds' if one.holds else 'DOES NOT HOLD':14}{one.says}\n{'':14}{one.measured}")
    print(f"{seconds:.0f} s")


if __name__ == "__main__":
    main()
