"""The same work on a Ray cluster: machines are lost on the way, and disks cannot be written."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from fewact.core.errors import OptionError, UserError
from fewact.data.videos import VideoList
from fewact.features.request import FeatureRequest, View
from fewact.features.store import Store
from fewact.lab.store import Job, Outcome, embed
from fewact.lab.store.embedding import embed_on_ray
from fewact.networks import BackboneSpec
from fewact.synthetic import motions

pytest.importorskip("ray", reason="Ray is not installed: pip install 'fewact[ray]'")

BLOCKS, EACH = 16, 2
OPTIONS = BackboneSpec(
    name="efficientnet-lite0",
    weights="random",
    device="cpu",
    precision="float32",
    engine="torch",
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two machines of one core each, and a head that does no work."""
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def some_videos() -> VideoList:
    whole = motions(videos=1, size=64).videos
    return dataclasses.replace(whole, videos=whole.videos[: BLOCKS * EACH])


def sets(folder: Path) -> dict[str, bytes]:
    """All shards."""
    files = (folder / "sets").rglob("*.*")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def worker_at_work() -> Any:
    """An actor that computes features; those of Ray are others."""
    from ray._private import state

    actors = state.actors().values()
    ours = (one for one in actors if "MapWorker" in one["ActorClassName"] and one.get("Pid"))
    return next(one for one in ours if one["State"] == "ALIVE")


def make_job(folder: Path) -> Job:
    """A job of small blocks, so that many are lost."""
    requests, card = [FeatureRequest("vectors", View(8))], OPTIONS.create().card
    return Job(Store.create(folder), some_videos(), card, requests, block=EACH)


LISTENING = """
import json, sys
from pathlib import Path
from fewact.networks import BackboneSpec
from fewact.features.request import FeatureRequest
from fewact.features.store import Store
from fewact.lab.store import Job
from fewact.lab.store.embedding import embed_on_ray
from fewact.synthetic import motions

addresses = set()

def note(_):
    from psutil import CONN_LISTEN, Process  # Ray's own copy
    for process in Process().children(recursive=True):
        found = process.net_connections()
        addresses.update(one.laddr.ip for one in found if one.status == CONN_LISTEN)

spec = BackboneSpec(name="efficientnet-lite0", weights="random", device="cpu")
videos, requests = motions(videos=1, size=64).videos, [FeatureRequest("vectors")]
job = Job(Store.create(Path(sys.argv[1])), videos, spec.create().card, requests, block=2)
embed_on_ray(job, spec, [0], note, address="local")
print(json.dumps(sorted(addresses)))
"""
"""Computes a block on a cluster of this machine, and prints the addresses that Ray listens on."""


def test_a_cluster_of_this_machine_listens_on_loopback_alone(tmp_path: Path) -> None:
    """In a process of its own: Ray decides it when it is imported."""
    ran = [sys.executable, "-c", LISTENING, tmp_path / "store"]
    done = subprocess.run(ran, capture_output=True, text=True, check=True)
    addresses = [ip_address(one) for one in json.loads(done.stdout.splitlines()[-1])]
    assert addresses
    assert all((getattr(one, "ipv4_mapped", None) or one).is_loopback for one in addresses)


@pytest.mark.parametrize("what", ["machine", "worker"])
def test_what_is_lost_costs_no_video(what: str, cluster: Any, tmp_path: Path) -> None:
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    outcomes: list[Outcome] = []
    gone: list[int] = []

    def report(one: Outcome) -> None:
        outcomes.append(one)
        if len(outcomes) == 4 * EACH:
            worker = worker_at_work()
            if what == "worker":
                os.kill(worker["Pid"], signal.SIGKILL)
            else:
                node = next(one for one in nodes if one.node_id == worker["Address"]["NodeID"])
                cluster.remove_node(node, allow_graceful=False)
            gone.append(len(outcomes))

    lost, alone = make_job(tmp_path / "lost"), make_job(tmp_path / "alone")
    embed_on_ray(lost, OPTIONS, range(len(lost)), report, address=cluster.address)
    assert gone
    assert sorted(one.video.id for one in outcomes) == [v.id for v in some_videos().videos]
    assert not any(one.error for one in outcomes)
    embed(alone, OPTIONS.create(), range(len(alone)), lambda _: None)
    assert sets(tmp_path / "lost") == sets(tmp_path / "alone")
    assert len(list(lost.store.folder.glob("sets/*/*.safetensors"))) == BLOCKS


def test_an_error_of_a_worker_is_one_of_the_user(cluster: Any, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=1)
    job = make_job(tmp_path / "store")
    (one,) = job.sets.values()
    one.folder.parent.mkdir()
    one.folder.write_text("no folder")
    with pytest.raises(UserError, match=rf"^on a worker: {one.folder}"):
        embed_on_ray(job, OPTIONS, range(len(job)), lambda _: None, address=cluster.address)


def test_a_ray_client_is_refused(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    with pytest.raises(OptionError, match="does not run through a Ray client"):
        embed_on_ray(job, OPTIONS, [0], lambda _: None, address="ray://127.0.0.1:1")
