"""Values of all attributes of a method and of its parts, to find those that a call changes."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewact.methods.base import Method


def attributes(method: Method) -> dict[str, Any]:
    """Return the values of all attributes, those in containers too, by name; arrays are copied."""
    found: dict[str, Any] = {}
    for prefix, module in method.named_modules():
        for name, value in vars(module).items():
            _add(found, f"{prefix}.{name}" if prefix else name, value)
    return found


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of attributes that are new, missing or have another value."""
    return sorted(
        name
        for name in before.keys() | after.keys()
        if name not in before or name not in after or not _equal(before[name], after[name])
    )


def _add(found: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(value, Tensor):
        found[name] = value.detach().clone()
    elif isinstance(value, np.ndarray):
        found[name] = value.copy()
    elif isinstance(value, set):
        found[name] = frozenset(value)
    elif isinstance(value, Mapping | list | tuple | deque):
        found[name] = len(value)
        items: Iterable[tuple[Any, Any]] = (
            value.items() if isinstance(value, Mapping) else enumerate(value)
        )
        for key, one in items:
            _add(found, f"{name}[{key!r}]", one)
    else:
        found[name] = value


def _equal(old: Any, new: Any) -> bool:
    if isinstance(old, Tensor) and isinstance(new, Tensor):
        return torch.equal(old, new)
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return np.array_equal(old, new)
    plain = (bool, int, float, str, frozenset)
    return old is new or (isinstance(old, plain) and isinstance(new, plain) and old == new)
