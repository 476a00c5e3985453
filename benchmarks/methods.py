"""Time of an episode by every registered method: encoded once and batched, against a plain loop.

    python -m benchmarks.methods [--shots 5] [--methods trx,strm] [--episodes 10000] [--plain 10]

The plain loop takes one episode at a time: it encodes the episode's videos from features in memory,
summarises the support and scores the queries with the method's own functions. An evaluation encodes
each video once, with the text of its class where a method uses it, and scores batches. Weights are
initial ones: they change no time. Features are those of EfficientNet-Lite0 on rendered videos of
``motions``. All run on one thread, in turns; times are medians of processor time.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import torch
from torch import Tensor

from benchmarks.features import features_of
from benchmarks.markdown import heading
from fewact import backbones, methods
from fewact.data import VideoList
from fewact.evaluation import VideoFeatures, evaluate_method
from fewact.evaluation.encode import encode_list
from fewact.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.evaluation.scoring import RunOptions
from fewact.features.request import Features
from fewact.methods.base import Method, support_state
from fewact.synthetic import motions

ROUNDS = 3
PROBE, LONGEST = 50, 10.0
"""Episodes that are scored first; seconds that one round of scoring may take."""
COLUMNS = (
    "method",
    "weights",
    "nodes, KiB a video",
    "encode, ms a video",
    "one by one, ms an episode",
    "score, ms an episode",
)


@dataclass(frozen=True)
class Setup:
    """Videos with their features, episodes, and embeddings (classes d) of the class names."""

    videos: VideoList
    source: VideoFeatures
    episodes: EpisodeSet
    text: Tensor


def plain_loop(method: Method, setup: Setup, count: int) -> Tensor:
    """Return the logits (count q n) of episodes that are encoded and scored one by one."""
    requests, protocol = method.requests(setup.source.card), setup.episodes.protocol
    labels = torch.arange(protocol.ways).repeat_interleave(protocol.shots)[None]
    classes, logits = list(setup.videos.classes), []

    def features(positions: np.ndarray) -> Features:
        each = list(features_of(setup.source, positions.tolist(), requests))
        return {request: torch.stack([one[request] for one in each]) for request in requests}

    for support, query in zip(
        setup.episodes.support[:count], setup.episodes.query[:count], strict=True
    ):
        support, query = support.reshape(-1), query.reshape(-1)
        shown = [classes.index(setup.videos.videos[i].label) for i in support[:: protocol.shots]]
        nodes, asked = (
            {name: value[None] for name, value in method.encode(features(positions)).items()}
            for positions in (support, query)
        )
        state = support_state(method, nodes, labels, protocol.ways, setup.text[shown][None])
        logits.append(method.score(state, asked)[0])
    return torch.stack(logits)


def seconds(run: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def row(name: str, setup: Setup, plain: int) -> str:
    """Return the row of a method in the table."""
    method = methods.create(name, **methods.fitting(name, setup.source.card)).eval()
    videos, source = setup.videos, setup.source
    for _ in source.features(range(len(videos.videos)), method.requests(source.card)):
        pass  # computed now, and kept

    def evaluate(episodes: EpisodeSet) -> None:
        text = setup.text if method.uses_text else None
        run = RunOptions(threads=1)
        evaluate_method(method, bank, videos, episodes, text=text, run=run)

    with torch.inference_mode():
        bank = encode_list(method, source, videos, threads=1)
        probe = draw(videos, replace(setup.episodes.protocol, count=PROBE))
        count = int(LONGEST / seconds(lambda: evaluate(probe)) * PROBE)
        count = min(max(count, PROBE), len(setup.episodes.support))
        episodes = draw(videos, replace(setup.episodes.protocol, count=count))
        runs: dict[str, Callable[[], object]] = {
            "encode": lambda: encode_list(method, source, videos, threads=1),
            "loop": lambda: plain_loop(method, setup, plain),
            "score": lambda: evaluate(episodes),
        }
        rounds = [{what: seconds(run) for what, run in runs.items()} for _ in range(ROUNDS)]
    spent = {what: 1e3 * median(turn[what] for turn in rounds) for what in runs}
    cells = (
        f"`{name}`",
        f"{sum(weight.numel() for weight in method.parameters()):,}",
        f"{bank.bytes_a_video / 1024:,.0f}",
        f"{spent['encode'] / len(videos.videos):.2f}",
        f"{spent['loop'] / plain:.2f}",
        f"{spent['score'] / count:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=10_000, help="most episodes to batch")
    parser.add_argument("--plain", type=int, default=10, help="episodes of the plain loop")
    parser.add_argument("--videos", type=int, default=8, help="videos of each test class")
    parser.add_argument("--methods", help="names, separated by commas (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    videos = motions(videos=options.videos).videos.of("test")
    source = VideoFeatures(videos, backbones.create("efficientnet-lite0"), keep=True)
    width, generator = source.card.vectors, torch.Generator().manual_seed(0)
    text = torch.randn(len(videos.classes), width, generator=generator)
    protocol = Protocol(shots=options.shots, count=options.episodes)
    setup = Setup(videos, source, draw(videos, protocol), text)
    print(f"5-way {options.shots}-shot, one query per class, one thread\n")
    print(heading(*COLUMNS))
    for name in options.methods.split(",") if options.methods else methods.names():
        print(row(name, setup, options.plain), flush=True)


if __name__ == "__main__":
    main()
