"""Which clips are taken for those of a moving camera: people who stay, squat, sit down and jog.

    python -m benchmarks.gate ASSETS

People of ``utd27_depth``, classes 1-13, on black, where a body can be taken for a camera. These
classes are of arms; so some of them are pressed down towards their feet (squat, sit) or moved up
and down (jog) before a simulated camera films them. Share of clips that are stabilised, in per
cent: 0 would be right under the fixed camera, 100 under the others.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks.bodies import moved
from benchmarks.clips import class_number, read_index
from fewact.camera.motion import estimate_camera_motion
from fewact.camera.simulated import CAMERAS, record, seed_of
from fewact.video import Segments

EVERY, FRAMES, SIDE = 5, 16, 224
BODIES = ("original", "squat", "sit down", "jog")
SHOWN = ("fixed", "shake", "pan", "hand")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    people = read_index(given.assets)["utd27_depth"].videos
    people = tuple(video for video in people if class_number(video.label) <= 13)[::EVERY]
    moments = (np.arange(FRAMES) + 0.5) / FRAMES
    stabilised: dict[tuple[str, str], list[bool]] = {}
    for video in people:
        if video.source is None:
            raise SystemExit(f"{video.id} is not there")
        frames = video.source.read([Segments(FRAMES)])[0]
        for body in BODIES:
            for camera in SHOWN:
                seen = record(moved(frames, body), moments, CAMERAS[camera], seed_of(0, video.id))
                images = functional.interpolate(
                    torch.from_numpy(seen).permute(0, 3, 1, 2),
                    [SIDE, SIDE],
                    mode="bilinear",
                    antialias=True,
                )
                found = estimate_camera_motion(images, aspect=seen.shape[2] / seen.shape[1])
                stabilised.setdefault((body, camera), []).append(found.moved)
    print(f"| {len(people)} clips | " + " | ".join(SHOWN) + " |\n" + "|---" * 5 + "|")
    for body in BODIES:
        cells = (f"{100 * np.mean(stabilised[body, camera]):.0f}" for camera in SHOWN)
        print(f"| {body} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
