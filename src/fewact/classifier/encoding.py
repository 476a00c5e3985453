"""Encode clips, or precomputed features of clips, into nodes of the method."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from fewact.backbones import Card
from fewact.camera.faults import Fault
from fewact.classifier.class_names import IMAGE_EMBEDDING, IMAGE_REQUEST
from fewact.classifier.examples import Nodes
from fewact.classifier.fit_checks import check_finite_nodes
from fewact.classifier.fitted import stage
from fewact.classifier.orientation import (
    ORIENTATIONS,
    PIXELS,
    ROTATED,
    VECTORS,
    Upright,
    orientation_vectors,
    rotating_backbone,
)
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.prediction import display_name
from fewact.data import AnyClip, FeatureClip, Video, VideoClip, VideoList
from fewact.data.active import ActiveSource, Span
from fewact.data.corrected import CorrectedVideo
from fewact.data.rotated import RotatedVideo
from fewact.data.video_source import Transform, VideoSource, changes_of
from fewact.encoding import Encoder
from fewact.encoding import encode as encode_features
from fewact.encoding.threads import workers
from fewact.errors import DataError, VideoError
from fewact.features.extract import extract
from fewact.features.precomputed import Precomputed
from fewact.features.request import Features, Request
from fewact.features.sources import ArrayFeatures, FeatureSource, VideoFeatures
from fewact.features.timing import Timing
from fewact.video import FrameSets, Sampler, collect_warnings, warn_of_video


class EncodedClip(NamedTuple):
    """A clip with its nodes.

    Args:
        clip: The clip.
        nodes: Nodes (1 …) float32, or the error of a clip that cannot be read.
        duration: Duration of what was used of it in seconds; None for features, and if it cannot be
            read.
        active: Part that was used; None for the full clip.
        faults: Faults of the recording; none for features.
        aspect: Width over height of the clip as displayed; None for features, and if it cannot be
            read.
        turns: Number of quarter turns, counter-clockwise, after which it was encoded.
        warnings: Warnings of reading what the nodes show, for ``warn``.
        query: Whether it was encoded to be scored only, see ``encode``.
    """

    clip: AnyClip
    nodes: Nodes | VideoError
    duration: float | None = None
    active: Span | None = None
    faults: tuple[Fault, ...] = ()
    aspect: float | None = None
    turns: int = 0
    warnings: tuple[str, ...] = ()
    query: bool = False

    def warn(self, stacklevel: int = 2) -> None:
        """Warn that the clip is damaged. A clip may be read several times, but warns once.

        Args:
            stacklevel: Number of stack frames between the caller of this method and the user's
                code.
        """
        for text in self.warnings:
            warn_of_video(text, stacklevel + 1)

    @property
    def source(self) -> VideoSource | None:
        """The clip as it was encoded, rotated; None for features."""
        return None if isinstance(self.clip, FeatureClip) else rotated(self.clip, self.turns)


class QuietVideo:
    """A video source whose warnings are kept.

    Args:
        source: Source that is read.

    Attributes:
        warnings: Warnings of the last time that it was read.
    """

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self.warnings: list[str] = []

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> FrameSets:
        """Return frames of the source, see ``VideoSource.read``."""
        with collect_warnings() as self.warnings:
            return self._source.read(samplers, transform=transform)

    @property
    def changes(self) -> str:
        """What was changed before."""
        return changes_of(self._source)

    def fingerprint(self) -> str:
        """Return the fingerprint of the source."""
        return self._source.fingerprint()


def rotated(clip: VideoClip, turns: int) -> VideoSource:
    """Return a clip after some quarter turns, counter-clockwise; the clip itself for none."""
    return RotatedVideo(clip, turns) if turns else clip


def encode(
    clips: Sequence[AnyClip],
    pipeline: Pipeline,
    timing: Timing | None = None,
    *,
    queries: bool = False,
    image_embedding: bool = False,
    orientations: bool = False,
    turns: int = 0,
) -> Iterator[EncodedClip]:
    """Return the nodes of each clip, or the error of a clip that cannot be read.

    A few clips are in memory at a time, one being encoded while others are prepared and in the
    network; clips keep their order. The caller decides what is used of a clip, and then calls
    ``EncodedClip.warn``.

    Args:
        clips: Clips, or precomputed features of clips.
        pipeline: Backbone and method that encode the clips.
        timing: Adds up the time of each stage.
        queries: Whether the clips are scored, but not learned from: what no score of them needs is
            not computed, see ``Method.requests_if_moved``.
        image_embedding: Whether to keep the mean vector of a clip for class names too.
        orientations: Whether to keep vectors of a clip in four orientations, see ``orientation``.
        turns: Number of quarter turns, counter-clockwise, by which clips are rotated first.

    Raises:
        DataError: Features where videos are expected, videos where features are expected, or
            features of another size; raised before the first clip is read. The encoding of a clip
            is not finite.
    """
    backbone = pipeline.backbone
    videos: list[tuple[QuietVideo, ActiveSource, CorrectedVideo]] = []
    source: FeatureSource | None
    encoder = ClipEncoder(
        pipeline,
        timing,
        queries=queries,
        image_embedding=image_embedding,
        orientations=orientations,
    )
    if isinstance(backbone, Precomputed):
        source = _array(clips, backbone)
    else:
        for clip in _videos(clips):
            quiet = QuietVideo(rotated(clip, turns))
            active = ActiveSource(quiet, pipeline.trim)
            videos.append((quiet, active, CorrectedVideo(active)))
        listed = (Video(str(i), "", source=one) for i, (_, _, one) in enumerate(videos))
        source = VideoFeatures(
            VideoList("clips", tuple(listed)), backbone, if_moved=encoder.if_moved, timing=timing
        )
    if source is None:
        return iter(())
    found = zip(clips, _nodes(encoder, source, clips), strict=True)
    if not videos:
        return (EncodedClip(clip, nodes, query=queries) for clip, nodes in found)
    return (
        EncodedClip(
            clip,
            nodes,
            active.duration,
            active.active,
            video.faults,
            video.aspect,
            turns,
            tuple(quiet.warnings),
            queries,
        )
        for (quiet, active, video), (clip, nodes) in zip(videos, found, strict=True)
    )


def rotate_upright(
    encoded: EncodedClip,
    pipeline: Pipeline,
    upright: Upright | None,
    timing: Timing | None,
) -> EncodedClip:
    """Return a new clip that is rotated by 90° encoded again upright; others unchanged.

    Args:
        encoded: The clip.
        pipeline: Backbone and method that encoded it.
        upright: Orientation of the training clips; None if it is not known.
        timing: Adds up the time of each stage.
    """
    source, backbone = encoded.source, rotating_backbone(pipeline)
    if (
        source is None
        or backbone is None
        or upright is None
        or not upright.may_be_rotated(encoded.aspect)
    ):
        return encoded
    read = CorrectedVideo(ActiveSource(QuietVideo(source), pipeline.trim))
    (found,) = extract([read], backbone, [VECTORS, PIXELS], timing=timing)
    if found.features is None or isinstance(encoded.nodes, VideoError):
        return encoded
    with stage(timing, "backbone"):
        turns = upright.turns(orientation_vectors(backbone, found.features))
    if not turns:
        return encoded
    named = IMAGE_EMBEDDING in encoded.nodes
    (again,) = encode(
        [encoded.clip], pipeline, timing, queries=encoded.query, image_embedding=named, turns=turns
    )
    return again._replace(faults=(ROTATED, *again.faults))


def _nodes(
    encoder: Encoder, source: FeatureSource, clips: Sequence[AnyClip]
) -> Iterator[Nodes | VideoError]:
    with workers(1) as pool:
        found = encode_features(encoder, source, range(len(clips)), pool=pool)
        for clip, nodes in zip(clips, found, strict=True):
            if not isinstance(nodes, VideoError):
                check_finite_nodes(nodes, display_name(clip))
            yield nodes


class ClipEncoder:
    """Encodes one clip with the method, and computes its image embedding if requested.

    Args:
        pipeline: Backbone and method that encode the clip.
        timing: Adds up the time of the stage ``moments``.
        queries: Whether the clips are scored, but not learned from.
        image_embedding: Whether to keep the mean vector of a clip for class names too.
        orientations: Whether to keep vectors of the clip in four orientations, if there are any.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        timing: Timing | None,
        *,
        queries: bool = False,
        image_embedding: bool,
        orientations: bool = False,
    ) -> None:
        self._method, self._device = pipeline.method, pipeline.backbone.device
        self._requests = self._method.requests(pipeline.backbone.card)
        self._timing, self._image_embedding = timing, image_embedding
        self._turning = rotating_backbone(pipeline) if orientations else None
        self.if_moved = self._method.requests_if_moved(pipeline.backbone.card) if queries else ()
        """Requests that these clips need only where their camera moved."""

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the requests of the method and of the image embedding."""
        more: list[Request] = [IMAGE_REQUEST] if self._image_embedding else []
        more += [] if self._turning is None else [VECTORS, PIXELS]
        return tuple(dict.fromkeys((*self._method.requests(card), *more)))

    def encode(self, features: Features) -> dict[str, Tensor]:
        """Return the nodes of one clip: (t …) → (1 …)."""
        with stage(self._timing, "moments"):
            one = {request: value[None].to(self._device) for request, value in features.items()}
            own = {request: one[request] for request in self._requests}
            nodes = {name: value.float() for name, value in self._method.encode(own).items()}
            if self._image_embedding:
                nodes[IMAGE_EMBEDDING] = one[IMAGE_REQUEST].float().mean(-2)  # (1 d)
        if self._turning is not None:
            with stage(self._timing, "backbone"):
                nodes[ORIENTATIONS] = orientation_vectors(self._turning, features)[None]  # (1 4 d)
        return nodes


def _array(clips: Sequence[AnyClip], size: Precomputed) -> FeatureSource | None:
    """Return the source of precomputed features; None if there are no clips."""
    checked = _features(clips, size)
    if not checked:
        return None
    with np.errstate(over="ignore"):  # The source reports what overflows.
        vectors = np.stack([clip.vectors.astype(np.float32) for clip in checked])  # (v t d)
    return ArrayFeatures(vectors, ids=[clip.name for clip in checked], skip_invalid=True)


def _videos(clips: Sequence[AnyClip]) -> list[VideoClip]:
    videos = [clip for clip in clips if not isinstance(clip, FeatureClip)]
    if len(videos) < len(clips):
        first = next(clip for clip in clips if isinstance(clip, FeatureClip))
        raise DataError(
            "features were passed to a classifier of videos",
            where=first.name,
            expected="video files",
            hint="For features, teach a classifier from features.",
        )
    return videos


def _features(clips: Sequence[AnyClip], size: Precomputed) -> list[FeatureClip]:
    found: list[FeatureClip] = []
    for clip in clips:
        if not isinstance(clip, FeatureClip):
            raise DataError(
                "a classifier of features needs features, not a video",
                where=str(clip.path),
                expected=f"features (clips, {size.frames}, {size.card.vectors}) in an .npz file, "
                "see fewact.data.read_features",
                hint="For videos, teach a classifier from videos.",
            )
        size.check(clip)
        found.append(clip)
    return found
