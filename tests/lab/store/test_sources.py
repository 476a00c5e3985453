"""Feature sources: real clips are extracted once and kept; missing ones are named."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewact import networks
from fewact.core.errors import DataError, VideoError
from fewact.data import Clip, Video, VideoList
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.evaluation import evaluate_method
from fewact.lab.evaluation.encode import encode_list
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.store import sources
from fewact.lab.store.sources import ArrayFeatures, VideoFeatures
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
    source = VideoFeatures(damaged, backbone)
    fine, unreadable = source.features([0, 1], requests)
    assert not isinstance(fine, VideoError)
    assert isinstance(unreadable, VideoError)
    method = methods.create("protonet", frames=2)
    with pytest.raises(DataError) as caught:
        encode_list(method, source, damaged, np.array([0, 1], dtype=np.int32))
    assert broken.id in str(caught.value)
    incomplete = replace(videos, videos=(absent, *videos.videos[1:]))
    with pytest.raises(DataError, match=f"there are no files of.*{absent.id}"):
        list(VideoFeatures(incomplete, backbone).features([1, 0], requests))


def test_another_list_is_refused(videos: VideoList, backbone: Backbone) -> None:
    fewer = replace(videos, videos=videos.videos[1:])
    source = VideoFeatures(videos, backbone)
    source.check_list(videos)
    with pytest.raises(DataError):
        source.check_list(fewer)
    drawn = draw(fewer, Protocol(ways=2, count=1))
    with pytest.raises(DataError):
        evaluate_method(methods.create("protonet"), source, fewer, drawn)


def test_real_clips_are_classified(videos: VideoList, backbone: Backbone) -> None:
    """From files on, with the weights that come with the package."""
    drawn = draw(videos, Protocol(ways=3, queries=2, count=100, groups="within-class"))
    source = VideoFeatures(videos, backbone, keep=True)
    result = evaluate_method(methods.create("protonet", frames=2), source, videos, drawn)
    assert result.accuracy > 70
    assert result.setup.features.backbone_sha256 == backbone.card.digest
    assert result.setup.features.trained_on == ("ImageNet-1k",)
    concatenated = methods.create("protonet", frames=2, frame_matching="concatenated")
    assert evaluate_method(concatenated, source, videos, drawn).accuracy > 70


@pytest.mark.parametrize("type_", [np.float16, np.float32, np.float64])
def test_an_array_is_read_as_float32(type_: type) -> None:
    vectors = np.asfortranarray(np.random.default_rng(0).standard_normal((2, 4, 6)).astype(type_))
    vectors.flags.writeable = False
    request = FeatureRequest("vectors", View(4))
    (features,) = ArrayFeatures(vectors).features([1], [request])
    assert features[request].dtype == np.float32
    np.testing.assert_array_equal(features[request], vectors[1].astype(np.float32))


def test_an_array_that_is_not_finite_is_refused() -> None:
    vectors = np.ones((2, 4, 6))
    vectors[1, 2, 3] = np.nan
    with pytest.raises(DataError) as caught:
        ArrayFeatures(vectors, "mine")
    assert caught.value.where == "mine, video 1"
