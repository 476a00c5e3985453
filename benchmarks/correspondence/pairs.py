"""Pairs of node sequences of which it is known what corresponds to what.

A *scene* is a long sequence of nodes in the order of time. The first video shows its middle, the
second shows nodes of the same scene in another choice or order, under noise. Two nodes correspond
where they show the same moment of the scene. New material is what the scene goes on with, so it
looks as much like its neighbours as everything else does.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

M = 14
"""Nodes of a video."""

LENGTH = 256
"""Numbers of a node."""

COMMON = 0.5
"""Share of a node's energy that stays the same through the scene."""

ALIKE = 0.8
"""Correlation of two neighbours in what changes; it falls geometrically with their distance."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of videos and the truth about them.

    Args:
        first: (p m D).
        second: (p m' D), without noise.
        noise: (p m' D), as long as a node on average.
        truth: (p m m'), whether two nodes correspond.
    """

    first: Tensor
    second: Tensor
    noise: Tensor
    truth: Tensor

    def seen(self, ratio: float) -> Tensor:
        """The second video under noise of a ratio to the signal; infinity is noise alone.

        Args:
            ratio: Length of the noise over that of the signal.

        Returns:
            (p m' D).
        """
        return self.noise if ratio == float("inf") else self.second + ratio * self.noise


def scenes(count: int, length: int, draw: torch.Generator) -> Tensor:
    """Nodes of scenes, of unit energy a number: (count length D).

    What changes has a mean of zero over the scene, so that nodes that are matched at random say
    nothing about the scene but what stays the same.

    Args:
        count: Scenes.
        length: Nodes of each.
        draw: Source of all numbers.
    """
    common = torch.randn(count, 1, LENGTH, generator=draw, dtype=torch.float64)
    return mixed(common, changes(count, length, draw))


def mixed(common: Tensor, changing: Tensor) -> Tensor:
    """Nodes (… m D) of what stays (… 1 D) and what changes (… m D), each of unit energy."""
    stays: float = COMMON**0.5
    moves: float = (1 - COMMON) ** 0.5
    return stays * common + moves * changing


def changes(count: int, length: int, draw: torch.Generator) -> Tensor:
    """What changes in scenes, neighbours alike, with a mean of zero: (count length D)."""
    fresh = torch.randn(length, count, LENGTH, generator=draw, dtype=torch.float64)
    steps = [fresh[0]]
    for step in fresh[1:]:
        steps.append(ALIKE * steps[-1] + (1 - ALIKE**2) ** 0.5 * step)
    moving = torch.stack(steps, 1)
    moving = moving - moving.mean(1, keepdim=True)
    # Where neighbours are alike, taking the mean away takes energy too.
    energy: Tensor = moving.square().mean((1, 2), keepdim=True)
    return moving / energy.sqrt()


def identity(_: random.Random) -> list[int]:
    """The same nodes in the same order."""
    return list(range(M))


def shift(draw: random.Random) -> list[int]:
    """The video starts 2 to 5 nodes earlier or later."""
    start = draw.choice((-1, 1)) * draw.randint(2, 5)
    return list(range(start, start + M))


def segment(draw: random.Random) -> list[int]:
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
    "stretched": segment,
    "repeated part": repeat,
    "dropped part": drop,
    "swapped parts": swap,
    "permuted": permute,
}
"""What each does to the second video: the moment that each of its nodes shows.

The first video shows moments 0 … m − 1; other moments are new material.
"""


def make_pairs(distortion: str, count: int, seed: int) -> Pairs:
    """Pairs under a distortion; the first pairs of a larger count are other pairs.

    Args:
        distortion: One of ``DISTORTIONS``.
        count: Pairs.
        seed: Gives the same pairs each time.
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
