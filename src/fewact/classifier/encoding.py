"""The way from clips to nodes: videos, or precomputed features, are read and encoded.

To teach, to predict, to explain and to match go this way.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from fewact.classifier.examples import Nodes, check_finite_nodes
from fewact.classifier.pipeline import Pipeline, installed_estimator
from fewact.core.errors import DataError, VideoError
from fewact.core.workers import thread_count
from fewact.data.clips import AnyClip, FeatureClip, VideoClip
from fewact.data.joints import JointTrack
from fewact.features.extract import Extracted, Timing, extract, stage
from fewact.features.precomputed import Precomputed
from fewact.features.request import CameraRequest, Features, Request
from fewact.methods.encode import encode_each, workers
from fewact.methods.protocols import Explains
from fewact.networks import Backbone, Card
from fewact.video import warn_of_video
from fewact.video.cleaning.correction import Fault
from fewact.video.samplers import sampler_of
from fewact.video.source import (
    Clean,
    KeepFrames,
    KeptFrames,
    Part,
    ProcessedVideo,
    Span,
    VideoSource,
    as_predicted,
)

D = TypeVar("D")


class EncodedClip(NamedTuple):
    """A clip with its nodes.

    Args:
        clip: The clip.
        nodes: Nodes (1 …) float32, or the error of a clip that cannot be read.
        duration: Duration of the used part in seconds; None for features, and if it cannot be read.
        active: Part that was used; None for the full clip.
        full_duration: Duration of the clip without its still ends, of which a part may be used.
        faults: Faults of the recording; none for features.
        aspect: Width over height of the clip as displayed; None for features, and if it cannot be
            read.
        warnings: Warnings of reading what the nodes show, for ``warn``.
        kept: Frames of a long clip at the backbone's input size, to search it.
        compared: Frames of all of the clip at that size, to count what moves.
        static: Whether the camera was found to be static.
        joints: Joints of the clip, with times from its start, where the method compares joints;
            None if it has none.
    """

    clip: AnyClip
    nodes: Nodes | VideoError
    duration: float | None = None
    active: Span | None = None
    full_duration: float | None = None
    faults: tuple[Fault, ...] = ()
    aspect: float | None = None
    warnings: tuple[str, ...] = ()
    kept: KeptFrames | None = None
    compared: KeptFrames | None = None
    static: bool = False
    joints: JointTrack | None = None

    @property
    def source(self) -> VideoClip | None:
        """The clip as a video; None for features."""
        return None if isinstance(self.clip, FeatureClip) else self.clip

    @property
    def has_joints(self) -> bool:
        """Whether joints of a body are known of the clip."""
        return self.joints is not None and bool(self.joints.present.any())

    def warn(self) -> None:
        """Warn that the clip is damaged. A clip may be read several times, but warns once."""
        for text in self.warnings:
            warn_of_video(text)


def encode(
    clips: Iterable[AnyClip],
    pipeline: Pipeline,
    timing: Timing | None = None,
    *,
    keep: KeepFrames | None = None,
) -> Iterator[EncodedClip]:
    """Return the nodes of each clip, or the error of a clip that cannot be read.

    A few clips are in memory at a time, one being encoded while others are prepared and in the
    network; clips keep their order. An iterator is read only a few clips ahead. The caller decides
    what is used of a clip, and then calls ``EncodedClip.warn``. ``keep`` says which frames of long
    videos are kept for a search.

    Raises:
        DataError: Features where videos are expected, videos where features are expected, or
            features of another size; raised before the first clip is read, but of an iterator
            after the clips before. The encoding of a clip is not finite.
    """
    encoder = _Encoder(pipeline, timing)
    backbone = pipeline.backbone
    check: Callable[[AnyClip], Any]
    run: Callable[[Iterable[Any]], Iterator[EncodedClip]]
    if isinstance(backbone, Precomputed):
        check = partial(_features, size=backbone)
        run = partial(_of_features, encoder=encoder, size=backbone)
    else:
        check = _video
        run = partial(
            _of_videos,
            encoder=encoder,
            backbone=backbone,
            as_read=partial(as_predicted, trim=pipeline.trim, keep=keep),
            timing=timing,
        )
    if isinstance(clips, Iterator):
        return _until_error(map(check, clips), run)
    return run([check(clip) for clip in clips])


def explaining_features(pipeline: Pipeline, encoded: EncodedClip) -> Features:
    """Return the features (t …) of an encoded clip by which the method explains itself."""
    backbone, method = pipeline.backbone, pipeline.method
    if encoded.source is None or not isinstance(backbone, Backbone):
        return {}
    requests = method.explaining_requests(backbone.card) if isinstance(method, Explains) else ()
    if not requests:
        return {}
    part = used_part(encoded.source, encoded.active)
    (read,) = extract([part], backbone, requests, sampler=sampler_of(backbone.card.sampler))
    return read.features or {}


def used_part(clip: VideoSource, active: Span | None) -> ProcessedVideo:
    """Return the part of a clip that was encoded, cleaned as it was then."""
    return ProcessedVideo(clip, (Clean(),) if active is None else (Part(active), Clean()))


@dataclass(frozen=True)
class _Encoder:
    pipeline: Pipeline
    timing: Timing | None

    def requests(self, card: Card) -> tuple[Request, ...]:
        return self.pipeline.requests

    def encode(self, features: Features) -> Nodes:
        with stage(self.timing, "moments"):
            return self.pipeline.encode(features)


def _until_error(
    clips: Iterator[Any], run: Callable[[Iterable[Any]], Iterator[EncodedClip]]
) -> Iterator[EncodedClip]:
    """Encode clips that are read ahead; an error of the iterator follows the clips before it."""
    errors: list[Exception] = []

    def before() -> Iterator[Any]:
        try:
            yield from clips
        except Exception as error:
            errors.append(error)

    yield from run(before())
    if errors:
        raise errors[0]


def _of_features(
    clips: Iterable[FeatureClip], encoder: _Encoder, size: Precomputed
) -> Iterator[EncodedClip]:
    requests = encoder.pipeline.requests
    features = ((clip, size.features(clip, requests)) for clip in clips)
    for clip, nodes in _nodes(encoder, features):
        yield EncodedClip(clip, _finite(nodes, clip))


def _of_videos(
    clips: Iterable[VideoClip],
    encoder: _Encoder,
    backbone: Backbone,
    as_read: Callable[[VideoClip], VideoSource],
    timing: Timing | None,
) -> Iterator[EncodedClip]:
    requests = encoder.pipeline.requests
    pose = installed_estimator(encoder.pipeline)
    extracted = extract(clips, backbone, requests, source=as_read, timing=timing, pose=pose)
    # The features are not kept for clips whose nodes wait for those of others.
    read = (((replace(c, features=None), is_static(c.features)), c.result) for c in extracted)
    for (clip, static), nodes in _nodes(encoder, read):
        yield _encoded(clip, _finite(nodes, clip.clip), static=static)


def is_static(features: Features | None) -> bool:
    """Return whether features of a clip say that its camera was static; False if none says so."""
    log_odds = [v for request, v in (features or {}).items() if isinstance(request, CameraRequest)]
    return bool(log_odds) and all(value.max() <= 0 for value in log_odds)


def _encoded(read: Extracted[VideoClip], nodes: Nodes | VideoError, *, static: bool) -> EncodedClip:
    reading, warnings = read.reading, tuple(read.warnings)
    if reading is None:
        return EncodedClip(read.clip, nodes, warnings=warnings)
    return EncodedClip(
        read.clip,
        nodes,
        reading.duration,
        reading.active,
        reading.duration,
        reading.faults,
        reading.uncut_aspect,
        warnings,
        reading.kept,
        reading.compared,
        static,
        read.joints,
    )


def _nodes(
    encoder: _Encoder, clips: Iterator[tuple[D, Features | VideoError]]
) -> Iterator[tuple[D, Nodes | VideoError]]:
    with workers(1, helped_by=thread_count() - 1) as pool:
        yield from encode_each(encoder, clips, pool=pool)


def _finite(nodes: Nodes | VideoError, clip: AnyClip) -> Nodes | VideoError:
    if not isinstance(nodes, VideoError):
        check_finite_nodes(nodes, clip.display_name)
    return nodes


def _video(clip: AnyClip) -> VideoClip:
    if isinstance(clip, FeatureClip):
        raise DataError(
            "features were passed to a classifier of videos",
            where=clip.name,
            expected="video files",
            hint="For features, teach a classifier from features.",
        )
    return clip


def _features(clip: AnyClip, size: Precomputed) -> FeatureClip:
    if not isinstance(clip, FeatureClip):
        raise DataError(
            "a classifier of features needs features or poses",
            where=str(clip.path),
            expected=f"an .npz file of features (clips, {size.frames}, {size.card.vectors}), see "
            "fewact.data.read_features; or a file of poses",
            hint="For videos, teach a classifier from videos.",
        )
    size.check(clip)
    return clip
