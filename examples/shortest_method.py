"""The shortest method, from file to table: the nearest class mean on the rendered benchmark."""

import sys
from dataclasses import dataclass

import torch

from fewact import methods
from fewact.evaluation import DataConfig, EpisodeConfig, EvaluationConfig, evaluate
from fewact.features.request import FeatureRequest, View
from fewact.methods.base import Method, one_hot_mean
from fewact.report import TableFormat, render, result_table


@dataclass(frozen=True)
class NearestMeanOptions:
    """Options of ``nearest-mean``: none."""


@methods.register("nearest-mean")
class NearestMean(Method):
    """Negative distance to the mean vector of each class."""

    Options = NearestMeanOptions

    def requests(self, card):
        return (FeatureRequest("vectors", View(8)),)

    def encode(self, features):
        (vectors,) = features.values()
        return {"mean": vectors.mean(-2)}  # (… d)

    def support(self, nodes, labels, n):
        return one_hot_mean(labels, n, nodes["mean"].dtype) @ nodes["mean"]  # (b n d)

    def score(self, state, nodes):
        return -torch.cdist(nodes["mean"], state)  # (b q n)


if __name__ == "__main__":
    episodes = EpisodeConfig(count=int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    data = DataConfig(source="motions")
    result = evaluate(EvaluationConfig(method="nearest-mean", data=data, episodes=episodes))
    print(render(result_table([result]), TableFormat.TABLE))
