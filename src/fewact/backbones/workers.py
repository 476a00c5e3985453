"""Pieces of work side by side on a CPU's cores, each in a thread that keeps to one core.

A network of sixty small layers that is split over threads layer by layer waits for all of them
after each. With another program on the same cores that wait costs more than the work (measured:
ten times as long on two busy cores). Threads that each take a whole piece never wait for another,
and what they compute does not depend on how many they are.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
    """``work`` on every piece, results in order; as many at once as torch may use threads."""
    count = torch.get_num_threads()
    if count == 1:
        return [work(piece) for piece in pieces]
    return list(_workers(count).map(work, pieces))


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    all_there = Barrier(count + 1)

    def start() -> None:
        torch.get_num_threads()  # At its first need a thread takes the last number set anywhere.
        torch.set_num_threads(1)
        all_there.wait()

    pool = ThreadPoolExecutor(count, "fewact-backbone", initializer=start)
    for _ in range(count):
        pool.submit(int)
    all_there.wait()
    torch.set_num_threads(count)  # The last number set is what later threads of others begin with.
    return pool


if hasattr(os, "register_at_fork"):  # A forked child has none of its parent's threads.
    os.register_at_fork(after_in_child=_workers.cache_clear)
