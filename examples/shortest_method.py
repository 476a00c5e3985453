"""The shortest method, evaluated on a few episodes of the rendered benchmark."""

from fewact import methods
from fewact.features.request import FeatureRequest, View
from fewact.lab.evaluation import DataSpec, EvaluationSpec, Protocol, evaluate
from fewact.methods.base import Method, one_hot_mean


@methods.register("nearest-mean")
class NearestMean(Method):
    """Negative squared distance to the mean vector of each class."""

    def requests(self, card):
        return (FeatureRequest("vectors", View(8)),)

    def encode(self, features):
        return {"mean": features[FeatureRequest("vectors", View(8))].mean(-2)}  # (… d)

    def support(self, nodes, labels, n):
        return one_hot_mean(labels, n, nodes["mean"].dtype) @ nodes["mean"]  # (b n d)

    def score(self, state, nodes):
        return -((nodes["mean"][:, :, None] - state[:, None]) ** 2).sum(-1)  # (b q n)


if __name__ == "__main__":
    data, episodes = DataSpec(source="motions"), Protocol(count=10)
    result = evaluate(EvaluationSpec(method="nearest-mean", data=data, episodes=episodes))
    print(f"{result.setup.method.label}: {result.accuracy:.1f} ± {result.ci95:.1f}")
