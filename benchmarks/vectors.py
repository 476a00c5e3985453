"""Fusion on precomputed vectors: the table of docs/decisions/vectors.md.

    python -m benchmarks.vectors ASSETS [--episodes 1000] [--reported]

Vectors of networks, grey pixels of the frames, their changes and the path of the motion, all of the
development clips; and drawn sequences whose order says nothing. Options were chosen on these rows.
``--reported`` shows the vectors of the clips that chose nothing.
"""

import argparse
import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.datasets import Part, parts, read_index
from fewact import backbones, methods
from fewact.data import Video, VideoList
from fewact.episodes import Protocol, draw
from fewact.evaluation import ArrayFeatures, evaluate_method
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, View
from fewact.methods.base import Method
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.vectors import CHANNELS
from fewact.methods.pixels import LUMA

SHOTS = (1, 2, 5)
VECTORS, PIXELS = FeatureRequest("vectors", View(8)), FeatureRequest("pixels", View(16))
GRID = 7

AS_THEY_ARE = CHANNELS[:1]
"""The assumption that channels must not be changed."""

Row = tuple[str, VideoList, NDArray[np.float32]]


def columns(frames: int) -> dict[str, Method]:
    """Return the method with one step after the other, and the mean of the frames."""
    in_order, of_order = {"channels": AS_THEY_ARE, "unordered": 0.0}, {"channels": AS_THEY_ARE}
    mean = methods.create("protonet", frames=frames, unit_frames=True)
    return {
        "a line removed, motion 2": fusion(
            frames, in_order, cameras="moving", weights={"vector_motion": 2.0}
        ),
        "the mean removed, motion 2": fusion(frames, in_order, weights={"vector_motion": 2.0}),
        "motion 1": fusion(frames, in_order),
        "and order if it matters": fusion(frames, of_order),
        "and changed channels (default)": fusion(frames, {}),
        "mean of frames": mean.eval(),
    }


def fusion(frames: int, fields: Mapping[str, Any], **options: object) -> Method:
    """Return fusion with other fields of its terms of vectors."""
    method = methods.create("fusion", frames=frames, **options).eval()
    if not isinstance(method, Fusion):
        raise TypeError("fusion is another method")
    method.vector_terms = replace(method.vector_terms, **fields)
    return method


def rows(assets: Path, *, development: bool) -> Iterator[Row]:
    """Yield the name, the videos and the vectors (v t d) of each row."""
    datasets = read_index(assets)
    stored = np.load(assets / "features/mobilenet_v2_t8.npz")["features"]
    with (assets / "clips/index.tsv").open(encoding="utf-8", newline="") as file:
        number = {row["path"]: i for i, row in enumerate(csv.DictReader(file, delimiter="\t"))}
    backbone = backbones.create("auto")
    for part in parts(datasets, development=development):
        ids = [number[video.id] for video in part.videos.videos]
        yield f"MobileNet v2, {part.name}", part.videos, stored[ids].astype(np.float32)
        vectors, grey = read_clips(part, backbone)
        yield f"Lite0, {part.name}", part.videos, vectors.numpy()
        yield f"grey pixels, {part.name}", part.videos, grey.numpy()
        if part.videos.groups == "shared":
            changes = (grey[:, 1:] - grey[:, :-1]).abs()
            yield f"their changes, {part.name}", part.videos, changes.numpy()
            yield f"path of the motion, {part.name}", part.videos, path(grey).numpy()
    yield unordered()


def read_clips(part: Part, backbone: backbones.Backbone) -> tuple[Tensor, Tensor]:
    """Return vectors (v 8 d) and grey pixels (v 16 49) of the clips."""
    vectors, pixels = [], []
    luma = torch.tensor(LUMA)[:, None, None]
    clips = [video.source for video in part.videos.videos if video.source]
    for found in extract(clips, backbone, [VECTORS, PIXELS]):
        if found.features is None:
            raise SystemExit(str(found.error))
        vectors.append(found.features[VECTORS].float())
        grey = (found.features[PIXELS].float() * luma).sum(-3)  # (t h w)
        pixels.append(functional.adaptive_avg_pool2d(grey, GRID).flatten(1))
    return torch.stack(vectors), torch.stack(pixels)


def path(grey: Tensor) -> Tensor:
    """Return centre, spread and strength of the changes of each frame: (v t 49) → (v t 5)."""
    at = torch.arange(GRID) / (GRID - 1) - 0.5
    cells = torch.cartesian_prod(at, at)  # (49 2)
    changes = (grey - grey.mean(1, keepdim=True)).square()
    strength = changes.sum(-1, keepdim=True)
    weight = changes / strength.clamp_min(1e-9)
    return torch.cat([weight @ cells, weight @ cells.square(), strength / strength.mean()], -1)


def unordered(classes: int = 8, count: int = 20, seed: int = 1) -> Row:
    """Return drawn sequences: each frame is the class's vector plus noise."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(classes, 1, 1, 16))
    values = mean + rng.normal(scale=1.5, size=(classes, count, 8, 16))
    videos = tuple(Video(f"{c}/{i}", str(c)) for c in range(classes) for i in range(count))
    name = "drawn without order"
    return name, VideoList(name, videos), values.reshape(-1, 8, 16).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--reported", action="store_true", help="clips that chose nothing")
    options = parser.parse_args()
    print(
        f"| 5-way, 1 / 2 / 5 shots, {options.episodes} episodes | " + " | ".join(columns(8)) + " |"
    )
    print("|---" * (len(columns(8)) + 1) + "|")
    for name, videos, vectors in rows(options.assets, development=not options.reported):
        cells = []
        source = ArrayFeatures(vectors)
        drawn = [
            draw(videos, Protocol(5, shots, 5, options.episodes, groups=videos.groups))
            for shots in SHOTS
        ]
        for method in columns(source.frames).values():
            results = [evaluate_method(method, source, videos, one) for one in drawn]
            cells.append(" / ".join(f"{result.accuracy:.1f}" for result in results))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
