"""Error and time of the estimated camera motion, compared with OpenCV.

    pip install opencv-python-headless
    python -m benchmarks.registration ASSETS

People of ``utd27_depth``, classes 1-13, on a textureless background or pasted in front of a frame
of ``ucf7``, group 1; recorded by simulated cameras with known paths. Mean error over the frame and
16 frames, in pixels of 224; processor time per clip.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import is_development, read_index
from benchmarks.shared import cores, heading, line
from fewact.lab.synthetic.simulated_cameras import CAMERAS, camera_path, crop_size, record, seed_of
from fewact.video import Segments
from fewact.video.camera.motion import estimate_camera_motion
from fewact.video.camera.registration import Similarity, pixel_positions
from fewact.video.resizing import planes, resized

CLIPS, FRAMES, SIDE, MIDDLE = 10, 16, 224, 8
SHOWN = ("fixed", "shake", "pan", "hand")
OURS = "ours"
Errors = NDArray[np.float64]
Matrices = list[NDArray[np.float64]]
"""Affine map (2 3) of each frame, from pixels of the middle frame to its own."""

Estimator = Callable[[Sequence[NDArray[np.uint8]]], Matrices]


def shifted(x: float, y: float) -> NDArray[np.float64]:
    """Return the affine map of a translation."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def outwards() -> Iterator[tuple[int, int]]:
    """Yield each frame with its neighbour towards the middle, nearest first."""
    yield from ((i, i + 1) for i in range(MIDDLE - 1, -1, -1))
    yield from ((i, i - 1) for i in range(MIDDLE + 1, FRAMES))


def ecc(grey: Sequence[NDArray[np.uint8]]) -> Matrices:
    """Estimate by ``findTransformECC``, affine, starting from the result of the neighbour."""
    found = [shifted(0, 0) for _ in grey]
    for i, near in outwards():
        start = found[near].astype(np.float32)
        try:
            _, warp = cv2.findTransformECC(
                grey[MIDDLE], grey[i], start, cv2.MOTION_AFFINE, (3, 30, 1e-4)
            )
            found[i] = np.asarray(warp, np.float64)[:2]
        except cv2.error:
            found[i] = found[near]
    return found


def _partial(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float64]:
    warp = None
    if len(before) >= 3:
        warp, _ = cv2.estimateAffinePartial2D(before, after, ransacReprojThreshold=1.5)
    return shifted(0, 0) if warp is None else np.asarray(warp, np.float64)


def tracks(grey: Sequence[NDArray[np.uint8]]) -> Matrices:
    """Estimate from corners tracked by Lucas–Kanade, by ``estimateAffinePartial2D``."""
    found = [shifted(0, 0) for _ in grey]
    corners = cv2.goodFeaturesToTrack(grey[MIDDLE], 200, 0.01, 7)
    if corners is None:
        return found
    points = {MIDDLE: (corners, np.ones(len(corners), bool))}
    for i, near in outwards():
        at, kept = points[near]
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            grey[near], grey[i], at, np.empty_like(at), winSize=(15, 15), maxLevel=3
        )
        kept = kept & (status[:, 0] == 1)
        points[i] = moved, kept
        found[i] = _partial(corners[kept, 0], moved[kept, 0])
    return found


ESTIMATORS: dict[str, tuple[Estimator, int]] = {
    "OpenCV, ECC, affine": (ecc, 112),
    "OpenCV, tracked corners and RANSAC": (tracks, 224),
}


