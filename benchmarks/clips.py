"""Accuracy of the training-free methods on labelled clips: the table of the README.

    python -m benchmarks.clips ASSETS [--backbone mobilenet-v2 --weights FILE] [--episodes 2000]

ASSETS contains ``clips/index.tsv`` (path, dataset, class, group …) and the clips. Support and query
never share a group; five ways, five queries per class. The first rows are clips that chose nothing
(``benchmarks/datasets.py``), the last ones, of ``ASSETS/more``, development clips of other scenes.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.datasets import is_development, other_scenes, parts, read_index
from benchmarks.shared import accuracies_cell, heading, line
from fewact import networks
from fewact.data import VideoList
from fewact.features.extract import extract
from fewact.features.request import Request
from fewact.lab import methods
from fewact.lab.evaluation import VideoFeatures, evaluate_method
from fewact.lab.methods.a2m2 import A2M2
from fewact.methods import QUALITIES, Quality

CELLS_PER_CLIP = 128

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
    rows = parts(datasets, development=options.development)
    for part in [*rows, *other_scenes(options.assets)]:
        if options.sets and part.videos.name not in options.sets:
            continue
        sources = {
            quality: VideoFeatures(part.videos, network, keep=True)
            for quality, network in network_of_quality.items()
        }
        drawn = part.drawn(options.episodes)
        row = []
        for name, method in columns.items():
            source = sources[quality_of[name]]
            results = [evaluate_method(method, source, part.videos, each) for each in drawn]
            widest = max(widest, *(result.ci95 or 0.0 for result in results))
            row.append(accuracies_cell(result.accuracy for result in results))
        print(line(part.name, *row), flush=True)
    print(f"\n95 % intervals: at most ± {widest:.2f}")


if __name__ == "__main__":
    main()
