"""What stands in a result beside its figures: the method, the list, the features, the warnings."""

import platform
import re
from collections import Counter
from typing import Any

import numpy as np
import torch
from pydantic import JsonValue, TypeAdapter

from fewact import __version__, methods
from fewact.backbones.weights import digest
from fewact.data.benchmarks import benchmark, variants
from fewact.data.videos import VideoList
from fewact.episodes import EpisodeSet
from fewact.evaluation.result import (
    Asked,
    EpisodeFacts,
    FeatureFacts,
    ListFacts,
    MethodFacts,
    NamedTexts,
)
from fewact.features.sources import FeatureSource
from fewact.methods.base import Method
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


def method_facts(method: Method) -> MethodFacts:
    """What a result says of a method."""
    weights = method.state_dict()
    options, usual = _options(method.options), _options(type(method.options)())
    return MethodFacts(
        name=methods.name_of(method) or type(method).__name__,
        options=options,
        changed=tuple(name for name, value in options.items() if value != usual[name]),
        weights_sha256=digest(weights) if weights else "",
        transductive=method.transductive,
        uses_text=method.uses_text,
    )


def encoding_facts(method: Method) -> MethodFacts:
    """What of a method decides the nodes: methods that agree in it can share them."""
    facts = method_facts(method)
    options = {name: value for name, value in facts.options.items() if name not in method.scoring}
    changed = tuple(name for name in facts.changed if name in options)
    return facts.model_copy(update={"options": options, "changed": changed, "transductive": False})


def feature_facts(source: FeatureSource) -> FeatureFacts:
    """What a result says of features."""
    return FeatureFacts(
        name=source.name,
        sha256=source.digest,
        backbone_sha256=source.card.digest,
        trained_on=source.card.trained_on,
    )


def _options(options: Any) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = TypeAdapter(type(options)).dump_python(options, mode="json")
    return found
