"""Nodes that are equal in all clips of a model: stored once.

Where no camera moved, or all backgrounds are textured, both estimates of the camera motion are
equal, and so are the nodes of the terms that compare them.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from fewact.classifier.saved.errors import HINT, DamagedModelError


def are_equal(first: Tensor, second: Tensor) -> bool:
    """Return whether two nodes are equal; of one tensor no number is read."""
    return first.is_set_to(second) or torch.equal(first, second)


def find_equal(nodes: Mapping[str, Tensor]) -> dict[str, str]:
    """Return for each node that equals a former one the name of that one."""
    found: dict[str, str] = {}
    kept: list[str] = []
    for name, value in nodes.items():
        same = next((one for one in kept if are_equal(nodes[one], value)), None)
        if same is None:
            kept.append(name)
        else:
            found[name] = same
    return found


def restore_equal(
    nodes: Mapping[str, Tensor], equal: Mapping[str, str], where: str
) -> dict[str, Tensor]:
    """Return nodes with those that are equal to others.

    Raises:
        DamagedModelError: A node is missing, or stored although it equals another one.
    """
    for name, same in equal.items():
        if same not in nodes or name in nodes:
            raise DamagedModelError(
                "the nodes do not match those in config.json",
                where=where,
                got=f"{name}, {same}",
                hint=HINT,
            )
    return {**nodes, **{name: nodes[same] for name, same in equal.items()}}
