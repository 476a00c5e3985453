"""The first answer: `fewact predict` of one clip by a new process, by parts, and the clip warm.

    python -m benchmarks.first_answer MODEL VIDEO [--runs 5]

MODEL was written by `fewact teach`. The parts are those of a process that does what the command
does; the row of the command itself is its time from start to end. Files are in the cache of the
system, modules are compiled, and the cache folder has what a first use leaves there. Times are
medians, by the clock and by the processor; on a busy machine only the latter can be compared.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

RUN = "import sys; from fewact import cli; sys.exit(getattr(cli, 'entry_point', cli.main)())"
"""Code of the command `fewact`; older versions have ``main`` alone."""

STAGES = ("decode", "stabilise", "backbone", "moments", "alignment")


class Parts:
    """Times of the parts of one process, by the clock and by the processor."""

    def __init__(self) -> None:
        self.times: dict[str, tuple[float, float]] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        wall, busy = time.perf_counter(), time.process_time()
        yield
        self.times[name] = (time.perf_counter() - wall, time.process_time() - busy)


def answer(model: str, video: str) -> None:
    """Do in this process what the command does, and print the times."""
    from fewact.cli.run import loading

    parts = Parts()
    parts.times["python, command line"] = (0.0, time.process_time())
    with loading():
        with parts.part("import of torch"):
            import torch
        with parts.part("other imports"):
            from fewact import FewShotClassifier
            from fewact.features.timing import Timing
        with parts.part("model, weights, engine"):
            classifier = FewShotClassifier.load(model, device="cpu")
    with parts.part("answer"):
        list(classifier.predict_each([video], timing=Timing()))
    with parts.part("answer, warm"):
        list(classifier.predict_each([video]))
    with parts.part("answer, warm again"):
        list(classifier.predict_each([video], timing=(timing := Timing())))
    card = classifier.backbone_.card
    facts = f"{card.name}, {card.precision}, {getattr(card, 'engine', 'torch')}, "
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts += f"{torch.get_num_threads()} threads, {most:.0f} MB of memory at most"
    print(json.dumps({"facts": facts, "times": parts.times, "stages": timing.seconds}))


def environment(source: Path | None) -> dict[str, str]:
    """Return the environment of a process that imports fewact from a source tree.

    Args:
        source: The tree; None for the installed package.
    """
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return own if source is None else own | {"PYTHONPATH": str(source / "src")}


def command(arguments: list[str], variables: Mapping[str, str]) -> tuple[float, float]:
    """Return the seconds of a process from start to end, by the clock and by the processor."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, check=True, capture_output=True, env=variables)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - wall, busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("video")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        answer(options.model, options.video)
        return
    own = [sys.executable, "-m", "benchmarks.first_answer", options.model, options.video, "--once"]
    fewact = [sys.executable, "-c", RUN, "predict", options.model, options.video]
    installed = environment(None)
    command(fewact, installed)  # Compiles modules and fills the cache folder.
    passive = {"OMP_WAIT_POLICY": "PASSIVE"} | installed  # As the command sets it.
    runs, whole = [], []
    for _ in range(options.runs):
        whole.append(command(fewact, installed))
        done = subprocess.run(own, check=True, capture_output=True, text=True, env=passive)
        runs.append(json.loads(done.stdout))
    print(runs[0]["facts"] + f", {Path(options.video).name}, {options.runs} runs\n")
    print("| part | ms | ms of processor time |\n|---|---|---|")
    medians = {
        name: np.median([run["times"][name] for run in runs], axis=0) for name in runs[0]["times"]
    }
    for name, (wall, busy) in medians.items():
        print(f"| {name} | {1e3 * wall:.0f} | {1e3 * busy:.0f} |")
    cold = sum(value for name, value in medians.items() if "warm" not in name)
    warm = medians["answer, warm again"]
    print(f"| cold, all parts | {1e3 * cold[0]:.0f} | {1e3 * cold[1]:.0f} |")
    limit = 2 * warm + 1
    wall, busy = np.median(whole, axis=0)
    print(f"| the command, from start to end | {1e3 * wall:.0f} | {1e3 * busy:.0f} |")
    print(f"| twice warm and a second | {1e3 * limit[0]:.0f} | {1e3 * limit[1]:.0f} |")


if __name__ == "__main__":
    main()
