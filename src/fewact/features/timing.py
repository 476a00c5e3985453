"""Time of each stage from a file to a score."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, get_args

from fewact.core.errors import OptionError

Stage = Literal["decode", "stabilise", "backbone", "moments", "alignment"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Timing:
    """Adds up wall-clock seconds by stage, from any thread.

    Stages that run at the same time in two threads both count, so that the sum may exceed the
    elapsed time. Resizing frames belongs to ``decode``.

    >>> timing = Timing()
    >>> with timing.stage("moments"):
    ...     pass
    >>> list(timing.seconds)
    ['decode', 'stabilise', 'backbone', 'moments', 'alignment']
    """

    def __init__(self) -> None:
        self._seconds: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @property
    def seconds(self) -> dict[Stage, float]:
        """Seconds of each stage."""
        with self._lock:
            return dict(self._seconds)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Add the time inside of ``with`` to a stage, even after an error.

        Raises:
            OptionError: There is no such stage.
        """
        if name not in STAGES:
            raise OptionError("there is no such stage", got=repr(name), expected=", ".join(STAGES))
        begin = time.perf_counter()
        try:
            yield
        finally:
            passed = time.perf_counter() - begin
            with self._lock:
                self._seconds[name] += passed


def stage(timing: Timing | None, name: Stage) -> AbstractContextManager[None]:
    """Measure the time of a stage, if a timing is passed."""
    return nullcontext() if timing is None else timing.stage(name)
