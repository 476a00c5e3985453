"""Error and time of camera motion, beside OpenCV's and scikit-image's estimators.

    pip install opencv-python-headless scikit-image
    python -m benchmarks.registration ASSETS

People of ``utd27_depth``, classes 1-13, cut out and put before a picture of ``ucf7``, group 1, or
left on black; filmed by simulated cameras whose way is known. Mean error over the picture and the
16 frames, in pixels of 224; processor time of a clip.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.registration import phase_cross_correlation
from torch import Tensor
from torch.nn import functional

from benchmarks.datasets import is_development, read_index
from fewact.camera.motion import estimate_camera_motion
from fewact.camera.similarity import Similarity, pixel_positions
from fewact.camera.simulated import CAMERAS, camera_path, crop_size, record, seed_of
from fewact.video import Segments

CLIPS, FRAMES, SIDE, MIDDLE = 10, 16, 224, 8
Matrices = list[NDArray[np.float64]]
"""Of each frame (2 3), from pixels of the middle frame to its own."""

Estimator = Callable[[Sequence[NDArray[np.uint8]]], Matrices]


def shifted(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def outwards() -> Iterator[tuple[int, int]]:
    """Each frame with its neighbour towards the middle, nearest first."""
    yield from ((i, i + 1) for i in range(MIDDLE - 1, -1, -1))
    yield from ((i, i - 1) for i in range(MIDDLE + 1, FRAMES))


def ecc(grey: Sequence[NDArray[np.uint8]]) -> Matrices:
    """``findTransformECC``, affine, each frame from where its neighbour was found."""
    found = [shifted(0, 0) for _ in grey]
    for i, near in outwards():
        start = found[near].astype(np.float32)
        try:
            _, warp = cv2.findTransformECC(
                grey[MIDDLE], grey[i], start, cv2.MOTION_AFFINE, (3, 30, 1e-4), None, 5
            )
            found[i] = np.asarray(warp, np.float64)[:2]
        except cv2.error:
            found[i] = found[near]
    return found


def orb(grey: Sequence[NDArray[np.uint8]]) -> Matrices:
    """ORB matches and ``estimateAffinePartial2D``."""
    detector, matcher = cv2.ORB_create(500, fastThreshold=7), cv2.BFMatcher(cv2.NORM_HAMMING, True)
    seen = [detector.detectAndCompute(one, None) for one in grey]
    return [_partial(*_matched(matcher, seen[MIDDLE], other)) for other in seen]


def _matched(
    matcher: "cv2.BFMatcher", first: tuple, second: tuple
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if first[1] is None or second[1] is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    pairs = matcher.match(first[1], second[1])
    return (
        np.array([first[0][one.queryIdx].pt for one in pairs], np.float32).reshape(-1, 2),
        np.array([second[0][one.trainIdx].pt for one in pairs], np.float32).reshape(-1, 2),
    )


def _partial(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float64]:
    warp = None
    if len(before) >= 3:
        warp, _ = cv2.estimateAffinePartial2D(before, after, ransacReprojThreshold=1.5)
    return shifted(0, 0) if warp is None else warp


def tracks(grey: Sequence[NDArray[np.uint8]]) -> Matrices:
    """Corners tracked by Lucas–Kanade from the middle outwards, ``estimateAffinePartial2D``."""
    found = [shifted(0, 0) for _ in grey]
    corners = cv2.goodFeaturesToTrack(grey[MIDDLE], 200, 0.01, 7)
    if corners is None:
        return found
    places = {MIDDLE: (corners, np.ones(len(corners), bool))}
    for i, near in outwards():
        at, kept = places[near]
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            grey[near], grey[i], at, None, winSize=(15, 15), maxLevel=3
        )
        kept = kept & (status[:, 0] == 1)
        places[i] = moved, kept
        found[i] = _partial(corners[kept, 0], moved[kept, 0])
    return found


def phase(grey: Sequence[NDArray[np.uint8]]) -> Matrices:
    """``phaseCorrelate``: shifts alone."""
    window = cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_32F)
    still = grey[MIDDLE].astype(np.float32)
    return [shifted(*cv2.phaseCorrelate(still, one.astype(np.float32), window)[0]) for one in grey]


def skimage_phase(grey: Sequence[NDArray[np.uint8]]) -> Matrices:
    """scikit-image's ``phase_cross_correlation``: shifts alone."""
    still = grey[MIDDLE].astype(float)
    both = [phase_cross_correlation(still, one.astype(float), upsample_factor=20) for one in grey]
    return [shifted(-x, -y) for (y, x), *_ in both]


