"""Open sets from stored features, over methods and sets: docs/results/court.md.

    python -m benchmarks.court ASSETS --work FOLDER [--episodes 1000] [--only utd27_depth …]

Features of mobilenet_v2 and VGG-16 and skeletons are read from ASSETS; no video is. FOLDER keeps
the results, so that a run that was stopped continues there.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.shared import table
from benchmarks.skeletons import SETS as SKELETONS
from fewact import methods
from fewact.data import FeatureDataset
from fewact.data.videos import VideoList
from fewact.evaluation import ArrayFeatures, Result, RunOptions, evaluate_method
from fewact.evaluation.episodes import Protocol, draw
from fewact.evaluation.open_set import SCORES

METHODS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "protonet, mean frame": ("protonet", {}),
    "protonet, in order": ("protonet", {"frame_matching": "concatenated"}),
    "protonet, Euclidean": ("protonet", {"distance": "euclidean"}),
    "otam": ("otam", {}),
    "set matching (Bi-MHM)": ("hyrsm", {"relations": "none"}),
    "simpleshot": ("simpleshot", {}),
    "ridge, mean frame": ("ridge", {"frame_order": "pooled"}),
    "ridge, in order": ("ridge", {}),
    "lda, in order": ("lda", {}),
    "a2m2": ("a2m2", {}),
    "fusion": ("fusion", {}),
}
"""Methods without training and their options, by the name in the tables."""

SOURCES: Mapping[str, tuple[str, str | None]] = {
    "ucf7": ("features/mobilenet_v2_t8", "ucf7"),
    "utd27_depth": ("features/mobilenet_v2_t8", "utd27_depth"),
    "utd5_rgb": ("features/mobilenet_v2_t8", "utd5_rgb"),
    "ucf14": ("features/ucf14_vgg16_relu6_t8", None),
    **{name: (f"more/{name}/{name}", None) for name in SKELETONS},
}
"""Files of features and the data set in them, by name."""

SHOTS, QUERIES, LEAST_OUTSIDE = (1, 5), 5, 2


def read_set(assets: Path, name: str) -> tuple[VideoList, NDArray[Any]]:
    """Return the videos of a set, with the rule for its groups, and their vectors (v t d)."""
    file, dataset = SOURCES[name]
    data = FeatureDataset(assets / f"{file}.npz", dataset=dataset)
    videos = replace(data.videos, groups="within-class") if "ucf" in name else data.videos
    return videos, data.of(data.videos)


def protocol(videos: VideoList, shots: int, episodes: int) -> Protocol:
    """Return half of the queries of other classes; fewer ways or shots where the set is small."""
    groups = [{v.group for v in videos.videos if v.label == label} for label in videos.classes]
    return Protocol(
        ways=min(5, len(videos.classes) - LEAST_OUTSIDE),
        shots=min(shots, min(map(len, groups)) - 1),
        queries=QUERIES,
        count=episodes,
        groups=videos.groups,
        open_set=0.5,
    )


def results(
    assets: Path, work: Path, names: Sequence[str], episodes: int
) -> Iterator[tuple[str, int, str, Result]]:
    """Yield the set, the shots, the method and the result of each evaluation."""
    for name in names:
        videos, vectors = read_set(assets, name)
        source = ArrayFeatures(vectors, name)
        for shots in SHOTS:
            drawn = draw(videos, protocol(videos, shots, episodes))
            for label, (method, settings) in METHODS.items():
                options = dict(settings)
                if method == "fusion" and name in SKELETONS:
                    options["joints"] = SKELETONS[name]
                fitting = methods.fitting(
                    method, source.card, frames=source.frames, options=options
                )
                created = methods.create(method, **{**fitting, **options}).eval()
                file = work / f"{name}-{shots}-{label.replace(', ', '-').replace(' ', '-')}.json"
                run = RunOptions(output=file, threads=1)
                yield name, shots, label, evaluate_method(created, source, videos, drawn, run=run)


def row(name: str, shots: int, label: str, result: Result) -> list[str]:
    """Return the row of a result: closed accuracy, AUROC of each score, OSCR and FPR."""
    means, drawn = result.open_set, result.setup.episodes.protocol
    aurocs = [f"{means[score]['auroc'].mean:.1f}" for score in SCORES if score in means]
    rest = [means["best"]["oscr"], means["best"]["fpr95"]]
    return [
        *(f"`{name}`", f"{drawn.ways}-way {drawn.shots}-shot", label),
        f"{result.accuracy:.1f} ± {result.ci95 or 0:.1f}",
        *aurocs,
        *(f"{measure.mean:.1f} ± {measure.ci95 or 0:.1f}" for measure in rest),
    ]


def correlations(found: Sequence[tuple[str, int, str, Result]]) -> list[list[str]]:
    """Return Pearson's r of closed accuracy and measures: over methods in a set, and over all."""
    rows = []
    keys = list(dict.fromkeys((name, shots) for name, shots, _, _ in found))
    for score in SCORES[:-1]:
        within: list[list[float]] = []
        pooled: list[list[float]] = []
        for key in [*keys, None]:
            some = [r for name, shots, _, r in found if key in (None, (name, shots))]
            x = np.array([r.accuracy for r in some])
            y = {m: np.array([r.open_set[score][m].mean for r in some]) for m in ("auroc", "oscr")}
            r = [float(np.corrcoef(x, y[m])[0, 1]) for m in y]
            (pooled if key is None else within).append(r)
        low, middle, high = np.quantile(np.array(within), (0, 0.5, 1), axis=0)
        cells = [f"{middle[i]:.2f} ({low[i]:.2f} … {high[i]:.2f})" for i in (0, 1)]
        rows.append([score, *cells, *(f"{value:.2f}" for value in pooled[0])])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the features")
    parser.add_argument("--work", type=Path, required=True, help="folder for the results")
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--only", choices=SOURCES, nargs="+", default=list(SOURCES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    found = []
    for result in results(options.assets, options.work, options.only, options.episodes):
        found.append(result)
        print(*row(*result), sep=" | ", flush=True)
    head = ["set", "setting", "method", "closed", *SCORES[:-1], "OSCR", "FPR"]
    print("", table(head, [row(*result) for result in found]), sep="\n")
    head = ["score", "AUROC in a set", "OSCR in a set", "AUROC, all", "OSCR, all"]
    print("", table(head, correlations(found)), sep="\n")


if __name__ == "__main__":
    main()
