"""Results of evaluations: what they record, and their files."""

import base64
import hashlib
import json
import platform
import re
from collections import Counter
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import ResultError
from fewact.core.intervals import half_width
from fewact.core.paths import user_path
from fewact.core.version import __version__
from fewact.data.videos import Split, VideoList
from fewact.lab.benchmarks.benchmarks import published_list
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol
from fewact.lab.evaluation.identity import Facts, FeatureFacts, MethodFacts
from fewact.lab.networks.text import ClassTexts
from fewact.networks.card import TextFacts

Predictions = NDArray[np.uint16]
"""Predicted class of each query of each episode, as its position in the episode: (b ways·queries).

The queries are in the order of their classes."""


def pack(predictions: Predictions, ways: int) -> bytes:
    """Return predictions (b q) as bytes: as many bits each as the number of ways needs.

    >>> pack(np.array([[0, 1, 2, 4]], dtype=np.uint16), 5).hex()
    '0540'
    """
    shifts = np.arange(_bits(ways) - 1, -1, -1, dtype=np.uint16)
    return np.packbits(predictions[..., None] >> shifts & 1).tobytes()


def unpack(packed: bytes, ways: int, shape: tuple[int, int]) -> Predictions:
    """Return the predictions of ``pack``, of this shape (b q).

    Raises:
        ValueError: There are too few or too many bytes, or a prediction is none of the ways.
    """
    bits = _bits(ways)
    count = prod(shape) * bits
    if len(packed) != -(-count // 8):
        raise ValueError("the predictions have another length than the episodes")
    rows = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=count).reshape(-1, bits)
    values = rows.astype(np.uint16) @ (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    if values.size and values.max() >= ways:
        raise ValueError("a prediction is none of the ways")
    return values.reshape(shape)


def hits(predictions: Predictions, ways: int) -> NDArray[np.bool_]:
    """Return whether each query is classified correctly: (b q)."""
    right: NDArray[np.bool_] = predictions == np.repeat(
        np.arange(ways), predictions.shape[1] // ways
    )
    return right


def _bits(ways: int) -> int:
    return (ways - 1).bit_length()


RESULT = FileType(
    "result file",
    ResultError,
    64 * MIB,
    "a file written by `fewact evaluate`",
    "Evaluate again, or restore the file.",
)

EPISODE_FIELDS = ("per_episode", "episode_classes", "predicted", "open_set")
"""Fields with data of each episode."""

Percent = Annotated[float, Field(ge=0, le=100)]


class EpisodeFacts(Facts, allow_inf_nan=False):
    """Facts of the episodes: their protocol and their SHA-256."""

    protocol: Protocol
    sha256: str


class VideoListFacts(Facts, allow_inf_nan=False):
    """Facts of the list of videos that the episodes were drawn from.

    Args:
        name: Name of the data set and its variant.
        sha256: SHA-256 of the list.
        split: Split of the videos; None for several splits or a list without splits.
        classes: Number of classes.
        videos: Number of videos.
        missing: Number of missing videos of a published list, by class.
        availability: SHA-256 of the availability file; empty for none.
    """

    name: str
    sha256: str
    split: Split | None
    classes: Annotated[int, Field(ge=1, le=10_000)]
    videos: Annotated[int, Field(ge=1, le=2**31 - 1)]
    missing: dict[str, int]
    availability: str = ""


class ClassTextFacts(TextFacts):
    """Facts of the class embeddings that the method read.

    Args:
        names: Class names in the prompts, in the order of the list; empty for precomputed
            embeddings.
    """

    names: tuple[str, ...]


class ClassAccuracy(Facts, allow_inf_nan=False):
    """Accuracy over the queries of one class, in per cent."""

    accuracy: Percent
    queries: PositiveInt


class OpenSetMean(Facts, allow_inf_nan=False):
    """Mean of a measure over episodes, in per cent, with its values in the episodes.

    Args:
        mean: Mean over the episodes.
        ci95: Half-width of its 95 % interval; None for a single episode.
        per_episode: Value in each episode.
    """

    mean: Percent
    ci95: NonNegativeFloat | None
    per_episode: tuple[Percent, ...] = Field(min_length=1)


OpenSetMeans = dict[str, dict[str, OpenSetMean]]
"""Measures ``auroc``, ``oscr`` and ``fpr95`` of each score, see ``evaluation.open_set``."""

MEASURE_DIGITS = 4
"""Digits after the point of a measure of an episode."""


def open_set_means(
    measures: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> OpenSetMeans:
    """Return means and intervals of measures (N) by score and measure."""
    return {
        score: {
            name: OpenSetMean(
                mean=float(values.mean()),
                ci95=half_width(values),
                per_episode=tuple(values.round(MEASURE_DIGITS).tolist()),
            )
            for name, values in values_by_name.items()
        }
        for score, values_by_name in measures.items()
    }


class EvaluationSetup(Facts, allow_inf_nan=False):
    """Everything that decides a result; equal setups give equal results.

    Args:
        method: Evaluated method.
        episodes: Episodes.
        videos: List of videos that the episodes were drawn from.
        features: Features of the videos.
        query_features: Features of the query videos; None if all videos have the same features.
        text: Class embeddings; None for a method without text.
        versions: Versions of the software.
    """

    method: MethodFacts
    episodes: EpisodeFacts
    videos: VideoListFacts
    features: FeatureFacts
    query_features: FeatureFacts | None = None
    text: ClassTextFacts | None = None
    versions: dict[str, str]


class Result(Facts, allow_inf_nan=False):
    """Result of an evaluation. Accuracies are in per cent.

    Args:
        format: Type of the file.
        version: Version of the file format.
        accuracy: Mean accuracy over the episodes.
        ci95: Half-width of the 95 % interval over episodes, 1.96·s/√N; None for a single episode.
        class_interval: 95 % interval of the mean over other classes; None if a class is in every
            episode.
        class_interval_note: Explanation of the two intervals.
        final: Whether the videos are test videos, so that no choice may depend on the result.
        flags: Remarks that every table must show beside the accuracy.
        setup: Everything that decides the result.
        per_class: Accuracy by class.
        command: Command that computes the result; empty if there is none.
        per_episode: Accuracy of each episode.
        episode_classes: Classes of each episode, as positions in the list of classes.
        predicted: Predicted class of each query, packed (``predictions.pack``) and in base64;
            ``predictions`` reads it.
        open_set: How well queries of other classes are rejected; empty without such queries.
    """

    format: Literal["fewact result"] = "fewact result"
    version: Literal[1] = 1
    accuracy: Percent
    ci95: NonNegativeFloat | None
    class_interval: tuple[float, float] | None
    class_interval_note: str
    final: bool
    flags: tuple[str, ...]
    setup: EvaluationSetup
    per_class: dict[str, ClassAccuracy]
    command: str
    per_episode: tuple[Percent, ...] = Field(min_length=1)
    episode_classes: tuple[tuple[NonNegativeInt, ...], ...]
    predicted: str
    open_set: OpenSetMeans = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        protocol = self.setup.episodes.protocol
        if not len(self.per_episode) == len(self.episode_classes) == protocol.count:
            raise ValueError("the number of accuracies is not the number of episodes")
        for classes in self.episode_classes:
            if len(classes) != protocol.ways or len(set(classes)) != protocol.ways:
                raise ValueError("the number of classes of an episode is not the number of ways")
            if max(classes) >= self.setup.videos.classes:
                raise ValueError("an episode has a class that the list does not have")
        if protocol.count == 1 and (self.ci95, self.class_interval) != (None, None):
            raise ValueError("a single episode has no interval")
        for measure in (m for by_name in self.open_set.values() for m in by_name.values()):
            values = measure.per_episode
            if len(values) != protocol.count or not np.isclose(
                np.mean(values), measure.mean, atol=0.1**MEASURE_DIGITS
            ):
                raise ValueError("a measure of the open set has another mean than the episodes")
        accuracies = 100 * hits(self.predictions(), protocol.ways).mean(1)
        if not np.allclose(accuracies, self.per_episode):
            raise ValueError("the predictions have other accuracies than the episodes")
        return self

    def predictions(self) -> Predictions:
        """Return the predicted class of each query, as its position in the episode: (N q)."""
        protocol = self.setup.episodes.protocol
        shape = protocol.count, protocol.ways * protocol.queries
        return unpack(base64.b64decode(self.predicted, validate=True), protocol.ways, shape)


def packed(predictions: Predictions, ways: int) -> str:
    """Return the text of predictions (N q) in a result."""
    return base64.b64encode(pack(predictions, ways)).decode()


def to_text(result: Result) -> str:
    """Return the content of a result file, with its SHA-256; episode data is on one line each."""
    content = result.model_dump(mode="json")
    content["sha256"] = _digest(content)
    rows = {key: json.dumps(content.pop(key)) for key in EPISODE_FIELDS}
    head = json.dumps(content, indent=2, ensure_ascii=False)
    return "".join((head[:-2], *(f',\n  "{key}": {row}' for key, row in rows.items()), "\n}\n"))


def save(result: Result, path: str | Path) -> Path:
    """Write a result file; an existing file is replaced atomically.

    Raises:
        OutputError: The file cannot be written.
    """
    return write_text(user_path(path, ResultError), to_text(result))


def load(path: str | Path) -> Result:
    """Read a result file and check its SHA-256.

    Raises:
        ResultError: The file is missing, is not a result, has another version, or was edited.
    """
    content = RESULT.json(user_path(path, ResultError))
    if not isinstance(content, dict) or content.get("format") != "fewact result":
        RESULT.refuse(path, RESULT.other)
    digest = content.pop("sha256", None)
    if content.get("version") == 1 and digest != _digest(content):
        RESULT.refuse(path, "the file was edited or damaged")
    return RESULT.validate(content, Result, str(path))


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
    bench = published_list(videos.name)
    if bench is None:
        return {}
    present = Counter(video.label for video in videos.videos)
    splits = dict.fromkeys(video.split for video in videos.videos if video.split)
    listed = {label: number for split in splits for label, number in bench.counts[split].items()}
    missing = {label: number - present[label] for label, number in listed.items()}
    return {label: number for label, number in missing.items() if number > 0}
