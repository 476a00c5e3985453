"""A Ray cluster of this machine whose workers are killed at random times."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fewact.backbones import BackboneSpec
from fewact.data import VideoList
from fewact.features.request import FeatureRequest, View
from fewact.features.store import Job, Outcome, Store
from fewact.features.store.on_ray import embed_on_ray

OPTIONS = BackboneSpec(
    name="efficientnet-lite0",
    weights="random",
    device="cpu",
    precision="float32",
    engine="torch",
)
BLOCK = 4


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Start a cluster of one machine, and yield its address."""
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": workers})
    try:
        yield str(made.address)
    finally:
        ray.shutdown()
        made.shutdown()


def workers_at_work() -> list[int]:
    """Return the process numbers of the workers that are alive; none without a cluster."""
    import ray
    from ray._private import state

    if not ray.is_initialized():
        return []
    every: list[dict[str, Any]] = list(state.actors().values())
    mine = (one for one in every if "MapWorker" in one["ActorClassName"])  # not those of Ray
    return sorted(one["Pid"] for one in mine if one["State"] == "ALIVE" and one.get("Pid"))


class Killer(threading.Thread):
    """Ends random workers at random times, until it has ended enough.

    Args:
        kills: Number of workers to end.
        draw: Source of randomness.
        pause: Largest time between two kills, in seconds.
    """

    def __init__(self, kills: int, draw: random.Random, pause: float) -> None:
        super().__init__(daemon=True)
        self.killed: list[int] = []
        self._kills, self._draw, self._pause = kills, draw, pause
        self._done = threading.Event()

    def run(self) -> None:
        """End workers."""
        while len(self.killed) < self._kills:
            if self._done.wait(self._draw.uniform(0, self._pause)):
                return
            alive = [one for one in workers_at_work() if one not in self.killed]
            if alive:
                chosen = self._draw.choice(alive)
                os.kill(chosen, signal.SIGKILL)
                self.killed.append(chosen)

    def stop(self) -> None:
        """End this thread."""
        self._done.set()
        self.join()


def make_job(folder: Path, videos: VideoList) -> Job:
    """Return a job of small blocks, so that many are lost."""
    card = OPTIONS.create().card
    requests = [FeatureRequest("vectors", View(8))]
    return Job(Store.create(folder), videos, card, requests, block=BLOCK)


def by_killed_workers(job: Job, workers: int, killer: Killer) -> list[Outcome]:
    """Compute a job on a cluster while its workers are killed; return all outcomes."""
    outcomes: list[Outcome] = []
    with cluster(workers) as address:
        killer.start()
        try:
            embed_on_ray(job, OPTIONS, range(len(job)), outcomes.append, address=address)
        finally:
            killer.stop()
    return outcomes
