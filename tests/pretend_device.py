"""A pretend device: its tensors are on the CPU, but no operation takes them with the CPU's.

What a GPU would refuse, it refuses, so that tests find mixed devices on a machine without one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

try:
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
except ImportError:
    pytest.skip("this torch has no devices in Python", allow_module_level=True)

NAME = "pretend"
COMPOSITE = "CompositeImplicitAutograd"

aten = torch.ops.aten
COPIES = {aten.copy_.default, aten._to_copy.default, aten._copy_from.default}
"""Operations between devices."""
INDEXING = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
}
"""Operations whose indices may be on the CPU, as on a GPU."""


FACTORIES = (
    *("arange", "arange.start", "arange.start_step", "eye", "eye.m", "linspace", "randperm"),
    *("randperm.generator", "tril_indices", "triu_indices"),
)
"""Operations that torch would run by resizing an empty tensor."""


_missing: set[torch.dtype] = set()
"""Types of numbers that the device does not have."""


class OnPretendDevice(Tensor):
    """Tensor of the pretend device, around a tensor of the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "OnPretendDevice":
        if inner.dtype in _missing:
            raise TypeError(f"{NAME} has no {inner.dtype}")
        with torch.inference_mode(False):  # a wrapper that is an inference tensor has no views
            made: OnPretendDevice = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
                cls,
                inner.size(),
                strides=inner.stride(),
                storage_offset=inner.storage_offset(),
                dtype=inner.dtype,
                device=torch.device(NAME, 0),
            )
        made.inner = inner
        return made

    def __init__(self, inner: Tensor) -> None:
        """Nothing is left to do."""

    def __repr__(self) -> str:
        return f"{NAME}: {self.cpu()!r}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return memo.setdefault(id(self), self.detach().clone())

    def data_ptr(self) -> int:
        return self.inner.data_ptr()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), COMPOSITE):
            return func.decompose(*args, **given)  # into operations that say where they compute
        _check(func, args, given)
        found = _on_cpu(func, args, given)
        return return_and_correct_aliasing(func, args, given, found)


def _check(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise a RuntimeError if tensors of the CPU are among the arguments, but for numbers."""
    if func in COPIES:
        return
    checked = args[:1] if func in INDEXING else args
    for one in tree_flatten((checked, kwargs))[0]:
        if isinstance(one, Tensor) and not isinstance(one, OnPretendDevice) and one.dim():
            raise RuntimeError(
                f"{func}: expected all tensors on one device, got {NAME} and {one.device}"
                f" (shape {tuple(one.shape)})"
            )


def _on_cpu(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute on the CPU. The result is on the pretend device, unless it is copied to the CPU."""
    kept = kwargs.get("device")
    away = kept is not None and torch.device(kept).type == "cpu"
    if kept is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    args, kwargs = tree_map_only(OnPretendDevice, lambda one: one.inner, (args, kwargs))
    found = func(*args, **kwargs)
    return found if away else tree_map_only(Tensor, OnPretendDevice, found)


class _Backend:
    """What torch asks of a device's module."""

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def is_initialized() -> bool:
        return True

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def current_device() -> int:
        return 0

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        """All random numbers are the CPU's."""

    @staticmethod
    def get_rng_state(device: object) -> Tensor:
        return torch.empty(0, dtype=torch.uint8)

    @staticmethod
    def set_rng_state(state: Tensor, device: object) -> None:
        """All random numbers are the CPU's."""

    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.bfloat16]


def _made(func: Any, *args: Any, **kwargs: Any) -> Any:
    return _on_cpu(func, args, kwargs)


def _copied(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    ends = [one.inner if isinstance(one, OnPretendDevice) else one for one in (source, target)]
    ends[1].copy_(ends[0])
    return target


@contextmanager
def without(dtype: torch.dtype) -> Iterator[None]:
    """Refuse numbers of a type on the device, as Apple's MPS does float64."""
    _missing.add(dtype)
    try:
        yield
    finally:
        _missing.discard(dtype)


def _register() -> tuple[torch.library.Library, ...]:
    """Make the device known to torch, and return what must be kept for it."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())  # type: ignore[no-untyped-call]
    every = torch.library.Library("_", "IMPL")
    every.fallback(_made, dispatch_key="PrivateUse1")
    some = torch.library.Library("aten", "IMPL")
    some.impl("_copy_from", _copied, dispatch_key="PrivateUse1")
    for name in FACTORIES:
        packet, _, overload = name.partition(".")
        func = getattr(getattr(aten, packet), overload or "default")
        some.impl(name, partial(_made, func), dispatch_key="PrivateUse1")
    return every, some


# On import, so while tests are collected: not after the first backward pass of the process.
_KEPT = _register()

DEVICE = torch.device(NAME, 0)
