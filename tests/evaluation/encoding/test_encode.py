"""Encoding: one video after the other, in order, with errors in their place."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch

from fewact.core.errors import DataError, VideoError
from fewact.data import Video, VideoList
from fewact.evaluation.encoding import encode, encode_list
from fewact.evaluation.encoding.encode import AHEAD
from fewact.evaluation.encoding.threads import workers
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.features.sources import ArrayFeatures
from tests.evaluation.made_up import Nearest

REQUEST = FeatureRequest("vectors", View(2))


class Unreadable(ArrayFeatures):
    """Arrays of which some videos cannot be read; counts the videos that were read."""

    def __init__(self, vectors: np.ndarray, unreadable: Sequence[int]) -> None:
        super().__init__(vectors)
        self.unreadable = unreadable
        self.read = 0

    def features(
        self, positions: Sequence[int], requests: Sequence[Request]
    ) -> Iterator[Features | VideoError]:
        for position, found in zip(positions, super().features(positions, requests), strict=True):
            self.read += 1
            if position in self.unreadable:
                yield VideoError(f"{position}.mp4", "no frame")
            else:
                yield found


def source(count: int = 100, unreadable: Sequence[int] = (3, 70)) -> Unreadable:
    vectors = np.random.default_rng(0).standard_normal((count, 2, 5)).astype(np.float32)
    return Unreadable(vectors, unreadable)


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_nodes_and_errors_come_in_order(threads: int | None) -> None:
    positions = [99, 3, 0, *range(50, 90)]
    videos, method = source(), Nearest().eval()
    if threads is None:
        found = list(encode(method, videos, positions))
    else:
        with workers(threads) as pool:
            found = list(encode(method, videos, positions, pool=pool))
    assert [isinstance(one, VideoError) for one in found] == [p in (3, 70) for p in positions]
    for position, one in zip(positions, found, strict=True):
        if isinstance(one, VideoError):
            assert str(position) in str(one)
        else:
            assert torch.equal(one["nodes"], torch.from_numpy(videos._vectors[position]))


def test_features_are_read_when_they_are_needed() -> None:
    videos, method = source(unreadable=()), Nearest().eval()
    found = encode(method, videos, range(100))
    assert videos.read == 0
    next(found)
    assert videos.read == 1
    with workers(2) as pool:
        ahead = encode(method, videos, range(100), pool=pool)
        next(ahead)
        assert 1 <= videos.read <= 1 + AHEAD


def test_all_unreadable_videos_of_a_list_are_named() -> None:
    listed = VideoList("few", tuple(Video(f"video {i}", "x") for i in range(100)))
    done: list[tuple[int, int]] = []
    with pytest.raises(DataError, match=r"few: cannot be read: 2 of 100 .*video 3.*video 70"):
        encode_list(Nearest(), source(), listed, progress=lambda *now: done.append(now))
    assert done[-1] == (100, 100), "the other videos are read all the same"
    bank = encode_list(Nearest(), source(), listed, np.array([0, 5, 99], dtype=np.int32))
    assert bank.tensors["nodes"].shape == (3, 2, 5)
    assert bank.rows(np.array([99, 0], dtype=np.int32)).tolist() == [2, 0]
