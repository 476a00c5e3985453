"""Facts that a result records beside its accuracy."""

import platform
import re
from collections import Counter

import numpy as np
import torch

from fewact.backbones.text import ClassTexts
from fewact.core.version import __version__
from fewact.data.benchmarks import benchmark, variants
from fewact.data.videos import VideoList
from fewact.evaluation.encoding import FeatureFacts, MethodFacts
from fewact.evaluation.episodes import EpisodeSet
from fewact.evaluation.result import (
    ClassTextFacts,
    EpisodeFacts,
    EvaluationSetup,
    VideoListFacts,
)

ALIASES = {"somethingsomething": "ssv"}


def evaluation_setup(
    method: MethodFacts,
    features: FeatureFacts,
    videos: VideoList,
    episodes: EpisodeSet,
    text: ClassTexts | None,
    query_features: FeatureFacts | None,
) -> EvaluationSetup:
    """Return everything that decides a result; text is left out if the method does not use it."""
    splits = {video.split for video in videos.videos}
    return EvaluationSetup(
        method=method,
        episodes=EpisodeFacts(protocol=episodes.protocol, sha256=episodes.digest),
        videos=VideoListFacts(
            name=videos.name,
            sha256=videos.digest,
            split=splits.pop() if len(splits) == 1 else None,
            classes=len(videos.classes),
            videos=len(videos.videos),
            missing=_missing(videos),
            availability=videos.availability,
        ),
        features=features,
        query_features=query_features,
        text=ClassTextFacts(**text.facts.model_dump(), names=text.names)
        if text is not None and method.uses_text
        else None,
        versions={
            "fewact": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    )


def flags_of(setup: EvaluationSetup, videos: VideoList) -> tuple[str, ...]:
    """Return the remarks that every table must show beside the accuracy."""
    remarks = (
        (setup.method.transductive, "transductive"),
        (setup.method.uses_text, "uses text"),
        (not setup.method.trained, "not trained: random weights"),
        *(
            (contains_benchmark(data, videos.name), f"backbone trained on {data}")
            for data in setup.features.trained_on
        ),
    )
    return (*(text for applies, text in remarks if applies), *videos.flags)


def contains_benchmark(data: str, name: str) -> bool:
    """Return whether a data set for training contains videos of a benchmark.

    >>> contains_benchmark("Kinetics-400", "kinetics100_alibaba")
    True
    >>> contains_benchmark("ImageNet-1k", "ucf101_arn")
    False
    """
    family = re.sub(r"[\W\d_]", "", data.casefold())
    family = next((short for long, short in ALIASES.items() if long in family), family)
    return bool(family) and re.sub(r"[\W\d_]", "", name.casefold()).startswith(family)


def _missing(videos: VideoList) -> dict[str, int]:
    """Return the number of missing videos by class, for the splits of a published list."""
    if variants(videos.name) != (videos.name,):
        return {}
    counts = benchmark(videos.name).counts
    present = Counter(video.label for video in videos.videos)
    splits = dict.fromkeys(video.split for video in videos.videos if video.split)
    listed = {label: number for split in splits for label, number in counts[split].items()}
    missing = {label: number - present[label] for label, number in listed.items()}
    return {label: number for label, number in missing.items() if number > 0}
