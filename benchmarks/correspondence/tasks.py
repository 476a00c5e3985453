"""Two-class tasks in which only the order of the nodes matters, or does not matter.

Class 0 is always the class of the query. Each class has one scene; each video of a class shows it
with its own distortion and noise.
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
    """Queries and one support video of each class, with noise.

    Args:
        query: (p m D) nodes of the queries.
        support: (p 2 m D) nodes of the support videos, the query's class first.
    """

    query: Tensor
    support: Tensor


def both_directions(length: int, count: int, draw: torch.Generator) -> Tensor:
    """Return two classes with the same scene, the second backwards: (p 2 length D)."""
    scene = scenes(count, length, draw)
    return torch.stack([scene, scene.flip(1)], 1)


def two_contents(count: int, draw: torch.Generator) -> Tensor:
    """Return two classes of the same appearance that change differently: (p 2 m D)."""
    common = torch.randn(count, 1, LENGTH, generator=draw, dtype=torch.float64)
    return torch.stack([mixed(common, changes(count, M, draw)) for _ in range(2)], 1)


def in_order(scene: Tensor, draw: torch.Generator) -> Tensor:
    """Return a video that shows the full scene: (p m D)."""
    return scene


def shifted(scene: Tensor, draw: torch.Generator) -> Tensor:
    """Return a video that starts anywhere in the scene: (p m+10 D) → (p m D)."""
    start = torch.randint(LATEST + 1, (len(scene), 1), generator=draw)
    return pick(scene, start + torch.arange(M))


def permuted(scene: Tensor, draw: torch.Generator) -> Tensor:
    """Return a video that shows the nodes of the scene in a random order: (p m D)."""
    return pick(scene, torch.rand(scene.shape[:2], generator=draw).argsort(1))


def pick(scene: Tensor, moments: Tensor) -> Tensor:
    """Return the nodes of scenes (p length D) at moments (p m): (p m D)."""
    return scene.gather(1, moments[..., None].expand(-1, -1, scene.shape[-1]))


Classes = Callable[[int, torch.Generator], Tensor]
Show = Callable[[Tensor, torch.Generator], Tensor]

TASKS: dict[str, tuple[Classes, Show]] = {
    "order": (lambda count, draw: both_directions(M, count, draw), in_order),
    "order, shifted videos": (
        lambda count, draw: both_directions(M + LATEST, count, draw),
        shifted,
    ),
    "content": (two_contents, in_order),
    "content, permuted videos": (two_contents, permuted),
}
"""Function that makes the classes, and function that makes a video of a class."""


def make_task(name: str, count: int, ratio: float, seed: int) -> Task:
    """Return tasks of a type; other counts give other tasks.

    Args:
        name: One of ``TASKS``.
        count: Number of tasks.
        ratio: Ratio of the noise's length to the signal's, for every video.
        seed: Seed of the tasks.
    """
    draw = torch.Generator().manual_seed(seed)
    classes, show = TASKS[name]
    scene = classes(count, draw)
    videos = torch.stack([show(scene[:, of], draw) for of in (0, 0, 1)], 1)  # (p 3 m D)
    noise = torch.randn(videos.shape, generator=draw, dtype=videos.dtype)
    videos = videos + ratio * noise
    return Task(query=videos[:, 0], support=videos[:, 1:])
