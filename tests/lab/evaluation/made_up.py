"""Methods with known accuracy, and features for them."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewact.data import VideoList
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.lab.evaluation import ArrayFeatures
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.lab.methods.base import Nodes, TorchMethod
from fewact.networks import Card
from tests.lab.evaluation.episodes.made_up import videos_of


@dataclass(frozen=True)
class Options:
    scale: float = 1.0


class Nearest(TorchMethod):
    """TorchMethod that scores by distances of the features; counts its calls."""

    Options = Options

    def __init__(self, options: Any = None) -> None:
        super().__init__(options or Options())
        self.encoded = 0
        self.batches: list[int] = []

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (FeatureRequest("vectors", View(2)),)

    def encode(self, features: Features) -> Nodes:
        assert not self.training
        self.encoded += 1
        return {"nodes": features[FeatureRequest("vectors", View(2))]}

    def support(self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None) -> Any:
        self.batches.append(len(labels))
        return SimpleNamespace(nodes=nodes["nodes"], labels=labels, n=n, text=text)

    def score(self, state: Any, nodes: Nodes) -> Tensor:
        far = torch.cdist(nodes["nodes"].flatten(2), state.nodes.flatten(2))  # (b q s)
        hot = torch.nn.functional.one_hot(state.labels, state.n)  # (b s n)
        return -far @ hot.to(far.dtype) * self.options.scale


class Constant(Nearest):
    """TorchMethod whose logits are all equal."""

    def score(self, state: Any, nodes: Nodes) -> Tensor:
        return nodes["nodes"].new_zeros(*nodes["nodes"].shape[:2], state.n)


class ByPosition(Nearest):
    """Method that predicts by the position of a query, as if queries were sorted by class."""

    def score(self, state: Any, nodes: Nodes) -> Tensor:
        b, q = nodes["nodes"].shape[:2]
        answers = torch.arange(q) // (q // state.n)
        return torch.nn.functional.one_hot(answers, state.n).float().expand(b, q, state.n)


def class_features(videos: VideoList, noise: float = 0.0, seed: int = 0) -> ArrayFeatures:
    """Return features (v 2 classes) that are one-hot in the class, plus noise."""
    number = {label: i for i, label in enumerate(videos.classes)}
    hot = np.eye(len(number))[[number[video.label] for video in videos.videos]]
    rng = np.random.default_rng(seed)
    values = np.stack([hot, hot], 1) + noise * rng.standard_normal((len(hot), 2, len(number)))
    return ArrayFeatures(values.astype(np.float32), "made up")


def problem(noise: float = 0.9, **protocol: Any) -> tuple[ArrayFeatures, VideoList, EpisodeSet]:
    """Return features, their list, and episodes."""
    videos = videos_of(classes=8, each=10)
    episodes = draw(
        videos, Protocol(**{"ways": 4, "shots": 2, "queries": 3, "count": 60} | protocol)
    )
    return class_features(videos, noise), videos, episodes


def slow_accuracies(
    source: ArrayFeatures, videos: VideoList, episodes: EpisodeSet
) -> list[list[bool]]:
    """Return the hits of each episode and query, computed one by one in float64."""
    vectors = source._vectors.astype(float)
    rows = []
    for support, query in zip(episodes.support, episodes.query, strict=True):
        row = []
        for i in query:
            far: dict[str, float] = {}
            for j in support:
                label = videos.videos[j].label
                distance = float(np.sqrt(((vectors[i] - vectors[j]) ** 2).sum()))
                far[label] = far.get(label, 0.0) + distance
            row.append(min(far, key=far.__getitem__) == videos.videos[i].label)
        rows.append(row)
    return rows
