"""Features for the benchmarks of training: embedded once in a store, read from there."""

from collections.abc import Sequence
from pathlib import Path

from fewact import backbones
from fewact.data import VideoList
from fewact.features.request import Request
from fewact.features.store import Store
from fewact.features.store.embedding import Job, Outcome, embed
from fewact.features.stored import StoredFeatures, choose_card


def stored(videos: VideoList, folder: Path, requests: Sequence[Request]) -> StoredFeatures:
    """Features of a list by the default network, embedded first where they are not there yet."""
    made = backbones.create()
    store = Store.create(folder)
    job = Job(store, videos, made.card, requests)
    if any(job.missing(range(len(job))).values()):
        done = 0

        def tell(told: Outcome) -> None:
            nonlocal done
            done += 1
            if done % 100 == 0:
                print(f"  {done} of {len(videos.videos)} videos", flush=True)

        embed(job, made, range(len(job)), tell)
    return StoredFeatures(store, videos, choose_card(store, digest=made.card.digest))
