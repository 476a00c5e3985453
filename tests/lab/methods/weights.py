"""Weights of vector files as the modules of fewact name them."""

from typing import Any

import torch
from torch import nn

NAMES = {
    "ln_g": "norm.weight",
    "ln_b": "norm.bias",
    "Wo": "out.weight",
    "bo": "out.bias",
    "W1": "widen.weight",
    "b1": "widen.bias",
    "W2": "narrow.weight",
    "b2": "narrow.bias",
}


def tensors(values: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {
        name: torch.tensor(value, dtype=torch.float64)
        for name, value in values.items()
        if not isinstance(value, dict)
    }


def transformer(values: dict[str, Any]) -> dict[str, torch.Tensor]:
    """State of a ``Transformer``, or of its attention alone."""
    given = tensors(values)
    state = {ours: given[theirs] for theirs, ours in NAMES.items() if theirs in given}
    state["project.weight"] = torch.cat([given[name] for name in ("Wq", "Wk", "Wv")])
    return state


def load(module: nn.Module, state: dict[str, torch.Tensor], *, but: tuple[str, ...] = ()) -> None:
    """Load all of a module's state in float64, ``but`` what is named."""
    assert set(state) | set(but) == set(module.state_dict())
    module.double().load_state_dict(state, strict=False)


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": value for name, value in state.items()}
