"""Explain a prediction by the method that made it.

The score that a class has over another one is a sum. With the class score
mean_s K(q, s) − ½ · inside(c), a similarity K that is a sum of parts, and probabilities
p ∝ p_text^w · exp((1 − w) · score / T), the log-odds of two classes are

    log p(c)/p(c') = Σ_parts (1 − w) · (score_part(c) − score_part(c')) / T
                     + w · (log p_text(c) − log p_text(c'))

Methods whose similarities have no parts get one explanation for the clip.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fewact.classifier.class_names import IMAGE_EMBEDDING
from fewact.classifier.examples import Nodes
from fewact.classifier.few_shot import FewShotClassifier, fitted_of
from fewact.classifier.file import shrink
from fewact.classifier.fitted import Fitted, score
from fewact.classifier.inputs import ClipLike, as_clip
from fewact.classifier.names import Example
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.predict import predict
from fewact.classifier.prediction import Skipped
from fewact.core.errors import VideoError
from fewact.data import VideoClip
from fewact.features.extract import extract
from fewact.features.request import Features
from fewact.lab.methods.common.text import combined_logits
from fewact.methods.base import (
    FrameMatch,
    Method,
)
from fewact.networks import Backbone
from fewact.video import Segments, collect_warnings
from fewact.video.cleaning.framing import resized
from fewact.video.samplers import RGBImage, sampler_of
from fewact.video.source import Clean, Part, ProcessedVideo, Span, VideoSource

FRAMES = 8
"""Number of frames of a clip that are shown."""

SIDE = 224
"""Height and width in pixels of the frames that corrections are found in."""

NEIGHBOURS = 3
"""Number of training clips that are shown."""

NAMES = "class names"
"""Contribution of class names as text."""

WHOLE = "similarity"
"""Contribution of a method whose similarities have no parts."""


Cells = tuple[tuple[tuple[float, ...], ...], ...]
"""Values of the cells of frames: (t g g)."""


@dataclass(frozen=True)
class Neighbour:
    """A training clip, and how it resembles the query.

    Args:
        clip: Title of the clip.
        number: Its number in ``all_clips_``.
        label: Its class.
        similarity: Similarity with the query.
        parts: Parts of the similarity; they add up to it.
        match: How the frames of both were matched; None if the method matches none.
        frames: Small JPEG images of the clip, evenly spread over time; empty if it is not at hand.
        cells: What each of g × g cells of each of the query's t frames adds to the similarity,
            (t g g), above 0 where both are alike, by what is compared; empty if the method compares
            no cells.
    """

    clip: str
    number: int
    label: str
    similarity: float
    parts: dict[str, float]
    match: FrameMatch | None
    frames: tuple[bytes, ...] = field(default=(), repr=False)
    cells: dict[str, Cells] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """Why a clip got its class.

    Args:
        clip: Path of the clip.
        label: Predicted class, or ``(none)``.
        best: Most probable class.
        rival: Second most probable class.
        probabilities: Probability of each class.
        known: Probability that the clip shows one of the classes.
        method: Name of the method.
        contributions: What each part adds to the log-odds of ``best`` against ``rival``.
        neighbours: Most similar training clips, and the most similar one of the rival.
        frames: Small JPEG images of the clip, evenly spread over time.
        attention: How its frames attend to each other; None without temporal attention.
    """

    clip: str
    label: str
    best: str
    rival: str
    probabilities: dict[str, float]
    known: float
    method: str
    contributions: dict[str, float]
    neighbours: tuple[Neighbour, ...]
    frames: tuple[bytes, ...] = field(default=(), repr=False)
    attention: FrameMatch | None = None

    @property
    def log_odds(self) -> float:
        """Log-odds of ``best`` against ``rival``: the sum of the contributions."""
        return sum(self.contributions.values())


Origins = Mapping[str, VideoClip]
"""Training clips by the title of their example, where the files are at hand."""


def page_origins(examples: Iterable[Example], folder: Path) -> dict[str, VideoClip]:
    """Return the training clips whose files are in the folder of their page, by title."""
    return {
        example.title: example.clip(folder / example.page_file)
        for example in examples
        if example.page_file and (folder / example.page_file).is_file()
    }


def explain(
    classifier: FewShotClassifier, clip: ClipLike, origins: Origins | None = None
) -> Explanation:
    """Explain the prediction of a clip.

    ``origins`` are files of training clips, to show their frames; a classifier that was fitted, not
    loaded, knows them itself.
    """
    fitted = fitted_of(classifier)
    pipeline, method = fitted.pipeline, fitted.method
    ((encoded, prediction),) = predict(
        fitted, [as_clip(clip)], false_alarms=classifier.false_alarms
    )
    nodes, source, active = encoded.nodes, encoded.source, encoded.active
    if isinstance(nodes, VideoError):
        raise nodes
    if isinstance(prediction, Skipped):
        raise prediction.error
    probabilities = {str(name): value for name, value in prediction.probabilities.items()}
    best, rival = sorted(probabilities, key=lambda name: -probabilities[name])[:2]
    pair = fitted.classes.index(best), fitted.classes.index(rival)
    contributions = _contributions(fitted, nodes, pair)
    origin_of = _known_origins(fitted) | dict(origins or {})
    features = explaining_features(pipeline, source, active)
    return Explanation(
        prediction.name,
        str(prediction.label),
        best,
        rival,
        probabilities,
        prediction.known,
        type(method).__name__.lower(),
        contributions,
        _neighbours(fitted, nodes, rival, origin_of, features),
        () if source is None else strip(source, active),
        _attention(method, features),
    )


def explaining_features(
    pipeline: Pipeline, clip: VideoSource | None, active: Span | None
) -> Features:
    """Return the features (t …) of an encoded clip by which the method explains itself."""
    backbone, method = pipeline.backbone, pipeline.method
    if clip is None or not isinstance(backbone, Backbone):
        return {}
    sampler = sampler_of(backbone.card.sampler)
    requests = method.explaining_requests(backbone.card)
    if not requests:
        return {}
    (clip_features,) = extract([_as_predicted(clip, active)], backbone, requests, sampler=sampler)
    return clip_features.features or {}


def strip(clip: VideoSource, active: Span | None) -> tuple[bytes, ...]:
    """Return small JPEG images of a clip, or its active part, as it was compared, over time."""
    from fewact.video.writing import jpeg  # a prediction writes no picture

    with collect_warnings():  # The prediction has warned of a damaged clip.
        return tuple(map(jpeg, small_frames(_as_predicted(clip, active), FRAMES)))


def small_frames(source: VideoSource, count: int) -> list[RGBImage]:
    """Return small images (h w 3) of a source, evenly spread over time."""
    reading = source.read([Segments(count)], transform=_as_square)
    return [shrink(frame, reading.size) for frame in reading.frames[0]]


def _as_predicted(clip: VideoSource, active: Span | None) -> ProcessedVideo:
    """Return the used part of a clip, cleaned as ``predict`` does."""
    return ProcessedVideo(clip, (Clean(),) if active is None else (Part(active), Clean()))


def _as_square(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    square: NDArray[np.uint8] = resized(frame[None], (SIDE, SIDE))[0]
    return square


@torch.inference_mode()
def _contributions(fitted: Fitted, nodes: Nodes, pair: tuple[int, int]) -> dict[str, float]:
    method, calibration = fitted.method, fitted.calibration
    query = {name: value[None] for name, value in nodes.items()}  # (1 1 …)
    parts = method.score_parts(fitted.by_class, query)
    parts = parts or {WHOLE: method.score(fitted.by_class, query)}
    weight = 0.0 if fitted.class_names is None else calibration.text_weight
    scale = (1 - weight) / calibration.temperature
    best, rival = pair
    contributions = {
        name: scale * (logits[0, 0, best] - logits[0, 0, rival]).item()
        for name, logits in ((name, value.cpu().double()) for name, value in parts.items())
    }
    if fitted.class_names is not None and weight:
        text = fitted.class_names.logits(query[IMAGE_EMBEDDING]).cpu().double()[0, 0]
        alone = combined_logits(text, torch.zeros_like(text), weight)
        contributions[NAMES] = (alone[best] - alone[rival]).item()
    return contributions


def _known_origins(fitted: Fitted) -> dict[str, VideoClip]:
    examples = fitted.examples
    return {
        example.title: origin
        for example, origin in zip(examples.clips, examples.origins, strict=True)
        if isinstance(origin, VideoClip)
    }


@torch.inference_mode()
def _attention(method: Method, features: Features) -> FrameMatch | None:
    return method.attend_frames(features) if features else None


@torch.inference_mode()
def _neighbours(
    fitted: Fitted,
    nodes: Nodes,
    rival: str,
    origins: Mapping[str, VideoSource],
    features: Features,
) -> tuple[Neighbour, ...]:
    """Return the most similar training clips, and the most similar one of the rival."""
    pipeline, method, examples = fitted.pipeline, fitted.method, fitted.examples
    # Cells of a cropped frame are not those of the frames that are shown.
    whole = isinstance(pipeline.backbone, Backbone) and pipeline.backbone.card.resize == "squash"
    similarity = score(fitted, nodes)[1][0]
    order = similarity.argsort(descending=True).tolist()
    positions = order[:NEIGHBOURS]
    if not any(examples.clips[i].label == rival for i in positions):
        positions.append(next(i for i in order if examples.clips[i].label == rival))
    numbers = {clip: i for i, clip in enumerate(fitted.everything.clips, start=1)}
    query = {name: value[None] for name, value in nodes.items()}
    of_pairs = method.pair_parts(fitted.by_class, query)
    parts = {name: value[0, 0].cpu().double() for name, value in of_pairs.items()}
    parts = parts or {WHOLE: similarity}
    of_query = {name: value[0] for name, value in nodes.items()}
    neighbours = []
    for i in positions:
        example, cells = examples.clips[i], {}
        of_clip = {name: value[i] for name, value in fitted.by_clip.nodes.items()}
        match = method.match_frames(of_query, of_clip)
        if whole:
            cells = method.match_cells(of_query, of_clip, features, fitted.by_class)
        neighbours.append(
            Neighbour(
                example.title,
                numbers[example],
                example.label,
                similarity[i].item(),
                {name: value[i].item() for name, value in parts.items()},
                match,
                _frames(origins.get(example.title), example.active, examples.origins[i]),
                {name: _values(value) for name, value in cells.items()},
            )
        )
    return tuple(neighbours)


def _values(cells: torch.Tensor) -> Cells:
    return tuple(tuple(tuple(row) for row in frame) for frame in cells.tolist())


def _frames(clip: VideoSource | None, active: Span | None, origin: object) -> tuple[bytes, ...]:
    """Return the frames of a training clip; its thumbnail if the clip cannot be read."""
    thumbnail = (origin,) if isinstance(origin, bytes) else ()
    if clip is None:
        return thumbnail
    try:
        return strip(clip, active)
    except VideoError:
        return thumbnail
