"""What parts of ``fusion`` and of the reading of videos are worth, on development clips.

    python -m benchmarks.fusion_parts ASSETS [--sets ego10 ucf7] [--camera hand] [--episodes 500]

A row is the difference of a variant from the default in the same episodes, with the half-width of
its 95 % interval, at one shot and at as many as the groups allow; the last row corrects no frames.
``one_scene`` and ``scenes`` show the people of ``utd27_depth`` before backgrounds that are drawn:
one for all clips, or another one for each class and person, so that no query is in the scene of its
class.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Part, fraction_of, other_scenes, parts, read_index
from benchmarks.full_body import full_body
from benchmarks.fusion_variants import Variant, fusion
from benchmarks.pairs import encode_videos, episode_accuracies, paired_cell, scorer_of
from benchmarks.shared import heading
from fewact import networks
from fewact.data import Video, VideoList
from fewact.lab.evaluation.episodes import EpisodeSet
from fewact.lab.synthetic.conditions import Condition, InCondition
from fewact.lab.synthetic.simulated_cameras import CAMERAS, with_simulated_camera
from fewact.methods.fusion import Fusion
from fewact.video.source import Clean

SETS = ("utd27_depth", "one_scene", "scenes", "full_body", "ucf7", "ego10", "yoga6", "mouse6")


def variants() -> dict[str, Variant]:
    """Return the default, and what is left without one of its parts."""
    names = dict.fromkeys(term.name.removeprefix("static_") for term in fusion().terms.terms)
    return {
        "default": Variant(),
        "stabilise=off": Variant({"stabilise": "off"}),
        "no crop": Variant(motion={"crop": False}),
        "appearance of full frames": Variant(appearance="full frames"),
        **{f"no {name}": Variant(weights={name: 0.0}) for name in names},
    }


def measure(
    videos: VideoList, methods: Sequence[Fusion], drawn: Sequence[EpisodeSet]
) -> list[list[NDArray[np.float64]]]:
    """Return the accuracy of each episode of each set, by each method."""
    encoded = encode_videos(methods, networks.create(), videos)
    scorers = [scorer_of(*both) for both in zip(methods, encoded, strict=True)]
    return [[episode_accuracies(score, episodes) for episodes in drawn] for score in scorers]


def part_of(name: str, assets: Path) -> Part:
    """Return the development videos of a set."""
    for part in other_scenes(assets):
        if part.name == name:
            return part
    index = parts(read_index(assets), development=True)
    depth, web = (fraction_of(part.videos, 0.5) for part in index)
    if name == "full_body":
        return Part(name, full_body(depth), shots=(1, 3), queries=1)
    videos = {"ucf7": web, "one_scene": in_scenes(depth, 1), "scenes": in_scenes(depth, 20)}
    return Part(name, videos.get(name, depth), queries=3)


def in_scenes(videos: VideoList, scenes: int) -> VideoList:
    """Return videos of depth before so many backgrounds, in turn over the classes of a person."""
    groups = sorted({video.group or "" for video in videos.videos})

    def scene(video: Video) -> InCondition:
        number = videos.classes.index(video.label) + groups.index(video.group or "")
        return InCondition(Condition("background", 2), seed=number % scenes)

    return videos.processed(scene, f"{scenes} scenes")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--camera", choices=list(CAMERAS))
    parser.add_argument("--episodes", type=int, default=500)
    options = parser.parse_args()
    for name in options.sets:
        part = part_of(name, options.assets)
        videos, drawn = part.videos, part.drawn(options.episodes)
        if options.camera:
            videos = with_simulated_camera(videos, options.camera)
        measured = variants()
        cleaned = videos.processed(lambda _: Clean(), "cleaned")
        rows = measure(cleaned, [variant.method() for variant in measured.values()], drawn)
        (uncorrected,) = measure(videos, [fusion()], drawn)
        print("\n" + heading("", f"{name}, {' / '.join(map(str, part.shots))} shots"))
        for row, right in zip([*measured, "uncorrected"], [*rows, uncorrected], strict=True):
            print(f"| {row} | {paired_cell(right, None if right is rows[0] else rows[0])} |")


if __name__ == "__main__":
    main()
