"""Cost of predictions by parts, of two installations of fewact in turns.

    python -m benchmarks.clip_cost ASSETS [--before PYTHON] [--threads 2] [--turns 5] [--many 100]
        [--backbone mobilenet-v2 --weights FILE]

``--before`` is the interpreter of another installation; both predict the same files in turns. The
files are clips of ``utd5_rgb`` recorded by the simulated cameras ``fixed`` and ``hand``. The table
has the medians over the turns, in milliseconds a clip: elapsed time, processor time, that of
decoding and of the network alone on the same frames, and that of the parts of a prediction of one
clip. The last column is the processor time of stabilising, moments and alignment, in per cent of
bare decoding and network.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clip_cost.installation import Installation, some_videos, training, write_clips
from benchmarks.markdown import heading

PARTS = ("stabilise", "moments", "alignment")


def rows(answers: Mapping[str, Sequence[Mapping[str, Any]]], clips: int) -> Iterator[str]:
    """Yield a row of the table for each installation."""
    for name, turns in answers.items():

        def middle(key: str, turns: Sequence[Mapping[str, Any]] = turns) -> float:
            return float(median(turn[key] for turn in turns))

        keys = ("wall", "busy", "decode", "network")
        parts = [median(turn["stages"][part] for turn in turns) for part in PARTS]
        fraction = 100 * sum(parts) / (middle("decode") + middle("network"))
        cells = [f"{1000 * value / clips:.0f}" for value in map(middle, keys)]
        # Stages of several clips overlap.
        own = [*(f"{1000 * value:.0f}" for value in parts), f"{fraction:.0f}"]
        yield " | ".join([name, *cells, *(own if clips == 1 else [""] * len(own))])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--before", help="interpreter of another installation")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--many", type=int, default=100, help="clips of the last case")
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--weights", default="default")
    options = parser.parse_args()
    first = training(options.assets, options.backbone, options.weights, options.threads)
    pythons = {"before": options.before, "now": sys.executable}
    installed = {name: Installation(one, first) for name, one in pythons.items() if one}
    print(f"{installed['now'].card}, {options.threads} threads, {options.turns} turns\n")
    heads = (
        "ms a clip",
        "elapsed",
        "processor",
        "bare decode",
        "bare network",
        *PARTS,
        "%",
    )
    print(heading("case", *heads))
    with tempfile.TemporaryDirectory() as folder:
        few = some_videos(options.assets, options.turns)
        cases = {
            f"one clip, {camera}": [[path] for path in write_clips(few, camera, Path(folder))]
            for camera in ("fixed", "hand")
        }
        fixed, hand = ([clips[0] for clips in case] for case in cases.values())
        many = ((fixed + hand) * options.many)[: options.many]
        cases[f"{options.many} clips, half of each"] = [many] * max(1, options.turns // 2)
        for case, turns in cases.items():
            answers: dict[str, list[dict[str, Any]]] = {name: [] for name in installed}
            for process in installed.values():
                process.ask({"predict": turns[0][:1]})
            for clips in turns:
                for name, process in installed.items():
                    answers[name].append(process.ask({"predict": clips}))
            labels = [[turn["answers"] for turn in found] for found in answers.values()]
            for row in rows(answers, len(turns[0])):
                print(f"| {case} | {row} |", flush=True)
            if any(found != labels[0] for found in labels):
                print("\nThe predictions differ.\n")
    for process in installed.values():
        process.close()


if __name__ == "__main__":
    main()
