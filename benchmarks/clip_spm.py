"""Time of 10,000 episodes of CLIP-SPM, against a plain loop over episodes.

    python -m benchmarks.clip_spm [--videos 2400] [--episodes 10000] [--plain 20] [--protocol joint]

The plain loop does what the public code does, with the same weights. It runs the full forward pass
for one episode at a time, and for ``inductive`` for one query at a time, with the motion module and
the fusions that only training uses, and OTAM cell by cell. Features are random: 8 frames of 512
numbers, with the norm of CLIP's vectors.
"""

import argparse
import time

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fewact import methods
from fewact.data import Video, VideoList
from fewact.evaluation import ArrayFeatures, evaluate_method
from fewact.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.features.request import FeatureRequest, View
from fewact.methods.clip_spm import ClipSpm
from fewact.methods.common.transformer import Transformer

FRAMES, WIDTH, CLASSES = 8, 512, 24


def random_features(videos: int) -> tuple[np.ndarray, Tensor]:
    """Return frames (videos t d), near their class and video, and texts (classes d)."""
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    classes, own = some(CLASSES, FRAMES, WIDTH), some(videos, 1, WIDTH)
    frames = classes[torch.arange(videos) % CLASSES] + own + some(videos, FRAMES, WIDTH)
    return (0.25 * frames).numpy(), 0.4 * some(CLASSES, WIDTH)


def block(transformer: Transformer, x: Tensor) -> Tensor:
    """Return the output of the transformer on (r m d), computed step by step."""
    query, key, value = (
        part.unflatten(-1, (transformer.heads, -1)).transpose(1, 2)
        for part in transformer.project(transformer.norm(x)).chunk(3, -1)
    )
    attention = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1)
    x = x + transformer.out((attention @ value).transpose(1, 2).flatten(2))
    widened: Tensor = transformer.narrow(functional.gelu(transformer.widen(x)))
    return x + widened


