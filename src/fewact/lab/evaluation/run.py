"""Evaluate a method, or a sweep over its options, as a configuration describes it."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fewact import methods, synthetic
from fewact.classifier.fit import layout_of_clips
from fewact.classifier.pipeline import compares_joints
from fewact.core.atomic import check_output_file, check_output_folder
from fewact.core.errors import DataError, OptionError
from fewact.core.options import flag_of
from fewact.core.paths import user_path
from fewact.data import is_features
from fewact.data.files import first_few, stem_and_suffix
from fewact.data.poses.beside import with_joints
from fewact.data.videos import Split, Video, VideoList
from fewact.features.store import Store
from fewact.lab import methods as lab_methods
from fewact.lab.benchmarks import load_benchmark
from fewact.lab.benchmarks.benchmarks import benchmark_of_data
from fewact.lab.benchmarks.feature_dataset import FeatureDataset
from fewact.lab.benchmarks.user_lists import list_folder, list_table
from fewact.lab.evaluation.checkpoint import Checkpoint, find_checkpoint, training_flags
from fewact.lab.evaluation.encode import Encodings, ModalityEncodings
from fewact.lab.evaluation.episodes import EpisodeSet, draw, load
from fewact.lab.evaluation.identity import encoding_facts
from fewact.lab.evaluation.result import Result
from fewact.lab.evaluation.scoring import Progress, RunOptions, evaluate_method
from fewact.lab.evaluation.spec import (
    DataSpec,
    EpisodeFile,
    EvaluationSpec,
    command_of,
    option_text,
)
from fewact.lab.evaluation.stored_nodes import StoredEncodings
from fewact.lab.evaluation.texts import class_texts
from fewact.lab.methods.base import TorchMethod
from fewact.lab.methods.combined import Combined, CombinedOptions
from fewact.lab.networks.text import ClassTexts
from fewact.lab.store.sources import ArrayFeatures, FeatureSource, VideoFeatures
from fewact.lab.store.stored import StoredFeatures, choose_card
from fewact.lab.synthetic.conditions import with_condition
from fewact.lab.synthetic.simulated_cameras import with_simulated_camera
from fewact.methods.files import imported_file
from fewact.methods.protocols import unwrapped
from fewact.networks import BackboneSpec
from fewact.networks.card import Card
from fewact.video.source import Clean, Trim

Options = dict[str, Any]


def evaluate(config: EvaluationSpec, *, progress: Progress | None = None) -> Result:
    """Evaluate a method on episodes of labelled videos or features.

    The same call continues an interrupted evaluation if the configuration has an output.

    Args:
        config: Method, data, episodes and everything else that decides the result.
        progress: Called after each step.

    Raises:
        UserError: The configuration is invalid, or data are missing.

    >>> from fewact.lab.evaluation import DataSpec, EvaluationSpec, Protocol, evaluate
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
        options = {**config.options, **variants[i]}
        variant = config.model_copy(update={"options": options, "output": output})
        results[i] = opened.evaluate(i, variant, _labelled(progress, label))
    return [results[i] for i in range(len(variants))]


@dataclass(frozen=True)
class _Opened:
    """Objects that the evaluations of a configuration share."""

    methods: Sequence[TorchMethod]
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
            command=command_of(config, imported_file(unwrapped(first))),
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
    trained = find_checkpoint(config.method)
    backbone = config.backbone.over(None if trained is None else trained.backbone)
    videos, source = open_features(config.data, backbone, default_split, keep=len(options) > 1)
    if config.data.poses is not None and trained is None:
        options = _with_layout(config.method, videos, source.card, options)
    if config.modalities:
        return _open_modalities(config, options, backbone, (videos, source), default_split)
    flags: tuple[str, ...] = ()
    query_source: FeatureSource | None = None
    videos, source = _changed_videos(config, "all", videos, source)
    of_queries, queried = _changed_videos(config, "query", videos, source)
    if len(of_queries.flags) > len(videos.flags):
        _, query_source = _as_read(config, of_queries, queried)
        flags += tuple(f"{flag}, of the queries" for flag in of_queries.flags[len(videos.flags) :])
    videos, source = _as_read(config, videos, source)
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
    """Open the modalities beside the first, and create a combined method of each options."""
    if find_checkpoint(config.method) is not None:
        raise OptionError(
            "a trained method reads one source",
            where="--with",
            got=config.method,
            expected="a method by its name",
        )
    videos = first[0]
    keep = len(options) > 1
    modalities = [first, *_further_modalities(config, videos, backbone, keep=keep)]
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
) -> list[TorchMethod]:
    if trained is not None:
        return [trained.method(**changes) for changes in options]
    frames = source.frames if isinstance(source, ArrayFeatures) else None
    fitting = partial(methods.fitting, name, source.card, text_width, frames=frames)
    return [
        lab_methods.create(name, source.card, **{**fitting(options=changes), **changes})
        for changes in options
    ]


