"""Fraction of clips that are taken for clips of a moving camera, under full-body motion.

    python -m benchmarks.camera_detection ASSETS

People of ``utd27_depth``, classes 1-13, on a textureless background, where body motion can be taken
for camera motion. These classes move the arms only, so the whole body is moved by an edit before a
simulated camera records the clip. Prints the clips that are stabilised, in per cent: 0 is right
under the fixed camera, 100 under the others.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks.datasets import is_development, read_index
from benchmarks.full_body import with_motion
from benchmarks.markdown import heading
from fewact.synthetic.simulated_cameras import CAMERAS, record, seed_of
from fewact.video import Segments
from fewact.video.camera.motion import estimate_camera_motion

EVERY, FRAMES, SIDE = 5, 16, 224
MOTIONS = ("original", "squat", "sit down", "jog")
SHOWN = ("fixed", "shake", "pan", "hand")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    options = parser.parse_args()
    torch.set_num_threads(1)
    people = read_index(options.assets)["utd27_depth"].videos
    people = tuple(video for video in people if is_development("utd27_depth", video))[::EVERY]
    times = (np.arange(FRAMES) + 0.5) / FRAMES
    stabilised: dict[tuple[str, str], list[bool]] = {}
    for video in people:
        if video.source is None:
            raise SystemExit(f"{video.id} is missing")
        frames = video.source.read([Segments(FRAMES)]).frames[0]
        for motion in MOTIONS:
            for camera in SHOWN:
                seed = seed_of(0, video.id)
                recorded = record(with_motion(frames, motion), times, CAMERAS[camera], seed)
                images = functional.interpolate(
                    torch.from_numpy(recorded).permute(0, 3, 1, 2),
                    [SIDE, SIDE],
                    mode="bilinear",
                    antialias=True,
                )
                aspect = recorded.shape[2] / recorded.shape[1]
                found = estimate_camera_motion(images, aspect=aspect)
                stabilised.setdefault((motion, camera), []).append(found.moved)
    print(heading(f"{len(people)} clips", *SHOWN))
    for motion in MOTIONS:
        cells = (f"{100 * np.mean(stabilised[motion, camera]):.0f}" for camera in SHOWN)
        print(f"| {motion} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
