"""Features of real clips: extracted once, kept when requested, refused when missing."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewact import networks
from fewact.core.errors import DataError, VideoError
from fewact.data import Clip, Video, VideoList
from fewact.features import sources
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, View
from fewact.features.sources import VideoFeatures
from fewact.networks import Backbone

CLASSES = ("Basketball", "Biking", "PlayingGuitar")
EACH = 4


@pytest.fixture(scope="module")
def videos(assets: Path) -> VideoList:
    """A few clips of three classes, each of another group."""
    with (assets / "clips" / "index.tsv").open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["dataset"] == "ucf7"]
    labels = list(dict.fromkeys(row["class"] for row in rows))[-len(CLASSES) :]
    found = []
    for label in labels:
        groups: dict[str, dict[str, str]] = {}
        for row in rows:
            if row["class"] == label:
                groups.setdefault(row["group"], row)
        for row in list(groups.values())[:EACH]:
            clip = Clip(assets / row["path"], label)
            found.append(Video(row["path"], label, None, row["group"], clip))
    return VideoList("ucf7", tuple(found), "within-class")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return networks.create("efficientnet-lite0", precision="float32")


def test_extracted_features_are_kept(
    videos: VideoList, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [FeatureRequest("vectors", View(2))]
    source = VideoFeatures(videos, backbone, keep=True)
    first = list(source.features([0, 2], requests))
    read: list[int] = []

    def counting(clips, *rest, **options):
        read.append(len(clips))
        return extract(clips, *rest, **options)

    monkeypatch.setattr(sources, "extract", counting)
    second = list(source.features([0, 1, 2], requests))
    assert read == [1]
    assert np.array_equal(first[0][requests[0]], second[0][requests[0]])
    assert np.array_equal(first[1][requests[0]], second[2][requests[0]])
    assert not np.array_equal(second[0][requests[0]], second[1][requests[0]])


def test_missing_and_unreadable_videos_are_named(
    videos: VideoList, backbone: Backbone, tmp_path: Path
) -> None:
    (tmp_path / "broken.mp4").write_text("no video\n" * 50)
    broken = replace(videos.videos[1], source=Clip(tmp_path / "broken.mp4"))
    absent = replace(videos.videos[0], source=None)
    damaged = replace(videos, videos=(videos.videos[0], broken, *videos.videos[2:]))
    requests = [FeatureRequest("vectors", View(2))]
    fine, unreadable = VideoFeatures(damaged, backbone).features([0, 1], requests)
    assert not isinstance(fine, VideoError)
    assert isinstance(unreadable, VideoError)
    incomplete = replace(videos, videos=(absent, *videos.videos[1:]))
    with pytest.raises(DataError, match=f"there are no files of.*{absent.id}"):
        list(VideoFeatures(incomplete, backbone).features([1, 0], requests))


def test_another_list_is_refused(videos: VideoList, backbone: Backbone) -> None:
    fewer = replace(videos, videos=videos.videos[1:])
    source = VideoFeatures(videos, backbone)
    source.check_list(videos)
    with pytest.raises(DataError):
        source.check_list(fewer)