def _stored_only(source: StoredFeatures, created: Sequence[TorchMethod]) -> StoredFeatures:
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


def matched(videos: VideoList, modality: VideoList) -> VideoList:
    """Return a modality's list in the order of another list, with the other's splits and groups.

    Videos are matched by their names without a video's extension: ``wave/1.mp4`` and ``wave/1``.
    Refused are lists that miss videos, have other classes for them, or two names that differ only
    in the extension.
    """
    video_of = _by_name(modality)
    names = list(_by_name(videos))
    if missing := [name for name in names if name not in video_of]:
        raise DataError(
            f"has no clips of these names: {len(missing)} of {len(names)} are missing",
            where=modality.name,
            got=first_few(missing),
            expected=f"the names of the clips of {videos.name}, with or without an extension",
            hint=f"It has {first_few(list(video_of), 3)}.",
        )
    matches = [video_of[name] for name in names]
    if wrong := [
        f"{name}: {other_video.label}, not {video.label}"
        for name, video, other_video in zip(names, videos.videos, matches, strict=True)
        if video.label != other_video.label
    ]:
        raise DataError(
            "has other classes for the same clips", where=modality.name, got=first_few(wrong, 3)
        )
    return replace(
        modality,
        videos=tuple(
            replace(theirs, split=ours.split, group=ours.group)
            for ours, theirs in zip(videos.videos, matches, strict=True)
        ),
        groups=videos.groups,
    )


def _by_name(videos: VideoList) -> Mapping[str, Video]:
    video_of: dict[str, Video] = {}
    for video in videos.videos:
        name, _ = stem_and_suffix(video.id)
        if name in video_of:
            raise DataError(
                "two clips whose names differ only in the extension",
                where=videos.name,
                got=f"{video_of[name].id}, {video.id}",
                hint="Videos of several modalities are matched by these names.",
            )
        video_of[name] = video
    return video_of


DefaultSplit = Literal["train", "val", "test", "all"]


def open_videos(
    config: DataSpec, default_split: DefaultSplit = "test"
) -> tuple[VideoList, FeatureDataset | None]:
    """Return the videos that a configuration names.

    Args:
        config: Source of the videos and split.
        default_split: Split that is used if the configuration names none and the data have splits.

    Returns:
        List of the videos, and their features if the source is a features file.

    Raises:
        UserError: The source is unknown or incomplete, has no such split, or another source needs
            one of the options.
    """
    path = user_path(config.source, DataError)
    name = config.split or default_split
    split: Split | None = None if name == "all" else name
    features = None
    if is_features(path):
        _refuse_options(config, "dataset")
        features = FeatureDataset(path, groups=config.groups, dataset=config.dataset)
        videos = features.videos
    elif path.is_dir():
        _refuse_options(config)
        videos = list_folder(path)
    elif path.is_file():
        _refuse_options(config)
        videos = list_table(path, groups=config.groups)
    elif config.source.partition(":")[0] == "motions":
        _refuse_options(config)
        videos = synthetic.named(config.source).videos
    else:
        _refuse_options(config, "root", "splits", "availability")
        videos = load_benchmark(
            benchmark_of_data(config.source).id,
            config.root,
            splits=config.splits,
            split=split,
            allow_missing=config.allow_missing,
            availability=config.availability,
        )
    if config.split is not None or any(video.split is not None for video in videos.videos):
        videos = videos if split is None else videos.of(split)
    if config.poses is not None:
        videos = _with_joints(config, videos)
    return videos, features


def _with_joints(config: DataSpec, videos: VideoList) -> VideoList:
    """Return videos with the joints beside them."""
    for option, is_set in (("--store", config.store), ("features", is_features(config.source))):
        if is_set:
            raise OptionError("cannot be combined", where="--poses", got=option)
    clips = with_joints([v.clip for v in videos.videos if v.clip is not None], config.poses)
    found = {(clip.path, clip.start, clip.end): clip for clip in clips}
    with_sources = tuple(
        v if v.clip is None else replace(v, source=found[v.clip.path, v.clip.start, v.clip.end])
        for v in videos.videos
    )
    number = sum(clip.joints is not None for clip in clips)
    flag = f"joints of {number} of {len(videos.videos)} videos"
    return replace(videos.with_flags([flag]), videos=with_sources)


