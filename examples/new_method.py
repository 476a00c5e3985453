"""A method of your own in one file, trained on ``motions`` and compared with two others.

    python examples/new_method.py RUN [VIDEOS]

RUN is the folder of the training run; VIDEOS the number of videos per class (default: 3).
"""

import sys
from dataclasses import replace

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from fewact import methods, networks
from fewact.data import VideoList
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab import methods as lab_methods
from fewact.lab.evaluation import VideoFeatures, checkpoint, compare, evaluate_method
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.methods.base import Features, Nodes, TorchMethod, one_hot_mean
from fewact.lab.training import Recipe, TrainingData, train
from fewact.networks import Card
from fewact.synthetic import motions

VECTORS = FeatureRequest("vectors", View(8))


@dataclass(frozen=True)
class BestFrameOptions:
    """Options of ``best-frame``.

    Args:
        vector_width: Length of the backbone's vectors.
    """

    vector_width: int = 1280


@methods.register("best-frame")
class BestFrame(TorchMethod[BestFrameOptions, tuple[Tensor, Tensor]]):
    """Score of a class: the mean over its videos of the largest cosine of two frames."""

    Options = BestFrameOptions
    temperature = 0.05

    def __init__(self, options: BestFrameOptions) -> None:
        super().__init__(options)
        self.scale = nn.Parameter(torch.ones(options.vector_width))  # a weight of each channel

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the request for one vector per frame."""
        return (VECTORS,)

    def encode(self, features: Features) -> Nodes:
        """Return changes of the frames, weighted and of length 1, (… t d)."""
        frames = features[VECTORS] * self.scale
        return {"frames": functional.normalize(frames - frames.mean(-2, keepdim=True), dim=-1)}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Return the frames (b s t d), and weights of the videos in each class (b n s)."""
        return nodes["frames"], one_hot_mean(labels, n, nodes["frames"].dtype)

    def score(self, state: tuple[Tensor, Tensor], nodes: Nodes) -> Tensor:
        """Return logits (b q n)."""
        cosines = torch.einsum("bqtd,bsud->bqstu", nodes["frames"], state[0])
        return torch.einsum("bqs,bns->bqn", cosines.amax((-1, -2)), state[1])


def classes(videos: VideoList, count: int) -> VideoList:
    """Return the videos of the first classes."""
    chosen = set(videos.classes[:count])
    return replace(videos, videos=tuple(v for v in videos.videos if v.label in chosen))


if __name__ == "__main__":
    run, videos = sys.argv[1], motions(videos=int([*sys.argv, "3"][2])).videos
    stage = {"kind": "episodes", "inputs": "stored", "steps": 30, "queries": 1, "lr": 0.01}
    content = {"name": "mine", "summary": "", "data": "motions", "stages": [stage]}
    content |= {"method": {"name": "best-frame"}, "backbone": {"name": "efficientnet-lite0"}}
    recipe = Recipe.model_validate({**content, "validation": {"every": 10, "count": 100}})
    data = TrainingData(classes(videos.of("train"), 12), classes(videos.of("val"), 6))
    trained = checkpoint.load(train(recipe, data, run, device="cpu").folder)
    test = classes(videos.of("test"), 6)
    source, drawn = VideoFeatures(test, networks.create()), draw(test, Protocol(count=500))
    compared = {"best-frame": trained} | {n: lab_methods.create(n) for n in ("otam", "protonet")}
    results = [evaluate_method(method, source, test, drawn) for method in compared.values()]
    for name, result in zip(compared, results, strict=True):
        print(f"{name:12} {result.accuracy:.1f} ± {result.ci95:.1f}")
    for pair in compare(results):
        first, second = (list(compared)[i] for i in (pair.first, pair.second))
        print(
            f"{first} − {second}: {pair.difference:+.1f} ± {pair.ci95:.1f}, p = {pair.p_holm:.2g}"
        )
