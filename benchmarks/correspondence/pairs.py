"""Pairs of node sequences with known correspondences.

A *scene* is a long sequence of nodes in the order of time. The first video shows its middle. The
second video shows another selection or order of its nodes, with noise. Two nodes correspond if they
show the same moment of the scene. New material is the continuation of the scene, so it is as
similar to its neighbours as other nodes are.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

M = 14
"""Number of nodes of a video."""

LENGTH = 256
"""Length of a node."""

COMMON = 0.5
"""Fraction of a node's energy that is constant through the scene."""

CORRELATION = 0.8
"""Correlation of the changing parts of neighbours; it falls geometrically with the distance."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of videos and their true correspondences.

    Args:
        first: (p m D) nodes of the first videos.
        second: (p m' D) nodes of the second videos, without noise.
        noise: (p m' D) noise with the mean length of a node.
        truth: (p m m') whether two nodes correspond.
    """

    first: Tensor
    second: Tensor
    noise: Tensor
    truth: Tensor

    def noisy(self, ratio: float) -> Tensor:
        """Return the second videos with noise.

        Args:
            ratio: Ratio of the noise's length to the signal's; infinity is noise alone.

        Returns:
            (p m' D).
        """
        return self.noise if ratio == float("inf") else self.second + ratio * self.noise


def scenes(count: int, length: int, draw: torch.Generator) -> Tensor:
    """Return the nodes of scenes, with unit energy per number: (count length D).

    The changing part has mean zero over the scene, so that a random matching reveals the constant
    part only.

    Args:
        count: Number of scenes.
        length: Number of nodes of each.
        draw: Random generator.
    """
    common = torch.randn(count, 1, LENGTH, generator=draw, dtype=torch.float64)
    return mixed(common, changes(count, length, draw))


def mixed(common: Tensor, changing: Tensor) -> Tensor:
    """Return nodes (… m D) from constant (… 1 D) and changing parts (… m D) of unit energy."""
    constant_weight: float = COMMON**0.5
    changing_weight: float = (1 - COMMON) ** 0.5
    return constant_weight * common + changing_weight * changing


def changes(count: int, length: int, draw: torch.Generator) -> Tensor:
    """Return the changing parts of scenes, with mean zero: (count length D)."""
    fresh = torch.randn(length, count, LENGTH, generator=draw, dtype=torch.float64)
    steps = [fresh[0]]
    for step in fresh[1:]:
        steps.append(CORRELATION * steps[-1] + (1 - CORRELATION**2) ** 0.5 * step)
    moving = torch.stack(steps, 1)
    moving = moving - moving.mean(1, keepdim=True)
    # Subtracting the mean of correlated neighbours removes energy, too.
    energy: Tensor = moving.square().mean((1, 2), keepdim=True)
    return moving / energy.sqrt()


def identity(_: random.Random) -> list[int]:
    """The same nodes in the same order."""
    return list(range(M))


def shift(draw: random.Random) -> list[int]:
    """The video starts 2 to 5 nodes earlier or later."""
    start = draw.choice((-1, 1)) * draw.randint(2, 5)
    return list(range(start, start + M))


def stretch(draw: random.Random) -> list[int]:
    """From the first node to the last, starting slowly and ending fast, or the other way round."""
    power = draw.choice((0.5, 2.0))
    return [round((M - 1) * (j / (M - 1)) ** power) for j in range(M)]


def repeat(draw: random.Random) -> list[int]:
    """A part of 3 to 5 nodes is shown twice; the end no longer fits in."""
    length = draw.randint(3, 5)
    end = draw.randint(length, M - length)
    return [*range(end), *range(end - length, M - length)]


def drop(draw: random.Random) -> list[int]:
    """A part of 3 to 5 nodes inside is left out; the scene goes on for longer."""
    length = draw.randint(3, 5)
    start = draw.randint(1, M - length - 1)
    return [*range(start), *range(start + length, M + length)]


def swap(draw: random.Random) -> list[int]:
    """Two parts of 4 or 5 nodes change places."""
    length = draw.randint(4, 5)
    first = draw.randint(0, M - 2 * length)
    second = draw.randint(first + length, M - length)
    order = list(range(M))
    order[first : first + length], order[second : second + length] = (
        order[second : second + length],
        order[first : first + length],
    )
    return order


def permute(draw: random.Random) -> list[int]:
    """The same nodes in any order."""
    return draw.sample(range(M), M)


DISTORTIONS: dict[str, Callable[[random.Random], list[int]]] = {
    "same": identity,
    "shifted": shift,
    "stretched": stretch,
    "repeated part": repeat,
    "dropped part": drop,
    "swapped parts": swap,
    "permuted": permute,
}
"""Moments that the nodes of the second video show, by distortion.

The first video shows moments 0 … m − 1; other moments are new material.
"""


def make_pairs(distortion: str, count: int, seed: int) -> Pairs:
    """Return pairs under a distortion; other counts give other pairs.

    Args:
        distortion: One of ``DISTORTIONS``.
        count: Number of pairs.
        seed: Seed of the pairs.
    """
    draw, choice = torch.Generator().manual_seed(seed), random.Random(f"{distortion} {seed}")
    scene = scenes(count, 2 * M, draw)
    before = M // 2
    moments = torch.tensor([DISTORTIONS[distortion](choice) for _ in range(count)])  # (p m')
    second = scene.gather(1, (moments + before)[..., None].expand(-1, -1, LENGTH))
    return Pairs(
        first=scene[:, before : before + M],
        second=second,
        noise=torch.randn(second.shape, generator=draw, dtype=second.dtype),
        truth=torch.arange(M)[:, None] == moments[:, None],
    )
