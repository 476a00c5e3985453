"""Devices of a run: devices of this machine, or processes started by torchrun or Slurm."""

import atexit
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from fewact.core.errors import OptionError
from fewact.core.machine import usable_cores
from fewact.lab.networks.devices import exact_convolutions, resolve_device

TIMEOUT = timedelta(hours=12)
"""Longest time that the other processes wait for a validation."""


def make_fabric(device: str) -> Fabric:
    """Return a Fabric on one device, or on one device per process if several were started.

    Args:
        device: Device: ``auto``, ``cpu``, ``cuda`` or one GPU such as ``cuda:1``. If ``torchrun``
            or ``srun`` started several processes, each uses the GPU of its local rank.

    Raises:
        OptionError: The device does not exist or cannot train.
    """
    logging.getLogger("lightning_fabric.utilities.rank_zero").addFilter(_no_advice)
    resolved = resolve_device(device)
    if resolved.type not in ("cpu", "cuda"):
        raise OptionError(
            "cannot train on this device", where="device", got=device, expected="cpu, cuda"
        )
    local, nodes = _started()
    if local * nodes == 1:
        where = 1 if resolved.type == "cpu" else [resolved.index or 0]
        return Fabric(accelerator=resolved.type, devices=where)
    backend = "gloo" if resolved.type == "cpu" else "nccl"
    strategy = DDPStrategy(
        process_group_backend=backend,
        timeout=TIMEOUT,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )
    return Fabric(accelerator=resolved.type, devices=local, num_nodes=nodes, strategy=strategy)


@cache
def end_group_at_exit() -> None:
    """Let this process leave the others before it exits.

    Otherwise it may be aborted when all is done: a thread of gloo that still releases a tensor
    needs the interpreter, which is gone. A group that has ended cannot be started again.
    """
    atexit.register(_end_group)


def _end_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def decoding_processes(device: str) -> int:
    """Return how many processes should decode videos for one device.

    A GPU is fed by a process per core, at most 8: with one it waits for most of the time
    (docs/results/scale.md). On a CPU the network needs the cores.
    """
    if resolve_device(device).type != "cuda":
        return 0
    return min(8, max(1, usable_cores() // _started()[0]))


def _no_advice(record: logging.LogRecord) -> bool:
    """Return whether a line of Lightning is no advice to compute float32 less exactly."""
    return "set_float32_matmul_precision" not in record.getMessage()


def _started() -> tuple[int, int]:
    """Return the number of processes per node and the number of nodes."""
    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local
    if SLURMEnvironment.detect():
        nodes = int(os.environ["SLURM_NNODES"])
        return int(os.environ["SLURM_NTASKS"]) // nodes, nodes
    return 1, 1


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Use deterministic GPU algorithms if there are any, and restore the global random state."""
    gpus = [device] if device.type == "cuda" else []
    before = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    settings: Any = torch.utils.deterministic  # its attribute has no type
    fills = settings.fill_uninitialized_memory
    if gpus:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Nothing reads memory before it is written, and filling it takes an eighth of a step.
        settings.fill_uninitialized_memory = False
    try:
        with (
            torch.random.fork_rng(gpus),
            exact_convolutions(device),
        ):
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warns)
        settings.fill_uninitialized_memory = fills
