"""Threads whose number changes no result."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from fewact.core.errors import OptionError
from fewact.core.workers import one_core_threads


@contextmanager
def workers(threads: int | None, *, helped_by: int = 0) -> Iterator[ThreadPoolExecutor]:
    """Return threads that each use one core.

    A sum that torch splits over threads rounds differently on another number of threads. Here each
    piece of work is computed by one thread, so that results do not depend on the number.

    Args:
        threads: Number of threads (default: torch's number of threads).
        helped_by: Number of other cores that help them, see ``fewact.core.workers.side_by_side``.

    Raises:
        OptionError: The number is not positive.
    """
    if threads is not None and threads < 1:
        raise OptionError(
            "the number is not positive", where="threads", got=str(threads), expected="at least 1"
        )
    count = threads or torch.get_num_threads()
    pool = one_core_threads(count, "fewact-encode", helped_by=helped_by)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
