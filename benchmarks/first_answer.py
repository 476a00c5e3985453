"""The first answer: `fewact predict` of one clip by a new process, by parts, and the clip warm.

    python -m benchmarks.first_answer MODEL VIDEO [--runs 5]

MODEL was written by `fewact teach`. Files are in the cache of the system, and the cache folder has
what a first use leaves there. Times are medians, by the clock and by the processor; on a busy
machine only the latter can be compared.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

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
    parts = Parts()
    parts.times["python"] = (0.0, time.process_time())
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
    card = classifier._pipeline.backbone.card
    facts = f"{card.name}, {card.precision}, {getattr(card, 'engine', 'torch')}, "
    facts += f"{torch.get_num_threads()} threads"
    print(json.dumps({"facts": facts, "times": parts.times, "stages": timing.seconds}))


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
    command = [sys.executable, "-m", "benchmarks.first_answer", options.model, options.video]
    runs = []
    for _ in range(options.runs):
        done = subprocess.run([*command, "--once"], check=True, capture_output=True, text=True)
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
    print(f"| twice warm and a second | {1e3 * limit[0]:.0f} | {1e3 * limit[1]:.0f} |")


if __name__ == "__main__":
    main()
