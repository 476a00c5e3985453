"""Batch norm in training: frozen where the recipe says so, and blind to how a step is split up."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _Frozen(_BatchNorm):
    """Stays in evaluation mode, whoever calls ``train()`` on it or on what holds it."""

    def train(self, mode: bool = True) -> "_Frozen":
        super().train(False)
        return self


class FrozenBatchNorm1d(_Frozen, nn.BatchNorm1d):
    """Normalises by the statistics that it has."""


class FrozenBatchNorm2d(_Frozen, nn.BatchNorm2d):
    """Normalises by the statistics that it has."""


class FrozenBatchNorm3d(_Frozen, nn.BatchNorm3d):
    """Normalises by the statistics that it has."""


FROZEN: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: FrozenBatchNorm1d,
    nn.BatchNorm2d: FrozenBatchNorm2d,
    nn.BatchNorm3d: FrozenBatchNorm3d,
}
LEARNING = {frozen: kind for kind, frozen in FROZEN.items()}


def freeze_norms(module: nn.Module) -> None:
    """Let all batch norms inside keep their statistics, whatever mode they are put in."""
    for one in module.modules():
        if type(one) in FROZEN:
            # Another class over the same tensors: the optimiser and the file know them by these.
            one.__class__ = FROZEN[type(one)]
            one.train(False)


def thaw_norms(module: nn.Module) -> None:
    """Undo ``freeze_norms``."""
    for one in module.modules():
        if type(one) in LEARNING:
            one.__class__ = LEARNING[type(one)]
            one.train(module.training)


class StepStatistics:
    """Running statistics that move once a step, by the mean over all its batches.

    Otherwise they would depend on whether a step's batches came after one another on one device or
    at once on several, of which each would have seen its own alone.

    Args:
        module: In training mode.
        fabric: Knows the devices.
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
        """Before a step's first batch."""
        self._before = [value.clone() for value in self._kept]
        self._sums = [torch.zeros_like(value) for value in self._kept]

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Around a batch's forward pass."""
        self.undo()
        yield
        for total, value in zip(self._sums, self._kept, strict=True):
            total.add_(value)

    def undo(self) -> None:
        """Put back what was there before the step."""
        for value, before in zip(self._kept, self._before, strict=True):
            value.copy_(before)

    def end(self, batches: int) -> None:
        """After a step's last batch.

        Args:
            batches: How many there were on this device.
        """
        for value, total in zip(self._kept, self._sums, strict=True):
            mean = total / batches
            value.copy_(self._mean(mean) if self._fabric.world_size > 1 else mean)

    def _mean(self, value: Tensor) -> Tensor:
        reduced = self._fabric.all_reduce(value, reduce_op="mean")
        if not isinstance(reduced, Tensor):
            raise TypeError("a tensor is reduced to a tensor")
        return reduced
