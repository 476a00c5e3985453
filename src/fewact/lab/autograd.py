"""What ``fewact.align`` and ``fewact.moments`` need where tensors come in."""

from contextlib import AbstractContextManager
from typing import Any

import array_api_compat.torch as xp
import torch
from torch import Tensor, is_grad_enabled
from torch.autograd.function import once_differentiable

__all__ = [
    "is_grad_enabled",
    "thread_count",
    "with_gradients",
    "without_autocast",
    "without_gradient",
    "xp",
]


def with_gradients(
    value: Tensor, inputs: tuple[Tensor, ...], gradients: tuple[Tensor | None, ...]
) -> Tensor:
    """Return a value (…) whose gradients are known.

    Args:
        value: (…), computed without gradients.
        inputs: Tensors (… ·) that the value depends on.
        gradients: (… ·) ∂value/∂input of each; None for an input that needs no gradient.
    """
    result: Tensor = _Known.apply(value, *inputs, *gradients)  # type: ignore[no-untyped-call]
    return result


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, *inputs_and_gradients: Tensor | None) -> Tensor:
        ctx.save_for_backward(*inputs_and_gradients[len(inputs_and_gradients) // 2 :])
        return value.view_as(value)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.saved_tensors
        products = [
            grad.reshape(grad.shape + (1,) * (gradient.ndim - grad.ndim)) * gradient
            if is_needed
            else None
            for gradient, is_needed in zip(gradients, ctx.needs_input_grad[1:], strict=False)
        ]
        return None, *products, *[None] * len(gradients)


def without_gradient(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context in which nothing is recorded for gradients."""
    return torch.no_grad()


def without_autocast(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast changes no type of number."""
    return torch.autocast(tensor.device.type, enabled=False)


def thread_count() -> int:
    """Return the number of threads that PyTorch uses in this thread."""
    return torch.get_num_threads()
