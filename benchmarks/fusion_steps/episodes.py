"""Accuracy of each episode under each variant."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.fusion_steps.clips import Features
from benchmarks.pairs import Pairs, compare_all, compare_within, episode_accuracies
from fewact.data import VideoList
from fewact.episodes import EpisodeSet, Protocol, draw
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion

WAYS, SHOTS, EPISODES = 5, (1, 2, 5), 2000
EPISODES_AT_ONCE = 20


def drawn(videos: VideoList, shots: int) -> EpisodeSet:
    """Return the episodes of a set."""
    queries = 3 if videos.groups == "shared" else 5
    return draw(videos, Protocol(WAYS, shots, queries, EPISODES, groups=videos.groups))


def classes_of(videos: VideoList, shots: int) -> tuple[NDArray[np.int64], int]:
    """Return the classes of each episode (N ways), and their number."""
    numbers = {label: number for number, label in enumerate(videos.classes)}
    labels = np.array([numbers[video.label] for video in videos.videos])
    support = drawn(videos, shots).support.reshape(EPISODES, WAYS, shots)
    return labels[support[:, :, 0]], len(numbers)


class Cell:
    """The clips of one set, with the conditions of support and queries.

    Args:
        videos: The clips.
        queries: Features of the clips as queries.
        support: Features of the clips as support; the same object if the conditions are the same.
    """

    def __init__(self, videos: VideoList, queries: Features, support: Features) -> None:
        self.queries, self.support = queries, support
        self.episodes = {shots: drawn(videos, shots) for shots in SHOTS}

    def accuracies(self, method: Fusion) -> Mapping[int, NDArray[np.float64]]:
        """Return the accuracy of each episode in per cent, by the number of shots.

        Raises:
            SystemExit: The first episode has another accuracy without the look-up.
        """
        if self.support.keys() < set(method.map_terms.requests):  # What is compared depends on it.
            return {
                shots: self._scored(method, episodes, EPISODES)
                for shots, episodes in self.episodes.items()
            }
        support = _encode(method, self.support)
        pairs: Pairs = compare_within(method, support)
        across = pairs.exact
        if self.queries is not self.support:
            across = compare_all(method, _encode(method, self.queries), support)
        found = {
            shots: episode_accuracies(method, across, pairs, episodes)
            for shots, episodes in self.episodes.items()
        }
        for shots, episodes in self.episodes.items():
            if abs(self._scored(method, episodes, 1)[0] - found[shots][0]) > 1e-6:
                raise SystemExit(f"the look-up predicts differently at {shots} shots")
        return found

    def _scored(self, method: Fusion, episodes: EpisodeSet, count: int) -> NDArray[np.float64]:
        """Return the accuracy of the first episodes in per cent, without the look-up."""
        shots, queries = episodes.protocol.shots, episodes.protocol.queries
        labels, truth = (torch.arange(WAYS).repeat_interleave(k) for k in (shots, queries))
        found = []
        for some in torch.arange(count).split(EPISODES_AT_ONCE):
            support, query = (
                method.encode({name: value[at].float() for name, value in features.items()})
                for features, at in (
                    (self.support, episodes.support[some].reshape(len(some), -1)),
                    (self.queries, episodes.query[some].reshape(len(some), -1)),
                )
            )
            state = method.support(support, labels.expand(len(some), -1), WAYS)
            hits = method.score(state, query).argmax(-1) == truth  # (b q)
            found.append(100 * hits.double().mean(1).numpy())
        return np.concatenate(found)


def _encode(method: Fusion, features: Features) -> Nodes:
    """Return the nodes (1 v …) of all clips."""
    count = len(next(iter(features.values())))
    each = [
        method.encode({request: v[i : i + 1].float()[None] for request, v in features.items()})
        for i in range(count)
    ]
    return {name: torch.cat([one[name] for one in each], 1) for name in each[0]}
