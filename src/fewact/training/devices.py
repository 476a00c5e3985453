"""The devices of a run: this machine's, or what torchrun or Slurm has started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from fewact.backbones.precision import resolve_device
from fewact.errors import OptionError

LONGEST_WAIT = timedelta(hours=12)
"""For the process that validates, while the others wait."""


def make_fabric(device: str = "auto") -> Fabric:
    """Fabric on one device of this machine; one a process where several have been started.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or one GPU, ``cuda:1``. Started by ``torchrun`` or by
            ``srun`` with several tasks, each process takes the GPU of its local rank.

    Raises:
        OptionError: There is no such device.
    """
    chosen = resolve_device(device)
    if chosen.type not in ("cpu", "cuda"):
        raise OptionError("cannot train there", where="device", got=device, expected="cpu, cuda")
    local, nodes = _started()
    if local * nodes == 1:
        where = 1 if chosen.type == "cpu" else [chosen.index or 0]
        return Fabric(accelerator=chosen.type, devices=where)
    backend = "gloo" if chosen.type == "cpu" else "nccl"
    strategy = DDPStrategy(
        process_group_backend=backend,
        timeout=LONGEST_WAIT,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )
    return Fabric(accelerator=chosen.type, devices=local, num_nodes=nodes, strategy=strategy)


def _started() -> tuple[int, int]:
    """Processes on each node, and nodes."""
    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local
    if SLURMEnvironment.detect():
        nodes = int(os.environ["SLURM_NNODES"])
        return int(os.environ["SLURM_NTASKS"]) // nodes, nodes
    return 1, 1


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Let a GPU give the same twice, where its libraries can; random draws stay inside."""
    gpus = [device] if device.type == "cuda" else []
    before = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    if gpus:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with (
            torch.random.fork_rng(gpus),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        ):
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warns)
