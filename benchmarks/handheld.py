"""Accuracy under simulated cameras: the tables of docs/results/cameras.md.

    python -m benchmarks.handheld ASSETS [--backbone mobilenet-v2 --weights FILE]
        [--cameras fixed hand] [--sets utd5_rgb] [--fraction 0.5 --queries 3] [--episodes 1000]
        [--seed 0] [--only-default] [--development]

Support and query clips are recorded by the same type of camera, each on a path of its own. In the
last column only the queries are, and the fixed camera records the support. The clips are those of
``benchmarks/datasets.py``; the set ``motions`` is ten rendered videos of each test class of the
preset ``misaligned``; the set ``full_body``, a development set, is that of
``benchmarks/full_body.py``.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.datasets import Part, episode_sets, fraction_of, parts, read_index
from benchmarks.full_body import full_body
from benchmarks.fusion_variants import Variant
from benchmarks.pairs import encode_videos, episode_accuracies, scorer_of
from benchmarks.shared import accuracies_cell, heading, line
from fewact import networks
from fewact.core.intervals import half_width
from fewact.lab.synthetic.simulated_cameras import CAMERAS, with_simulated_camera
from fewact.methods import QUALITIES
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion
from fewact.networks import Backbone
from fewact.synthetic import motions

SETS = ("utd27_depth", "utd5_rgb", "ucf7", "motions", "full_body")
NO_STEPS = Variant(
    options={"stabilise": "off"},
    weights={"full_frame_motion": 0.0},
    detrend="constant",
    motion={"crop": False},
)
COLUMNS: Mapping[str, Variant] = {
    "without camera steps": NO_STEPS,
    "linear detrend": replace(NO_STEPS, detrend="linear"),
    "motion-centred crop": replace(NO_STEPS, motion={}),
    "stabilised": replace(NO_STEPS, options={}),
    "**all steps (default)**": Variant(),
}


@dataclass(frozen=True)
class Measurement:
    """What a table measures.

    Args:
        columns: Methods by their columns; the last is the default.
        cameras: Names of the simulated cameras.
        queries: Number of queries per class.
        episodes: Number of episodes.
        seed: Seed of the cameras' paths.
    """

    columns: Mapping[str, Fusion]
    cameras: Sequence[str]
    queries: int
    episodes: int
    seed: int


def rows(
    part: Part, backbone: Backbone, measurement: Measurement
) -> Iterator[tuple[str, list[str], float]]:
    """Yield each camera with its cells and the half-width of its widest interval."""
    fusions = list(measurement.columns.values())
    drawn = episode_sets(part.videos, measurement.queries, measurement.episodes)
    fixed: Nodes | None = None
    for name in measurement.cameras:
        recorded = with_simulated_camera(part.videos, name, measurement.seed)
        nodes = encode_videos(fusions, backbone, recorded)
        scorers = [scorer_of(method, own) for method, own in zip(fusions, nodes, strict=True)]
        if name == "fixed":
            fixed = nodes[-1]
        if fixed is not None:
            scorers.append(scorer_of(fusions[-1], fixed, nodes[-1]))
        found = [[episode_accuracies(score, one) for one in drawn] for score in scorers]
        widest = max(half_width(right) or 0.0 for column in found for right in column)
        yield name, [accuracies_cell(one.mean() for one in column) for column in found], widest


def selected_parts(options: argparse.Namespace) -> list[Part]:
    """Return the parts that the command line names."""
    index = read_index(options.assets)
    found = [
        Part(part.name, fraction_of(part.videos, options.fraction))
        for part in parts(index, development=options.development)
        if part.videos.name in options.sets
    ]
    if "full_body" in options.sets and options.development:
        people = parts(index, development=True)[0].videos
        found.append(Part("simulated full-body motion, textureless background", full_body(people)))
    if "motions" in options.sets and not options.development:
        rendered = motions("misaligned", videos=10).videos.of("test")
        found.append(Part("`motions` misaligned, test classes", rendered))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--cameras", nargs="+", default=list(CAMERAS), choices=list(CAMERAS))
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--fraction", type=float, default=1.0, help="fraction of each class")
    parser.add_argument("--queries", type=int, default=5, help="number of queries per class")
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="seed of the cameras' paths")
    parser.add_argument("--development", action="store_true", help="use the development clips")
    parser.add_argument("--quality", choices=QUALITIES, default="normal")
    parser.add_argument("--only-default", action="store_true", help="measure the default only")
    options = parser.parse_args()

    chosen = list(COLUMNS.items())[-1:] if options.only_default else list(COLUMNS.items())
    quality = QUALITIES[options.quality]
    columns = {
        name: replace(variant, options={**variant.options, **quality.options}).method()
        for name, variant in chosen
    }
    measurement = Measurement(
        columns, options.cameras, options.queries, options.episodes, options.seed
    )
    backbone = networks.create(
        options.backbone if quality.backbone == "auto" else quality.backbone,
        weights=options.weights,
        precision=options.precision,
        size=quality.size,
    )
    print(f"{backbone.card.name}, {backbone.card.precision}, {options.episodes} episodes")
    widest = 0.0
    for part in selected_parts(options):
        heads = [*columns, "all steps, queries only"]
        print("\n" + heading(f"{part.name}, {len(part.videos.videos)} clips", *heads))
        for name, cells, width in rows(part, backbone, measurement):
            widest = max(widest, width)
            print(line(name, *cells), flush=True)
    print(f"\n95 % intervals: at most ± {widest:.1f}")


if __name__ == "__main__":
    main()
