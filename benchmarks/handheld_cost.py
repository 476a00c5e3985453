"""Cost of the steps against camera motion, and a figure of their effect.

    python -m benchmarks.handheld_cost [--assets ASSETS]
        [--figure docs/guides/hand-held-cameras.svg]

With ``--assets``: processor time per clip on one core, from the file to the nodes, plus that of the
similarities with 25 support clips. With ``--figure``: a rendered video under a fixed camera, under
the camera ``hand``, and stabilised.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets import read_index
from benchmarks.fusion_variants import Variant
from benchmarks.handheld import NO_STEPS
from benchmarks.markdown import heading
from benchmarks.pairs import encode_videos
from fewact import backbones
from fewact.core import svg
from fewact.data import VideoList
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion
from fewact.synthetic import motions
from fewact.synthetic.processing import with_simulated_camera
from fewact.synthetic.simulated_cameras import CAMERAS, record
from fewact.video.camera.stabilise import stabilise
from fewact.video.writing import jpeg

VARIANTS: Mapping[str, Variant] = {"without camera steps": NO_STEPS, "all steps": Variant()}
SUPPORT, TIMED, REPEATS = 25, 10, 3
SETS = ("utd5_rgb", "utd27_depth")

SHOWN, SIDE, GAP, TITLE = 7, 112, 4, 22
"""Number of frames of a row; their side, the gap and the height of a title in pixels."""


def cost(videos: VideoList) -> list[tuple[float, float]]:
    """Return for each variant the milliseconds from file to nodes, and of the similarities.

    The variants process each clip in turn, several times, and the shortest time counts: other work
    on the machine only makes it longer.
    """
    backbone = backbones.create()
    fusions = [variant.method() for variant in VARIANTS.values()]
    few = [replace(videos, videos=(one,)) for one in videos.videos[:: len(videos.videos) // TIMED]]
    spent = np.full((REPEATS, len(few), len(fusions)), np.inf)
    kept: list[list[Nodes]] = [[] for _ in fusions]
    for turn, clip in product(range(REPEATS), range(len(few))):
        for number, method in enumerate(fusions):
            begin = time.process_time()
            nodes = encode_videos([method], backbone, few[clip])
            spent[turn, clip, number] = time.process_time() - begin
            if turn == 0:
                kept[number] += nodes
    found = []
    for method, until_nodes, each in zip(fusions, spent.min(0).mean(0), kept, strict=True):
        clips = [each[number % len(each)] for number in range(SUPPORT)]
        support = {name: torch.cat([one[name] for one in clips], 1) for name in each[0]}
        found.append((1000 * until_nodes, 1000 * similarity_seconds(method, each[0], support)))
    return found


def similarity_seconds(method: Fusion, clip: Nodes, support: Nodes) -> float:
    """Return the seconds of the similarities of one clip with the support."""
    spent = []
    with torch.inference_mode():
        for _ in range(REPEATS):
            begin = time.process_time()
            method.similarity(clip, support)
            spent.append(time.process_time() - begin)
    return min(spent)


def filmstrip(title: str, frames: NDArray[np.uint8], top: float) -> Iterator[str]:
    """Yield the elements of a title, some frames (t h w 3), and the mean of all."""
    yield svg.text(GAP, top + 15, title)
    chosen = np.linspace(0, len(frames) - 1, SHOWN).round().astype(int).tolist()
    mean = frames.astype(float).mean(0).round().astype(np.uint8)
    for column, frame in enumerate([*(frames[i] for i in chosen), mean]):
        x = GAP + column * (SIDE + GAP) + (2 * GAP if column == SHOWN else 0)
        yield svg.image(x, top + TITLE, SIDE, SIDE, jpeg(np.ascontiguousarray(frame)))


def figure() -> str:
    """Return an SVG of a video under two cameras, and stabilised."""
    benchmark = motions("plain", videos=1, size=224)
    video = benchmark.videos.of("test").videos[12]
    every = benchmark.render(video.id)
    chosen = np.linspace(0, len(every) - 1, 16).round().astype(int)
    fixed, hand = (
        record(every[chosen], chosen / len(every), CAMERAS[name], 3) for name in ("fixed", "hand")
    )
    stabilised: Tensor = stabilise(torch.from_numpy(hand).permute(0, 3, 1, 2).contiguous())
    after = stabilised.permute(0, 2, 3, 1).numpy()
    titles = ("fixed camera", "hand-held camera", "hand-held camera, stabilised")
    parts = [
        part
        for row, (title, frames) in enumerate(zip(titles, (fixed, hand, after), strict=True))
        for part in filmstrip(
            f"{title}; right: mean of all 16 frames", frames, row * (SIDE + TITLE + GAP)
        )
    ]
    width, height = (SHOWN + 1) * (SIDE + GAP) + 3 * GAP, 3 * (SIDE + TITLE + GAP)
    return svg.document(width, height, parts, title="A video before and after stabilisation")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--assets", type=Path, help="folder of the clips; print the cost")
    parser.add_argument("--figure", type=Path, help="SVG file that is written")
    options = parser.parse_args()
    if options.figure:
        options.figure.write_text(figure(), encoding="utf-8")
    if options.assets:
        torch.set_num_threads(1)
        cases = [(which, camera) for which in SETS for camera in ("fixed", "hand")]
        heads = (f"`{which}`, {camera}" for which, camera in cases)
        print(heading("processor time per clip, ms", *heads))
        index = read_index(options.assets)
        found = [cost(with_simulated_camera(index[which], camera)) for which, camera in cases]
        for name, cells in zip(VARIANTS, zip(*found, strict=True), strict=True):
            shown = " | ".join(f"{nodes:.0f} + {pairs:.0f}" for nodes, pairs in cells)
            print(f"| {name} | {shown} |")
        times = " | ".join(f"{sum(steps) / sum(plain):.2f}" for plain, steps in found)
        print(f"| times as long | {times} |")


if __name__ == "__main__":
    main()
