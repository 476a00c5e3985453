"""From clips, or features of theirs, to what the method keeps of each."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from fewact.backbones import Backbone
from fewact.classifier.class_names import NODE, REQUEST
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import stage
from fewact.data import AnyClip, Clip, FeatureClip
from fewact.errors import DataError, VideoError
from fewact.features.extract import extract
from fewact.features.precomputed import Precomputed
from fewact.features.request import Request
from fewact.features.timing import Timing
from fewact.methods.base import Method

Found = Iterator[tuple[AnyClip, Mapping[Request, Tensor] | VideoError]]


def encode(
    clips: Sequence[AnyClip],
    backbone: Backbone | Precomputed,
    method: Method,
    timing: Timing | None = None,
    *,
    named: bool = False,
) -> Iterator[tuple[AnyClip, Nodes | VideoError]]:
    """Nodes of each clip (1 …) float32, or why it cannot be read; one clip at a time, in order.

    With ``named``, what is compared with class names is among them.

    Raises:
        DataError: Features where there are to be videos, videos where there are to be features, or
            features of other sizes. It is raised before the first clip is looked at.
    """
    requests = tuple(
        dict.fromkeys((*method.requests(backbone.card), *([REQUEST] if named else [])))
    )
    if isinstance(backbone, Precomputed):
        found = _handed_on(_features(clips, backbone), backbone, requests)
    else:
        found = _extracted(_videos(clips), backbone, requests, timing)
    return _encode(found, method, timing, named=named)


def _encode(
    found: Found, method: Method, timing: Timing | None, *, named: bool
) -> Iterator[tuple[AnyClip, Nodes | VideoError]]:
    for clip, features in found:
        if isinstance(features, VideoError):
            yield clip, features
            continue
        with stage(timing, "moments"), torch.inference_mode():
            one = {request: value[None] for request, value in features.items()}
            nodes = {name: value.float() for name, value in method.encode(one).items()}
            if named:
                nodes[NODE] = one[REQUEST].float().mean(-2)  # (1 d)
        yield clip, nodes


def _videos(clips: Sequence[AnyClip]) -> list[Clip]:
    videos = [clip for clip in clips if isinstance(clip, Clip)]
    if len(videos) < len(clips):
        first = next(clip for clip in clips if isinstance(clip, FeatureClip))
        raise DataError(
            "features are given to a classifier of videos",
            where=first.name,
            expected="video files, as those that it was taught with",
            hint="Teach another one from features.",
        )
    return videos


def _features(clips: Sequence[AnyClip], given: Precomputed) -> list[FeatureClip]:
    found: list[FeatureClip] = []
    for clip in clips:
        if isinstance(clip, Clip):
            raise DataError(
                "a file is given to a classifier of features",
                where=str(clip.path),
                expected=f"features (clips, {given.frames}, {given.card.vectors}) in an .npz file, "
                "as fewact.data.read_features reads them",
                hint="Teach another one from videos.",
            )
        given.check(clip)
        found.append(clip)
    return found


def _extracted(
    clips: Sequence[Clip], backbone: Backbone, requests: Sequence[Request], timing: Timing | None
) -> Found:
    for one in extract(clips, backbone, requests, timing=timing):
        yield one.clip, one.features or one.error or VideoError(one.clip.path, "no features")


def _handed_on(
    clips: Sequence[FeatureClip], given: Precomputed, requests: Sequence[Request]
) -> Found:
    for clip in clips:
        try:
            features = given.features(clip, requests)
        except VideoError as error:
            yield clip, error
        else:
            yield clip, features
