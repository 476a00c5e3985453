"""The same work on a Ray cluster: its blocks mapped over actors by Ray Data.

An actor that dies is replaced, and its block given to another; what it had stored is found there.
"""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fewact import backbones
from fewact.data.videos import VideoList
from fewact.errors import OptionError
from fewact.features.request import Request
from fewact.features.store.embedding import Job, Outcome, Tell, embed
from fewact.features.store.feature_sets import SamplerOf
from fewact.features.store.store import Store

LOCAL = "local"


@dataclass(frozen=True)
class BackboneOptions:
    """What ``backbones.create`` is given, on every machine.

    Args:
        name: Of the backbone.
        weights: As in ``backbones.create``; a file or folder is one that all machines see.
        device: As in ``backbones.create``.
        precision: ``float32`` or ``bfloat16``, so that all machines compute the same features.
    """

    name: str
    weights: str
    device: str
    precision: str


@dataclass(frozen=True)
class _Task:
    """What an actor is sent."""

    store: str
    videos: VideoList
    requests: tuple[Request, ...]
    sampler: SamplerOf
    block: int
    backbone: BackboneOptions


class _Worker:
    """An actor: makes the backbone once, and embeds one block after the other."""

    def __init__(self, given: _Task) -> None:
        self._backbone = backbones.create(**asdict(given.backbone))
        self._job = Job(
            Store(given.store),
            given.videos,
            self._backbone.card,
            given.requests,
            given.sampler,
            block=given.block,
        )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        told: list[tuple[str, bool, str | None]] = []
        embed(
            self._job,
            self._backbone,
            [int(row["block"])],
            lambda one: told.append((one.video.id, one.new, one.error)),
        )
        return {"told": json.dumps(told)}


def embed_on_ray(
    job: Job, backbone: BackboneOptions, blocks: Sequence[int], tell: Tell, *, address: str
) -> None:
    """Embed blocks on a Ray cluster, an actor for each of its GPUs, or of its CPUs without any.

    The store and the videos must lie where all its machines see them by the same path.

    Args:
        job: What is to be done.
        backbone: How each actor makes the job's backbone.
        blocks: Which.
        tell: Called with what became of each video.
        address: Of the cluster: ``host:port``, ``ray://…``, ``auto``; or ``local`` for one that is
            started on this machine.

    Raises:
        OptionError: Ray is not installed, or there is no cluster at this address.
        OSError: The store cannot be written.
    """
    ray = _started(address)
    try:
        gpus = int(ray.cluster_resources().get("GPU", 0))
        cpus = int(ray.cluster_resources().get("CPU", 1))
        most = max(1, min(gpus or cpus, len(blocks)))
        task = _Task(
            str(job.store.folder.resolve()),
            job.videos,
            tuple(job.sets),
            job.sampler,
            job.block_size,
            backbone,
        )
        by_id = {video.id: video for video in job.videos.videos}
        rows = ray.data.from_items(
            [{"block": block} for block in blocks], override_num_blocks=len(blocks)
        ).map(
            _Worker,
            fn_constructor_args=(task,),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
            num_cpus=1,
            num_gpus=1 if gpus else 0,
        )
        for row in rows.iter_rows():
            for id, new, error in json.loads(row["told"]):
                tell(Outcome(by_id[id], new, error))
    finally:
        ray.shutdown()


def _started(address: str) -> Any:
    """Ray, joined to a cluster."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise OptionError(
            "Ray is not installed",
            where="--ray",
            got=str(error),
            hint='It comes with `pip install "fewact[ray]"`.',
        ) from None
    try:
        if address == LOCAL:
            ray.init(include_dashboard=False, logging_level="ERROR", log_to_driver=False)
        else:
            ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise OptionError(
            "there is no Ray cluster that can be joined",
            where="--ray",
            got=f"{address}: {str(error).splitlines()[0]}",
            expected=f"host:port, ray://…, auto, {LOCAL}",
        ) from None
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray
