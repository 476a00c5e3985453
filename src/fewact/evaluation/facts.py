"""What stands in a result beside its figures: the method, the list, the features, the warnings."""

import platform
import re
from collections import Counter

import numpy as np
import torch

from fewact import __version__
from fewact.data.benchmarks import benchmark, variants
from fewact.data.videos import VideoList
from fewact.encoding import FeatureFacts, MethodFacts
from fewact.episodes import EpisodeSet
from fewact.evaluation.result import Asked, EpisodeFacts, ListFacts, NamedTexts
from fewact.text import ClassTexts

ALSO_CALLED = {"somethingsomething": "ssv"}


def asked(
    method: MethodFacts,
    features: FeatureFacts,
    videos: VideoList,
    episodes: EpisodeSet,
    text: ClassTexts | None = None,
    query_features: FeatureFacts | None = None,
) -> Asked:
    """What an evaluation is of; ``text`` counts where the method reads it."""
    splits = {video.split for video in videos.videos}
    return Asked(
        method=method,
        episodes=EpisodeFacts(protocol=episodes.protocol, sha256=episodes.digest),
        videos=ListFacts(
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
        text=NamedTexts(**text.facts.model_dump(), names=text.names)
        if text is not None and method.uses_text
        else None,
        versions={
            "fewact": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    )


def warnings(asked: Asked, videos: VideoList) -> tuple[str, ...]:
    """What every table must say beside the accuracy."""
    said = (
        (asked.method.transductive, "transductive"),
        (asked.method.uses_text, "uses text"),
        (not asked.method.trained, "not trained: random weights"),
        *(
            (seen(data, videos.name), f"backbone trained on {data}")
            for data in asked.features.trained_on
        ),
    )
    return (*(text for holds, text in said if holds), *videos.flags)


def seen(data: str, name: str) -> bool:
    """Whether weights that have seen a data set have seen videos of a benchmark.

    >>> seen("Kinetics-400", "kinetics100_alibaba"), seen("ImageNet-1k", "ucf101_arn")
    (True, False)
    """
    family = re.sub(r"[\W\d_]", "", data.casefold())
    family = next((short for long, short in ALSO_CALLED.items() if long in family), family)
    return bool(family) and re.sub(r"[\W\d_]", "", name.casefold()).startswith(family)


def _missing(videos: VideoList) -> dict[str, int]:
    """For each class how many videos of a published list are not there; of splits that are."""
    if variants(videos.name) != (videos.name,):
        return {}
    counts = benchmark(videos.name).counts
    there = Counter(video.label for video in videos.videos)
    splits = dict.fromkeys(video.split for video in videos.videos if video.split)
    listed = {label: number for split in splits for label, number in counts[split].items()}
    short = {label: number - there[label] for label, number in listed.items()}
    return {label: number for label, number in short.items() if number > 0}