def _with_layout(
    name: str, videos: VideoList, card: Card, options: Sequence[Options]
) -> Sequence[Options]:
    """Return options with the layout of the videos' joints, for a method that compares joints."""
    layout = layout_of_clips([v.clip for v in videos.videos if v.clip is not None])
    if not layout or not compares_joints(methods.resolve(name, card)):
        return options
    return [{"joints": layout, **changes} for changes in options]


def _refuse_options(config: DataSpec, *valid: str) -> None:
    """Refuse options of other sources, which would be ignored."""
    for name, needed in (
        ("dataset", "a file of features"),
        ("root", "a benchmark"),
        ("splits", "a benchmark"),
        ("availability", "a benchmark"),
    ):
        value = getattr(config, name)
        if value is not None and name not in valid:
            raise OptionError(f"needs {needed}", where=flag_of(DataSpec, name), got=str(value))


def open_features(
    config: DataSpec,
    backbone: BackboneSpec,
    default_split: DefaultSplit = "test",
    *,
    keep: bool = False,
) -> tuple[VideoList, FeatureSource]:
    """Return the videos that a configuration names, see ``open_videos``, and their features.

    The backbone computes the features, or has computed the stored ones. With ``keep``, computed
    features stay in memory.
    """
    videos, dataset = open_videos(config, default_split)
    return videos, _source(config, backbone, videos, dataset, keep=keep)


def _further_modalities(
    config: EvaluationSpec, videos: VideoList, backbone: BackboneSpec, *, keep: bool = False
) -> list[tuple[VideoList, FeatureSource]]:
    """Return the videos of each further modality, in the order of a list, and their features."""
    for option, requested in (
        ("--camera", config.camera),
        ("--condition", config.condition),
        ("--trim", config.reading.trim != "off"),
        ("--correct", config.reading.correct != "off"),
        ("--allow-missing", config.data.allow_missing),
    ):
        if requested:
            raise OptionError("cannot be combined with several sources", where=option, got="--with")
    modalities = []
    for name in config.modalities:
        # Splits and groups are those of the first source.
        spec = DataSpec(source=name, split="all", groups="none")
        listed, dataset = open_videos(spec)
        if dataset is None:
            spec = spec.model_copy(update={"store": config.data.store})
        theirs = matched(videos, listed)
        modalities.append((theirs, _source(spec, backbone, theirs, dataset, keep=keep)))
    return modalities


def _source(
    config: DataSpec,
    backbone: BackboneSpec,
    videos: VideoList,
    dataset: FeatureDataset | None,
    *,
    keep: bool,
) -> FeatureSource:
    if dataset is not None:
        if config.store is not None:
            raise OptionError("needs videos", where="--store", got=f"features, {config.source}")
        return ArrayFeatures(dataset.of(videos), dataset.videos.name, joints=dataset.joints)
    if config.store is None:
        return VideoFeatures(videos, backbone.create(), keep=keep)
    store = Store(config.store)
    # Only the tensors of weights that are named can show whether they are the stored ones.
    digest = None
    if backbone.weights != "default":
        by_torch = backbone.model_copy(update={"engine": "torch"})
        digest = by_torch.create().card.network_digest
    card = choose_card(store, backbone, network_digest=digest)
    return StoredFeatures(store, videos, card, data=config.source)


def _changed_videos(
    config: EvaluationSpec, on: Literal["all", "query"], videos: VideoList, source: FeatureSource
) -> tuple[VideoList, FeatureSource]:
    """Return videos by the simulated camera and in the condition for ``on``, and their features."""
    for option, change, setting in (
        ("--camera", with_simulated_camera, config.camera),
        ("--condition", with_condition, config.condition),
    ):
        if setting is not None and setting.on == on:
            origin = _videos_of(source, option, setting.name)
            videos = change(videos, setting.name)
            source = origin.of(videos)
    return videos, source


def _as_read(
    config: EvaluationSpec, videos: VideoList, source: FeatureSource
) -> tuple[VideoList, FeatureSource]:
    """Return videos read without long still ends, or corrected, and their features."""
    for option, step, flag, mode in (
        ("--trim", lambda _: Trim(), "trimmed", config.reading.trim),
        ("--correct", lambda _: Clean(), "corrected", config.reading.correct),
    ):
        if mode != "off":
            origin = _videos_of(source, option, mode)
            videos = videos.processed(step, flag)
            source = origin.of(videos)
    return videos, source


def _videos_of(source: FeatureSource, option: str, got: str) -> VideoFeatures:
    if not isinstance(source, VideoFeatures):
        raise OptionError("needs videos, not features", where=option, got=got)
    return source
