"""Power losses: what was not synced is lost, and nothing is believed that is not whole.

Each case cuts the power of a recorded command after a random change of a file, keeps any part of
what was not safe on the disk, and runs the command again: it must end with the bytes of a whole
run. A command that has ended must have all of its files on the disk.
"""

from collections.abc import Sequence

import numpy as np

from tests.fuzz.disk import Disk, write_out
from tests.fuzz.report import Report, cases
from tests.fuzz.runner import Runner, opened

KEPT = (0.0, 0.5, 1.0)
"""Probabilities with which a change survives that was not safe."""


def run(
    seed: int,
    seconds: float | None,
    count: int | None,
    names: Sequence[str] | None = None,
    runner: Runner | None = None,
) -> Report:
    """Cut the power of commands; ``names`` are the scenarios of ``commands``."""
    report = Report()
    with opened(runner) as runner:
        chosen = runner.chosen(names)
        for number in cases(seconds, count):
            name, draw = chosen[number % len(chosen)], np.random.default_rng([seed, number])
            faults = _cut(runner, name, draw, ended=number < len(chosen))
            report.outcomes[f"{name}: {'not whole' if faults else 'whole'}"] += 1
            report.defects += [f"seed {seed}, case {number}, {name}: {one}" for one in faults]
    return report


def _cut(runner: Runner, name: str, draw: np.random.Generator, *, ended: bool) -> list[str]:
    """Cut the power at a random time, or when the command has ended; return the faults."""
    whole = runner.whole(name)
    last = len(whole.changes)
    at = last if ended else int(draw.integers(0, last + 1))
    kept = 0.0 if ended else KEPT[draw.integers(len(KEPT))]
    runner.empty()
    state = Disk(whole.before, whole.changes, whole.after).crash(at, kept, draw)
    write_out(state, runner.root / "out")
    faults = runner.faults(name)
    if ended:
        faults += [one for one in runner.differences(name) if not one.endswith("is left")]
    where = f"{at} of {last} changes, {kept:.0%} of what was not safe"
    return [f"{where}: {one}" for one in (*faults, *runner.run_again(name))]
