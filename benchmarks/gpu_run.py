"""The process of a part of ``benchmarks.gpu``."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.gpu_parts import Report, Task


def work(part: Callable[[Task, Report], None], task: Task, rows: Path, log: Path) -> None:
    """Run a part, write its rows into one file and what it prints into another."""
    with log.open("ab") as printed:
        for stream in (1, 2):
            os.dup2(printed.fileno(), stream)
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # a forked process begins with one
    with rows.open("a", encoding="utf-8") as file:

        def report(table: str, **cells: object) -> None:
            named = {name.replace("_", " "): str(cell) for name, cell in cells.items()}
            print(json.dumps([table, named]), file=file, flush=True)

        part(task, report)
