"""Trained parameters, learning rates, batch norms, and the moving average of weights."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fewact.core.errors import RecipeError, did_you_mean
from fewact.lab.training.learner import Learner
from fewact.lab.training.recipe import EpisodesStage, TrainingStage


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
    for layer in module.modules():
        if type(layer) in FROZEN:
            # Only the class changes: the optimiser and the saved state refer to the tensors.
            layer.__class__ = FROZEN[type(layer)]
            layer.train(False)


def thaw_norms(module: nn.Module) -> None:
    """Undo ``freeze_norms``."""
    for layer in module.modules():
        if type(layer) in TRAINABLE:
            layer.__class__ = TRAINABLE[type(layer)]
            layer.train(module.training)


class StepStatistics:
    """Running statistics that are updated once per step, by the mean over its batches.

    The result is the same whether a step's batches are computed one after the other on one device
    or at once on several. The module is in training mode.
    """

    def __init__(self, module: nn.Module, fabric: Fabric) -> None:
        norms = [
            layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.training
        ]
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
        """Finish a step with this number of batches on this device."""
        for value, total in zip(self._kept, self._sums, strict=True):
            mean = total / batches
            value.copy_(self._mean(mean) if self._fabric.world_size > 1 else mean)

    def _mean(self, value: Tensor) -> Tensor:
        reduced = self._fabric.all_reduce(value, reduce_op="mean")
        if not isinstance(reduced, Tensor):
            raise TypeError("a tensor is reduced to a tensor")
        return reduced


def freeze(learner: Learner, stage: TrainingStage) -> None:
    """Freeze parameters and batch norms as a stage requires, and unfreeze the others.

    Raises:
        RecipeError: A pattern matches no parameter, or no parameter is left to train.
    """
    patterns = list(stage.freeze)
    end_to_end = stage.inputs == "frames"
    if not end_to_end:
        patterns.append("backbone.*")
    if isinstance(stage, EpisodesStage) and not stage.loss_weights.get("base_class"):
        patterns.append("head.*")
    named = dict(learner.named_parameters())
    _check_patterns(stage.freeze, named)
    for name, parameter in named.items():
        frozen = name in learner.fixed or any(fnmatchcase(name, pattern) for pattern in patterns)
        parameter.requires_grad_(not frozen)
    if not any(parameter.requires_grad for parameter in named.values()):
        raise RecipeError(
            "no parameter is left to train",
            where="freeze",
            got=", ".join(patterns) or "a method without weights",
        )
    thaw_norms(learner)
    if stage.freeze_bn == "all":
        freeze_norms(learner)
    elif learner.backbone is not None and (stage.freeze_bn == "backbone" or not end_to_end):
        freeze_norms(learner.backbone)


def make_optimiser(learner: nn.Module, stage: TrainingStage) -> torch.optim.Optimizer:
    """Return the optimiser of a stage, over its trained parameters.

    Raises:
        RecipeError: A group matches no parameter.
    """
    _check_patterns([group.match for group in stage.groups], dict(learner.named_parameters()))
    parts: dict[int, list[Tensor]] = {}
    for name, parameter in learner.named_parameters():
        if parameter.requires_grad:
            matching = (i for i, group in enumerate(stage.groups) if fnmatchcase(name, group.match))
            parts.setdefault(next(matching, -1), []).append(parameter)
    groups: list[dict[str, Any]] = []
    for index, parameters in sorted(parts.items()):
        rates = {"lr": stage.lr, "weight_decay": stage.weight_decay}
        if index >= 0:
            group = stage.groups[index]
            decay = stage.weight_decay if group.weight_decay is None else group.weight_decay
            rates = {"lr": group.lr, "weight_decay": decay}
        groups.append({"params": parameters, **rates})
    if stage.optimiser == "sgd":
        optimiser: torch.optim.Optimizer = torch.optim.SGD(groups, momentum=stage.momentum)
    else:
        adam = torch.optim.AdamW if stage.optimiser == "adamw" else torch.optim.Adam
        optimiser = adam(groups, betas=stage.betas)
    for group_state in optimiser.param_groups:
        group_state["full_lr"] = group_state["lr"]
    return optimiser


def set_rates(optimiser: torch.optim.Optimizer, stage: TrainingStage, step: int) -> float:
    """Set the learning rates of a step; they depend on its number alone.

    Returns:
        Factor of the full learning rates.
    """
    factor = rate_factor(stage, step)
    for group in optimiser.param_groups:
        group["lr"] = factor * group["full_lr"]
    return factor


def rate_factor(stage: TrainingStage, step: int) -> float:
    """Return the factor of the full learning rates at a step, counted from 0.

    >>> from fewact.lab.training.recipe import ClassifyStage
    >>> stage = ClassifyStage(
    ...     kind="classify", inputs="stored", lr=1, steps=12, warmup=2, schedule="linear"
    ... )
    >>> [rate_factor(stage, step) for step in (0, 1, 2, 7, 11)]
    [0.5, 1.0, 1.0, 0.5, 0.1]
    """
    if step < stage.warmup:
        return (step + 1) / stage.warmup
    done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    if stage.schedule == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    if stage.schedule == "linear":
        return round(1 - done, 12)
    if stage.schedule != "steps":
        return 1.0
    passed = sum(step >= milestone for milestone in stage.milestones)
    if stage.factors:
        return (1.0, *stage.factors)[passed]
    return float(stage.factor**passed)


class Average:
    """Exponential moving average of weights with decay d: w̄ ← d·w̄ + (1 − d)·w.

    Buffers are copied.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay = decay
        self.tensors = {name: value.clone() for name, value in module.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the average.

        Raises:
            ValueError: A tensor is missing, unknown or of another shape.
        """
        if {n: t.shape for n, t in tensors.items()} != {
            n: t.shape for n, t in self.tensors.items()
        }:
            raise ValueError("the averaged weights are of another module")
        self.tensors = {name: tensors[name].to(average) for name, average in self.tensors.items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Update the average after a step."""
        trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
        for name, value in module.state_dict().items():
            if name in trained:
                self.tensors[name].lerp_(value, 1 - self._decay)
            else:
                self.tensors[name].copy_(value)


def _check_patterns(patterns: Iterable[str], named: dict[str, nn.Parameter]) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in named):
            raise RecipeError(
                "the pattern matches no parameter",
                got=pattern,
                expected="names of parameters, with * for any part",
                hint=did_you_mean(pattern, named),
            )
