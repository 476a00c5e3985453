"""Size of a model, and what its float16 changes: decisions and probabilities on development clips.

    python -m benchmarks.model_size ASSETS [--draws 100] [--sets utd27_depth ucf7] [--every 1]

The nodes of the development clips are computed once (``benchmarks/datasets.py``). Each draw teaches
five classes twice, with float32 nodes and with nodes rounded as a model stores them, and predicts
new clips of taught and of untaught classes.
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.datasets import is_development, read_index
from benchmarks.open_set.draws import Draw, draw
from fewact import FewShotClassifier
from fewact.classifier.encoding import encode
from fewact.classifier.estimator import pipeline_for
from fewact.classifier.example import Example
from fewact.classifier.examples import Examples, Nodes, rounded
from fewact.classifier.fitted import Fitted, fit_examples, score
from fewact.core.errors import VideoError
from fewact.data import BACKGROUND, VideoList
from fewact.methods.base import Method

WAYS, SHOTS, NONE_CLIPS = 5, (1, 3, 5), 10
SHARED = "shared"


def encoded(videos: VideoList) -> tuple[Method, Examples]:
    """Return the method, and the float32 nodes of all clips in the order of the list."""
    clips = [replace(one.clip, label=one.label) for one in videos.videos if one.clip]
    if len(clips) < len(videos.videos):
        raise SystemExit("some clips are missing")
    pipeline = pipeline_for(FewShotClassifier(), clips[0])
    each: list[Nodes] = []
    for one in encode(clips, pipeline, orientations=True):
        if isinstance(one.nodes, VideoError):
            raise one.nodes
        each.append({name: value.cpu() for name, value in one.nodes.items()})
    nodes = {name: torch.cat([own[name] for own in each]) for name in each[0]}
    found = tuple(Example(str(i), str(clip.label)) for i, clip in enumerate(clips))
    return pipeline.method, Examples(found, nodes, (None,) * len(found))


def fitted(method: Method, every: Examples, drawn: Draw) -> Fitted:
    """Teach the classes of a draw, with its clips of no class."""
    numbers = [*drawn.training, *drawn.none]
    labels = [f"{label:03}" for label in drawn.labels] + [BACKGROUND] * len(drawn.none)
    chosen = every.select(numbers)
    clips = tuple(Example(one.name, label) for one, label in zip(chosen.clips, labels, strict=True))
    return fit_examples(method, replace(chosen, clips=clips), torch.device("cpu"))


def measure(method: Method, every: Examples, videos: VideoList, draws: int) -> None:
    """Print a row for each number of shots."""
    stored = replace(every, nodes=rounded(every.nodes))
    for shots in SHOTS:
        rng = np.random.default_rng(1)
        found: dict[str, list[float]] = defaultdict(list)
        for _ in range(draws):
            drawn = draw(videos, WAYS, shots, rng, none=NONE_CLIPS)
            query = {name: value[drawn.new] for name, value in every.nodes.items()}
            answers = []
            for examples in (every, stored):
                one = fitted(method, examples, drawn)
                scored = score(method, one, query)
                probabilities = scored.logits.softmax(-1)
                best = np.asarray(probabilities.argmax(-1))
                known = np.asarray(scored.known) >= one.open_set.decision().threshold
                answers.append((np.where(known, best, -1), best, np.asarray(probabilities)))
            (label, best, p), (label2, best2, p2) = answers
            found["answers"].append(len(label))
            found["labels"].append(int((label != label2).sum()))
            found["classes"].append(int((best != best2).sum()))
            found["difference"].append(float(np.abs(p - p2).max()))
        changed = f"{sum(found['labels']):.0f} | {sum(found['classes']):.0f}"
        print(
            f"| `{videos.name}` | {shots} | {sum(found['answers']):.0f} | {changed} "
            f"| {max(found['difference']):.1e} | {np.median(found['difference']):.1e} |",
            flush=True,
        )


def main() -> None:
    """Print the sizes and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--sets", nargs="+", default=["utd27_depth", "ucf7"])
    parser.add_argument("--every", type=int, default=1, help="take every so many-th class or group")
    options = parser.parse_args()
    index = read_index(options.assets)
    print(
        "| development clips of | shots | answers | other labels | other classes "
        "| largest change of a probability | median over draws |\n|---|---|---|---|---|---|---|"
    )
    for name in options.sets:
        videos = index[name]
        kept = [video for video in videos.videos if is_development(name, video)]
        videos = replace(videos, videos=tuple(kept[:: options.every]))
        method, every = encoded(videos)
        measure(method, every, videos, options.draws)
        bytes_of = {4: 0, 2: 0}
        for value in every.nodes.values():
            for size in bytes_of:
                bytes_of[size] += size * value[0].numel()
        print(f"{name}: {bytes_of[4] / 1e6:.2f} MB a clip in float32, {bytes_of[2] / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
