"""Methods over tensors as methods over arrays, and the other way round: the wall of the lab."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.core.errors import TrainingError
from fewact.core.workers import in_pool
from fewact.features.request import Request
from fewact.lab.methods.base import Features, Nodes, TorchMethod, TrainingBatch
from fewact.lab.networks.devices import exact_convolutions
from fewact.lab.workers import use_cores
from fewact.methods import base
from fewact.methods.protocols import BankScorer, TakesTensors
from fewact.networks.card import Card

CPU = torch.device("cpu")

FUNCTIONS = (
    *("score_and_pairs", "pair_parts", "score_parts", "appearance_ratio", "summary", "findings"),
    *("restored_support", "match_frames", "explaining_requests", "match_cells", "attend_frames"),
    "training_requests",
)
"""Functions of protocols that an adapter has if the other method has them."""

OF_INSTANCE = ("uses_text", "transductive", "trained", "temperature", "averages_pairs")
"""Properties that an adapter has if the other method has them."""

OF_CLASS = ("paper", "scoring", "packaged_weights")
"""Properties of the class likewise."""


class _Adapter:
    """Adapter to a method whose arrays are of another type."""

    wrapped: Any

    def converted(self, value: Any) -> Any:
        """Return arguments for the other method."""
        raise NotImplementedError

    def returned(self, value: Any) -> Any:
        """Return a result of the other method; a state stays as it is."""
        raise NotImplementedError

    def context(self) -> AbstractContextManager[object]:
        """Return the context in which the other method computes."""
        return nullcontext()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of the other method."""
        given, named = self.converted(args), self.converted(kwargs)
        with self.context():
            return self.returned(function(*given, **named))


def _forwarded(name: str) -> Callable[..., Any]:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.call(getattr(self.wrapped, name), *args, **kwargs)

    forward.__name__ = name
    return forward


def _bank_scorer(
    self: Any, support: Mapping[str, Any], query: Mapping[str, Any], comparisons: int = 0
) -> BankScorer | None:
    scorer = self.call(self.wrapped.bank_scorer, support, query, comparisons)
    return None if scorer is None else lambda *rows: self.call(scorer, *rows)


def _tabulated(
    self: Any, nodes: Mapping[str, Any], columns: int | None = None
) -> tuple[Any, dict[str, Any]] | None:
    tables = self.call(self.wrapped.tabulated, nodes, columns)
    return None if tables is None else (type(self)(tables[0]), tables[1])


@cache
def _class(adapter: type, wrapped: type) -> type:
    """Return an adapter with the optional functions of a class, under its name."""
    functions: dict[str, Any] = {name: _forwarded(name) for name in FUNCTIONS}
    functions |= {"bank_scorer": _bank_scorer, "tabulated": _tabulated}
    members = {name: value for name, value in functions.items() if hasattr(wrapped, name)}
    members |= {name: getattr(wrapped, name) for name in OF_CLASS if hasattr(wrapped, name)}
    return type(
        wrapped.__name__,
        (adapter,),
        {**members, "__module__": wrapped.__module__, "__doc__": wrapped.__doc__},
    )


def _copy_properties(source: object, target: object) -> None:
    for name in OF_INSTANCE:
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


