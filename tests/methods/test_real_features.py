"""Methods that read class names, on features of real clips."""

from pathlib import Path

import pytest
import torch

from fewact import methods
from fewact.data import FeatureDataset
from fewact.episodes import Protocol, draw
from fewact.evaluation import ArrayFeatures, evaluate_method, scoring
from fewact.methods.base import Method

READ_TEXT = [name for name in methods.names() if methods.REGISTRY.get(name).uses_text]
CHANNELS = 128
"""Of the 1280: what is promised does not hang on how many there are, the time does."""


def logits(
    method: Method, videos: torch.Tensor, text: torch.Tensor, labels: torch.Tensor, *, alone: bool
) -> torch.Tensor:
    """Of one episode: (s+q t d), (n d), (s) → (q n)."""
    request, s = method.requests(ArrayFeatures(videos.numpy()).card)[0], len(labels)
    with torch.no_grad():
        nodes = {name: value[None] for name, value in method.encode({request: videos}).items()}
        support = {name: value[:, :s] for name, value in nodes.items()}
        state = method.support(support, labels[None], len(text), text=text[None])
        query = {name: value[:, s:] for name, value in nodes.items()}
        each = [{name: value[:, i : i + 1] for name, value in query.items()} for i in range(8)]
        return torch.cat([method.score(state, one) for one in (each if alone else [query])], 1)[0]


@pytest.mark.slow
@pytest.mark.assets
@pytest.mark.parametrize("name", READ_TEXT)
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
    result = evaluate_method(method, source, videos, episodes, text=text)
    assert "uses text" in result.flags
    assert "transductive" not in result.flags
    label_of = torch.tensor([videos.classes.index(video.label) for video in videos.videos])
    labels, frames, hits = torch.arange(4).repeat_interleave(2), torch.from_numpy(vectors), []
    exact = methods.create(name, **methods.fitting(name, source.card, text_width=6)).double().eval()
    for support, query in zip(episodes.support, episodes.query, strict=True):
        drawn = frames[torch.tensor([*support, *query])].double()
        own = text[label_of[torch.from_numpy(support[::2])]].double()
        expected = logits(exact, drawn, own, labels, alone=True)
        got = logits(method, drawn.float(), own.float(), labels, alone=False)
        torch.testing.assert_close(got.double(), expected, atol=1e-3, rtol=1e-3)
        hits.append((expected.argmax(-1) == labels).double().mean())
    assert result.accuracy == pytest.approx(100 * torch.stack(hits).mean().item())
