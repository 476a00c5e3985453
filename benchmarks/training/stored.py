"""Features for the training benchmarks: computed once and stored."""

from collections.abc import Sequence
from pathlib import Path

from fewact import backbones
from fewact.data import VideoList
from fewact.features.request import Request
from fewact.features.store import Store
from fewact.features.store.embedding import Job, Outcome, embed
from fewact.features.stored import StoredFeatures, choose_card


def stored(
    videos: VideoList, folder: Path, requests: Sequence[Request], network: str | None = None
) -> StoredFeatures:
    """Return the features of a list; missing ones are computed first.

    Args:
        videos: List of videos.
        folder: Folder of the store.
        requests: Features to compute.
        network: Registry name of the network; None for the default one.
    """
    made = backbones.create() if network is None else backbones.create(network)
    store = Store.create(folder)
    job = Job(store, videos, made.card, requests)
    if any(job.missing(range(len(job))).values()):
        done = 0

        def report(outcome: Outcome) -> None:
            nonlocal done
            done += 1
            if done % 100 == 0:
                print(f"  {done} of {len(videos.videos)} videos", flush=True)

        embed(job, made, range(len(job)), report)
    return StoredFeatures(
        store, videos, choose_card(store, network_digest=made.card.network_digest)
    )
