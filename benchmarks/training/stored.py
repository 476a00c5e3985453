"""Features for the training benchmarks: computed once and stored."""

from collections.abc import Sequence
from pathlib import Path

from fewact import networks
from fewact.data import VideoList
from fewact.features.request import Request
from fewact.features.store import Store
from fewact.lab.store.embedding import Job, Outcome, embed
from fewact.lab.store.stored import StoredFeatures, choose_card
from fewact.networks import Backbone


def stored(
    videos: VideoList, folder: Path, requests: Sequence[Request], network: Backbone | None = None
) -> StoredFeatures:
    """Return the features of a list; missing ones are computed first.

    Args:
        videos: List of videos.
        folder: Folder of the store.
        requests: Features to compute.
        network: Network; None for the default one.
    """
    made = network or networks.create()
    store = Store.create(folder)
    job = Job(store, videos, made.card, requests)
    if any(job.missing(range(len(job))).values()):
        embed(job, made, range(len(job)), _stop_at_error)
    return StoredFeatures(
        store, videos, choose_card(store, network_digest=made.card.network_digest)
    )


def _stop_at_error(outcome: Outcome) -> None:
    if outcome.error is not None:
        raise SystemExit(f"{outcome.video.id}: {outcome.error}")
