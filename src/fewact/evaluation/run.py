"""Evaluate a method, or a sweep over its options, as a configuration describes it."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fewact import methods
from fewact.backbones import BackboneSpec
from fewact.backbones.text import ClassTexts
from fewact.core.atomic import check_output_file, check_output_folder
from fewact.core.errors import OptionError
from fewact.data.videos import VideoList
from fewact.evaluation.checkpoint import Checkpoint, find_checkpoint, training_flags
from fewact.evaluation.data import (
    ModalityEncodings,
    as_read,
    changed_videos,
    open_features,
    open_modalities,
)
from fewact.evaluation.encode import Encodings
from fewact.evaluation.episodes import EpisodeSet, draw, load
from fewact.evaluation.identity import encoding_facts
from fewact.evaluation.result import Result
from fewact.evaluation.scoring import Progress, RunOptions, evaluate_method
from fewact.evaluation.spec import EpisodeFile, EvaluationSpec, command_of, option_text
from fewact.evaluation.stored_nodes import StoredEncodings
from fewact.evaluation.texts import class_texts
from fewact.features.sources import ArrayFeatures, FeatureSource
from fewact.features.stored import StoredFeatures
from fewact.methods.base import Method
from fewact.methods.combined import Combined, CombinedOptions
from fewact.methods.files import imported_file

Options = dict[str, Any]


def evaluate(config: EvaluationSpec, *, progress: Progress | None = None) -> Result:
    """Evaluate a method on episodes of labelled videos or features.

    The same call continues an interrupted evaluation if the configuration has an output.

    Args:
        config: Method, data, episodes and everything else that decides the result.
        progress: Called after each step.

    Raises:
        UserError: The configuration is invalid, or data are missing.

    >>> from fewact.evaluation import DataSpec, EvaluationSpec, Protocol, evaluate
    >>> data = DataSpec(source="mine.npz")
    >>> config = EvaluationSpec(method="protonet", data=data, episodes=Protocol(shots=5))
    >>> evaluate(config).accuracy  # doctest: +SKIP
    83.4
    """
    if config.output is not None:
        check_output_file(config.output)
    opened = _open(config, [config.options], "test")
    return opened.evaluate(0, config, progress)


def sweep(
    config: EvaluationSpec,
    grid: Mapping[str, Sequence[Any]],
    *,
    progress: Progress | None = None,
) -> list[Result]:
    """Evaluate each combination of some options, on validation classes if the data have splits.

    Methods that differ only in their scores are encoded once.

    Args:
        config: Configuration of all evaluations; its output is a folder.
        grid: Values of each option.
        progress: Called after each step; the stage begins with the options.

    Returns:
        Results of the combinations; the last option varies first.

    Raises:
        UserError: The configuration is invalid, or data are missing.
    """
    if not grid or not all(grid.values()):
        raise OptionError("no values to sweep", where="--sweep", expected="values of options")
    if repeated := sorted(set(config.options) & set(grid)):
        raise OptionError("has a value and is swept", where="--sweep", got=repeated[0])
    if config.output is not None:
        check_output_folder(config.output)
    variants = [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]
    opened = _open(config, [{**config.options, **variant} for variant in variants], "val")
    results: dict[int, Result] = {}
    for i in opened.order():
        label = " ".join(f"{name}={option_text(value)}" for name, value in variants[i].items())
        output = None if config.output is None else _file(config.output, label)
        variant = config.with_options(variants[i]).model_copy(update={"output": output})
        results[i] = opened.evaluate(i, variant, _labelled(progress, label))
    return [results[i] for i in range(len(variants))]


@dataclass(frozen=True)
class _Opened:
    """Everything that the evaluations of a configuration share.

    Args:
        methods: Methods to evaluate.
        encodings: Encoded videos.
        query_encodings: Encoded query videos, if they differ from the support videos.
        videos: List of the videos.
        episodes: Episodes.
        texts: Class embeddings; None for methods without text.
        flags: Remarks for all results.
        split: Split of the videos that the configuration does not name; None for none.
    """

    methods: Sequence[Method]
    encodings: Encodings
    query_encodings: Encodings | None
    videos: VideoList
    episodes: EpisodeSet
    texts: ClassTexts | None
    flags: tuple[str, ...]
    split: Literal["val"] | None

    def order(self) -> list[int]:
        """Return the positions of the methods, methods with the same encoding together."""
        facts = [encoding_facts(method) for method in self.methods]
        return sorted(range(len(facts)), key=lambda i: facts.index(facts[i]))

    def evaluate(self, index: int, config: EvaluationSpec, progress: Progress | None) -> Result:
        """Evaluate one method."""
        if self.split is not None:
            data = config.data.model_copy(update={"split": self.split})
            config = config.model_copy(update={"data": data})
        method = self.methods[index]
        first = method.methods[0] if isinstance(method, Combined) else method
        return evaluate_method(
            method,
            self.encodings,
            self.videos,
            self.episodes,
            query_source=self.query_encodings,
            text=self.texts,
            flags=self.flags,
            command=command_of(config, imported_file(type(first))),
            run=RunOptions(
                output=config.output,
                overwrite=config.overwrite,
                threads=config.threads,
                progress=progress,
            ),
        )


def _open(
    config: EvaluationSpec, options: Sequence[Options], default_split: Literal["val", "test"]
) -> _Opened:
    """Open data, features and episodes, and create the methods."""
    trained = find_checkpoint(config.method)
    backbone = config.backbone.over(None if trained is None else trained.backbone)
    videos, source = open_features(config.data, backbone, default_split, keep=len(options) > 1)
    if config.modalities:
        return _open_modalities(config, options, backbone, (videos, source), default_split)
    flags: tuple[str, ...] = ()
    query_source: FeatureSource | None = None
    videos, source = changed_videos(config, "all", videos, source)
    of_queries, queried = changed_videos(config, "query", videos, source)
    if queried is not source:
        _, query_source = as_read(config, of_queries, queried)
        flags += tuple(f"{flag}, of the queries" for flag in of_queries.flags[len(videos.flags) :])
    videos, source = as_read(config, videos, source)
    created = _create(config.method, trained, source, options)
    if config.data.allow_missing and isinstance(source, StoredFeatures):
        source = _stored_only(source, created)
        videos = source.videos
    texts = class_texts(config.text, created, trained, videos, source.card, backbone)
    if texts is not None:
        created = _create(config.method, trained, source, options, texts.embeddings.shape[-1])
    if trained is not None:
        facts = None if texts is None else texts.facts
        remarks = training_flags(trained, videos, source.card, facts, allow_leak=config.allow_leak)
        flags = (*remarks, *flags)
    return _Opened(
        created,
        _encodings(source),
        None if query_source is None else _encodings(query_source),
        videos,
        _episodes(config, videos),
        texts,
        flags,
        _unnamed_split(config, videos, default_split),
    )


def _open_modalities(
    config: EvaluationSpec,
    options: Sequence[Options],
    backbone: BackboneSpec,
    first: tuple[VideoList, FeatureSource],
    default_split: Literal["val", "test"],
) -> _Opened:
    """Open all modalities and create a combined method of each options.

    Args:
        config: Configuration.
        options: Options of each method.
        backbone: Backbone of the videos.
        first: Videos of the configuration's data and their features.
        default_split: Split that is used if the configuration names none.
    """
    if find_checkpoint(config.method) is not None:
        raise OptionError(
            "a trained method reads one source",
            where="--with",
            got=config.method,
            expected="a method by its name",
        )
    videos = first[0]
    keep = len(options) > 1
    modalities = [first, *open_modalities(config, videos, backbone, keep=keep)]
    parts = [_create(config.method, None, source, options) for _, source in modalities]
    return _Opened(
        [
            Combined(methods_of_variant, CombinedOptions(config.modality_weights))
            for methods_of_variant in zip(*parts, strict=True)
        ],
        ModalityEncodings([(listed, _encodings(source)) for listed, source in modalities]),
        None,
        videos,
        _episodes(config, videos),
        None,
        (),
        _unnamed_split(config, videos, default_split),
    )


def _create(
    name: str,
    trained: Checkpoint | None,
    source: FeatureSource,
    options: Sequence[Options],
    text_width: int | None = None,
) -> list[Method]:
    """Create the methods; sizes of a method that is not trained follow features and texts."""
    if trained is not None:
        return [trained.method(**changes) for changes in options]
    frames = source.frames if isinstance(source, ArrayFeatures) else None
    fitting = partial(methods.fitting, name, source.card, text_width, frames=frames)
    return [methods.create(name, **{**fitting(options=changes), **changes}) for changes in options]


def _stored_only(source: StoredFeatures, created: Sequence[Method]) -> StoredFeatures:
    """Return the source without the videos whose features are not all stored."""
    requests = dict.fromkeys(
        request for method in created for request in method.requests(source.card)
    )
    return source.without(source.missing(list(requests)))


def _encodings(source: FeatureSource) -> Encodings:
    return StoredEncodings(source) if isinstance(source, StoredFeatures) else Encodings(source)


def _episodes(config: EvaluationSpec, videos: VideoList) -> EpisodeSet:
    if isinstance(config.episodes, EpisodeFile):
        return load(config.episodes.file)
    groups = videos.groups if config.data.groups == "auto" else config.data.groups
    return draw(videos, config.episodes.model_copy(update={"groups": groups}))


def _unnamed_split(
    config: EvaluationSpec, videos: VideoList, default_split: str
) -> Literal["val"] | None:
    """Return ``val`` if a sweep chose it, so that the command of a single result names it."""
    by_default = config.data.split is None and default_split == "val"
    return "val" if by_default and any(video.split for video in videos.videos) else None


def _labelled(progress: Progress | None, label: str) -> Progress | None:
    if progress is None:
        return None
    return lambda stage, done, total: progress(f"{label}, {stage.lower()}", done, total)


def _file(folder: Path, label: str) -> Path:
    return folder / f"{re.sub(r'[^A-Za-z0-9_=.,-]+', '_', label)}.json"
