"""How much the permissive view counts on a textureless background, and who decides it.

    python -m benchmarks.permissive_share ASSETS [--fraction 0.5] [--queries 3] [--episodes 2000]

Prints a table of docs/decisions/textureless-background.md, of development clips before a black
background, whose people move their arms or, edited, the whole body: images of differences in the
conservative view alone, in both views with half of the weight each, and with the share that the
support clips decide.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.datasets import episode_sets, parts, read_index
from benchmarks.development import clean, parse_options
from benchmarks.full_body import full_body
from benchmarks.fusion_variants import both_views_count_half, fusion
from benchmarks.markdown import heading
from benchmarks.pairs import compare_all, compare_within, encode_videos, episode_accuracies
from fewact import backbones
from fewact.backbones import Backbone
from fewact.data import VideoList
from fewact.evaluation.episodes import EpisodeSet
from fewact.features.request import DifferenceRequest
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.camera_weight import LOG_ODDS
from fewact.methods.fusion.weighted_terms import WeightedTerm
from fewact.synthetic.processing import with_simulated_camera

SHOTS = (1, 2, 5)

CAMERAS = (("fixed", "fixed"), ("hand", "hand"), ("fixed", "hand"), ("hand", "fixed"))
"""Cameras of the support clips and of the queries."""


def variants() -> dict[str, Fusion]:
    """Return the method of each row."""
    former, halves, default = fusion(), fusion(), fusion()
    terms = default.map_terms
    halves.map_terms = both_views_count_half(terms)
    conservative = tuple(
        replace(one, estimate=None) if is_differences(one) else one
        for one in terms.terms
        if one.estimate != "permissive" or not is_differences(one)
    )
    former.map_terms = both_views_count_half(replace(terms, terms=conservative))
    return {
        "images in the conservative view alone, other terms half in each": former,
        "images, too, half in each view": halves,
        "**the support clips decide the share (default)**": default,
    }


def is_differences(one: WeightedTerm) -> bool:
    """Return whether a term compares images of differences."""
    return isinstance(one.term.view, DifferenceRequest)


def accuracies(
    method: Fusion, support: Nodes, queries: Nodes, episodes: list[EpisodeSet]
) -> Iterator[float]:
    """Yield the mean accuracy in per cent of each set of episodes."""
    names = {*method.map_terms.names, LOG_ODDS}
    own = {name: value for name, value in support.items() if name in names}
    pairs = compare_within(method, own)
    across = compare_all(method, queries, own)
    for one in episodes:
        yield float(episode_accuracies(method, across, pairs, one).mean())


def cells(
    videos: VideoList, backbone: Backbone, options: argparse.Namespace
) -> Iterator[tuple[str, list[str]]]:
    """Yield the cells of each pair of cameras: its name, and an entry for each variant."""
    episodes = episode_sets(videos, options.queries, options.episodes, shots=SHOTS)
    hand = with_simulated_camera(videos, "hand")
    nodes = {
        name: encode_videos([fusion()], backbone, each)[0]
        for name, each in (("fixed", videos), ("hand", hand))
    }
    for support, queries in CAMERAS:
        name = support if support == queries else f"{support}, queries {queries}"
        found = [
            " / ".join(
                f"{a:.1f}" for a in accuracies(one, nodes[support], nodes[queries], episodes)
            )
            for one in variants().values()
        ]
        yield name, found


def main() -> None:
    options = parse_options(__doc__)
    torch.set_num_threads(1)
    backbone = backbones.create()
    people = parts(read_index(options.assets), development=True)[0].videos
    arms = clean(options)[0].videos
    with torch.inference_mode():
        columns = [
            (f"{who}, {cameras}", found)
            for who, videos in (("arms", arms), ("full body", full_body(people)))
            for cameras, found in cells(videos, backbone, options)
        ]
    print(heading("images of differences", *(name for name, _ in columns)))
    for row, name in enumerate(variants()):
        print(f"| {name} | " + " | ".join(found[row] for _, found in columns) + " |")


if __name__ == "__main__":
    main()
