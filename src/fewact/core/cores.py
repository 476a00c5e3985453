"""Cores that this process may use."""

import os


def usable_cores() -> int:
    """Return the number of cores that this process may use, such as those of a batch job."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1
