"""Map of a model in two dimensions: its training clips, its classes' prototypes, and new clips.

The method's similarity K of two clips gives their distance d² = K_ii + K_jj − K_ij − K_ji. The
similarities of a class's prototype are the means of those of its clips: where K is an inner
product, it is their mean. The points are arranged by the t-SNE of scikit-learn (van der Maaten and
Hinton, 2008).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from fewact.classifier.encoding import encode, rotate_upright
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.fitted import EachAClass, classify, similarities, spread_over_classes
from fewact.classifier.inputs import ClipLike, as_clip
from fewact.classifier.prediction import Skipped, display_name
from fewact.classifier.review import MAX_REVIEWED
from fewact.errors import ModelError, OptionError, VideoError

Kind = Literal["clip", "prototype", "video"]

PERPLEXITY = 30.0
"""Largest perplexity of t-SNE, its default."""

FEWEST = 4
"""Smallest number of points that t-SNE can arrange."""


@dataclass(frozen=True)
class Point:
    """A point of a map.

    Args:
        kind: Training clip, prototype of a class, or new video.
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
    """Clips, prototypes and videos as points.

    Args:
        points: Training clips, then prototypes, then videos.
        classes: Classes of the model.
        clips: Number of training clips of the model, of which at most a limit are points.
        method: Name of the method whose similarities are drawn.
        skipped: Videos that could not be read.
    """

    points: tuple[Point, ...]
    classes: tuple[str, ...]
    clips: int
    method: str
    skipped: tuple[Skipped, ...] = ()


def map_clips(
    classifier: FewShotClassifier, videos: Sequence[ClipLike] = (), *, seed: int = 0
) -> ClipMap:
    """Arrange a model's clips, its classes' prototypes and new videos by their similarity.

    Args:
        classifier: Classifier that has learned classes.
        videos: New clips, drawn with their predicted class.
        seed: Seed of the arrangement.

    Raises:
        ModelError: The classifier has learned nothing yet, or too few clips for a map.
        OptionError: scikit-learn is not installed.
        VideoError: No video can be read.
    """
    pipeline, fitted = classifier._learned
    method, n = pipeline.method, len(fitted.classes)
    chosen = spread_over_classes(fitted.examples.labels.tolist(), MAX_REVIEWED)
    labels = fitted.examples.labels[chosen]
    nodes = [{name: value[chosen] for name, value in fitted.by_clip.nodes.items()}]
    clips = [fitted.examples.clips[i] for i in chosen]
    shown = [(one.title, one.label) for one in clips]
    decision = fitted.open_set.decision(classifier.false_alarms)
    requested = [as_clip(video) for video in videos]
    named: list[tuple[str, str]] = []
    skipped: list[Skipped] = []
    for encoded in encode(requested, pipeline, image_embedding=fitted.class_names is not None):
        encoded = rotate_upright(encoded, pipeline, fitted.upright)
        encoded.warn()
        query, found = encoded.clip, encoded.nodes
        if isinstance(found, VideoError):
            skipped.append(Skipped(query, found))
            continue
        prediction = classify(method, fitted, decision, query, found)
        named.append((Path(display_name(query)).name, str(prediction.label)))
        nodes.append({name: found[name] for name in nodes[0]})
    if skipped and not named:
        raise skipped[0].error
    each = EachAClass(method, {name: torch.cat([one[name] for one in nodes]) for name in nodes[0]})
    similarity = similarities(each, each.nodes, each.state)
    weights = torch.eye(len(similarity), dtype=torch.float64)
    member = torch.nn.functional.one_hot(labels, n).T.double()  # (n s)
    means = torch.zeros(n, len(similarity), dtype=torch.float64)
    means[:, : len(labels)] = member / member.sum(-1, keepdim=True)
    rows = torch.cat([weights[: len(labels)], means, weights[len(labels) :]])  # (p s+q)
    places = _arranged(distances(rows @ similarity @ rows.T), seed)
    every: list[tuple[Kind, str, str]] = [
        *(("clip", name, label) for name, label in shown),
        *(("prototype", label, label) for label in fitted.classes),
        *(("video", name, label) for name, label in named),
    ]
    points = (
        Point(*one, x=place[0], y=place[1])
        for one, place in zip(every, places.tolist(), strict=True)
    )
    name = type(method).__name__.lower()
    total = len(fitted.examples.clips)
    return ClipMap(tuple(points), fitted.classes, total, name, tuple(skipped))


def distances(similarity: Tensor) -> Tensor:
    """Return distances (p p) of points with these similarities (p p)."""
    own = similarity.diagonal()
    squares = own[:, None] + own[None] - similarity - similarity.T
    return squares.clamp_min(0).sqrt().fill_diagonal_(0)


def _arranged(apart: Tensor, seed: int) -> Tensor:
    """Return places (p 2) in [0, 1] of points with these distances (p p)."""
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise OptionError(
            "a map is arranged by scikit-learn", hint="Run: pip install 'fewact[map]'"
        ) from None
    if len(apart) < FEWEST:
        raise ModelError(
            "too few clips for a map", got=f"{len(apart)} points", expected=f"at least {FEWEST}"
        )
    perplexity = min(PERPLEXITY, (len(apart) - 1) / 3)
    arrange = TSNE(metric="precomputed", init="random", perplexity=perplexity, random_state=seed)
    places = torch.from_numpy(arrange.fit_transform(apart.numpy())).double()
    low, high = places.amin(0), places.amax(0)
    # One scale for both axes: distances mean the same in all directions.
    middle, span = (low + high) / 2, (high - low).max().clamp_min(1e-12)
    return (places - middle) / span + 0.5
