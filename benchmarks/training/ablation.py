"""Ablation of A²M²-Net on ``motions``: moments against alignment, with and without order.

    python -m benchmarks.training.ablation --work FOLDER [--preset misaligned] [--videos 16]
        [--seeds 3] [--episodes 2000] [--only "sqrt;mean"] [--small]

For each type of moments, with the clip's mean kept and with it subtracted, and each seed, one
reduction is trained on stored maps by the recipe ``a2m2-motions-lite0``; validation classes choose
its checkpoint. All alignments are compared on this checkpoint, on the same episodes of the test
classes. What FOLDER contains is not computed again. ``--small`` stores maps of frames of half the
height and width, for a quarter of the time.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

from benchmarks.shared import heading, line, table
from benchmarks.training.stored import stored
from fewact import networks
from fewact.data import VideoList
from fewact.data.videos import SPLITS
from fewact.features.request import FeatureRequest, View
from fewact.lab.evaluation import (
    Comparison,
    Result,
    RunOptions,
    checkpoint,
    compare,
    evaluate_method,
    load,
)
from fewact.lab.evaluation.encode import encode_list
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.networks.efficientnet_lite import EfficientNetLite0
from fewact.lab.store.stored import StoredFeatures
from fewact.lab.training import TrainingData, read, train
from fewact.synthetic import motions

RECIPE, SIDE = "a2m2-motions-lite0", 112

PLAIN = {"alignment.time_weight": 0.0, "intra_class_weight": 0.0, "shot_aggregation": "prototype"}
"""Options of all runs: without a time term, only moments and aligners use the order."""

CLIP_MEAN = {"kept": False, "subtracted": True}
"""The clip's mean map: kept, as in the paper, or subtracted from each frame before the moments."""

MOMENTS: dict[str, dict[str, Any]] = {
    "mean": {"moments.descriptor": "mean"},
    "covariance": {"moments.descriptor": "covariance"},
    "sqrt": {},
    "sqrt, lengths 1": {"moments.lengths": [1]},
    "sqrt, lengths 2": {"moments.lengths": [2]},
    "sqrt, lengths 4": {"moments.lengths": [4]},
    "sqrt, attention": {"moments.attention": True},
    "sqrt, cross-frame": {"moments.cross_frame": 1.0},
}

EMD = {"alignment.name": "emd", "alignment.weights": "cross"}
ALIGNMENTS: dict[str, dict[str, Any]] = {
    "cosine": {"alignment.name": "cosine"},
    "diagonal": {"alignment.name": "diagonal"},
    "hungarian": {"alignment.name": "hungarian"},
    "emd, uniform": {**EMD, "alignment.weights": "uniform"},
    "emd, cross": EMD,
    "emd, cross, time": {**EMD, "alignment.time_weight": 0.5},
    "otam": {"alignment.name": "otam"},
    "bi_mhm": {"alignment.name": "bi_mhm"},
}

Pair = tuple[str, str]
"""Moments and alignment."""

PROPOSED: Pair = ("sqrt", "emd, cross")
"""What the paper proposes."""

CLAIMS: dict[str, tuple[Pair, Pair]] = {
    "covariances beat means": (("covariance", "emd, cross"), ("mean", "emd, cross")),
    "inferred: square roots beat covariances": (PROPOSED, ("covariance", "emd, cross")),
    "EMD beats the cosine of the means": (PROPOSED, ("sqrt", "cosine")),
    "EMD beats the diagonal": (PROPOSED, ("sqrt", "diagonal")),
    "EMD beats OTAM": (PROPOSED, ("sqrt", "otam")),
    "inferred: cross-reference beats uniform weights": (PROPOSED, ("sqrt", "emd, uniform")),
    "W124 beats windows of 1": (PROPOSED, ("sqrt, lengths 1", "emd, cross")),
    "W124 beats windows of 2": (PROPOSED, ("sqrt, lengths 2", "emd, cross")),
    "W124 beats windows of 4": (PROPOSED, ("sqrt, lengths 4", "emd, cross")),
    "ours: attention before the moments gains": (("sqrt, attention", "emd, cross"), PROPOSED),
    "ours: cross-frame covariance gains": (("sqrt, cross-frame", "emd, cross"), PROPOSED),
    "ours: a time term gains": (("sqrt", "emd, cross, time"), PROPOSED),
}
"""The first pair is better than the second; the paper does not state those that are inferred."""


class Halved(EfficientNetLite0):
    """EfficientNet-Lite0 with half the height and width of frames and maps."""

    defaults = replace(
        EfficientNetLite0.defaults,
        name="efficientnet-lite0-112",
        input_size=(SIDE, SIDE),
        maps=(1280, 4, 4),
        middle=(112, 7, 7),
        shallow=(40, 14, 14),
    )


def options_of(moments: str, clip_mean: str) -> dict[str, Any]:
    """Return the changes of the recipe for a type of moments."""
    options = {
        **PLAIN,
        **MOMENTS[moments],
        "moments.subtract_clip_mean": CLIP_MEAN[clip_mean],
    }
    return {f"method.options.{key}": value for key, value in options.items()}


