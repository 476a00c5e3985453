"""Fusion on precomputed vectors: the table of docs/decisions/vectors.md.

    python -m benchmarks.vectors ASSETS [--episodes 1000] [--reported]

Vectors of networks, grey pixels of the frames, their changes and the path of the motion, all of the
development clips; some of them with few channels, in other units; and drawn sequences whose order
says nothing. Options were chosen on these rows.
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

from benchmarks.datasets import Part, episode_sets, parts, read_index
from benchmarks.markdown import heading
from fewact import backbones, methods
from fewact.data import Video, VideoList
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
        few = vectors @ directions(vectors.shape[-1])
        yield f"16 directions of Lite0, in other units, {part.name}", part.videos, in_units(few)
        yield f"grey pixels, {part.name}", part.videos, grey.numpy()
        moving = quarters((grey[:, 1:] - grey[:, :-1]).abs())
        yield f"motion in four quarters, {part.name}", part.videos, moving.numpy()
        yield f"the same, in other units, {part.name}", part.videos, in_units(moving, offsets=30)
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


def directions(channels: int, count: int = 16, seed: int = 5) -> Tensor:
    """Return drawn directions: (d 16)."""
    drawn = torch.randn(channels, count, generator=torch.Generator().manual_seed(seed))
    scaled: Tensor = drawn / channels**0.5
    return scaled


def quarters(changes: Tensor) -> Tensor:
    """Return centre and strength of the changes in each quarter: (v t 49) → (v t 12)."""
    maps, half = changes.unflatten(-1, (GRID, GRID)), GRID // 2 + 1
    at = torch.arange(half) / (half - 1) - 0.5
    found = []
    for top in (0, GRID - half):
        for left in (0, GRID - half):
            part = maps[..., top : top + half, left : left + half]
            strength = part.sum((-2, -1)) + 1e-3 * changes.mean()
            found += [part.sum(-1) @ at / strength, part.sum(-2) @ at / strength, strength]
    return torch.stack(found, -1)


def in_units(values: Tensor, offsets: float = 0.0, seed: int = 5) -> NDArray[np.float32]:
    """Return channels in drawn units, from a thirtieth to thirty, with drawn offsets."""
    generator, channels = torch.Generator().manual_seed(seed), values.shape[-1]
    units = 10 ** (3 * torch.rand(channels, generator=generator) - 1.5)
    added = offsets * torch.randn(channels, generator=generator)
    deviation = torch.std(values.flatten(0, 1), 0)
    return np.asarray(values / deviation * units + added)


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
    print(heading(f"5-way, 1 / 2 / 5 shots, {options.episodes} episodes", *columns(8)))
    for name, videos, vectors in rows(options.assets, development=not options.reported):
        cells = []
        source = ArrayFeatures(vectors)
        drawn = episode_sets(videos, 5, options.episodes, shots=SHOTS)
        for method in columns(source.frames).values():
            results = [evaluate_method(method, source, videos, one) for one in drawn]
            cells.append(" / ".join(f"{result.accuracy:.1f}" for result in results))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