def fuse(method: ClipSpm, frames: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    """Return frames and token of the fusion of (r t d) and (r 1 d)."""
    spm = method.spm
    fused = spm.guide_weight * spm.text_gate(guide) * guide + spm.frame_gate(frames) * frames
    mixed = block(spm.transformer, torch.cat([guide, fused], 1))
    return mixed[:, 1:], mixed[:, :1]


def otam(cost: Tensor, smoothing: float) -> Tensor:
    """Return OTAM of costs (… t u) in one direction, cell by cell."""
    padded = functional.pad(cost, (1, 1))
    table, zero = torch.zeros_like(padded), padded.new_zeros(())
    for j in range(1, padded.shape[-1]):
        table[..., 0, j] = table[..., 0, j - 1] + padded[..., 0, j]
    for i in range(1, padded.shape[-2]):
        for j in range(1, padded.shape[-1]):
            steps = [table[..., i - 1, j - 1], table[..., i, j - 1]]
            if j in (1, padded.shape[-1] - 1):
                steps.append(table[..., i - 1, j])
            soft = sum((torch.exp(-step / smoothing) for step in steps), zero)
            table[..., i, j] = padded[..., i, j] - smoothing * torch.log(soft)
    return table[..., -1, -1]


def distance(method: ClipSpm, query: Tensor, support: Tensor) -> Tensor:
    """Return the distances of videos: (q t d), (n t d) → (q n)."""
    products = torch.einsum("qtd,nud->qntu", query, support)
    lengths = torch.einsum("qt,nu->qntu", query.norm(dim=-1), support.norm(dim=-1))
    cost = 1 - products / (lengths + method.options.eps)
    smoothing = method.options.smoothing
    return otam(cost, smoothing) + otam(cost.transpose(-1, -2), smoothing)


def forward(
    method: ClipSpm, support: Tensor, query: Tensor, labels: Tensor, text: Tensor
) -> Tensor:
    """Return the logits (q n) of one episode: (s t d), (q t d), (s), (n d)."""
    hsmr, padm = method.hsmr, method.padm
    if hsmr is None or padm is None:
        raise TypeError("the method is without some parts")
    n, named = len(text), text[labels]  # (s d)
    for frames in (support, query):
        refined, token = fuse(method, frames, hsmr.motion(frames)[:, None])
        (hsmr.motion(refined) - token[:, 0]).square().sum(-1).mean()
    spm, mean_text = method.spm, named.mean(0)

    def prompts(frames: Tensor) -> Tensor:
        found: Tensor = spm.prompter(mean_text * frames.mean((1, 2))[:, None])
        return found[:, None]

    fused = fuse(method, support, named[:, None])[0]
    prompted = fuse(method, query, prompts(query))[0]
    fuse(method, support, prompts(support))
    fuse(method, query, mean_text.expand(len(query), 1, -1))  # the public code has its true text
    prototypes = torch.stack([fused[labels == c].mean(0) for c in range(n)])
    first = distance(method, prompted, prototypes)
    anchors = torch.stack([torch.cat([fused[labels == c], prompted]).mean(0) for c in range(n)])
    centre = anchors.mean(0, keepdim=True)

    def across(*videos: Tensor) -> Tensor:
        return block(padm.transformer, torch.cat(videos).transpose(0, 1)).transpose(0, 1)

    anchors, fused = across(anchors, fused).split([n, len(fused)])
    centre, prompted = across(centre, prompted).split([1, len(prompted)])
    prototypes = torch.stack([fused[labels == c].mean(0) for c in range(n)])
    second, third = distance(method, prompted, prototypes), distance(method, centre, anchors)
    return -(first / 2 + second + third)


def clocks() -> np.ndarray:
    """Return the wall time and the processor time in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def plain(
    method: ClipSpm, frames: Tensor, text: Tensor, episodes: EpisodeSet, classes: Tensor, count: int
) -> tuple[Tensor, np.ndarray]:
    """Return the logits (count q n) of the plain loop, and its seconds per episode."""
    labels = torch.arange(episodes.protocol.ways).repeat_interleave(episodes.protocol.shots)
    found, begin = [], clocks()
    for rows, queries in zip(episodes.support[:count], episodes.query[:count], strict=True):
        own = text[classes[torch.from_numpy(rows[:: episodes.protocol.shots])]]
        support, query = frames[torch.from_numpy(rows)], frames[torch.from_numpy(queries)]
        together = query.split(1) if method.options.protocol == "inductive" else (query,)
        found.append(torch.cat([forward(method, support, q, labels, own) for q in together]))
    return torch.stack(found), (clocks() - begin) / count


def batched(
    method: ClipSpm, frames: Tensor, text: Tensor, episodes: EpisodeSet, classes: Tensor, count: int
) -> Tensor:
    """Return the same logits by the method itself."""
    shots = episodes.protocol.shots
    labels = torch.arange(episodes.protocol.ways).repeat_interleave(shots).expand(count, -1)
    request = FeatureRequest("vectors", View(FRAMES))
    rows, queries = (torch.from_numpy(x[:count]) for x in (episodes.support, episodes.query))
    support, query = (method.encode({request: frames[x]}) for x in (rows, queries))
    own = text[classes[rows[:, ::shots]]]
    return method.score(method.support(support, labels, episodes.protocol.ways, own), query)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=2400)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--plain", type=int, default=20, help="episodes of the plain loop")
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--protocol", default="inductive", choices=("inductive", "joint"))
    options = parser.parse_args()
    videos = VideoList(
        "random", tuple(Video(str(i), f"class {i % CLASSES:02}") for i in range(options.videos))
    )
    episodes = draw(videos, Protocol(count=options.episodes, shots=options.shots))
    vectors, text = random_features(options.videos)
    frames, classes = torch.from_numpy(vectors), torch.arange(options.videos) % CLASSES
    method = methods.create("clip_spm", protocol=options.protocol)
    if not isinstance(method, ClipSpm):
        raise TypeError("clip_spm is another method")
    threads = torch.get_num_threads()
    with torch.inference_mode():
        method.eval()
        plain(method, frames, text, episodes, classes, 1)
        expected, seconds = plain(method, frames, text, episodes, classes, options.plain)
        got = batched(method, frames, text, episodes, classes, options.plain)
    begin = clocks()
    evaluate_method(method, ArrayFeatures(vectors), videos, episodes, text=text)
    spent = (clocks() - begin) / options.episodes
    print(
        f"{options.protocol}, 5-way {options.shots}-shot, 5 queries, d {WIDTH}, {threads} threads"
    )
    print(f"{options.episodes} episodes: {spent[0] * options.episodes:.1f} s")
    for what, ours, theirs in zip(("wall time", "processor time"), spent, seconds, strict=True):
        print(
            f"{what} per episode: {1e3 * ours:.1f} ms, plain loop {1e3 * theirs:.1f} ms,"
            f" {theirs / ours:.1f} times as long"
        )
    print(f"largest difference of a logit: {(got - expected).abs().max():.1e}")


if __name__ == "__main__":
    main()
