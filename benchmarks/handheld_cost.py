"""Cost of the steps against camera motion, and a figure of what stabilisation does.

    python -m benchmarks.handheld_cost [--assets ASSETS]
        [--picture docs/guides/hand-held-cameras.svg]

Processor time of one clip, of which 25 are taught, on one core; and, of a rendered video filmed by
the ``hand`` camera, how far the estimate is from the camera's true way.
"""

import argparse
import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.clips import read_index
from benchmarks.handheld import Column, default, encode
from fewact import backbones
from fewact.camera.simulated import CAMERAS, record
from fewact.camera.stabilise import stabilise
from fewact.classifier.thumbnails import jpeg
from fewact.data import VideoList
from fewact.data.simulated_camera import with_simulated_camera
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion
from fewact.synthetic import motions

VARIANTS: Mapping[str, Callable[[], Fusion]] = {
    "without the steps": Column().method,
    "all steps": default,
}
TAUGHT, TRIED, REPEATED = 25, 10, 3
SETS = ("utd5_rgb", "utd27_depth")
SHOWN, SIDE, GAP, TOP, INK = 7, 112, 4, 22, "#1f2933"


def cost(videos: VideoList) -> list[tuple[float, float]]:
    """For each way milliseconds of a clip: from its file to its nodes, then to its similarities.

    All ways take a clip in turn, several times, and its shortest time counts: other work on the
    machine can only make it longer.
    """
    backbone = backbones.create()
    fusions = [make() for make in VARIANTS.values()]
    few = [replace(videos, videos=(one,)) for one in videos.videos[:: len(videos.videos) // TRIED]]
    found = []
    taken = np.full((REPEATED, len(few), len(fusions)), np.inf)
    kept: list[list[Nodes]] = [[] for _ in fusions]
    for turn, place in product(range(REPEATED), range(len(few))):
        for way, method in enumerate(fusions):
            begin = time.process_time()
            nodes = encode([method], backbone, few[place])
            taken[turn, place, way] = time.process_time() - begin
            if turn == 0:
                kept[way] += nodes
    for method, until_nodes, each in zip(fusions, taken.min(0).mean(0), kept, strict=True):
        examples = [each[number % len(each)] for number in range(TAUGHT)]
        support = {name: torch.cat([one[name] for one in examples], 1) for name in each[0]}
        found.append((1000 * until_nodes, 1000 * scoring(method, each[0], support)))
    return found


def scoring(method: Fusion, one: Nodes, support: Nodes) -> float:
    """Seconds of one clip's similarities with those that are taught."""
    taken = []
    with torch.inference_mode():
        for _ in range(REPEATED):
            begin = time.process_time()
            method.similarity(one, support)
            taken.append(time.process_time() - begin)
    return min(taken)


def strip(title: str, frames: Sequence[NDArray[np.uint8]], top: float) -> Iterator[str]:
    """A title, frames, and their mean behind them, as lines of SVG."""
    yield f'<text x="{GAP}" y="{top + 15}">{title}</text>'
    chosen = np.linspace(0, len(frames) - 1, SHOWN).round().astype(int).tolist()
    mean = np.mean(np.stack(list(frames)).astype(float), 0).round().astype(np.uint8)
    for place, frame in enumerate([*(frames[i] for i in chosen), mean]):
        x = GAP + place * (SIDE + GAP) + (2 * GAP if place == SHOWN else 0)
        data = base64.b64encode(jpeg(np.ascontiguousarray(frame))).decode()
        yield (
            f'<image x="{x}" y="{top + TOP}" width="{SIDE}" height="{SIDE}" '
            f'href="data:image/jpeg;base64,{data}"/>'
        )


def draw() -> Iterator[str]:
    """Lines of an SVG: a video as a fixed camera sees it, as a hand does, and stabilised."""
    benchmark = motions("plain", videos=1, size=224)
    video = benchmark.videos.of("test").videos[12]
    every = benchmark.render(video.id)
    places = np.linspace(0, len(every) - 1, 16).round().astype(int)
    still, hand = (
        record(every[places], places / len(every), CAMERAS[name], 3) for name in ("fixed", "hand")
    )
    steady: Tensor = stabilise(torch.from_numpy(hand).permute(0, 3, 1, 2).contiguous())
    after = steady.permute(0, 2, 3, 1).numpy()
    wide, high = (SHOWN + 1) * (SIDE + GAP) + 3 * GAP, 3 * (SIDE + TOP + GAP)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">'
    )
    yield f'<rect width="{wide}" height="{high}" fill="#ffffff"/>'
    titles = ("a fixed camera", "a camera in a hand", "the same, stabilised")
    for row, (title, frames) in enumerate(zip(titles, (still, hand, after), strict=True)):
        yield from strip(f"{title}; right: the mean of all 16", frames, row * (SIDE + TOP + GAP))
    yield "</svg>"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--assets", type=Path)
    parser.add_argument("--picture", type=Path, help="write an SVG file")
    given = parser.parse_args()
    if given.picture:
        given.picture.write_text("\n".join(draw()) + "\n", encoding="utf-8")
    if given.assets:
        torch.set_num_threads(1)
        cases = [(which, camera) for which in SETS for camera in ("fixed", "hand")]
        heads = " | ".join(f"`{which}`, {camera}" for which, camera in cases)
        print(f"| processor time of a clip, ms | {heads} |" + "\n" + "|---" * 5 + "|")
        index = read_index(given.assets)
        found = [cost(with_simulated_camera(index[which], camera)) for which, camera in cases]
        for name, cells in zip(VARIANTS, zip(*found, strict=True), strict=True):
            shown = " | ".join(f"{nodes:.0f} + {pairs:.0f}" for nodes, pairs in cells)
            print(f"| {name} | {shown} |")
        times = " | ".join(f"{sum(steps) / sum(plain):.2f}" for plain, steps in found)
        print(f"| times as long | {times} |")


if __name__ == "__main__":
    main()
