"""Open the videos and features that a configuration names, of one or of several modalities."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fewact import synthetic
from fewact.backbones import BackboneSpec
from fewact.core.errors import DataError, OptionError
from fewact.core.paths import user_path
from fewact.data import FeatureDataset, FolderDataset, TableDataset, load_benchmark
from fewact.data.benchmarks import benchmark_of_data
from fewact.data.files import first_few, stem_and_suffix
from fewact.data.tables import is_features
from fewact.data.videos import Split, Video, VideoList
from fewact.evaluation.encode import Encodings, NodeBank, Progress
from fewact.evaluation.identity import FeatureFacts, encoding_facts
from fewact.evaluation.spec import DataSpec, EvaluationSpec
from fewact.features.sources import ArrayFeatures, FeatureSource, VideoFeatures
from fewact.features.store import Store
from fewact.features.stored import StoredFeatures, choose_card
from fewact.methods.base import Method
from fewact.methods.combined import Combined, combined_nodes
from fewact.synthetic.conditions import with_condition
from fewact.synthetic.simulated_cameras import with_simulated_camera
from fewact.video.source import Clean, Trim


class ModalityEncodings(Encodings):
    """Encodes each video by each part of a combined method, from the part's own modality.

    Args:
        modalities: List and encodings of each modality; the lists have the same videos in the same
            order, see ``matched``.
    """

    def __init__(self, modalities: Sequence[tuple[VideoList, Encodings]]) -> None:
        self._modalities = modalities
        self.features = combined_facts([encodings.features for _, encodings in modalities])

    def bank(
        self,
        method: Method,
        videos: VideoList,
        needed: NDArray[np.int32],
        *,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> NodeBank:
        """Return the nodes of the needed videos, of all parts.

        Raises:
            OptionError: A modality does not have the features that its part requests.
            DataError: As in ``encode_list``.
        """
        if not isinstance(method, Combined):
            raise TypeError("modalities need a combined method")
        total = len(needed) * len(self._modalities)
        banks = []
        for i, (part, (videos_of_part, encodings)) in enumerate(
            zip(method.methods, self._modalities, strict=True)
        ):

            def shown(done: int, _: int, before: int = i * len(needed)) -> None:
                if progress is not None:
                    progress(before + done, total)

            banks.append(
                encodings.bank(part, videos_of_part, needed, threads=threads, progress=shown)
            )
        combined = NodeBank(
            banks[0].positions, encoding_facts(method), self.features, videos.digest
        )
        rows = [bank.rows(combined.positions) for bank in banks]
        combined.tensors = combined_nodes(
            [
                {name: value[row] for name, value in bank.tensors.items()}
                for bank, row in zip(banks, rows, strict=True)
            ]
        )
        return combined


def combined_facts(modalities: Sequence[FeatureFacts]) -> FeatureFacts:
    """Return the facts of several modalities together."""

    def together(values: Sequence[str]) -> str:
        return hashlib.sha256(" ".join(values).encode()).hexdigest()

    return FeatureFacts(
        name=" + ".join(facts.name for facts in modalities),
        sha256=together([facts.sha256 for facts in modalities]),
        backbone_sha256=together([facts.backbone_sha256 for facts in modalities]),
        trained_on=tuple(dict.fromkeys(data for facts in modalities for data in facts.trained_on)),
        modalities=len(modalities),
    )


def matched(videos: VideoList, modality: VideoList) -> VideoList:
    """Return the videos of another list in the order of a list, with its splits and groups.

    Videos are matched by their names without a video's extension: ``wave/1.mp4`` and ``wave/1``.

    Args:
        videos: List that decides which videos there are.
        modality: List of another modality; it may have further videos.

    Raises:
        DataError: The other list misses videos, has other classes for them, or two of its names
            differ only in the extension.
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
    """Return the videos by their names without a video's extension."""
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
    config: DataSpec,
    backbone: BackboneSpec,
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
    config: EvaluationSpec, videos: VideoList, backbone: BackboneSpec, *, keep: bool = False
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
        by_torch = backbone.model_copy(update={"engine": "torch"})
        digest = by_torch.create().card.network_digest
    card = choose_card(store, backbone, network_digest=digest)
    return StoredFeatures(store, videos, card, data=config.source)


def changed_videos(
    config: EvaluationSpec, on: Literal["all", "query"], videos: VideoList, source: FeatureSource
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
    for option, change, setting in (
        ("--camera", with_simulated_camera, config.camera),
        ("--condition", with_condition, config.condition),
    ):
        if setting is None or setting.on != on:
            continue
        if not isinstance(source, VideoFeatures):
            raise OptionError("needs videos, not features", where=option, got=setting.name)
        videos = change(videos, setting.name)
        source = source.of(videos)
    return videos, source


def as_read(
    config: EvaluationSpec, videos: VideoList, source: FeatureSource
) -> tuple[VideoList, FeatureSource]:
    """Return videos read without long still ends, or corrected, and their features.

    Args:
        config: Configuration.
        videos: Videos as they are.
        source: Their features.

    Raises:
        OptionError: There are features instead of videos.
    """
    for option, step, flag, mode in (
        ("--trim", lambda _: Trim(), "trimmed", config.reading.trim),
        ("--correct", lambda _: Clean(), "corrected", config.reading.correct),
    ):
        if mode == "off":
            continue
        if not isinstance(source, VideoFeatures):
            raise OptionError("needs videos, not features", where=option, got=mode)
        videos = videos.processed(step, flag)
        source = source.of(videos)
    return videos, source


def _benchmark(config: DataSpec, split: Split | None) -> VideoList:
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
