"""Accuracy of the training-free methods on labelled clips: the table of the README.

    python -m benchmarks.clips ASSETS [--backbone mobilenet-v2 --weights FILE] [--episodes 2000]

ASSETS contains ``clips/index.tsv`` (path, dataset, class, group …) and the clips. Support and query
never share a group; five ways, five queries per class. The first rows are clips that chose nothing
(``benchmarks/datasets.py``), the last ones, of ``ASSETS/more``, development clips of other scenes.
Of exercises there are episodes of one shot, and what a coach does: half of the recordings of each
of the seven classes are taught with all their clips, and the clips of the others are predicted.

A second table shows whether a class attracts the others: how often the most frequent answer is
given, and how often it is true, in per cent of all queries at the largest number of shots.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.datasets import Part, exercises, is_development, other_scenes, parts, read_index
from benchmarks.shared import accuracies_cell, heading, line, table
from fewact import networks
from fewact.data import VideoList
from fewact.features.extract import extract
from fewact.features.request import Request
from fewact.lab import methods
from fewact.lab.evaluation import VideoFeatures, confusion, encode_list, evaluate_method
from fewact.lab.methods.a2m2 import A2M2
from fewact.lab.methods.base import TorchMethod, evaluating, rows
from fewact.lab.store.sources import FeatureSource
from fewact.methods import QUALITIES, Quality

CELLS_PER_CLIP = 128

COACH = "`workout7`, half of the recordings taught"
HALVES = 100
"""Number of random halves of the recordings."""

QUALITY_COLUMNS = {f"fusion, quality {name}": name for name in ("best", "fast")}

COLUMNS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "mean of frames": ("protonet", {"unit_frames": True}),
    "frames in order": ("protonet", {"unit_frames": True, "frame_matching": "concatenated"}),
    "A²M² as published, PCA to 64": (
        "a2m2",
        {
            "moments.level": "maps",
            "moments.reduction": "pca",
            "moments.width": 64,
            "moments.subtract_clip_mean": False,
            "alignment.time_weight": 0.0,
            "shot_aggregation": "prototype",
        },
    ),
    "A²M², stride 16, clip mean subtracted": ("a2m2", {"alignment.time_weight": 0.0}),
    "A²M², the same with time (default)": ("a2m2", {}),
    "grey pixels, no network": ("pixels", {}),
    "fusion": ("fusion", {}),
    **{name: ("fusion", {}) for name in QUALITY_COLUMNS},
}


def development_cells(
    backbone: networks.Backbone, datasets: Mapping[str, VideoList], request: Request
) -> Iterator[NDArray[np.float32]]:
    """Yield some cells (m c) of the maps of each development clip."""
    clips = [
        video.clip
        for name, videos in datasets.items()
        for video in videos.videos
        if video.clip and is_development(name, video)
    ]
    for found in extract(clips, backbone, [request]):
        if found.features is None:
            raise SystemExit(str(found.error))
        maps = found.features[request]  # (t c h w)
        cells = np.moveaxis(maps, -3, -1).reshape(-1, maps.shape[-3])
        yield cells[:: max(1, len(cells) // CELLS_PER_CLIP)]


def network_of(quality: Quality, options: argparse.Namespace) -> networks.Backbone | None:
    """Return the network of a quality; None if it is another one than the requested backbone."""
    if quality.backbone == "auto":
        return networks.create(
            options.backbone,
            weights=options.weights,
            precision=options.precision,
            size=quality.size,
        )
    if options.backbone == "auto":
        return networks.create(quality.backbone, precision=options.precision, size=quality.size)
    return None


@dataclass(frozen=True)
class Answers:
    """Answers of a method to all queries.

    Args:
        given: How often each class is the answer.
        true: How often each class is true.
        right: Fraction of right answers, in per cent.
    """

    given: NDArray[np.int64]
    true: NDArray[np.int64]
    right: float

    @property
    def most_frequent(self) -> str:
        """How often the most frequent answer is given, and is true, in per cent of all queries."""
        most, total = int(self.given.argmax()), int(self.given.sum())
        return f"{100 * self.given[most] / total:.0f} for {100 * self.true[most] / total:.0f}"


def of_episodes(
    method: TorchMethod, source: FeatureSource, part: Part, episodes: int
) -> tuple[list[Answers], float]:
    """Return the answers in a part's episodes by shots, and the widest half-width of accuracy."""
    found, widest = [], 0.0
    for drawn in part.drawn(episodes):
        result = evaluate_method(method, source, part.videos, drawn)
        predicted = confusion(result).predicted
        found.append(Answers(predicted.sum(0), predicted.sum(1), result.accuracy))
        widest = max(widest, result.ci95 or 0.0)
    return found, widest


