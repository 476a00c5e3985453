"""Do the node weights of A²M²-Net move away from pauses? The pauses of ``motions`` are known.

    python -m benchmarks.training.node_weights --work FOLDER [--small] [--videos 16] [--seeds 1]
        [--pairs 2000] [--page docs/results/node-weights.md]

FOLDER is that of ``benchmarks.training.ablation``, with the checkpoints of ``sqrt`` and the clip's
mean subtracted. In the preset ``misaligned`` nothing moves before, between and after the parts of
an action. The weight of a window is compared with the fraction of its frames that are pauses.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.training import halved
from benchmarks.training.ablation_page import wrapped
from benchmarks.training.ablation_variants import PLAIN, moments_of
from benchmarks.training.ablation_work import Work
from fewact.evaluation import checkpoint
from fewact.evaluation.encode import encode_list
from fewact.methods.a2m2 import A2M2
from fewact.methods.a2m2_matching import Weights, problems
from fewact.moments import windows
from fewact.synthetic import MotionsBenchmark, motions
from fewact.video import Segments, Timeline

CHECKPOINT = moments_of("sqrt", "subtracted")
KINDS = ("same class", "another class")


def pauses(benchmark: MotionsBenchmark, ids: Sequence[str], lengths: Sequence[int]) -> Tensor:
    """Return the fraction of pauses among the frames of each window: (v m)."""
    rows = []
    for name in ids:
        pause = benchmark.truth(name).pause.astype(np.float32)
        times = np.arange(len(pause)) / 25  # any constant rate
        chosen = pause[Segments(8)(Timeline(times, end=len(pause) / 25))]
        rows.append([chosen[begin:end].mean() for begin, end in windows(8, lengths)])
    return torch.from_numpy(np.array(rows, dtype=np.float32))


def pairs_of(labels: NDArray[np.int64], count: int, same: bool) -> NDArray[np.int64]:
    """Return pairs (count 2) of different videos of one class, or of two classes."""
    rng = np.random.default_rng(0)
    found: list[tuple[int, int]] = []
    while len(found) < count:
        i, j = rng.integers(len(labels), size=2).tolist()
        if i != j and (labels[i] == labels[j]) is np.bool_(same):
            found.append((i, j))
    return np.array(found)


def on_pauses(nodes: Tensor, paused: Tensor, pairs: NDArray[np.int64], rule: Weights) -> Tensor:
    """Return the fraction of the query's weight that is on pauses, for each pair (p)."""
    query, support = (nodes[pairs[:, side]][:, None] for side in (0, 1))  # (p 1 m D)
    present = support.new_ones(support.shape[:-1])
    weights = problems(query, support, present, weights=rule).a[:, 0, 0]  # (p m)
    return (weights * paused[pairs[:, 0]]).sum(-1) / weights.sum(-1)


def interval(values: Tensor, query: NDArray[np.int64]) -> str:
    """Return the mean in per cent, with its 95 % interval over query videos."""
    each = [values[query == one].mean().item() for one in np.unique(query)]
    half = 1.96 * np.std(each, ddof=1) / len(each) ** 0.5
    return f"{100 * float(np.mean(each)):+.2f} ± {100 * float(half):.2f}"


def measured(work: Work, benchmark: MotionsBenchmark, seed: int, count: int) -> list[list[str]]:
    """Return the rows of a seed: pairs, rule, weight on pauses, and the change from uniform."""
    best, videos = checkpoint.read(work.run_folder(CHECKPOINT, seed)), work.videos["test"]
    method = best.method(**PLAIN)
    if not isinstance(method, A2M2):
        raise TypeError("the checkpoint is of another method")
    nodes = encode_list(method, work.stored["test"], videos).tensors["nodes"]
    paused = pauses(benchmark, [v.id for v in videos.videos], method.options.moments.lengths)
    number = {label: i for i, label in enumerate(videos.classes)}
    labels = np.array([number[video.label] for video in videos.videos])
    rows = []
    for kind in KINDS:
        pairs = pairs_of(labels, count, kind == KINDS[0])
        with torch.inference_mode():
            by_rule = {rule: on_pauses(nodes, paused, pairs, rule) for rule in get_args(Weights)}
        for rule, values in by_rule.items():
            change = interval(values - by_rule["uniform"], pairs[:, 0])
            mean = f"{100 * values.mean().item():.1f} %"
            rows.append([str(seed), kind, rule, mean, "" if rule == "uniform" else change])
    return rows


def page(rows: Sequence[Sequence[str]], work: Work, command: str, count: int) -> str:
    """Return the page as Markdown."""
    lines = [
        "# Node weights and pauses",
        "",
        "A²M²-Net weighs a window by its similarity to the other video. Does that move weight away"
        " from windows in which nothing happens? In `motions`, preset `misaligned`, the pauses"
        " before, between and after the parts of an action are known. Checkpoints of the"
        " [ablation](ablation.md): `sqrt`, clip mean subtracted. Fraction of a clip's weight on"
        f" pauses, over {count} pairs of the {len(work.videos['test'].videos)} test videos; the"
        " change from uniform weights in points, ± its 95 % interval over the videos.",
        "",
        f"    {command}",
        "",
        "| seed | the other video is of | weights | on pauses | change from uniform |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join((*map(wrapped, lines), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the ablation")
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    work = Work(options.work, "misaligned", options.videos, 1, small=options.small)
    size = {"size": halved.SIDE} if options.small else {}
    benchmark = motions("misaligned", videos=options.videos, **size)
    rows = [
        row
        for seed in range(options.seeds)
        for row in measured(work, benchmark, seed, options.pairs)
    ]
    for row in rows:
        print("  ".join(row), flush=True)
    if options.page is not None:
        more = " --small" * options.small + f" --videos {options.videos} --seeds {options.seeds}"
        command = f"python -m benchmarks.training.node_weights --work FOLDER{more}"
        text = page(rows, work, command, options.pairs)
        options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
