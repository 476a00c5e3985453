"""Encode clips, or precomputed features of clips, into nodes of the method."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from fewact.classifier.class_names import IMAGE_EMBEDDING, IMAGE_REQUEST
from fewact.classifier.examples import Nodes, check_finite_nodes
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.prediction import display_name
from fewact.core.errors import DataError, VideoError
from fewact.data import AnyClip, FeatureClip, VideoClip
from fewact.features.extract import Extracted, Timing, extract, stage
from fewact.features.request import CameraRequest, Features, Request
from fewact.features.sources import ArrayFeatures, Precomputed
from fewact.methods.encode import Encoder, encode_each, workers
from fewact.networks import Backbone, Card
from fewact.video import warn_of_video
from fewact.video.cleaning.correction import Fault
from fewact.video.source import KeepFrames, KeptFrames, Span, VideoSource, as_predicted

D = TypeVar("D")


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
        warnings: Warnings of reading what the nodes show, for ``warn``.
        kept: Frames of a long clip at the backbone's input size, to search it.
        compared: Frames of all of the clip at that size, to count what moves.
        static: Whether the camera was found to be static.
    """

    clip: AnyClip
    nodes: Nodes | VideoError
    duration: float | None = None
    active: Span | None = None
    faults: tuple[Fault, ...] = ()
    aspect: float | None = None
    warnings: tuple[str, ...] = ()
    kept: KeptFrames | None = None
    compared: KeptFrames | None = None
    static: bool = False

    @property
    def source(self) -> VideoClip | None:
        """The clip as a video; None for features."""
        return None if isinstance(self.clip, FeatureClip) else self.clip

    def warn(self) -> None:
        """Warn that the clip is damaged. A clip may be read several times, but warns once."""
        for text in self.warnings:
            warn_of_video(text)


def encode(
    clips: Iterable[AnyClip],
    pipeline: Pipeline,
    timing: Timing | None = None,
    *,
    image_embedding: bool = False,
    keep: KeepFrames | None = None,
) -> Iterator[EncodedClip]:
    """Return the nodes of each clip, or the error of a clip that cannot be read.

    A few clips are in memory at a time, one being encoded while others are prepared and in the
    network; clips keep their order. The caller decides what is used of a clip, and then calls
    ``EncodedClip.warn``.

    Args:
        clips: Clips, or precomputed features of clips. An iterator is read only a few clips ahead
            of those that are encoded.
        pipeline: Backbone and method that encode the clips.
        timing: Adds up the time of each stage.
        image_embedding: Whether to keep the mean vector of a clip for class names too.
        keep: Frames of long videos that are kept for a search; None for none.

    Raises:
        DataError: Features where videos are expected, videos where features are expected, or
            features of another size; raised before the first clip is read, but of an iterator
            after the clips before. The encoding of a clip is not finite.
    """
    encoder = ClipEncoder(pipeline, timing, image_embedding=image_embedding)
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
    clips: Iterable[FeatureClip], encoder: "ClipEncoder", size: Precomputed
) -> Iterator[EncodedClip]:
    requests = encoder.requests(size.card)

    def with_features(clip: FeatureClip) -> tuple[FeatureClip, Features | VideoError]:
        with np.errstate(over="ignore"):  # The source reports what overflows.
            array = clip.vectors.astype(np.float32)[None]  # (1 t d)
        source = ArrayFeatures(array, ids=[clip.name], skip_invalid=True)
        return clip, next(source.features([0], requests))

    for clip, nodes in _nodes(encoder, map(with_features, clips)):
        yield EncodedClip(clip, _finite(nodes, clip))


def _of_videos(
    clips: Iterable[VideoClip],
    encoder: "ClipEncoder",
    backbone: Backbone,
    as_read: Callable[[VideoClip], VideoSource],
    timing: Timing | None,
) -> Iterator[EncodedClip]:
    extracted = extract(
        clips,
        backbone,
        encoder.requests(backbone.card),
        source=as_read,
        timing=timing,
    )
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
        reading.faults,
        reading.uncut_aspect,
        warnings,
        reading.kept,
        reading.compared,
        static,
    )


def _nodes(
    encoder: Encoder, clips: Iterator[tuple[D, Features | VideoError]]
) -> Iterator[tuple[D, Nodes | VideoError]]:
    with workers(1, helped_by=torch.get_num_threads() - 1) as pool:
        yield from encode_each(encoder, clips, pool=pool)


def _finite(nodes: Nodes | VideoError, clip: AnyClip) -> Nodes | VideoError:
    if not isinstance(nodes, VideoError):
        check_finite_nodes(nodes, display_name(clip))
    return nodes


class ClipEncoder:
    """Encodes one clip with the method, and computes its image embedding if requested."""

    def __init__(self, pipeline: Pipeline, timing: Timing | None, *, image_embedding: bool) -> None:
        self._method, self._device = pipeline.method, pipeline.backbone.device
        self._requests = self._method.requests(pipeline.backbone.card)
        self._timing, self._image_embedding = timing, image_embedding

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the requests of the method and of the image embedding."""
        embedding: list[Request] = [IMAGE_REQUEST] if self._image_embedding else []
        return tuple(dict.fromkeys((*self._method.requests(card), *embedding)))

    def encode(self, features: Features) -> dict[str, Tensor]:
        """Return the nodes of one clip: (t …) → (1 …)."""
        with stage(self._timing, "moments"):
            batch = {request: value[None].to(self._device) for request, value in features.items()}
            requested = {request: batch[request] for request in self._requests}
            nodes = {name: value.float() for name, value in self._method.encode(requested).items()}
            if self._image_embedding:
                nodes[IMAGE_EMBEDDING] = batch[IMAGE_REQUEST].float().mean(-2)  # (1 d)
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
