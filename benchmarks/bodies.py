"""Accuracy with the joints of a body beside the picture: the table of docs/results/bodies.md.

    python -m benchmarks.bodies ASSETS [--sets yoga6 workout7] [--episodes 2000]

ASSETS contains ``clips``, ``more`` and the joints of some of their clips, ``more/poses``, which
MediaPipe found. Support and query never share a group; five ways. *A coach* teaches all clips of
half of the recordings of each exercise; the clips of the others are asked, seven ways.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.clips import HALVES, half_of_recordings
from benchmarks.datasets import Part, exercises, other_scenes, parts, read_index
from benchmarks.pairs import Encodes, encode_videos, episode_accuracies, scorer_of
from benchmarks.shared import heading, interval_cell, line
from fewact import align, methods, networks
from fewact.core.intervals import half_width
from fewact.data import Clip, VideoList
from fewact.data.poses.beside import with_joints
from fewact.features.request import FeatureRequest, Features, JointRequest, Request, View
from fewact.methods.base import Labels, Logits, Nodes
from fewact.methods.protocols import BankScorer
from fewact.networks import Card

LAYOUT: Final = "pose33:xyzc"
FRAMES: Final = 32
JOINTS: Final = JointRequest(View(FRAMES), LAYOUT)
SETS: Final = ("utd5_rgb", "ucf7", "yoga6", "workout7")
COACH: Final = "workout7"
HIPS, SHOULDERS = (23, 24), (11, 12)


@dataclass(frozen=True)
class JointsAlone:
    """A method for vectors, which gets the joints beside the picture.

    Args:
        method: The method.
    """

    method: Any

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the request for joints."""
        return (JOINTS,)

    def encode(self, features: Features) -> Nodes:
        """Return the method's nodes of the joints."""
        nodes: Nodes = self.method.encode(
            {FeatureRequest("vectors", View(FRAMES)): features[JOINTS]}
        )
        return nodes


class NearestByTimeWarping:
    """What a user takes instead: landmarks about the hips, in torsos, and the nearest clip."""

    def encode(self, features: Features) -> Nodes:
        """Return the landmarks in the picture (… t 66), about the hips, in torsos."""
        vectors = next(iter(features.values()))
        places = vectors.reshape(*vectors.shape[:-1], -1, 4)[..., :2]
        hips, shoulders = (
            places[..., pair, :].mean(-2, keepdims=True) for pair in (HIPS, SHOULDERS)
        )
        torso = np.linalg.norm(shoulders - hips, axis=-1, keepdims=True)
        length = np.median(torso, axis=-3, keepdims=True)
        scaled = (places - hips) / np.where(length > 0, length, 1)
        return {"landmarks": scaled.reshape(*scaled.shape[:-2], -1)}

    def support(self, nodes: Nodes, labels: Labels, n: int) -> tuple[Nodes, Labels, int]:
        """Return the arguments."""
        return nodes, labels, n

    def score(self, state: tuple[Nodes, Labels, int], nodes: Nodes) -> Logits:
        """Return minus the cost of the nearest clip of each class (b q n)."""
        shown, labels, n = state
        query, support = nodes["landmarks"], shown["landmarks"]
        squares = (np.vecdot(x, x) for x in (query, support))
        of_query, of_support = squares
        products = np.einsum("bqtd,bsud->bqstu", query, support, optimize=True)
        cost = of_query[:, :, None, :, None] + of_support[:, None, :, None] - 2 * products
        warped = align.dtw(np.sqrt(np.maximum(cost, 0)), plan=False).value  # (b q s)
        of_class = np.where(labels[:, None, :, None] == np.arange(n), -warped[..., None], -np.inf)
        nearest: Logits = of_class.max(2)
        return nearest


def columns() -> dict[str, tuple[Encodes, Any]]:
    """Return what encodes the clips, and what scores the nodes, by name."""
    picture, both = methods.create("fusion"), methods.create("fusion", joints=LAYOUT)
    alone = methods.create("fusion_joints", frames=FRAMES, joints=LAYOUT)
    instead = NearestByTimeWarping()
    return {
        "picture": (picture, picture),
        "joints, nearest clip by time warping": (JointsAlone(instead), instead),
        "joints, fusion": (JointsAlone(alone), alone),
        "**picture and joints**": (both, both),
    }


def part_of(name: str, assets: Path) -> Part:
    """Return the videos of a set, with their joints."""
    index = read_index(assets)
    every = [
        *parts(index, development=True),
        *other_scenes(assets),
        Part("utd5_rgb", index["utd5_rgb"]),
        Part(COACH, exercises(assets), shots=(1,), queries=1),
    ]
    part = next(part for part in every if part.videos.name == name)
    sources = [video.source for video in part.videos.videos if isinstance(video.source, Clip)]
    with_tracks = with_joints(sources, assets / "more" / "poses" / f"{name}_pose33.npz")
    kept = tuple(
        replace(video, source=clip)
        for video, clip in zip(part.videos.videos, with_tracks, strict=True)
    )
    return replace(part, videos=replace(part.videos, videos=kept))


def halved_recordings(score: BankScorer, videos: VideoList) -> NDArray[np.float64]:
    """Return the accuracy of the clips of half of the recordings by those of the others."""
    labels = np.array([videos.classes.index(video.label) for video in videos.videos])
    right = []
    for seed in range(HALVES):
        taught = half_of_recordings(videos, seed)
        shown, asked = (np.flatnonzero(x)[None] for x in (taught, ~taught))
        logits = score(shown, labels[shown], len(videos.classes), asked)
        right.append((logits[0].argmax(-1) == labels[asked[0]]).mean())
    return 100 * np.array(right)


def accuracies(part: Part, episodes: int, score: BankScorer) -> list[NDArray[np.float64]]:
    """Return the accuracies of episodes, by the number of shots; then those of a coach."""
    found = [episode_accuracies(score, each) for each in part.drawn(episodes)]
    if part.videos.name == COACH:
        found.append(halved_recordings(score, part.videos))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--episodes", type=int, default=2000)
    options = parser.parse_args()

    measured = columns()
    backbone = networks.create()
    print(heading(f"5-way, 1 / 5 shots, {options.episodes} episodes", *measured))
    widest = 0.0
    for name in options.sets:
        part = part_of(name, options.assets)
        encoded = encode_videos(
            [encodes for encodes, _ in measured.values()], backbone, part.videos
        )
        row = []
        for (_, method), nodes in zip(measured.values(), encoded, strict=True):
            found = accuracies(part, options.episodes, scorer_of(method, nodes))
            widest = max(widest, *(half_width(each) or 0.0 for each in found))
            row.append(" / ".join(f"{each.mean():.1f}" for each in found))
        title = "`workout7`, 1 shot / a coach" if name == COACH else f"`{name}`"
        print(line(title, *row), flush=True)
    print(f"\n95 % intervals: at most {interval_cell(0, widest)[4:]}")


if __name__ == "__main__":
    main()
