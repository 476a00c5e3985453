"""Changes of one classifier by several threads follow each other."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class ChangeLock:
    """Lock that its thread may take again; a copy, also by pickle, is another lock, and free."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type["ChangeLock"], tuple[()]]:
        return ChangeLock, ()


class Changeable(Protocol):
    """Object whose changes follow each other."""

    _changing: ChangeLock


C = TypeVar("C", bound=Changeable)
P = ParamSpec("P")
R = TypeVar("R")


def one_at_a_time(method: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], R]:
    """Let a method that changes a classifier wait for the changes by other threads.

    A change adds to what was learned when it began: without this, one of two changes would be lost.
    """

    @wraps(method)
    def waiting(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._changing:
            return method(self, *args, **kwargs)

    return waiting
