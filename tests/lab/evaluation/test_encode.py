"""Encoding: one video after the other, in order, with errors in their place."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fewact.core.errors import DataError, OptionError, VideoError
from fewact.data import Video, VideoList
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.lab.evaluation.encode import encode_list
from fewact.lab.methods.adapters import on_arrays
from fewact.lab.store.sources import ArrayFeatures
from fewact.methods.encode import AHEAD, encode_each, workers
from tests.lab.evaluation.made_up import Nearest
from tests.refused import refused

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


def encode(
    videos: ArrayFeatures, positions: Sequence[int], pool: Executor | None = None
) -> Iterator[tuple[int, dict[str, NDArray[Any]] | VideoError]]:
    features = videos.features(positions, (REQUEST,))
    return encode_each(
        on_arrays(Nearest().eval()), zip(positions, features, strict=True), pool=pool
    )


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_nodes_and_errors_come_in_order(threads: int | None) -> None:
    positions, videos = [99, 3, 0, *range(50, 90)], source()
    with nullcontext() if threads is None else workers(threads) as pool:
        encoded = list(encode(videos, positions, pool))
    assert [position for position, _ in encoded] == positions
    for position, nodes in encoded:
        if position in videos.unreadable:
            assert isinstance(nodes, VideoError)
            assert str(position) in str(nodes)
        else:
            np.testing.assert_array_equal(nodes["nodes"], videos._vectors[position])


def test_features_are_read_when_they_are_needed() -> None:
    videos = source(unreadable=())
    encoded = encode(videos, range(100))
    assert videos.read == 0
    next(encoded)
    assert videos.read == 1
    with workers(2) as pool:
        next(encode(videos, range(100), pool))
        assert 1 <= videos.read <= 1 + AHEAD


def test_all_unreadable_videos_of_a_list_are_named() -> None:
    listed = VideoList("few", tuple(Video(f"video {i}", "x") for i in range(100)))
    done: list[tuple[int, int]] = []
    with refused(DataError, where="few", got="video 3 (no frame), video 70 (no frame)"):
        encode_list(Nearest(), source(), listed, progress=lambda *now: done.append(now))
    assert done[-1] == (100, 100), "the other videos are read all the same"
    bank = encode_list(Nearest(), source(), listed, np.array([0, 5, 99], dtype=np.int32))
    assert bank.tensors["nodes"].shape == (3, 2, 5)
    assert bank.rows(np.array([99, 0], dtype=np.int32)).tolist() == [2, 0]


def test_each_thread_uses_one_core_and_the_setting_is_restored() -> None:
    before = torch.get_num_threads()
    meet = threading.Barrier(3, timeout=30)

    def work(_: int) -> tuple[str, int]:
        meet.wait()  # all three threads are there at once
        return threading.current_thread().name, torch.get_num_threads()

    with workers(3) as pool:
        found = list(pool.map(work, range(3)))
    assert len({name for name, _ in found}) == 3
    assert {number for _, number in found} == {1}
    assert torch.get_num_threads() == before


def test_an_error_restores_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), workers(2) as pool:
        pool.submit(lambda: 1 / 0).result()
    assert torch.get_num_threads() == before
    with pytest.raises(OptionError, match="threads"), workers(0):
        pass


def test_a_published_list_with_unreadable_videos_names_the_check_that_lists_them() -> None:
    videos = VideoList("any", tuple(Video(str(i), "a") for i in range(100)), availability="0" * 64)
    with refused(DataError, where="any", got="3 (no frame), 70 (no frame)", hint="--allow-missing"):
        encode_list(Nearest().eval(), source(), videos)