def half_of_recordings(videos: VideoList, seed: int) -> NDArray[np.bool_]:
    """Return which videos (v) are of a random half of the recordings of each class."""
    rng, taught = np.random.default_rng(seed), np.zeros(len(videos.videos), np.bool_)
    for label in videos.classes:
        recordings = sorted({v.group or "" for v in videos.videos if v.label == label})
        half = set(rng.permutation(recordings)[: len(recordings) // 2].tolist())
        taught |= [v.label == label and v.group in half for v in videos.videos]
    return taught


def of_coach(method: TorchMethod, source: FeatureSource, videos: VideoList) -> Answers:
    """Return the answers where half of the recordings are taught, over many halves."""
    classes, bank = list(videos.classes), encode_list(method, source, videos)
    labels = torch.tensor([classes.index(video.label) for video in videos.videos])
    given, true = np.zeros((2, len(classes)), np.int64)
    right = 0
    with evaluating(method), torch.inference_mode():
        for seed in range(HALVES):
            taught = torch.from_numpy(half_of_recordings(videos, seed))
            support, query = taught.nonzero().T, (~taught).nonzero().T  # (1 s), (1 q)
            state = method.support(rows(bank.tensors, support), labels[support], len(classes))
            answers = method.score(state, rows(bank.tensors, query))[0].argmax(-1)
            asked = labels[query[0]]
            given += np.bincount(answers.numpy(), minlength=len(classes))
            true += np.bincount(asked.numpy(), minlength=len(classes))
            right += int((answers == asked).sum())
    return Answers(given, true, 100 * right / int(true.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--development", action="store_true", help="use the development clips")
    parser.add_argument("--sets", nargs="+", help="first words of rows (default: all)")
    parser.add_argument("--only", choices=COLUMNS, nargs="+", help="columns (default: all)")
    options = parser.parse_args()

    datasets = read_index(options.assets)
    requested = [name for name in COLUMNS if name in (options.only or COLUMNS)]
    quality_of = {name: QUALITY_COLUMNS.get(name, "normal") for name in requested}
    network_of_quality = {
        quality: network
        for quality in dict.fromkeys(("normal", *quality_of.values()))
        if (network := network_of(QUALITIES[quality], options)) is not None
    }
    columns = {
        name: methods.create(COLUMNS[name][0], **COLUMNS[name][1], **QUALITIES[quality].options)
        for name, quality in quality_of.items()
        if quality in network_of_quality
    }
    normal = network_of_quality["normal"]
    for method in columns.values():
        if isinstance(method, A2M2) and method.options.moments.reduction == "pca":
            (request,) = method.requests(normal.card)
            parts_of_cells = list(development_cells(normal, datasets, request))
            cells = torch.from_numpy(np.concatenate(parts_of_cells))  # (m c)
            method.fit_reduction({request: cells[..., None, None]})
    print(f"{normal.card.name}, {normal.card.precision}\n")
    print(heading(f"5-way, 1 / 5 shots, {options.episodes} episodes", *columns))
    widest = 0.0
    attracted = []
    trained = exercises(options.assets)
    every = [
        *parts(datasets, development=options.development),
        *other_scenes(options.assets),
        Part("`workout7`", trained, shots=(1,), queries=1),
        Part(COACH, trained, shots=()),
    ]
    for part in every:
        if options.sets and part.videos.name not in options.sets:
            continue
        sources = {
            quality: VideoFeatures(part.videos, network, keep=True)
            for quality, network in network_of_quality.items()
        }
        row, frequent = [], []
        for name, method in columns.items():
            source = sources[quality_of[name]]
            if part.shots:
                answers, wide = of_episodes(method, source, part, options.episodes)
                widest = max(widest, wide)
            else:
                answers = [of_coach(method, source, part.videos)]
            row.append(accuracies_cell(one.right for one in answers))
            frequent.append(answers[-1].most_frequent)
        print(line(part.name, *row), flush=True)
        attracted.append([part.name, *frequent])
    print(f"\n95 % intervals of episodes: at most ± {widest:.2f}\n")
    print(table(["most frequent answer: given for true, in per cent", *columns], attracted))


if __name__ == "__main__":
    main()