class OnArrays(_Adapter, base.Method):
    """A lab's method for the classifier.

    Args:
        method: The method; it is put into evaluation mode.
    """

    wrapped: TorchMethod

    def __init__(self, method: TorchMethod) -> None:
        super().__init__(method.options)
        self.wrapped = method.eval()
        _copy_properties(method, self)

    def __reduce__(self) -> tuple[Any, ...]:
        return on_arrays, (self.wrapped,)

    def requests(self, card: Card) -> tuple[Request, ...]:
        return self.wrapped.requests(card)

    def encode(self, features: Mapping[Request, NDArray[Any]]) -> base.Nodes:
        nodes: base.Nodes = self.call(self.wrapped.encode, features)
        return nodes

    def support(self, nodes: base.Nodes, labels: base.Labels, n: int) -> Any:
        return self.call(self.wrapped.support, nodes, labels, n)

    def score(self, state: Any, nodes: base.Nodes) -> base.Logits:
        logits: base.Logits = self.call(self.wrapped.score, state, nodes)
        return logits

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return the parameters and buffers by name."""
        weights: dict[str, NDArray[Any]] = as_arrays(self.wrapped.state_dict())
        return weights

    def load_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Replace the parameters and buffers."""
        self.wrapped.load_state_dict(as_tensors(weights))

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next((value.device for value in self.wrapped.parameters()), CPU)

    def converted(self, value: Any) -> Any:
        return as_tensors(value, self.device)

    def returned(self, value: Any) -> Any:
        return as_arrays(value)

    def context(self) -> AbstractContextManager[object]:
        if in_pool():  # Each thread of a pool uses one core.
            use_cores(1)
        stack = ExitStack()
        stack.enter_context(torch.inference_mode())
        stack.enter_context(exact_convolutions(self.device))
        return stack


class OnTensors(_Adapter, TorchMethod):
    """A core's method for evaluation, on the CPU without a copy.

    If it takes tensors itself, it is differentiable, and computes on any device.

    Args:
        method: The method.
    """

    wrapped: base.Method

    def __init__(self, method: base.Method) -> None:
        super().__init__(method.options)
        self.wrapped, self.differentiable = method, isinstance(method, TakesTensors)
        _copy_properties(method, self)

    def __reduce__(self) -> tuple[Any, ...]:
        return on_tensors, (self.wrapped,)

    def requests(self, card: Card) -> tuple[Request, ...]:
        return self.wrapped.requests(card)

    def encode(self, features: Features) -> Nodes:
        nodes: Nodes = self.call(self.wrapped.encode, features)
        return nodes

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> Any:
        return self.call(self.wrapped.support, nodes, labels, n)

    def score(self, state: Any, nodes: Nodes) -> Tensor:
        logits: Tensor = self.call(self.wrapped.score, state, nodes)
        return logits

    def converted(self, value: Any) -> Any:
        return value if self.differentiable else as_arrays(value)

    def returned(self, value: Any) -> Any:
        return value if self.differentiable else as_tensors(value)

    def losses(self, batch: TrainingBatch) -> dict[str, Tensor]:
        if not self.differentiable:
            raise TrainingError(
                "cannot be trained: the method has no gradient",
                got=type(self).__name__,
                expected="a method of the lab, or protonet, otam or pixels",
            )
        return super().losses(batch)


def on_arrays(method: TorchMethod) -> base.Method:
    """Return a method over tensors as one over arrays, in evaluation mode, on its device."""
    if isinstance(method, OnTensors):
        return method.wrapped
    adapter: base.Method = _class(OnArrays, type(method))(method)
    return adapter


def on_tensors(method: base.Method | TorchMethod) -> TorchMethod:
    """Return a method over arrays as one over tensors."""
    if isinstance(method, TorchMethod):
        return method
    if isinstance(method, OnArrays):
        return method.wrapped
    adapter: TorchMethod = _class(OnTensors, type(method))(method)
    return adapter


def differentiable(method: TorchMethod) -> bool:
    """Return whether a method, or what it reads, can be trained."""
    parts = (part for part in method.modules() if isinstance(part, OnTensors))
    return all(part.differentiable for part in parts)


def as_arrays(value: Any) -> Any:
    """Return tensors as arrays, in tuples and mappings too; all else stays as it is."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return _in_containers(value, as_arrays)


def as_tensors(value: Any, device: torch.device = CPU) -> Any:
    """Return arrays as tensors on a device, in tuples and mappings too; all else stays as it is."""
    if isinstance(value, np.ndarray):
        fits = value.flags.writeable and min(value.strides, default=0) >= 0
        return torch.from_numpy(value if fits else value.copy()).to(device)
    return _in_containers(value, lambda item: as_tensors(item, device))


def _in_containers(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: change(item) for name, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(change(item) for item in value)
    return value
