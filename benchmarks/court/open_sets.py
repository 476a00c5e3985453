"""Open sets from stored features, over methods and sets."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared import table
from benchmarks.skeletons import SETS as SKELETONS
from fewact.data.videos import VideoList
from fewact.lab import methods
from fewact.lab.benchmarks import FeatureDataset
from fewact.lab.evaluation import ArrayFeatures, Result, RunOptions, evaluate_method, load
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.lab.evaluation.open_set import SCORES
from fewact.lab.methods.base import TorchMethod
from fewact.lab.store.sources import FeatureSource

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

APART = ("a2m2", "fusion")
"""Those that compare more than frames or linear maps of them."""

SOURCES: Mapping[str, tuple[str, str | None]] = {
    "ucf7": ("features/mobilenet_v2_t8", "ucf7"),
    "utd27_depth": ("features/mobilenet_v2_t8", "utd27_depth"),
    "utd5_rgb": ("features/mobilenet_v2_t8", "utd5_rgb"),
    "ucf14": ("features/ucf14_vgg16_relu6_t8", None),
    **{name: (f"more/{name}/{name}", None) for name in SKELETONS},
}
"""Files of features and the data set in them, by name."""

SHOTS, QUERIES, LEAST_OUTSIDE = (1, 5), 5, 2
Found = tuple[str, int, str, Result]
"""Set, shots, method and result."""


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


def evaluated(
    folder: Path,
    name: str,
    method: Callable[[], TorchMethod],
    source: FeatureSource,
    videos: VideoList,
    drawn: EpisodeSet | None,
) -> Result | None:
    """Return the result of a method, from its file in the folder if it is there.

    Without episodes nothing is computed: None where there is no file.
    """
    file = folder / f"{name.replace(', ', '-').replace(' ', '-')}.json"
    if drawn is None:
        return load(file) if file.exists() else None
    if file.exists():
        result = load(file)
        if result.setup.episodes.sha256 != drawn.digest:
            raise SystemExit(f"{file}: of other episodes; choose another folder")
        return result
    run = RunOptions(output=file, threads=1)
    return evaluate_method(method(), source, videos, drawn, run=run)


def created(label: str, source: FeatureSource) -> TorchMethod:
    """Return a method of ``METHODS``, or one by its name, that fits features."""
    name, options = METHODS.get(label, (label, {}))
    frames = source.frames if isinstance(source, ArrayFeatures) else None
    fitting = methods.fitting(name, source.card, frames=frames, options=options)
    return methods.create(name, source.card, **{**fitting, **options})


def results(assets: Path, work: Path, episodes: int) -> Iterator[Found]:
    """Yield the result of each evaluation."""
    for name in SOURCES:
        videos, vectors = read_set(assets, name)
        source = ArrayFeatures(vectors, name, joints=SKELETONS.get(name, ""))
        for shots in SHOTS:
            drawn = draw(videos, protocol(videos, shots, episodes)) if episodes else None
            for label in METHODS:
                method, file = partial(created, label, source), f"{name}-{shots}-{label}"
                result = evaluated(work, file, method, source, videos, drawn)
                if result is not None:
                    yield name, shots, label, result


def tables(assets: Path, work: Path, episodes: int) -> str:
    """Return accuracies and rejection by method, rejection by score, and the correlations.

    Means and correlations are of the sets in which all methods are finished.
    """
    found = list(results(assets, work, episodes))
    finished = Counter((name, shots) for name, shots, _, _ in found)
    compared = [one for one in found if finished[one[:2]] == len(METHODS)]
    alike = [one for one in found if one[2] not in APART]
    heading = ["score", "AUROC in a set", "OSCR in a set", "AUROC, all", "OSCR, all"]
    widest = [max(r.ci95 or 0 for _, _, _, r in found)]
    for measure in ("auroc", "oscr", "fpr95"):
        widest.append(max(r.open_set["best"][measure].ci95 or 0 for _, _, _, r in found))
    return "\n\n".join(
        [
            *(_by_method([one for one in found if one[1] == shots]) for shots in SHOTS),
            _by_score(compared),
            "95 % intervals are at most ± {:.1f} (closed), {:.1f} (AUROC), {:.1f} (OSCR) and "
            "{:.1f} (FPR).".format(*widest),
            table(heading, [*correlations(compared), *correlations(alike, ("best",), ", alike")]),
        ]
    )


def _by_method(found: Sequence[Found]) -> str:
    """Return closed accuracy and AUROC of the best logit of each method and set."""
    head = {name: f"{_size(result)}, `{name}`" for name, _, _, result in found}
    cells: dict[str, dict[str, str]] = {label: dict.fromkeys(head, "–") for label in METHODS}
    for name, _, label, result in found:
        auroc = result.open_set["best"]["auroc"].mean
        cells[label][name] = f"{result.accuracy:.1f}/{auroc:.1f}"
    return table(["closed/AUROC", *head.values()], [[k, *v.values()] for k, v in cells.items()])


def _size(result: Result) -> str:
    """Return ways and shots, as in "5w1s"."""
    drawn = result.setup.episodes.protocol
    return f"{drawn.ways}w{drawn.shots}s"


def _by_score(found: Sequence[Found]) -> str:
    """Return the mean over methods of each score's AUROC, and of OSCR and FPR of the best logit."""
    columns: dict[str, list[Result]] = {}
    for name, _, _, result in found:
        columns.setdefault(f"{_size(result)}, `{name}`", []).append(result)
    shown = {
        **{f"AUROC, {score}": (score, "auroc") for score in SCORES[:-1]},
        "OSCR, best": ("best", "oscr"),
        "FPR at 95 %, best": ("best", "fpr95"),
    }
    rows = [
        [
            text,
            *(f"{np.mean([r.open_set[s][m].mean for r in rs]):.1f}" for rs in columns.values()),
        ]
        for text, (s, m) in shown.items()
    ]
    return table(["mean of methods", *columns], rows)


def correlations(
    found: Sequence[Found], scores: Sequence[str] = SCORES[:-1], of: str = ""
) -> list[list[str]]:
    """Return Pearson's r of closed accuracy and measures: over methods in a set, and over all."""
    rows = []
    keys = list(dict.fromkeys((name, shots) for name, shots, _, _ in found))
    for score in scores:
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
        rows.append([score + of, *cells, *(f"{value:.2f}" for value in pooled[0])])
    return rows
