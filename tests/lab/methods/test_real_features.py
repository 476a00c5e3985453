"""Methods that read class names or must be trained, on features of real clips."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.datasets import read_index
from fewact import networks
from fewact.core.errors import VideoError
from fewact.data import VideoList
from fewact.features.request import Features
from fewact.lab import methods
from fewact.lab.benchmarks import FeatureDataset
from fewact.lab.evaluation import ArrayFeatures, VideoFeatures, evaluate_method, scoring
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.methods.base import TorchMethod, support_state

TRIED = [
    name
    for name in methods.names()
    if methods.REGISTRY.get(name).uses_text or not methods.REGISTRY.get(name).trained
]
CHANNELS = 128
"""Of the 1280: what is promised does not hang on how many there are, the time does."""


def logits(
    method: TorchMethod,
    features: Features,
    text: torch.Tensor,
    labels: torch.Tensor,
    *,
    alone: bool,
) -> torch.Tensor:
    """Of one episode: (s+q …), (n d), (s) → (q n)."""
    s, n = len(labels), len(text)
    with torch.no_grad():
        nodes = {name: value[None] for name, value in method.encode(features).items()}
        support = {name: value[:, :s] for name, value in nodes.items()}
        state = support_state(method, support, labels[None], n, text[None])
        query = {name: value[:, s:] for name, value in nodes.items()}
        number = len(next(iter(query.values()))[0])
        each = [{name: x[:, i : i + 1] for name, x in query.items()} for i in range(number)]
        return torch.cat([method.score(state, one) for one in (each if alone else [query])], 1)[0]


@pytest.mark.slow
@pytest.mark.assets
@pytest.mark.parametrize("name", TRIED)
def test_the_evaluator_agrees_with_queries_alone_in_float64(
    name: str, assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "MAX_EPISODES", 4)  # a batch is padded to as many episodes
    data = FeatureDataset(assets / "features" / "mobilenet_v2_t8.npz", dataset="ucf7")
    videos, vectors = data.videos, data.of(data.videos)[..., :CHANNELS]
    source = ArrayFeatures(vectors)
    episodes = draw(videos, Protocol(ways=4, shots=2, queries=2, count=4))
    text = torch.randn(len(videos.classes), 6, generator=torch.Generator().manual_seed(0))
    method = methods.create(name, **methods.fitting(name, source.card, text_width=6)).eval()
    named = text if method.uses_text else None
    result = evaluate_method(method, source, videos, episodes, text=named)
    assert ("uses text" in result.flags) == method.uses_text
    assert "transductive" not in result.flags
    label_of = torch.tensor([videos.classes.index(video.label) for video in videos.videos])
    labels, frames, hits = torch.arange(4).repeat_interleave(2), torch.from_numpy(vectors), []
    exact = methods.create(name, **methods.fitting(name, source.card, text_width=6)).double().eval()
    (request,) = method.requests(source.card)
    for support, query in zip(episodes.support, episodes.query, strict=True):
        drawn = frames[torch.tensor([*support, *query])].double()
        own = text[label_of[torch.from_numpy(support[::2])]].double()
        expected = logits(exact, {request: drawn}, own, labels, alone=True)
        got = logits(method, {request: drawn.float()}, own.float(), labels, alone=False)
        torch.testing.assert_close(got.double(), expected, atol=1e-3, rtol=1e-3)
        hits.append((expected.argmax(-1) == labels).double().mean())
    assert result.accuracy == pytest.approx(100 * torch.stack(hits).mean().item())


@pytest.mark.slow
@pytest.mark.assets
@pytest.mark.parametrize("name", ["strm", "ta2n"])
def test_maps_of_real_clips_are_scored_alike_in_batches_and_alone(name: str, assets: Path) -> None:
    every = read_index(assets)["ucf7"]
    few = [[v for v in every.videos if v.label == c][:3] for c in every.classes[:3]]
    videos = VideoList("a few", tuple(video for one in few for video in one))
    source = VideoFeatures(videos, networks.create(), keep=True)
    method, exact = (
        methods.create(name, **methods.fitting(name, source.card)).eval() for _ in range(2)
    )
    (request,) = method.requests(source.card)
    assert request.level == "maps"
    each = [x for x in source.features(range(9), (request,)) if not isinstance(x, VideoError)]
    found = torch.from_numpy(np.stack([features[request] for features in each]))
    order = torch.tensor([0, 3, 6, 1, 4, 7, 2, 5, 8])
    labels, text = torch.tensor([0, 1, 2, 0, 1, 2]), torch.zeros(3, 1)
    got = logits(method, {request: found[order]}, text, labels, alone=False)
    expected = logits(exact.double(), {request: found[order].double()}, text, labels, alone=True)
    torch.testing.assert_close(got.double(), expected, atol=1e-3, rtol=1e-4)
    assert (expected.std(-1) > 1e-6).all()
