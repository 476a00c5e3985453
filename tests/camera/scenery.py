"""A scene that is known at every point, seen through similarities that are known."""

from collections.abc import Callable

import numpy as np
import torch

from fewact.camera.similarity import Similarity, pixel_positions


def scene(at: np.ndarray, seed: int = 0) -> np.ndarray:
    """Colours (… 3) in 0 … 255 at complex points, in heights of a pixel: smooth waves."""
    rng = np.random.default_rng(seed)
    found = np.zeros((*at.shape, 3))
    for _ in range(30):
        length, angle = rng.uniform(8, 60), rng.uniform(0, np.pi)
        phase, colour = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1, 3)
        along = (at * np.exp(-1j * angle)).real
        found += np.sin(2 * np.pi * along / length + phase)[..., None] * colour
    return 127.5 + 20 * found


def frames_of(
    ways: Similarity, size: tuple[int, int], pixel: float = 1.0, seed: int = 0
) -> torch.Tensor:
    """What is seen of the scene through each similarity: (t 3 h w) uint8."""
    return seen_by(ways, size, lambda at, _: scene(at, seed), pixel)


def seen_by(
    ways: Similarity,
    size: tuple[int, int],
    picture: Callable[[np.ndarray, int], np.ndarray],
    pixel: float = 1.0,
) -> torch.Tensor:
    """What is seen through each similarity (t 3 h w) uint8 of a picture that may change.

    Args:
        ways: (t).
        size: Rows and columns of a frame.
        picture: Gives colours (h w 3) at complex points (h w), in this frame.
        pixel: Width of a pixel over its height.
    """
    at = ways(pixel_positions(*size, pixel, torch.float64)).numpy()  # (t h w)
    colours = np.stack([picture(one, frame) for frame, one in enumerate(at)])
    shown = colours.round().clip(0, 255).astype(np.uint8)
    return torch.from_numpy(shown).permute(0, 3, 1, 2).contiguous()


def wander(t: int, seed: int, *, shift: float, zoom: float, roll: float) -> Similarity:
    """A smooth way: shifts up to so many pixels, zoom up to this part, roll in radians."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, t)
    waves = np.stack(
        [np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * time + rng.uniform())) for _ in range(4)]
    )
    turn = (1 + zoom * waves[0]) * np.exp(1j * roll * waves[1])
    return Similarity(torch.from_numpy(turn), torch.from_numpy(shift * (waves[2] + 1j * waves[3])))


def between(ways: Similarity) -> Similarity:
    """From the middle frame's points to each one's."""
    middle = len(ways.linear) // 2
    one = torch.full((len(ways.linear),), middle)
    return ways.inverse().after(ways[one])


def apart(first: Similarity, second: Similarity, size: tuple[int, int], pixel: float = 1.0):
    """Mean distance of where two similarities take a picture's pixels: (t), heights of a pixel."""
    at = pixel_positions(*size, pixel, torch.float64)
    return (first(at) - second(at)).abs().mean((-2, -1))
