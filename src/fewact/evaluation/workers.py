"""Threads whose number changes no byte of what they compute."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from fewact.errors import OptionError


@contextmanager
def workers(threads: int | None) -> Iterator[ThreadPoolExecutor]:
    """Threads that each compute alone.

    A sum that torch splits over threads may round otherwise on another number of them. Here each
    piece of work is computed by one thread, and the pieces are the same however many there are.

    Args:
        threads: How many; torch's number by default.

    Raises:
        OptionError: It is not positive.
    """
    before = torch.get_num_threads()
    if threads is not None and threads < 1:
        raise OptionError("is not accepted", where="threads", got=str(threads), expected="1 up")
    pool = ThreadPoolExecutor(
        threads or before,
        thread_name_prefix="fewact-evaluate",
        initializer=torch.set_num_threads,
        initargs=(1,),
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        # The matrix library's number is one for all threads.
        torch.set_num_threads(before)
