"""Commands are killed by SIGKILL at random, run again, and must end with the bytes of a whole run.

Half of the kills are before a random change of a file (a new file, a rename, a removal) or after a
sync, the others after a random time.
"""

import time
from collections.abc import Sequence

import numpy as np

from tests.fuzz.report import Report, cases
from tests.fuzz.runner import Runner, opened


def run(
    seed: int,
    seconds: float | None,
    count: int | None,
    names: Sequence[str] | None = None,
    runner: Runner | None = None,
) -> Report:
    """Kill commands; ``names`` are the scenarios of ``commands``, default: all."""
    report = Report()
    with opened(runner) as runner:
        chosen = list(names or runner.commands.SCENARIOS)
        for number in cases(seconds, count):
            name = chosen[number % len(chosen)]
            killed, faults = _case(runner, name, np.random.default_rng([seed, number]))
            report.outcomes[f"{name}: kills"] += killed
            report.outcomes[f"{name}: cases, {'not whole' if faults else 'whole'}"] += 1
            report.defects += [f"seed {seed}, case {number}, {name}: {one}" for one in faults]
    return report


def _case(runner: Runner, name: str, draw: np.random.Generator) -> tuple[int, list[str]]:
    """Kill a scenario once to three times, then run it to its end; the kills, and the faults."""
    runner.whole(name)
    runner.begin(name)
    killed, faults = 0, []
    for _ in range(draw.integers(1, 4)):
        killed += _kill(runner, name, draw)
        faults += runner.faults(name)
    return killed, [*faults, *runner.run_again(name)]


def _kill(runner: Runner, name: str, draw: np.random.Generator) -> int:
    """Start a scenario and kill its processes, all or some; return the number of killed ones."""
    whole, count = runner.whole(name), runner.commands.SCENARIOS[name].processes
    victims = int(draw.integers(1, count + 1))
    at = int(draw.integers(1, len(whole.changes) + 1)) if draw.random() < 0.5 else None
    after = draw.uniform(0, whole.seconds)
    started = [
        runner.start(runner.commands.run_scenario, name, runner.root, at if i < victims else None)
        for i in range(count)
    ]
    if at is None:
        time.sleep(after)
        for victim in started[:victims]:
            victim.kill()
    return sum(code == -9 for code in runner.ended(started))
