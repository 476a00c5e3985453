"""What a GPU does: correctness against the CPU, speed, training, resumption. Writes one page.

    python -m benchmarks.gpu -o docs/results/gpu.md
    python -m benchmarks.gpu -o page.md --device cpu --quick   # a dry run in small sizes

Unattended, in under nine minutes. Each part runs in a process of its own with a time budget: if it
fails, runs out of memory or out of time, the page says so, keeps its finished rows, and the other
parts follow. Nothing is downloaded: weights are random.
"""

import argparse
import json
import multiprocessing
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks import gpu_correctness, gpu_parts, gpu_run, gpu_training
from benchmarks.gpu_parts import Report, Task

Row = dict[str, str]


CONTEXT = multiprocessing.get_context("forkserver")
"""Parts start from a server that has loaded torch, which takes ten seconds on some machines."""
CONTEXT.set_forkserver_preload(["benchmarks.gpu_correctness", "benchmarks.gpu_training"])


@dataclass(frozen=True)
class Part:
    """A part of the benchmark.

    Args:
        run: Measures, and reports rows.
        budget: Seconds after which it is stopped, with the start of its process.
        summary: What its tables show.
    """

    run: Callable[[Task, Report], None]
    budget: float
    summary: str


PARTS = {
    "environment": Part(gpu_parts.environment, 20, "The machine and the versions."),
    "correctness": Part(
        gpu_correctness.correctness,
        120,
        "The device against the CPU, in float32 (losses in bfloat16, too): the largest difference,"
        " relative to the largest value.",
    ),
    "episodes": Part(
        gpu_training.episodes,
        20,
        "The same episodes from nodes in the memory of the CPU and of the device.",
    ),
    "transport": Part(
        gpu_parts.transport,
        10,
        "Problems that are on the device: solved there by the simplex in PyTorch, or copied to the"
        " CPU's solver and back. A ratio above 1 means that the copy is faster.",
    ),
    "training": Part(
        gpu_training.training,
        180,
        "A²M²-Net with ResNet-50 on videos of `motions`, decoded from files: the second stage of"
        " the recipe `a2m2-motions-resnet50`, from random weights.",
    ),
    "resumption": Part(
        gpu_training.resumption, 60, "A run that is interrupted and continued, file by file."
    ),
    "embedding": Part(
        gpu_parts.embedding,
        125,
        "Random weights. Videos of 240 × 240 pixels are decoded and resized in other processes.",
    ),
}
"""Parts by name, in their order; their budgets add up to less than nine minutes."""

INTERRUPTED = "interrupted"

DRY_RUN = 600.0
"""Seconds of a part in small sizes, on however slow a machine."""


@dataclass
class Finished:
    """A part that ended.

    Args:
        name: Name of the part.
        seconds: Wall time.
        fault: Why it ended early; empty if it did not.
        tables: Its rows by the title of their table.
    """

    name: str
    seconds: float
    fault: str
    tables: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def failures(self) -> int:
        """Number of rows that say what failed."""
        return sum("failed" in row for rows in self.tables.values() for row in rows)


def run(name: str, task: Task, budget: float, folder: Path) -> Finished:
    """Run a part in a process of its own, for as long as its budget allows."""
    rows, log = folder / f"{name}.jsonl", folder / f"{name}.log"
    rows.touch()
    log.touch()
    begin = time.perf_counter()
    process = CONTEXT.Process(target=gpu_run.work, args=(PARTS[name].run, task, rows, log))
    process.start()
    try:
        process.join(budget)
        fault = f"stopped after its budget of {budget:.0f} s" if process.is_alive() else ""
    except KeyboardInterrupt:
        fault = INTERRUPTED
    if fault:
        process.kill()
    process.join()
    if process.exitcode and not fault:
        fault = f"exit code {process.exitcode}"
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    print(text, flush=True)
    if fault.startswith("exit") and text:
        fault += f": {text.splitlines()[-1].strip()}"
    finished = Finished(name, time.perf_counter() - begin, fault)
    for line in rows.read_text(encoding="utf-8").splitlines():
        table, cells = json.loads(line)
        finished.tables.setdefault(table, []).append(cells)
    return finished


def as_markdown(rows: list[Row]) -> list[str]:
    """Return a table whose columns are those of all rows, in the order of their first use."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return [
        *lines,
        *(
            "| " + " | ".join(row.get(one, "").replace("|", "/") for one in columns) + " |"
            for row in rows
        ),
    ]


def page(task: Task, finished: list[Finished]) -> str:
    """Return the page."""
    seconds = sum(part.seconds for part in finished)
    title = task.device_name
    command = "python -m benchmarks.gpu -o PAGE"
    command += f" --device {task.device}" * (task.device != "cuda") + " --quick" * task.quick
    lines = [f"# {title}", "", f"Command: `{command}`, {seconds:.0f} s in all."]
    if task.quick:
        lines += ["", "A dry run in small sizes: its figures say nothing about speed."]
    for part in finished:
        lines += ["", f"## {part.name.capitalize()}", "", PARTS[part.name].summary]
        if part.fault:
            lines += ["", f"**Not finished: {part.fault}.**"]
        for table, rows in part.tables.items():
            lines += ["", f"### {table}", "", *as_markdown(rows)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="file for the page")
    parser.add_argument("--device", default="cuda", help="device; cpu for a dry run")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), help="some parts only")
    options = parser.parse_args()
    task = Task(options.device, options.quick)
    if task.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit(
            f"There is no GPU here that this torch ({torch.__version__}) can use. For a dry run on"
            " the CPU: --device cpu --quick"
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # rows of the part are kept, too
    finished = []
    with tempfile.TemporaryDirectory() as folder:
        for name, part in PARTS.items():
            if options.only and name not in options.only:
                continue
            budget = DRY_RUN if task.quick else part.budget
            print(f"{name}: at most {budget:.0f} s", flush=True)
            finished.append(run(name, task, budget, Path(folder)))
            last = finished[-1]
            print(
                f"  {last.fault or 'done'}, {last.failures} failed rows, {last.seconds:.0f} s",
                flush=True,
            )
            options.output.write_text(page(task, finished), encoding="utf-8")
            if last.fault == INTERRUPTED:
                break
    sys.exit(1 if any(part.fault or part.failures for part in finished) else 0)


if __name__ == "__main__":
    main()
