"""Map of a model in two dimensions: its training clips, its classes' prototypes, and new clips.

The method's similarity K of two clips gives their distance d² = K_ii + K_jj − K_ij − K_ji. The
similarities of a class's prototype are the means of those of its clips: where K is an inner
product, it is their mean. The points are arranged by the t-SNE of scikit-learn (van der Maaten and
Hinton, 2008).
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fewact.classifier.examples import spread_over_classes
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.fitted import EachAClass, similarities
from fewact.classifier.inputs import ClipLike, as_clip
from fewact.classifier.pipeline import name_of
from fewact.classifier.predict import predict
from fewact.classifier.prediction import Skipped
from fewact.classifier.review import MAX_REVIEWED
from fewact.core.errors import ExtraError, ModelError, VideoError
from fewact.methods.base import Labels, one_hot, rows
from fewact.methods.common.known import Scores

Kind = Literal["clip", "prototype", "video"]

PERPLEXITY = 30.0
"""Largest perplexity of t-SNE, its default."""

FEWEST_POINTS = 4
"""Smallest number of points that t-SNE can arrange."""

ARRANGEMENT_SEED = 0
"""Seed of the arrangement."""


@dataclass(frozen=True)
class MapPoint:
    """A training clip, prototype of a class, or new video.

    Args:
        kind: Which of them.
        name: Title of the clip; the class of a prototype.
        label: Class; of a video the predicted one.
        x: Position from left to right, in [0, 1].
        y: Position from bottom to top, in [0, 1].
    """

    kind: Kind
    name: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class ClipMap:
    """Training clips, prototypes of classes and videos as points, in this order.

    Args:
        points: The points.
        classes: Classes of the model.
        clips: Number of training clips of the model; at most a limited number are points.
        method: Name of the method whose similarities are drawn.
        skipped: Videos that could not be read.
    """

    points: tuple[MapPoint, ...]
    classes: tuple[str, ...]
    clips: int
    method: str
    skipped: tuple[Skipped, ...] = ()


def map_clips(classifier: FewShotClassifier, videos: Sequence[ClipLike] = ()) -> ClipMap:
    """Arrange a model's clips, its classes' prototypes and new videos by their similarity."""
    fitted = classifier.fitted_
    method = fitted.method
    mapped = spread_over_classes(fitted.examples.labels.tolist(), MAX_REVIEWED)
    labels = fitted.examples.labels[mapped]
    clips = [fitted.examples.clips[i] for i in mapped]
    nodes = [rows(fitted.by_clip.nodes, mapped)]
    named: list[tuple[str, str]] = []
    skipped: list[Skipped] = []
    queries = [as_clip(video) for video in videos]
    for part, answer in predict(fitted, queries, false_alarms=classifier.false_alarms):
        if isinstance(answer, Skipped):
            skipped.append(answer)
        elif not isinstance(part.nodes, VideoError):
            named.append((Path(answer.name).name, str(answer.label)))
            nodes.append({name: part.nodes[name] for name in nodes[0]})
    if skipped and not named:
        raise skipped[0].error
    joined = {name: np.concatenate([row[name] for row in nodes]) for name in nodes[0]}
    alone = EachAClass(method, joined)
    similarity = similarities(alone, alone.nodes, alone.state)
    weights = _with_prototypes(labels, len(fitted.classes), len(similarity))  # (p s+q)
    positions = _arranged(distances(weights @ similarity @ weights.T))
    named_points: list[tuple[Kind, str, str]] = [
        *(("clip", clip.title, clip.label) for clip in clips),
        *(("prototype", label, label) for label in fitted.classes),
        *(("video", name, label) for name, label in named),
    ]
    points = (
        MapPoint(*named_point, x, y)
        for named_point, (x, y) in zip(named_points, positions.tolist(), strict=True)
    )
    total = len(fitted.clips)
    return ClipMap(tuple(points), fitted.classes, total, name_of(method), tuple(skipped))


def _with_prototypes(labels: Labels, n: int, count: int) -> Scores:
    """Return each point as weights (s + n + q, s + q) of s training clips and q videos.

    ``labels`` are the classes (s) of the training clips; ``count`` is s + q.
    """
    weights = np.eye(count)
    member = one_hot(labels, n, np.float64).T  # (n s)
    means = np.zeros((n, count))
    means[:, : len(labels)] = member / member.sum(-1, keepdims=True)
    return np.concatenate([weights[: len(labels)], means, weights[len(labels) :]])


def distances(similarity: Scores) -> Scores:
    """Return distances (p p) of points with these similarities (p p)."""
    diagonal = similarity.diagonal()
    squares = diagonal[:, None] + diagonal[None] - similarity - similarity.T
    apart: Scores = np.sqrt(np.maximum(squares, 0.0))
    np.fill_diagonal(apart, 0.0)
    return apart


def _arranged(apart: Scores) -> Scores:
    """Return positions (p 2) in [0, 1] of points with these distances (p p)."""
    try:
        manifold = importlib.import_module("sklearn.manifold")
    except ImportError as error:
        raise ExtraError("a map", "lab", got="no scikit-learn") from error
    if len(apart) < FEWEST_POINTS:
        raise ModelError(
            "too few clips for a map",
            got=f"{len(apart)} points",
            expected=f"at least {FEWEST_POINTS}",
        )
    perplexity = min(PERPLEXITY, (len(apart) - 1) / 3)
    arrange = manifold.TSNE(
        metric="precomputed", init="random", perplexity=perplexity, random_state=ARRANGEMENT_SEED
    )
    points = arrange.fit_transform(apart).astype(np.float64)
    low, high = points.min(0), points.max(0)
    # One scale for both axes: distances mean the same in all directions.
    middle, span = (low + high) / 2, max((high - low).max(), 1e-12)
    positions: Scores = (points - middle) / span + 0.5
    return positions
