"""Compute features on a Ray cluster: Ray Data maps blocks over actors.

If an actor dies, another one computes its block; features that were stored already are kept.
"""

import json
import logging
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from fewact.backbones import Backbone, BackboneSpec
from fewact.core.errors import FewactError, OptionError, StoreError
from fewact.data.videos import VideoList
from fewact.features.request import Request
from fewact.features.store.embedding import Job, Outcome, Report, embed
from fewact.features.store.store import Store

LOCAL = "local"

SEVERAL_MACHINES = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's variable of clusters of several machines, read when Ray is imported.

At 0, Ray's processes listen on the loopback interface alone.
"""


class _Worker:
    """Actor: creates the backbone once, and computes one block after the other.

    An error of the user goes back in the row, for Ray would wrap it in a traceback of its own.
    """

    def __init__(
        self,
        store: str,
        videos: VideoList,
        requests: Sequence[Request],
        block: int,
        backbone: BackboneSpec,
    ) -> None:
        self._store, self._videos, self._requests = store, videos, requests
        self._block, self._backbone = block, backbone

    @cached_property
    def _made(self) -> tuple[Job, Backbone]:
        backbone, store = self._backbone.create(), Store(self._store)
        job = Job(store, self._videos, backbone.card, self._requests, block=self._block)
        return job, backbone

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        outcomes: list[tuple[str, bool, str | None]] = []
        error = ""
        try:
            embed(
                *self._made,
                [int(row["block"])],
                lambda outcome: outcomes.append((outcome.video.id, outcome.new, outcome.error)),
            )
        except FewactError as found:
            error = str(found)
        return {"outcomes": json.dumps(outcomes), "error": error}


def embed_on_ray(
    job: Job, backbone: BackboneSpec, blocks: Sequence[int], report: Report, *, address: str
) -> None:
    """Compute blocks on a Ray cluster, with one actor for each GPU, or each CPU without GPUs.

    All machines must reach the store and the videos by the same paths.

    Args:
        job: Videos and sets.
        backbone: The job's backbone. All machines must be able to read its weights; with a
            precision and an engine other than ``auto`` they compute the same features.
        blocks: Numbers of the blocks.
        report: Called with the outcome of each video.
        address: Address of the cluster: ``host:port``, ``auto``; or ``local`` to start a cluster on
            this machine, which listens on the loopback interface alone unless Ray was imported
            before. Ray Data does not run through a Ray client (``ray://…``).

    Raises:
        OptionError: Ray is not installed, or there is no cluster at this address.
        StoreError: A worker cannot create the backbone, or cannot read or write the store.
    """
    ray = _started(address)
    try:
        gpus = int(ray.cluster_resources().get("GPU", 0))
        cpus = int(ray.cluster_resources().get("CPU", 1))
        actors = max(1, min(gpus or cpus, len(blocks)))
        task = (
            str(job.store.folder.resolve()),
            job.videos,
            tuple(job.sets),
            job.block_size,
            backbone,
        )
        by_id = {video.id: video for video in job.videos.videos}
        rows = ray.data.from_items(
            [{"block": block} for block in blocks], override_num_blocks=len(blocks)
        ).map(
            _Worker,
            fn_constructor_args=task,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors),
            num_cpus=1,
            num_gpus=1 if gpus else 0,
        )
        for row in rows.iter_rows():
            for id, new, error in json.loads(row["outcomes"]):
                report(Outcome(by_id[id], new, error))
            if row["error"]:
                raise StoreError(row["error"], where="on a worker")
    finally:
        ray.shutdown()


def _started(address: str) -> Any:
    """Return Ray, connected to a cluster."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == LOCAL:
        os.environ.setdefault(SEVERAL_MACHINES, "0")
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
        if address.startswith("ray://"):
            raise ValueError("Ray Data does not run through a Ray client")
        options = {"include_dashboard": False} if address == LOCAL else {}
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise OptionError(
            "cannot connect to a Ray cluster",
            where="--ray",
            got=f"{address}: {str(error).splitlines()[0]}",
            expected=f"host:port, auto, {LOCAL}",
        ) from None
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray
