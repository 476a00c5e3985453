"""Explain a prediction by the method that made it.

The lead of one class's score over another's is a sum. With the class score
mean_s K(q, s) − ½ · inside(c), a similarity K that is a sum of parts, and probabilities
p ∝ p_text^w · exp((1 − w) · score / T), the log-odds of two classes are

    log p(c)/p(c') = Σ_parts (1 − w) · (score_part(c) − score_part(c')) / T
                     + w · (log p_text(c) − log p_text(c'))

Methods whose similarities have no parts get one explanation for the clip.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fewact.classifier.calibration import combine
from fewact.classifier.encoding import explaining_features
from fewact.classifier.examples import Nodes
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.fitted import Fitted, batch_of, parts_of_pairs, rows_of, score
from fewact.classifier.inputs import ClipLike, as_clip
from fewact.classifier.joint_differences import JointDifferences, clip_joints, compared
from fewact.classifier.names import Example
from fewact.classifier.pictures import strip
from fewact.classifier.pipeline import IMAGE_EMBEDDING, name_of
from fewact.classifier.predict import predict
from fewact.classifier.prediction import Skipped
from fewact.core.errors import VideoError
from fewact.data.clips import AnyClip, VideoClip
from fewact.features.request import Features
from fewact.methods.common.known import Scores
from fewact.methods.protocols import (
    AttendsFrames,
    FrameMatch,
    MatchesCells,
    MatchesFrames,
    Parts,
)
from fewact.networks import Backbone
from fewact.video.source import Span, VideoSource

NEIGHBOURS = 3
"""Number of training clips that are shown."""

CLASS_NAMES_PART = "class names"
"""Contribution of class names as text."""

SIMILARITY_PART = "similarity"
"""Contribution of a method whose similarities have no parts."""

Cells = tuple[tuple[tuple[float, ...], ...], ...]
"""Values of the cells of frames: (t g g)."""


@dataclass(frozen=True)
class Neighbour:
    """A training clip, and how it resembles the query.

    Args:
        clip: Title of the clip.
        number: Its number among all clips of the model, from 1 on.
        label: Its class.
        similarity: Similarity with the query.
        parts: Parts of the similarity; they add up to it.
        match: How the frames of both were matched; None if the method matches none.
        frames: Small JPEG images of the clip, evenly spread over time; empty if it is not at hand.
        differences: How its joints differ from those of the query; None if one has none.
        cells: Contribution of each cell of the query's t frames to the similarity (t g g), by term;
    above 0 where both clips are alike. Empty if the method compares no cells.
    """

    clip: str
    number: int
    label: str
    similarity: float
    parts: dict[str, float]
    match: FrameMatch | None
    frames: tuple[bytes, ...] = field(default=(), repr=False)
    cells: dict[str, Cells] = field(default_factory=dict)
    differences: JointDifferences | None = None


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
        contributions: Contribution of each part to the log-odds of ``best`` against ``rival``.
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


def stored_origins(examples: Iterable[Example], *folders: Path) -> dict[str, VideoClip]:
    """Return the training clips whose stored files are in one of these folders, by title."""
    return {
        example.title: example.clip(folder / example.stored_file)
        for example in examples
        for folder in folders
        if example.stored_file and (folder / example.stored_file).is_file()
    }


def explain(
    classifier: FewShotClassifier, clip: ClipLike, origins: Origins | None = None
) -> Explanation:
    """Explain the prediction of a clip.

    ``origins`` are files of training clips, to show their frames; a classifier that was fitted, not
    loaded, knows them itself.
    """
    fitted = classifier.fitted_
    ((encoded, prediction),) = predict(
        fitted, [as_clip(clip)], false_alarms=classifier.false_alarms
    )
    nodes, source = encoded.nodes, encoded.source
    if isinstance(nodes, VideoError):
        raise nodes
    if isinstance(prediction, Skipped):
        raise prediction.error
    probabilities = {str(name): value for name, value in prediction.probabilities.items()}
    best, rival = sorted(probabilities, key=lambda name: -probabilities[name])[:2]
    features = explaining_features(fitted.pipeline, encoded)
    return Explanation(
        prediction.name,
        str(prediction.label),
        best,
        rival,
        probabilities,
        prediction.known,
        name_of(fitted.method),
        _contributions(fitted, nodes, best, rival),
        _with_joints(
            _neighbours(
                fitted, nodes, rival, _known_origins(fitted) | dict(origins or {}), features
            ),
            as_clip(clip),
            _known_origins(fitted) | dict(origins or {}),
        ),
        () if source is None else strip(source, encoded.active),
        _attention(fitted, features),
    )


def _with_joints(
    neighbours: tuple[Neighbour, ...], clip: AnyClip, origins: Origins
) -> tuple[Neighbour, ...]:
    """Return neighbours with how their joints differ, where both clips have joints."""
    query = clip_joints(clip) if isinstance(clip, VideoClip) else None
    if query is None:
        return neighbours
    found = []
    for neighbour in neighbours:
        origin = origins.get(neighbour.clip)
        try:
            joints = None if origin is None else clip_joints(origin)
        except VideoError:
            joints = None  # the page says that its frames are not at hand, either
        if joints is not None and joints.track.layout == query.track.layout:
            neighbour = replace(neighbour, differences=compared(query, joints))
        found.append(neighbour)
    return tuple(found)


def _contributions(fitted: Fitted, nodes: Nodes, best: str, rival: str) -> dict[str, float]:
    method, calibration, query = fitted.method, fitted.calibration, batch_of(nodes)  # (1 1 …)
    c, other = fitted.classes.index(best), fitted.classes.index(rival)

    def difference(logits: Scores) -> float:
        return float(logits[0, c] - logits[0, other])

    parts = method.score_parts(fitted.by_class, query) if isinstance(method, Parts) else {}
    parts = parts or {SIMILARITY_PART: method.score(fitted.by_class, query)}
    weight = 0.0 if fitted.class_names is None else calibration.text_weight
    scale = (1 - weight) / calibration.temperature
    contributions = {name: scale * difference(rows_of(logits)) for name, logits in parts.items()}
    if fitted.class_names is not None and weight:
        text = fitted.class_names.logits(nodes[IMAGE_EMBEDDING])
        contributions[CLASS_NAMES_PART] = difference(combine(text, np.zeros_like(text), weight))
    return contributions


def _known_origins(fitted: Fitted) -> dict[str, VideoClip]:
    examples = fitted.examples
    return {
        example.title: origin
        for example, origin in zip(examples.clips, examples.origins, strict=True)
        if isinstance(origin, VideoClip)
    }


def _attention(fitted: Fitted, features: Features) -> FrameMatch | None:
    method = fitted.method
    if features and isinstance(method, AttendsFrames):
        return method.attend_frames(features)
    return None


def _neighbours(
    fitted: Fitted,
    nodes: Nodes,
    rival: str,
    origins: Mapping[str, VideoSource],
    features: Features,
) -> tuple[Neighbour, ...]:
    """Return the most similar training clips, and the most similar one of the rival."""
    method, examples = fitted.method, fitted.examples
    similarity = score(fitted, nodes)[1][0]
    order = (-similarity).argsort(kind="stable").tolist()
    positions = order[:NEIGHBOURS]
    if not any(examples.clips[i].label == rival for i in positions):
        positions.append(next(i for i in order if examples.clips[i].label == rival))
    numbers = {clip: i for i, clip in enumerate(fitted.all_clips, start=1)}
    of_pairs = parts_of_pairs(method, fitted.by_class, nodes)
    parts = {name: value[0] for name, value in of_pairs.items()} or {SIMILARITY_PART: similarity}
    of_query = {name: value[0] for name, value in nodes.items()}
    neighbours = []
    for i in positions:
        example = examples.clips[i]
        of_clip = {name: value[i] for name, value in fitted.by_clip.nodes.items()}
        match = (
            method.match_frames(of_query, of_clip) if isinstance(method, MatchesFrames) else None
        )
        neighbours.append(
            Neighbour(
                example.title,
                numbers[example],
                example.label,
                float(similarity[i]),
                {name: float(value[i]) for name, value in parts.items()},
                match,
                _frames(origins.get(example.title), example.active, examples.origins[i]),
                _cells(fitted, of_query, of_clip, features),
            )
        )
    return tuple(neighbours)


def _cells(fitted: Fitted, of_query: Nodes, of_clip: Nodes, features: Features) -> dict[str, Cells]:
    """Return what cells of the query's frames add to the similarity with a clip."""
    backbone, method = fitted.backbone, fitted.method
    # Cells of a cropped frame are not those of the frames that are shown.
    full = isinstance(backbone, Backbone) and backbone.card.resize == "squash"
    if not (full and isinstance(method, MatchesCells)):
        return {}
    cells = method.match_cells(of_query, of_clip, features, fitted.by_class)
    return {
        name: tuple(tuple(map(tuple, frame)) for frame in value.tolist())
        for name, value in cells.items()
    }


def _frames(clip: VideoSource | None, active: Span | None, origin: object) -> tuple[bytes, ...]:
    """Return the frames of a training clip; its thumbnail if the clip cannot be read."""
    thumbnail = (origin,) if isinstance(origin, bytes) else ()
    if clip is None:
        return thumbnail
    try:
        return strip(clip, active)
    except VideoError:
        return thumbnail
