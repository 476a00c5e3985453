"""Compute features on a Ray cluster; those that were stored already are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fewact.backbones import Backbone, BackboneSpec
from fewact.core.cluster import map_on_ray
from fewact.data.videos import VideoList
from fewact.features.request import Request
from fewact.features.store.embedding import Job, Outcome, Report, embed
from fewact.features.store.store import Store

Row = tuple[str, bool, str | None]
"""Id of a video, and ``new`` and ``error`` of its outcome."""


@dataclass
class _Blocks:
    """Computes blocks; the backbone is created once."""

    store: Path
    videos: VideoList
    requests: Sequence[Request]
    block_size: int
    backbone: BackboneSpec

    @cached_property
    def _made(self) -> tuple[Job, Backbone]:
        backbone, store = self.backbone.create(), Store(self.store)
        job = Job(store, self.videos, backbone.card, self.requests, block=self.block_size)
        return job, backbone

    def __call__(self, block: int) -> list[Row]:
        rows: list[Row] = []
        embed(
            *self._made,
            [block],
            lambda outcome: rows.append((outcome.video.id, outcome.new, outcome.error)),
        )
        return rows


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
        address: Address of the cluster, see ``map_on_ray``.
    """
    work = _Blocks(
        job.store.folder.resolve(), job.videos, tuple(job.sets), job.block_size, backbone
    )
    by_id = {video.id: video for video in job.videos.videos}
    for rows in map_on_ray(work, blocks, address=address):
        for id, new, error in rows:
            report(Outcome(by_id[id], new, error))
