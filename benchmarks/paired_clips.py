"""Performances of ``utd27_depth`` and ``utd5_rgb`` that both sensors recorded at the same time."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import read_index, read_rows
from fewact.data import Video, VideoList

DEPTH, COLOUR = "utd27_depth", "utd5_rgb"


@dataclass(frozen=True)
class PairedClips:
    """The same performances in depth and in colour: five actions of eight people, two takes each.

    Args:
        depth: Clips in depth.
        colour: The same performances in colour, in the same order, with the same names.
        depth_rows: Rows of the depth clips in the index.
        colour_rows: Rows of the colour clips.
    """

    depth: VideoList
    colour: VideoList
    depth_rows: list[int]
    colour_rows: list[int]


def performance(video: Video) -> str:
    """Return the name of a performance without the sensor: a1_s1_t1."""
    return Path(video.id).stem.rpartition("_")[0]


def paired_clips(assets: Path) -> PairedClips:
    """Return the performances that were recorded in depth and in colour."""
    lists = read_index(assets)
    number = {row["path"]: i for i, row in enumerate(read_rows(assets))}
    found = [{performance(v): v for v in lists[name].videos} for name in (DEPTH, COLOUR)]
    names = [name for name in found[0] if name in found[1]]
    depth, colour = (
        VideoList(
            "depth and colour",
            tuple(replace(videos[name], id=name) for name in names),
            lists[DEPTH].groups,
        )
        for videos in found
    )
    depth_rows, colour_rows = ([number[videos[name].id] for name in names] for videos in found)
    return PairedClips(depth, colour, depth_rows, colour_rows)


def stored_vectors(assets: Path) -> NDArray[np.float32]:
    """Return the stored frame vectors (clips 8 1280) of MobileNet v2, in the index's order."""
    with np.load(assets / "features" / "mobilenet_v2_t8.npz") as file:
        return np.asarray(file["features"], dtype=np.float32)