ESTIMATORS: dict[str, tuple[Estimator, int]] = {
    "OpenCV, phase correlation": (phase, 112),
    "scikit-image, phase correlation": (skimage_phase, 112),
    "OpenCV, ECC, affine": (ecc, 112),
    "OpenCV, ORB and RANSAC": (orb, 224),
    "OpenCV, tracked corners and RANSAC": (tracks, 224),
}


def clips(assets: Path) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Name, frames on black, and the same before a picture: (t h w 3) each."""
    index = read_index(assets)
    first = next(v for v in index["ucf7"].videos if v.label == "PlayingPiano" and v.group == "g01")
    people = [v for v in index["utd27_depth"].videos if is_development("utd27_depth", v)]
    if first.source is None:
        raise SystemExit("the picture's clip is not there")
    room = first.source.read([Segments(1)])[0][0]
    for video in people[:: len(people) // CLIPS][:CLIPS]:
        if video.source is None:
            continue
        black = video.source.read([Segments(FRAMES)])[0]
        image = torch.from_numpy(room).permute(2, 0, 1)[None]
        size = list(black.shape[1:3])
        small = functional.interpolate(image, size, mode="bilinear", antialias=True)
        behind = small[0].permute(1, 2, 0).numpy().astype(float)
        shown = np.clip((black.max(-1, keepdims=True) - 12.0) / 20, 0, 1)
        before = (shown * black + (1 - shown) * behind).round().astype(np.uint8)
        yield video.id, black, before


def errors(found: Similarity, truth: Similarity, width: int) -> Tensor:
    at = pixel_positions(15, 15, width / SIDE, torch.float64) * (SIDE / 15)
    off = found(at) - truth(at)
    return ((off.real * SIDE / width) ** 2 + off.imag**2).sqrt().mean((-2, -1))  # (t)


def as_similarity(found: Matrices, height: int, width: int) -> Similarity:
    """The nearest similarities about the picture's middle, for 224 rows."""
    matrices = torch.from_numpy(np.stack(found))
    turn = torch.complex(
        (matrices[:, 0, 0] + matrices[:, 1, 1]) / 2, (matrices[:, 1, 0] - matrices[:, 0, 1]) / 2
    )
    middle = complex((width - 1) / 2, (height - 1) / 2)
    shift = torch.complex(matrices[:, 0, 2], matrices[:, 1, 2]) + turn * middle - middle
    return Similarity(turn, shift).scaled(SIDE / height)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    cameras = ("fixed", "shake", "pan", "hand")
    off: dict[tuple[str, str, str], list[Tensor]] = {}
    spent: dict[str, list[float]] = {}
    moments = (np.arange(FRAMES) + 0.5) / FRAMES
    for name, black, before in clips(given.assets):
        for kind, frames in (("textureless background", black), ("textured background", before)):
            for camera in cameras:
                height, width = frames.shape[1:3]
                seed = seed_of(0, name)
                way = camera_path(CAMERAS[camera], seed, moments, height, width)
                high, wide = crop_size(CAMERAS[camera], height, width)
                turn = torch.from_numpy(way.size * np.exp(1j * way.roll))
                ways = Similarity(turn, torch.from_numpy(way.x + 1j * way.y)).scaled(SIDE / high)
                truth = ways.inverse().after(ways[torch.full((FRAMES,), MIDDLE)])
                seen = torch.from_numpy(record(frames, moments, CAMERAS[camera], seed))
                broad = round(SIDE * wide / high)
                images = functional.interpolate(
                    seen.permute(0, 3, 1, 2), [SIDE, broad], mode="bilinear", antialias=True
                )
                begin = time.process_time()
                ours = estimate_camera_motion(images).conservative
                spent.setdefault("ours", []).append(time.process_time() - begin)
                off.setdefault(("ours", kind, camera), []).append(errors(ours, truth, broad))
                for title, (estimate, side) in ESTIMATORS.items():
                    begin = time.process_time()
                    size = (round(broad * side / SIDE), side)
                    colours = images.permute(0, 2, 3, 1).contiguous().numpy()
                    grey = [
                        cv2.resize(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), size, None, 0, 0, 3)
                        for one in colours
                    ]
                    matrices = estimate(grey)
                    spent.setdefault(title, []).append(time.process_time() - begin)
                    found = as_similarity(matrices, side, size[0])
                    off.setdefault((title, kind, camera), []).append(errors(found, truth, broad))
    for kind in ("textured background", "textureless background"):
        print(f"\n| {kind} | " + " | ".join(cameras) + " | ms a clip |")
        print("|---" * (len(cameras) + 2) + "|")
        for title in (*ESTIMATORS, "ours"):
            cells = [
                f"{torch.cat(off[title, kind, camera]).mean().item():.2f}" for camera in cameras
            ]
            print(
                f"| {title} | " + " | ".join(cells) + f" | {1000 * np.median(spent[title]):.0f} |"
            )


if __name__ == "__main__":
    main()
