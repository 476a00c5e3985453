"""Open the videos and features that a configuration names."""

from dataclasses import replace
from typing import Literal

from fewact import synthetic
from fewact.backbones import BackboneChoice
from fewact.core.errors import DataError, OptionError
from fewact.core.paths import user_path
from fewact.data import FeatureDataset, FolderDataset, TableDataset, load_benchmark
from fewact.data.active import trimmed
from fewact.data.benchmarks import benchmark_of_data
from fewact.data.corrected import corrected
from fewact.data.feature_files import is_features
from fewact.data.videos import Split, VideoList
from fewact.evaluation.config import DataConfig, EvaluationConfig
from fewact.evaluation.modalities import matched
from fewact.features.sources import ArrayFeatures, FeatureSource, VideoFeatures
from fewact.features.store import Store
from fewact.features.stored import StoredFeatures, choose_card
from fewact.synthetic.condition_videos import with_condition
from fewact.synthetic.simulated_camera_videos import with_simulated_camera

DefaultSplit = Literal["train", "val", "test", "all"]


def open_videos(
    config: DataConfig, default_split: DefaultSplit = "test"
) -> tuple[VideoList, FeatureDataset | None]:
    """Return the videos that a configuration names.

    Args:
        config: Source of the videos and split.
        default_split: Split that is used if the configuration names none and the data have splits.

    Returns:
        List of the videos, and their features if the source is a features file.

    Raises:
        UserError: The source is unknown or incomplete, or has no such split.
    """
    path = user_path(config.source, DataError)
    split: Split | None = _split(config.split or default_split)
    features = None
    if is_features(path):
        features = FeatureDataset(path, groups=config.groups, dataset=config.dataset)
        videos = features.videos
    elif config.dataset is not None:
        raise OptionError("needs a file of features", where="--dataset", got=config.dataset)
    elif path.is_dir():
        videos = FolderDataset(path).videos
    elif path.is_file():
        videos = TableDataset(path, groups=config.groups).videos
    elif config.source.partition(":")[0] == "motions":
        videos = synthetic.named(config.source).videos
    else:
        videos = _benchmark(config, split)
    if config.split is None and all(video.split is None for video in videos.videos):
        return videos, features
    return (videos if split is None else videos.of(split)), features


def open_features(
    config: DataConfig,
    backbone: BackboneChoice,
    default_split: DefaultSplit = "test",
    *,
    keep: bool = False,
) -> tuple[VideoList, FeatureSource]:
    """Return the videos that a configuration names and the source of their features.

    Args:
        config: Source of the videos, and feature store.
        backbone: Backbone that computes, or has computed, the features.
        default_split: See ``open_videos``.
        keep: Keep computed features in memory.
    """
    videos, dataset = open_videos(config, default_split)
    return videos, _source(config, backbone, videos, dataset, keep=keep)


def open_modalities(
    config: EvaluationConfig, videos: VideoList, backbone: BackboneChoice, *, keep: bool = False
) -> list[tuple[VideoList, FeatureSource]]:
    """Return the videos of each further modality, in the order of a list, and their features.

    Args:
        config: Configuration with further sources of the same videos.
        videos: Videos of its data.
        backbone: Backbone that computes, or has computed, the features of videos.
        keep: Keep computed features in memory.

    Raises:
        OptionError: The configuration has options that would change one source only.
        DataError: A source misses videos or has other classes for them.
    """
    for option, used in (
        ("--camera", config.camera),
        ("--condition", config.condition),
        ("--trim", config.reading.trim != "off"),
        ("--correct", config.reading.correct != "off"),
        ("--allow-missing", config.data.allow_missing),
    ):
        if used:
            raise OptionError("cannot be combined with several sources", where=option, got="--with")
    found = []
    for name in config.modalities:
        # Splits and groups are those of the first source.
        own = DataConfig(source=name, split="all", groups="none")
        every, dataset = open_videos(own)
        if dataset is None:
            own = own.model_copy(update={"store": config.data.store})
        theirs = matched(videos, every)
        found.append((theirs, _source(own, backbone, theirs, dataset, keep=keep)))
    return found


def _source(
    config: DataConfig,
    backbone: BackboneChoice,
    videos: VideoList,
    dataset: FeatureDataset | None,
    *,
    keep: bool,
) -> FeatureSource:
    """Return the features of videos: of a dataset of features, of a store, or computed."""
    if dataset is not None:
        if config.store is not None:
            raise OptionError("needs videos", where="--store", got=f"features, {config.source}")
        return ArrayFeatures(dataset.of(videos), dataset.videos.name)
    if config.store is None:
        return VideoFeatures(videos, backbone.create(), keep=keep)
    store = Store(config.store)
    # Only the tensors of weights that are named can show whether they are the stored ones.
    digest = None
    if backbone.weights != "default":
        digest = replace(backbone, engine="torch").create().card.network_digest
    card = choose_card(
        store,
        backbone.name,
        precision=backbone.precision,
        engine=backbone.engine,
        network_digest=digest,
        options=backbone.options,
    )
    return StoredFeatures(store, videos, card, data=config.source)


def changed_videos(
    config: EvaluationConfig, on: Literal["all", "query"], videos: VideoList, source: FeatureSource
) -> tuple[VideoList, FeatureSource]:
    """Return videos by the simulated camera and in the condition, and their features.

    Args:
        config: Configuration; what it has for other videos than ``on`` is left out.
        on: All videos, or the queries.
        videos: Videos as they are.
        source: Their features.

    Raises:
        OptionError: The camera or the condition is unknown, or there are features instead of
            videos.
    """
    for option, change, wanted in (
        ("--camera", with_simulated_camera, config.camera),
        ("--condition", with_condition, config.condition),
    ):
        if wanted is None or wanted.on != on:
            continue
        if not isinstance(source, VideoFeatures):
            raise OptionError("needs videos, not features", where=option, got=wanted.name)
        videos = change(videos, wanted.name)
        source = source.of(videos)
    return videos, source


def as_read(
    config: EvaluationConfig, videos: VideoList, source: FeatureSource
) -> tuple[VideoList, FeatureSource]:
    """Return videos read without long still ends, or corrected, and their features.

    Args:
        config: Configuration.
        videos: Videos as they are.
        source: Their features.

    Raises:
        OptionError: There are features instead of videos.
    """
    for option, change, mode in (
        ("--trim", trimmed, config.reading.trim),
        ("--correct", corrected, config.reading.correct),
    ):
        if mode == "off":
            continue
        if not isinstance(source, VideoFeatures):
            raise OptionError("needs videos, not features", where=option, got=mode)
        videos = change(videos)
        source = source.of(videos)
    return videos, source


def _benchmark(config: DataConfig, split: Split | None) -> VideoList:
    """Return the videos of a benchmark; the source is neither a file nor a folder."""
    return load_benchmark(
        benchmark_of_data(config.source).id,
        config.root,
        splits=config.splits,
        split=split,
        allow_missing=config.allow_missing,
        availability=config.availability,
    )


def _split(name: DefaultSplit) -> Split | None:
    return None if name == "all" else name
