"""Batch norm in training: frozen by the recipe, and independent of how a step is split."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _Frozen(_BatchNorm):
    """Batch norm that stays in evaluation mode when ``train()`` is called."""

    def train(self, mode: bool = True) -> "_Frozen":
        super().train(False)
        return self


class FrozenBatchNorm1d(_Frozen, nn.BatchNorm1d):
    """Batch norm with fixed statistics."""


class FrozenBatchNorm2d(_Frozen, nn.BatchNorm2d):
    """Batch norm with fixed statistics."""


class FrozenBatchNorm3d(_Frozen, nn.BatchNorm3d):
    """Batch norm with fixed statistics."""


FROZEN: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: FrozenBatchNorm1d,
    nn.BatchNorm2d: FrozenBatchNorm2d,
    nn.BatchNorm3d: FrozenBatchNorm3d,
}
TRAINABLE = {frozen: norm for norm, frozen in FROZEN.items()}


def freeze_norms(module: nn.Module) -> None:
    """Fix the statistics of all batch norms of a module."""
    for one in module.modules():
        if type(one) in FROZEN:
            # Only the class changes: the optimiser and the saved state refer to the tensors.
            one.__class__ = FROZEN[type(one)]
            one.train(False)


def thaw_norms(module: nn.Module) -> None:
    """Undo ``freeze_norms``."""
    for one in module.modules():
        if type(one) in TRAINABLE:
            one.__class__ = TRAINABLE[type(one)]
            one.train(module.training)


class StepStatistics:
    """Running statistics that are updated once per step, by the mean over its batches.

    The result is the same whether a step's batches are computed one after the other on one device
    or at once on several.

    Args:
        module: Module in training mode.
        fabric: Fabric of the run.
    """

    def __init__(self, module: nn.Module, fabric: Fabric) -> None:
        norms = [one for one in module.modules() if isinstance(one, _BatchNorm) and one.training]
        self._fabric = fabric
        self._kept: list[Tensor] = [
            value
            for norm in norms
            for value in (norm.running_mean, norm.running_var)
            if value is not None
        ]
        self._before: list[Tensor] = []
        self._sums: list[Tensor] = []

    def begin(self) -> None:
        """Start a step."""
        self._before = [value.clone() for value in self._kept]
        self._sums = [torch.zeros_like(value) for value in self._kept]

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Enclose the forward pass of a batch."""
        self.undo()
        yield
        for total, value in zip(self._sums, self._kept, strict=True):
            total.add_(value)

    def undo(self) -> None:
        """Restore the statistics from before the step."""
        for value, before in zip(self._kept, self._before, strict=True):
            value.copy_(before)

    def end(self, batches: int) -> None:
        """Finish a step.

        Args:
            batches: Number of batches on this device.
        """
        for value, total in zip(self._kept, self._sums, strict=True):
            mean = total / batches
            value.copy_(self._mean(mean) if self._fabric.world_size > 1 else mean)

    def _mean(self, value: Tensor) -> Tensor:
        reduced = self._fabric.all_reduce(value, reduce_op="mean")
        if not isinstance(reduced, Tensor):
            raise TypeError("a tensor is reduced to a tensor")
        return reduced
