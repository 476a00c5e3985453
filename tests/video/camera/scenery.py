"""A synthetic scene, viewed through known similarities."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fewact.video.camera.registration import Similarity, pixel_positions


def scene(at: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the colours (… 3), 0 … 255, of smooth waves at complex positions in pixel heights."""
    rng = np.random.default_rng(seed)
    found = np.zeros((*at.shape, 3))
    for _ in range(30):
        length, angle = rng.uniform(8, 60), rng.uniform(0, np.pi)
        phase, colour = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1, 3)
        along = (at * np.exp(-1j * angle)).real
        found += np.sin(2 * np.pi * along / length + phase)[..., None] * colour
    return 127.5 + 20 * found


def textured_clip() -> NDArray[np.uint8]:
    """Return frames (8 120 160 3) of the scene, and a bright square that moves before it."""
    x, y = np.meshgrid(np.arange(160), np.arange(120))
    frames = np.repeat(scene(x + 1j * y)[None], 8, 0).clip(0, 255).astype(np.uint8)
    for t, frame in enumerate(frames):
        frame[40:70, 10 * t : 10 * t + 30] = 230
    return frames


def rms_difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the root mean square of the difference of two clips, in levels."""
    return float(np.sqrt(((first.astype(float) - second) ** 2).mean()))


def frames_of(
    motion: Similarity, size: tuple[int, int], pixel: float = 1.0, seed: int = 0
) -> NDArray[np.uint8]:
    """Render the scene as viewed through each similarity: (t 3 h w) uint8."""
    return render(motion, size, lambda at, _: scene(at, seed), pixel)


def render(
    motion: Similarity,
    size: tuple[int, int],
    colours_at: Callable[[np.ndarray, int], np.ndarray],
    pixel: float = 1.0,
) -> NDArray[np.uint8]:
    """Render an image that may change over time as viewed through each similarity.

    Args:
        motion: Similarities (t).
        size: Rows and columns of a frame.
        colours_at: Function of complex positions (h w) and frame number: colours (h w 3).
        pixel: Width of a pixel over its height.

    Returns:
        Frames (t 3 h w), uint8.
    """
    at = motion(pixel_positions(*size, pixel, np.float64))  # (t h w)
    colours = np.stack([colours_at(one, frame) for frame, one in enumerate(at)])
    shown = colours.round().clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(shown, -1, 1))


def random_motion(t: int, seed: int, *, shift: float, zoom: float, roll: float) -> Similarity:
    """Return a smooth random motion; maxima of shift in pixels, relative zoom, roll in radians."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, t)
    waves = np.stack(
        [np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * time + rng.uniform())) for _ in range(4)]
    )
    turn = (1 + zoom * waves[0]) * np.exp(1j * roll * waves[1])
    return Similarity(turn, shift * (waves[2] + 1j * waves[3]))


def from_middle(motion: Similarity) -> Similarity:
    """Return the similarities from positions in the middle frame to those in each frame."""
    middle = len(motion.linear) // 2
    one = np.full(len(motion.linear), middle)
    return motion.inverse().after(motion.of(one))


def mean_distance(first: Similarity, second: Similarity, size: tuple[int, int], pixel: float = 1.0):
    """Return the mean distance (t) between the results of two similarities, in pixel heights."""
    at = pixel_positions(*size, pixel, np.float64)
    return np.abs(first(at) - second(at)).mean((-2, -1))
