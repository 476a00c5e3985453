"""Time of an episode by every registered method: encoded once and batched, against plain loops.

    python -m benchmarks.methods [--shots 5] [--methods trx,strm] [--episodes 10000] [--plain 10]

A plain loop takes one episode at a time: it encodes the episode's videos from features in memory,
summarises the support and scores the queries. ``one by one`` does so with the method's own
functions; ``as published`` computes what published code computes, see ``published_loops``. Ours
encodes each video once, with the text of its class where a method uses it, and scores the episodes
in the batches of ``evaluate_method``.

Weights are initial ones: they change no time. Features are those of EfficientNet-Lite0 on rendered
videos of ``motions``. All run on one thread, in turns; times are medians of processor time. The
ratios are of a plain loop, ``as published`` where there is one, to scoring from nodes, and to a
whole evaluation from features, in which 2,400 videos, the size of a published test list, are
encoded for 10,000 episodes.
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
from benchmarks.published_loops import LOOPS, Loop
from fewact import backbones, methods
from fewact.data import VideoList
from fewact.evaluation import VideoFeatures, evaluate_method
from fewact.evaluation.encode import NodeBank, encode_list, workers
from fewact.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.evaluation.scoring import RunOptions, bank_scorer
from fewact.features.request import Features
from fewact.methods.base import Method, TextMethod, support_state
from fewact.synthetic import motions

TEST_VIDEOS, TEST_EPISODES = 2_400, 10_000
ROUNDS = 3
PROBE, LONGEST = 50, 10.0
"""Episodes that are scored first; seconds that one round of scoring may take."""
COLUMNS = (
    *(
        "method",
        "weights",
        "nodes, KiB a video",
        "encode, ms a video",
        "as published, ms an episode",
    ),
    *("one by one, ms an episode", "score, ms an episode", "scoring", "evaluation", "difference"),
)


@dataclass(frozen=True)
class Setup:
    """Videos with their features, episodes, and embeddings (classes d) of the class names."""

    videos: VideoList
    source: VideoFeatures
    episodes: EpisodeSet
    text: Tensor

    def episode(self, index: int) -> tuple[np.ndarray, np.ndarray, Tensor, Tensor]:
        """Return positions of support (s) and queries (q), labels (1 s) and texts (1 n d)."""
        protocol, support = self.episodes.protocol, self.episodes.support[index]
        labels = torch.arange(protocol.ways).repeat_interleave(protocol.shots)[None]
        classes = list(self.videos.classes)
        own = [classes.index(self.videos.videos[i].label) for i in support[:: protocol.shots]]
        return support, self.episodes.query[index], labels, self.text[own][None]


def plain_loop(method: Method, setup: Setup, count: int, published: Loop | None) -> Tensor:
    """Return the logits (count q n) of episodes that are encoded and scored one by one.

    Args:
        method: Method in evaluation mode.
        setup: Videos and episodes.
        count: Number of episodes.
        published: Function that computes an episode; None for the method's own functions.
    """
    requests, found = method.requests(setup.source.card), []

    def features(positions: np.ndarray) -> Features:
        each = list(features_of(setup.source, positions.tolist(), requests))
        return {request: torch.stack([one[request] for one in each]) for request in requests}

    for index in range(count):
        support, query, labels, text = setup.episode(index)
        inputs = (features(support), features(query))
        if published is not None:
            found.append(published(method, *inputs, labels[0], text[0]))
            continue
        nodes, asked = (
            {name: value[None] for name, value in method.encode(x).items()} for x in inputs
        )
        state = support_state(method, nodes, labels, setup.episodes.protocol.ways, text)
        found.append(method.score(state, asked)[0])
    return torch.stack(found)


def from_bank(method: Method, setup: Setup, bank: NodeBank, named: NodeBank, count: int) -> Tensor:
    """Return the same logits from nodes that were encoded once, in one batch.

    Args:
        method: Method in evaluation mode.
        setup: Videos and episodes.
        bank: Nodes of the queries.
        named: Nodes of the support videos.
        count: Number of episodes.
    """
    each = [setup.episode(index) for index in range(count)]
    own, asked = (torch.from_numpy(np.stack([one[i] for one in each])).long() for i in (0, 1))
    labels = torch.cat([one[2] for one in each])
    text = torch.cat([one[3] for one in each])
    score = bank_scorer(method, named, bank)
    if score is not None:
        return score(own, labels, setup.episodes.protocol.ways, asked)
    support = {name: value[own] for name, value in named.tensors.items()}
    state = support_state(method, support, labels, setup.episodes.protocol.ways, text)
    return method.score(state, {name: value[asked] for name, value in bank.tensors.items()})


def with_text(method: Method, setup: Setup, bank: NodeBank) -> NodeBank:
    """Return nodes that have met the text of their video's class, for methods with text."""
    if not isinstance(method, TextMethod) or not method.uses_text:
        return bank
    classes = list(setup.videos.classes)
    own = [classes.index(video.label) for video in setup.videos.videos]
    with workers(1) as pool:
        return bank.with_text(method, setup.text[own], pool)


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
    published = LOOPS.get(name)

    def evaluate(episodes: EpisodeSet) -> None:
        evaluate_method(
            method,
            bank,
            videos,
            episodes,
            text=setup.text if method.uses_text else None,
            run=RunOptions(threads=1),
        )

    with torch.inference_mode():
        bank = encode_list(method, source, videos, threads=1)
        expected = plain_loop(method, setup, plain, published)
        named = with_text(method, setup, bank)
        difference = (from_bank(method, setup, bank, named, plain) - expected).abs().max()
        probe = draw(videos, replace(setup.episodes.protocol, count=PROBE))
        count = int(LONGEST / seconds(lambda: evaluate(probe)) * PROBE)
        count = min(max(count, PROBE), len(setup.episodes.support))
        episodes = draw(videos, replace(setup.episodes.protocol, count=count))
        runs: dict[str, Callable[[], object]] = {
            "encode": lambda: encode_list(method, source, videos, threads=1),
            "named": lambda: with_text(method, setup, bank),
            "own": lambda: plain_loop(method, setup, plain, None),
            "score": lambda: evaluate(episodes),
        }
        if published is not None:
            runs["published"] = lambda: plain_loop(method, setup, plain, published)
        rounds = [{what: seconds(run) for what, run in runs.items()} for _ in range(ROUNDS)]
    spent = {what: 1e3 * median(one[what] for one in rounds) for what in runs}
    encoded = (spent["encode"] + spent["named"]) / len(videos.videos)
    scored = (spent["score"] - spent["named"]) / count
    loop = spent.get("published", spent["own"]) / plain
    whole = scored + encoded * TEST_VIDEOS / TEST_EPISODES
    weights = sum(weight.numel() for weight in method.parameters())
    cells = (
        *(
            f"`{name}`",
            f"{weights:,}",
            f"{max(bank.bytes_a_video, named.bytes_a_video) / 1024:,.0f}",
            f"{encoded:.2f}",
        ),
        *(
            "–" if published is None else f"{loop:.2f}",
            f"{spent['own'] / plain:.2f}",
            f"{scored:.2f}",
        ),
        *(f"{loop / scored:.1f}", f"{loop / whole:.1f}"),
        f"{float(difference / expected.abs().max().clamp_min(1e-9)):.0e}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name in options.methods.split(",") if options.methods else methods.names():
        print(row(name, setup, options.plain), flush=True)


if __name__ == "__main__":
    main()
