"""Two-class tasks in which the order of the nodes is all that counts, or counts for nothing.

Class 0 is always the query's. The scene that a class shows is its own; each video of a class shows
it in its own way, under its own noise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.correspondence.pairs import LENGTH, M, changes, mixed, scenes

LATEST = 10
"""Videos of a shifted class start 0 to 10 nodes into a scene of 24."""


@dataclass(frozen=True)
class Task:
    """A query and one support video of each class, with noise.

    Args:
        query: (p m D).
        support: (p 2 m D), that of the query's class first.
    """

    query: Tensor
    support: Tensor


def both_ways(length: int, count: int, draw: torch.Generator) -> Tensor:
    """Two classes that show the same scene, one of them backwards: (p 2 length D)."""
    scene = scenes(count, length, draw)
    return torch.stack([scene, scene.flip(1)], 1)


def two_contents(count: int, draw: torch.Generator) -> Tensor:
    """Two classes of the same appearance whose changes differ: (p 2 m D)."""
    common = torch.randn(count, 1, LENGTH, generator=draw, dtype=torch.float64)
    return torch.stack([mixed(common, changes(count, M, draw)) for _ in range(2)], 1)


def in_order(scene: Tensor, draw: torch.Generator) -> Tensor:
    """A video that shows the whole scene: (p m D)."""
    return scene


def shifted(scene: Tensor, draw: torch.Generator) -> Tensor:
    """A video that starts somewhere in the scene: (p m+10 D) → (p m D)."""
    start = torch.randint(LATEST + 1, (len(scene), 1), generator=draw)
    return pick(scene, start + torch.arange(M))


def permuted(scene: Tensor, draw: torch.Generator) -> Tensor:
    """A video that shows the scene's nodes in any order: (p m D)."""
    return pick(scene, torch.rand(scene.shape[:2], generator=draw).argsort(1))


def pick(scene: Tensor, moments: Tensor) -> Tensor:
    """Nodes of scenes (p length D) at moments (p m): (p m D)."""
    return scene.gather(1, moments[..., None].expand(-1, -1, scene.shape[-1]))


Classes = Callable[[int, torch.Generator], Tensor]
Show = Callable[[Tensor, torch.Generator], Tensor]

TASKS: dict[str, tuple[Classes, Show]] = {
    "order": (lambda count, draw: both_ways(M, count, draw), in_order),
    "order, shifted videos": (lambda count, draw: both_ways(M + LATEST, count, draw), shifted),
    "content": (two_contents, in_order),
    "content, permuted videos": (two_contents, permuted),
}
"""What the classes differ in, and how a video shows its class."""


def make_task(name: str, count: int, ratio: float, seed: int) -> Task:
    """Tasks of a kind; the first tasks of a larger count are other tasks.

    Args:
        name: One of ``TASKS``.
        count: Tasks.
        ratio: Length of the noise of every video over that of the signal.
        seed: Gives the same tasks each time.
    """
    draw = torch.Generator().manual_seed(seed)
    classes, show = TASKS[name]
    scene = classes(count, draw)
    videos = torch.stack([show(scene[:, of], draw) for of in (0, 0, 1)], 1)  # (p 3 m D)
    noise = torch.randn(videos.shape, generator=draw, dtype=videos.dtype)
    videos = videos + ratio * noise
    return Task(query=videos[:, 0], support=videos[:, 1:])
