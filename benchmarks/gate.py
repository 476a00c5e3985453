"""Which clips are taken for those of a moving camera: people who stay, squat, sit down and jog.

    python -m benchmarks.gate ASSETS

People of ``utd27_depth``, classes 1-13, on black, where a body can be taken for a camera. These
classes are of arms; so some of them are pressed down towards their feet (squat, sit) or moved up
and down (jog) before a simulated camera films them. Share of clips that are stabilised, in per
cent: 0 would be right under the fixed camera, 100 under the others.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.clips import class_number, read_index
from fewact.video import Segments
from fewact.video.camera import CAMERAS, film, seed_of
from fewact.video.stabilise import camera_motion

EVERY, FRAMES, SIDE = 5, 16, 224
PRESSED, HOP, HOPS = 0.4, 0.06, 4
"""Of a body's height, of the picture's, and how often."""

DARK = 12
SHOWN = ("fixed", "shake", "pan", "hand")

Way = Callable[[Tensor], Tensor]
"""From moments (t) of a clip, 0 to 1, to how far a motion has got (t)."""

BODIES: Mapping[str, Way | None] = {
    "as filmed": None,
    "squat": lambda at: (1 - torch.cos(2 * torch.pi * at)) / 2,
    "sit down": lambda at: at * at * (3 - 2 * at),
    "jog": lambda at: (1 - torch.cos(2 * torch.pi * HOPS * at)) / 2,
}


def moved(frames: NDArray[np.uint8], body: str) -> NDArray[np.uint8]:
    """The person of some frames (t h w 3), moving otherwise."""
    way = BODIES[body]
    if way is None:
        return frames
    t, h, w, _ = frames.shape
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    far = way(torch.linspace(0, 1, t))[:, None]  # (t 1)
    rows = torch.arange(h).float().expand(t, h)
    if body == "jog":
        seen = rows + far * HOP * h
    else:
        lit = (pictures.amax(1) > DARK).sum((0, 2))
        feet = int((lit > 0.02 * lit.max()).nonzero().max())
        seen = feet + (rows - feet) / (1 - PRESSED * far)
    across = torch.linspace(-1, 1, w).expand(t, h, w)
    down = (seen * 2 / (h - 1) - 1)[:, :, None].expand(t, h, w)
    found = functional.grid_sample(
        pictures, torch.stack([across, down], -1), padding_mode="zeros", align_corners=True
    )
    after: NDArray[np.uint8] = found.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return after


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
        if video.footage is None:
            raise SystemExit(f"{video.id} is not there")
        frames = video.footage.read([Segments(FRAMES)])[0]
        for body in BODIES:
            for camera in SHOWN:
                seen = film(moved(frames, body), moments, CAMERAS[camera], seed_of(0, video.id))
                images = functional.interpolate(
                    torch.from_numpy(seen).permute(0, 3, 1, 2),
                    [SIDE, SIDE],
                    mode="bilinear",
                    antialias=True,
                )
                found = camera_motion(images, aspect=seen.shape[2] / seen.shape[1])
                stabilised.setdefault((body, camera), []).append(found.moved)
    print(f"| {len(people)} clips | " + " | ".join(SHOWN) + " |\n" + "|---" * 5 + "|")
    for body in BODIES:
        cells = (f"{100 * np.mean(stabilised[body, camera]):.0f}" for camera in SHOWN)
        print(f"| {body} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
