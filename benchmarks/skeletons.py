"""Accuracy on skeletons and landmarks: `fusion` that knows joints, and methods that do not.

    python -m benchmarks.skeletons ASSETS [--episodes 2000] [--only fusion --change "no mirror" …]

ASSETS contains ``more/SET/SET.npz`` and ``.tsv``. Support and query never share a group; five ways,
five queries per class; 1 and 5 shots, or as many as there are groups beside one. ``--change``
replaces a rule of ``fewact.methods.fusion.body``: the alternatives of docs/decisions/fusion.md.
"""

import argparse
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from benchmarks.shared import accuracies_cell, heading, line
from fewact import align
from fewact.lab import methods
from fewact.lab.benchmarks import FeatureDataset
from fewact.lab.evaluation import ArrayFeatures, evaluate_method
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.methods.base import Nodes
from fewact.methods.fusion import body

SETS: Final[Mapping[str, str]] = {
    "utkinect10": "kinect20:xyz",
    "kinder58": "kinect20:xyz",
    "sign13": "pose33:xyzc+hand21:xyz+hand21:xyz",
}
COLUMNS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "mean of frames": ("protonet", {"unit_frames": True}),
    "frames in order": ("protonet", {"unit_frames": True, "frame_matching": "concatenated"}),
    "otam": ("otam", {}),
    "a2m2": ("a2m2", {}),
    "fusion, without joints": ("fusion_vectors", {}),
    "fusion": ("fusion_joints", {}),
}
CHANGES: Final[Mapping[str, Callable[[], Any]]] = {
    "no mirror": lambda: patch.object(body, "MIRROR_COST", 1e6),
    "free mirror": lambda: patch.object(body, "MIRROR_COST", 0.0),
    "no displacement": lambda: patch.object(body, "DISPLACEMENT", 0.0),
    "no interpolation": lambda: patch.object(body, "filled", lambda x, p: (x, p.any(-2))),
    "cells weigh 1": lambda: patch.object(body, "_aligned", align.dtw),
    "relative to the body": lambda: patch.object(body.JointTerms, "decision", _unweighted),
    "no moments": lambda: patch.object(body, "MOMENTS", 0.0),
    "depth as measured": lambda: patch.object(body, "DEPTH", 1.0),
    "all directions": lambda: patch.object(body, "SIDES", 0.0),
}

_DECISION = body.JointTerms.decision


def _unweighted(terms: body.JointTerms, nodes: Nodes) -> body.JointDecision:
    decision = _DECISION(terms, nodes)
    one = np.eye(decision.relative.shape[-1], dtype=decision.relative.dtype)
    return decision._replace(relative=np.broadcast_to(one, decision.relative.shape))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder with the sets in more/")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--sets", choices=SETS, nargs="+", default=list(SETS))
    parser.add_argument("--only", choices=COLUMNS, nargs="+", default=list(COLUMNS))
    parser.add_argument("--change", choices=CHANGES)
    options = parser.parse_args()

    print(heading(f"5-way, 1 / 5 shots, {options.episodes} episodes", *options.only))
    widest = 0.0
    for name in options.sets:
        data = FeatureDataset(options.assets / "more" / name / f"{name}.npz")
        source = ArrayFeatures(data.features, name)
        groups = len({video.group for video in data.videos.videos})
        drawn = [
            draw(
                data.videos,
                Protocol(
                    shots=min(shots, groups - 1),
                    queries=5,
                    count=options.episodes,
                    groups=data.videos.groups,
                ),
            )
            for shots in (1, 5)
        ]
        row = []
        for column in options.only:
            method_name, settings = COLUMNS[column]
            known = {"joints": SETS[name]} if method_name == "fusion_joints" else settings
            with CHANGES[options.change]() if options.change else nullcontext():
                method = methods.create(method_name, frames=source.frames, **known)
                results = [
                    evaluate_method(method, source, data.videos, episodes) for episodes in drawn
                ]
            widest = max(widest, *(result.ci95 or 0.0 for result in results))
            row.append(accuracies_cell(result.accuracy for result in results))
        print(line(f"`{name}`", *row), flush=True)
    print(f"\n95 % intervals: at most ± {widest:.2f}")


if __name__ == "__main__":
    main()