class Work:
    """Folder, data and episodes of the ablation.

    Args:
        options: Options of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._folder: Path = options.work
        size = {"size": SIDE} if options.small else {}
        if options.small:
            networks.register(Halved.defaults.name)(Halved)
        rendered = motions(options.preset, videos=options.videos, **size).videos
        self._videos: dict[str, VideoList] = {split: rendered.of(split) for split in SPLITS}
        self._stored: dict[str, StoredFeatures] = {
            split: stored(
                videos,
                self._folder / "store",
                (FeatureRequest("middle", View(8)),),
                networks.create(Halved.defaults.name) if options.small else None,
            )
            for split, videos in self._videos.items()
        }
        self._episodes = draw(
            self._videos["test"],
            Protocol(count=options.episodes, seed=1),
        )

    def measure(self, moments: str, clip_mean: str, seed: int) -> dict[str, Result]:
        """Return the result of each alignment on the checkpoint of a type of moments."""
        run = self._folder / "runs" / f"{moments} {clip_mean} {seed}".replace(" ", "_")
        files = {how: run / "test" / f"{how.replace(' ', '_')}.json" for how in ALIGNMENTS}
        if not all(file.exists() for file in files.values()):
            changes: dict[str, Any] = {**options_of(moments, clip_mean), "seed": seed}
            if moments == "sqrt, attention":  # the other weights begin fixed
                changes["method.options.seed"] = seed
            data = TrainingData(
                self._videos["train"],
                self._videos["val"],
                self._stored["train"],
                self._stored["val"],
            )
            train(read(RECIPE, changes), data, run, device="cpu")
            trained, test = checkpoint.read(run), self._videos["test"]
            bank = encode_list(trained.method(**PLAIN), self._stored["test"], test)
            for how, file in files.items():
                method = trained.method(**PLAIN | ALIGNMENTS[how])
                output = RunOptions(output=file)
                evaluate_method(method, bank, test, self._episodes, run=output)
        return {how: load(file) for how, file in files.items()}


def cell(results: Sequence[Result]) -> str:
    """Return the mean accuracy over the seeds and, for several, the lowest and highest."""
    accuracies = [result.accuracy for result in results]
    spread = f" ({min(accuracies):.1f} to {max(accuracies):.1f})" if len(accuracies) > 1 else ""
    return f"{statistics.mean(accuracies):.1f}{spread}"


def judged(pairs: Sequence[Comparison]) -> str:
    """Return whether a claim holds by the differences of all seeds."""
    over = [pair.class_interval or (-inf, inf) for pair in pairs]
    if all(pair.difference > (pair.ci95 or 0) for pair in pairs):
        return "holds" + " for these classes" * (not all(low > 0 for low, _ in over))
    if all(pair.difference < -(pair.ci95 or 0) for pair in pairs):
        also = all(high < 0 for _, high in over)
        return "**the opposite holds**" + " for these classes" * (not also)
    return "**not confirmed**"


def claims(found: Mapping[str, Mapping[str, Sequence[Result]]]) -> Iterator[list[str]]:
    """Yield each claim with its mean difference, those of the seeds, and whether it holds."""
    for claim, pairs in CLAIMS.items():
        if any(moments not in found for moments, _ in pairs):
            continue
        better, worse = (found[moments][how] for moments, how in pairs)
        seeds = [compare(both)[0] for both in zip(better, worse, strict=True)]
        mean = statistics.mean(seed.difference for seed in seeds)
        each = ", ".join(f"{seed.difference:+.2f} ± {seed.ci95:.2f}" for seed in seeds)
        over = (seed.class_interval for seed in seeds)
        classes = ", ".join(
            "–" if one is None else f"{one[0]:+.1f} … {one[1]:+.1f}" for one in over
        )
        yield [claim, f"{mean:+.2f}", each, classes, judged(seeds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of runs and results")
    parser.add_argument("--preset", default="misaligned")
    parser.add_argument("--videos", type=int, default=16, help="videos per class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--only", default=";".join(MOMENTS), help="moments, separated by ;")
    parser.add_argument("--small", action="store_true", help="store maps of smaller frames")
    options = parser.parse_args()
    work = Work(options)
    for clip_mean in CLIP_MEAN:
        found: dict[str, dict[str, list[Result]]] = {}
        print(f"\nClip mean {clip_mean}\n")
        print(heading("moments", *ALIGNMENTS))
        for moments in options.only.split(";"):
            seeds = [work.measure(moments, clip_mean, seed) for seed in range(options.seeds)]
            found[moments] = {how: [results[how] for results in seeds] for how in ALIGNMENTS}
            cells = [cell(results) for results in found[moments].values()]
            print(line(moments, *cells), flush=True)
        print()
        print(table(["claim", "mean", "each seed", "over other classes", ""], [*claims(found)]))


if __name__ == "__main__":
    main()
