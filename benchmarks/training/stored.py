"""Features for the benchmarks of training: embedded once in a store, read from there."""

from collections.abc import Sequence
from pathlib import Path

from fewact import backbones
from fewact.backbones import Tap
from fewact.data import VideoList
from fewact.evaluation.stored import StoredFeatures, choose_card
from fewact.store import Store
from fewact.store.embedding import Job, Told, embed


def stored(videos: VideoList, folder: Path, taps: Sequence[Tap]) -> StoredFeatures:
    """Features of a list by the default network, embedded first where they are not there yet."""
    made = backbones.create()
    store = Store.create(folder)
    job = Job(store, videos, made.card, taps)
    if any(job.lacking(range(len(job))).values()):
        done = 0

        def tell(told: Told) -> None:
            nonlocal done
            done += 1
            if done % 100 == 0:
                print(f"  {done} of {len(videos.videos)} videos", flush=True)

        embed(job, made, range(len(job)), tell)
    return StoredFeatures(store, videos, choose_card(store, digest=made.card.digest))
