"""Threads whose number changes no result."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from fewact.backbones.workers import one_core_threads
from fewact.errors import OptionError


@contextmanager
def workers(threads: int | None) -> Iterator[ThreadPoolExecutor]:
    """Return threads that each use one core.

    A sum that torch splits over threads rounds differently on another number of threads. Here each
    piece of work is computed by one thread, so that results do not depend on the number.

    Args:
        threads: Number of threads (default: torch's number of threads).

    Raises:
        OptionError: The number is not positive.
    """
    if threads is not None and threads < 1:
        raise OptionError(
            "the number is not positive", where="threads", got=str(threads), expected="at least 1"
        )
    pool = one_core_threads(threads or torch.get_num_threads(), "fewact-encode")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
