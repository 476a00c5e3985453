"""`fewact embed --ray` on a local cluster whose workers are killed at random times.

    python -m benchmarks.ray_kills [--videos 96] [--workers 3] [--kills 6] [--seed 0]

The features of rendered videos are computed by one process, by the workers of a cluster, and by
workers that SIGKILL ends one after the other. The three stores must have equal bytes, and each
video exactly one outcome.
"""

import argparse
import dataclasses
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.embedding import content
from fewact.backbones import BackboneSpec
from fewact.data import VideoList
from fewact.features.request import FeatureRequest, View
from fewact.features.store import Job, Outcome, Store, embed
from fewact.features.store.on_ray import embed_on_ray
from fewact.synthetic import motions

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


def rendered(count: int) -> VideoList:
    """Return rendered videos."""
    whole = motions(videos=1, size=64).videos
    return dataclasses.replace(whole, videos=whole.videos[:count])


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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--videos", type=int, default=96)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    videos = rendered(options.videos)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = make_job(folder / "alone", videos)
        backbone = OPTIONS.create()
        begin = time.perf_counter()
        embed(alone, backbone, range(len(alone)), lambda _: None)
        print(f"one process: {time.perf_counter() - begin:.1f} s", flush=True)
        expected = content(folder / "alone" / "sets")
        for kills in (0, options.kills):
            job = make_job(folder / f"kills {kills}", videos)
            killer = Killer(kills, random.Random(options.seed), pause=10)
            begin = time.perf_counter()
            outcomes = by_killed_workers(job, options.workers, killer)
            seconds = time.perf_counter() - begin
            ids = sorted(one.video.id for one in outcomes)
            if ids != sorted(video.id for video in videos.videos):
                sys.exit(f"{len(ids)} outcomes of {len(videos.videos)} videos")
            if content(job.store.folder / "sets") != expected:
                sys.exit("the stores differ")
            print(
                f"{options.workers} workers, {len(killer.killed)} killed: {seconds:.1f} s with the"
                " start of the cluster; equal bytes",
                flush=True,
            )


if __name__ == "__main__":
    main()