def in_front(frames: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return people (t h w 3) on black, pasted in front of an image (h w 3)."""
    behind = resized(background, frames.shape[1:3]).astype(float)
    opacity = np.clip((frames.max(-1, keepdims=True) - 12.0) / 20, 0, 1)
    made: NDArray[np.uint8] = (opacity * frames + (1 - opacity) * behind).round().astype(np.uint8)
    return made


def clips(assets: Path) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield name, frames on a textureless and on a textured background: (t h w 3) each."""
    index = read_index(assets)
    first = next(v for v in index["ucf7"].videos if v.label == "PlayingPiano" and v.group == "g01")
    people = [v for v in index["utd27_depth"].videos if is_development("utd27_depth", v)]
    if first.source is None:
        raise SystemExit("the clip of the background is missing")
    background = first.source.read([Segments(1)]).frames[0][0]
    for video in people[:: len(people) // CLIPS][:CLIPS]:
        if video.source is None:
            continue
        black = video.source.read([Segments(FRAMES)]).frames[0]
        yield video.id, black, in_front(black, background)


def errors(found: Similarity, truth: Similarity, width: int) -> Errors:
    """Return the mean error of each frame (t) in pixels of 224."""
    at = pixel_positions(15, 15, width / SIDE, np.float64) * (SIDE / 15)
    off = found(at) - truth(at)
    each: Errors = np.hypot(off.real * SIDE / width, off.imag).mean((-2, -1))
    return each


def as_similarity(found: Matrices, height: int, width: int) -> Similarity:
    """Return the nearest similarities about the centre of the frame, for 224 rows."""
    (a, b, x), (c, d, y) = np.stack(found, -1)
    turn = (a + d + 1j * (c - b)) / 2
    middle = complex((width - 1) / 2, (height - 1) / 2)
    shift = x + 1j * y + turn * middle - middle
    return Similarity(turn, shift).scaled(SIDE / height)


@dataclass
class Measured:
    """Errors (t) by estimator, background and camera, and seconds by estimator."""

    errors: dict[tuple[str, str, str], list[Errors]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, key: tuple[str, str, str], errors: Errors, seconds: float) -> None:
        """Add a clip."""
        self.errors.setdefault(key, []).append(errors)
        self.seconds.setdefault(key[0], []).append(seconds)


def measure(frames: NDArray[np.uint8], name: str, background: str, measured: Measured) -> None:
    """Measure all estimators on a clip (t h w 3) under all cameras."""
    times = (np.arange(FRAMES) + 0.5) / FRAMES
    height, width = frames.shape[1:3]
    seed = seed_of(0, name)
    for camera in SHOWN:
        path = camera_path(CAMERAS[camera], seed, times, height, width)
        crop_height, crop_width = crop_size(CAMERAS[camera], height, width)
        placed = Similarity(*path).scaled(SIDE / crop_height)
        truth = placed.inverse().after(placed.of(np.full(FRAMES, MIDDLE)))
        columns = round(SIDE * crop_width / crop_height)
        colours = resized(record(frames, times, CAMERAS[camera], seed), (SIDE, columns))
        begin = time.process_time()
        found = estimate_camera_motion(planes(colours)).motion
        seconds = time.process_time() - begin
        measured.add((OURS, background, camera), errors(found, truth, columns), seconds)
        for title, (estimate, side) in ESTIMATORS.items():
            begin = time.process_time()
            size = (round(columns * side / SIDE), side)
            grey = [
                cv2.resize(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), size, None, 0, 0, cv2.INTER_AREA)
                for one in colours
            ]
            matrices = estimate(grey)
            seconds = time.process_time() - begin
            found = as_similarity(matrices, side, size[0])
            measured.add((title, background, camera), errors(found, truth, columns), seconds)


@cores(1)
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    measured = Measured()
    for name, textureless, textured in clips(options.assets):
        measure(textureless, name, "textureless background", measured)
        measure(textured, name, "textured background", measured)
    for background in ("textured background", "textureless background"):
        print("\n" + heading(background, *SHOWN, "ms a clip"))
        for title in (*ESTIMATORS, OURS):
            cells = [
                f"{np.concatenate(measured.errors[title, background, camera]).mean():.2f}"
                for camera in SHOWN
            ]
            milliseconds = 1000 * np.median(measured.seconds[title])
            print(line(title, *cells, f"{milliseconds:.0f}"))


if __name__ == "__main__":
    main()
