"""Full disks: commands run on a disk that is too small for their output, or over their quota.

A command must end with success, or with one message and exit code 2; its old output is whole. With
room again, the next run must end with the bytes of a whole run, and leave nothing else. Of each
command ten sizes of a mounted disk are tried, from none of its output to twice as much; then it
gets EDQUOT at a random change of a file.
"""

import shutil
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

from tests.fuzz._mount import missing, small_disk
from tests.fuzz.report import Report, cases
from tests.fuzz.runner import Runner, opened

LEVELS = 10
QUOTAS = 5
PAGE = 4096
ROOM = 64 << 20


def run(
    seed: int,
    seconds: float | None,
    count: int | None,
    names: Sequence[str] | None = None,
    runner: Runner | None = None,
) -> Report:
    """Fill disks; ``names`` are the scenarios of ``commands``."""
    report = Report()
    with opened(runner) as runner:
        chosen = runner.chosen(names)
        for number in cases(seconds, count):
            name, level = chosen[number % len(chosen)], number // len(chosen) % (LEVELS + QUOTAS)
            if level < LEVELS and missing():
                report.outcomes[f"skipped: {missing()}"] += 1
                continue
            draw = np.random.default_rng([seed, number])
            refused, faults = _case(runner, name, level, draw)
            kind = "full disk" if level < LEVELS else "quota"
            report.outcomes[f"{name}: {kind}, {'refused' if refused else 'written'}"] += 1
            where = f"seed {seed}, case {number}, {name}, {kind} {level}"
            report.defects += [f"{where}: {one}" for one in faults]
    return report


def _case(
    runner: Runner, name: str, level: int, draw: np.random.Generator
) -> tuple[bool, list[str]]:
    """Run a scenario without enough room, then with; whether it was refused, and the faults."""
    whole, out = runner.whole(name), runner.root / "out"
    before, after = (sum(map(_pages, tree.values())) for tree in (whole.before, whole.after))
    size = PAGE * max(1, before + round((level + draw.uniform()) / (LEVELS - 5) * after))
    quota_at = int(draw.integers(1, len(whole.changes) + 1)) if level >= LEVELS else None
    runner.empty()
    with small_disk(out, size) if quota_at is None else nullcontext() as resize:
        if runner.commands.SCENARIOS[name].old:
            shutil.copytree(runner.root / "old", out, dirs_exist_ok=True)
        process = runner.start(runner.commands.run_scenario, name, runner.root, None, quota_at)
        (code,) = runner.ended([process])
        log = (runner.root / "log").read_text()
        faults = runner.faults(name)
        errors = [line for line in log.splitlines() if line.startswith("Error: ")]
        if code not in (0, 2) or "Traceback" in log or (code == 2 and len(errors) != 1):
            faults.append(f"exit code {code}: {log[-300:]}")
        if resize is not None:
            resize(size + ROOM)
        return code != 0, [*faults, *runner.run_again(name)]


def _pages(content: bytes) -> int:
    """Number of pages of a file."""
    return -(-len(content) // PAGE)
