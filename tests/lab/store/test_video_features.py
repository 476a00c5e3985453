"""Features that are computed from real clips when an evaluation requests them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewact import networks
from fewact.core.errors import DataError
from fewact.data import Clip, VideoList
from fewact.features.sources import VideoFeatures
from fewact.lab import methods
from fewact.lab.evaluation import evaluate_method
from fewact.lab.evaluation.encode import encode_list
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.networks import Backbone
from tests.features.test_sources import videos  # noqa: F401


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return networks.create()


def test_real_clips_are_classified(videos: VideoList, backbone: Backbone) -> None:  # noqa: F811
    """From files on, with the weights that come with the package."""
    drawn = draw(videos, Protocol(ways=3, queries=2, count=100, groups="within-class"))
    source = VideoFeatures(videos, backbone, keep=True)
    result = evaluate_method(methods.create("protonet", frames=2), source, videos, drawn)
    assert result.accuracy > 70
    assert result.setup.features.backbone_sha256 == backbone.card.digest
    assert result.setup.features.trained_on == ("ImageNet-1k",)
    concatenated = methods.create("protonet", frames=2, frame_matching="concatenated")
    assert evaluate_method(concatenated, source, videos, drawn).accuracy > 70


def test_unreadable_videos_are_named(
    videos: VideoList,  # noqa: F811
    backbone: Backbone,
    tmp_path: Path,
) -> None:
    (tmp_path / "broken.mp4").write_text("no video\n" * 50)
    broken = replace(videos.videos[1], source=Clip(tmp_path / "broken.mp4"))
    damaged = replace(videos, videos=(videos.videos[0], broken, *videos.videos[2:]))
    method, source = methods.create("protonet", frames=2), VideoFeatures(damaged, backbone)
    with pytest.raises(DataError) as caught:
        encode_list(method, source, damaged, np.array([0, 1], dtype=np.int32))
    assert broken.id in str(caught.value)


def test_features_of_another_list_are_refused(videos: VideoList, backbone: Backbone) -> None:  # noqa: F811
    fewer = replace(videos, videos=videos.videos[1:])
    drawn = draw(fewer, Protocol(ways=2, count=1))
    with pytest.raises(DataError):
        evaluate_method(methods.create("protonet"), VideoFeatures(videos, backbone), fewer, drawn)
