"""Find actions in an index by examples: rank all windows by small vectors, read the best again.

The similarity of small vectors is a correlation along time, so that all windows of any duration are
scored by a few matrix products. The motion of the best of each hour is aligned with that of the
examples. The segments that rank best then are read from their recordings, and compared as
``predict`` compares clips.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fewact.classifier.encoding import EncodedClip, encode
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import EachAClass, Fitted, score, similarities
from fewact.classifier.names import Label
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.predict import window_lengths
from fewact.classifier.prediction import display_name
from fewact.core.errors import DataError, ModelError, VideoError, warn
from fewact.core.workers import side_by_side
from fewact.data import BACKGROUND, Clip, VideoClip
from fewact.features.request import DifferenceImageRequest, View
from fewact.methods.fusion.motion_network import FRAMES
from fewact.methods.fusion.terms import LearnedMotionTerm
from fewact.recordings.formats import Event
from fewact.recordings.index import (
    BLOCK,
    LARGEST,
    TRACKS,
    Archive,
    IndexedRecording,
    Rows,
    projected,
)
from fewact.recordings.stream import HOP
from fewact.video.source import Span

Array = NDArray[np.floating]

WEIGHTS: Final = {"appearance": 3.0, "layout": 1.0, "motion": 2.0}
"""Weights of the similarities. Chosen on development recordings, as are the others here, see
docs/results/archive.md."""

UNLIKE: Final = {"layout": 0.1, "motion": 0.2}
SOFTNESS: Final = 0.1
"""Similarities of movements that differ, and how gently what is above begins to count: among unlike
movements, appearance decides."""

ALIGNED_WEIGHTS: Final = WEIGHTS | {"motion": 8.0}
ALIGNED_UNLIKE, ALIGNED_SOFTNESS = -0.5, 0.05
"""The same where motion is aligned. Its similarity is minus the cost per frame."""

ALIKE_WEIGHTS: Final = {"appearance": 0.5, "layout": 1.0, "motion": 2.0}
"""Weights of the similarities of segments with each other."""

FLOOR: Final = {"layout": 1.0, "motion": 1.0}
"""Variance that is added to that of a window: where nothing moves, noise is like nothing."""

LENGTHS: Final = (0.85, 1.15)
"""Durations of windows, as multiples of those of examples."""

OVERLAP: Final = 0.4
"""Fraction of the shorter of two windows from which on they show the same performance."""

PER_PART: Final = 100
"""Largest number of segments of an hour whose motion is aligned."""

MINUTES: Final = 60
"""Length of the parts in which a recording is searched, in minutes."""

CELL: Final = 0.5
"""Precision of the spans that are watched, in seconds."""

FOUND: Final = "found"
"""Class of what clips without a label show."""

RIGHT: Final = "right"
WRONG: Final = "wrong"
AGAINST: Final = 0.5
"""Weight of the nearest wrong example, next to 1 for the mean of the right ones."""

RANK_WEIGHT: Final = 0.3
"""Weight of what the index says of a segment, next to 1 for its similarity when it is read again:
both in standard deviations of the segments that are read."""

PROBABILITY: Final = (1.85, 1.8)
"""Log-odds that a segment is right: a constant that is subtracted, and the weight of its score in
standard deviations from the mean of the segments that are read again."""

# Positions of a window at which its rows are compared, as fractions of its duration: those of the
# frames that ``fusion`` compares.
_EVEN = (np.arange(8) + 0.5) / 8
_LEARNED = (np.linspace(0, 31, FRAMES) + 0.5) / 32
POSITIONS: Final = {"appearance": _EVEN, "layout": _EVEN, "motion": _LEARNED}

ALIGNMENT: Final = LearnedMotionTerm(DifferenceImageRequest(View(FRAMES)))


@dataclass(frozen=True)
class Sought:
    """Small vectors of an example.

    Args:
        length: Duration of the example, in seconds.
        vectors: Vectors (k d) at ``POSITIONS``, by track; their sum of squares is 1.
    """

    length: float
    vectors: Mapping[str, Array]

    @classmethod
    def of_nodes(cls, nodes: Nodes, length: float) -> "Sought":
        """Return the small vectors of the nodes (…) of one clip by ``fusion``."""
        try:
            appearance = nodes["appearance"].reshape(len(_EVEN), -1)
            layout = nodes["static_full_frame_motion"]
            motion = nodes["learned_motion"][:, : TRACKS["motion"].width]
        except (KeyError, RuntimeError):
            raise ModelError(
                "only clips that are compared by fusion, with its default frames, can be found in "
                "an index",
                got=", ".join(nodes),
            ) from None
        values = {
            "appearance": appearance,
            "layout": layout[:, : layout.shape[1] // 2],
            "motion": motion,
        }
        return cls._of(length, {n: projected(n, v.float()).numpy() for n, v in values.items()})

    @classmethod
    def of_rows(cls, rows: Mapping[str, Array], start: float, length: float) -> "Sought":
        """Return those of a window of an index."""
        return cls._of(
            length,
            {n: rows[n][_at(n, np.array([start]), length, len(rows[n]))[0]] for n in TRACKS},
        )

    @classmethod
    def _of(cls, length: float, vectors: Mapping[str, Array]) -> "Sought":
        return cls(length, {name: _normalised(name, value) for name, value in vectors.items()})


def _normalised(name: str, vectors: Array) -> Array:
    if name == "appearance":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-6)
    else:
        vectors = vectors - vectors.mean(0)
    scaled: Array = vectors / max(float(np.linalg.norm(vectors)), 1e-6)
    return scaled


def _at(name: str, starts: Array, length: float, rows: int) -> NDArray[np.int64]:
    """Return the rows (w k) of windows."""
    times = starts[:, None] + length * POSITIONS[name]
    return (times * TRACKS[name].rate).astype(np.int64).clip(0, rows - 1)


def products_of(rows: Mapping[str, Array], examples: Sequence[Sought]) -> dict[str, Array]:
    """Return the products (k q n) of all rows with the vectors of q examples, by track."""
    products: dict[str, Array] = {}
    for name, values in rows.items():
        queries = np.stack([example.vectors[name] for example in examples], 1)  # (k q d)
        across = queries.reshape(-1, queries.shape[-1]).astype(np.float32)
        product = (across @ values.T).reshape(*queries.shape[:2], len(values))
        if name == "appearance":
            product /= np.sqrt(np.einsum("nd,nd->n", values, values)).clip(1e-6)
        products[name] = product
    return products


def window_scores(
    products: Mapping[str, Array], variances: Mapping[str, Array], starts: Array, length: float
) -> dict[str, Array]:
    """Return the similarities (w q) of windows with examples, by track, about −1 to 1.

    Args:
        products: Products of the rows with the examples, see ``products_of``.
        variances: Variances of the rows, see ``variances_of``.
        starts: Starts (w) of the windows, in seconds.
        length: Their duration, in seconds.
    """
    scores = {}
    for name, values in products.items():
        at = _at(name, starts, length, values.shape[-1])
        total = np.sum([of_one[:, at[:, k]] for k, of_one in enumerate(values)], 0)  # (q w)
        size = np.full(len(starts), float(len(values)))
        if name in variances:
            middle = ((starts + length / 2) / CELL).astype(np.int64)
            size *= variances[name][middle.clip(0, len(variances[name]) - 1)] + FLOOR[name]
        scores[name] = (total / np.sqrt(size)).T
    return scores


def variances_of(rows: Mapping[str, Array], length: float) -> dict[str, Array]:
    """Return the variance of what changes, in windows of about a duration around each half second.

    Sums of half seconds suffice: the windows are as many of them as fit best.
    """
    variances = {}
    for name in FLOOR:
        values, per_cell = rows[name], round(CELL * TRACKS[name].rate)
        count = len(values) // per_cell
        cells = values[: count * per_cell].reshape(count, per_cell, -1).sum(1)  # (c d)
        squares = np.einsum("nd,nd->n", values, values)[: count * per_cell]
        squares = squares.reshape(count, per_cell).sum(1)
        wide = max(1, min(round(length / CELL), count))
        # Adding neighbours is faster than a cumulative sum along the first axis.
        spans = count - wide + 1
        sums, totals = (sum(x[i : i + spans] for i in range(wide)) for x in (cells, squares))
        mean = sums / (wide * per_cell)
        variance = totals / (wide * per_cell) - np.einsum("nd,nd->n", mean, mean)
        before = wide // 2
        variances[name] = np.pad(variance.clip(0), (before, wide - 1 - before), mode="edge")
    return variances


@dataclass(frozen=True)
class Segment:
    """Segment of a recording that an action is compared with.

    Args:
        recorded: The recording.
        start: Start, in seconds.
        end: End, in seconds.
        label: Class that it shows most probably.
        rank: Score of the small vectors; larger is nearer.
        similarity: Similarity of the complete features; None if it was not read again.
        probability: Estimated probability that it shows its class; None if it was not read again.
    """

    recorded: IndexedRecording
    start: float
    end: float
    label: Label
    rank: float
    similarity: float | None = None
    probability: float | None = None

    @property
    def clip(self) -> Clip:
        """The segment of the file."""
        return Clip(self.recorded.path, start=self.start, end=self.end)


@dataclass(frozen=True)
class Question:
    """What is to be found.

    Args:
        pipeline: Backbone and method, by which segments are compared.
        nodes: Nodes (s …) of the examples.
        labels: Class of each example; ``none`` for what is to be left out.
        lengths: Duration of each example, in seconds.
        fitted: The model whose classes are to be found; None for clips.
    """

    pipeline: Pipeline
    nodes: Nodes
    labels: tuple[str, ...]
    lengths: tuple[float, ...]
    fitted: Fitted | None = None

    @property
    def uncut(self) -> Pipeline:
        """Pipeline of segments, whose ends are not trimmed."""
        return replace(self.pipeline, trim="off")

    @cached_property
    def classes(self) -> list[str]:
        """Classes to be found."""
        return sorted(set(self.labels) - {BACKGROUND})

    @cached_property
    def sought(self) -> list[Sought]:
        """Small vectors of the examples."""
        return [
            Sought.of_nodes({name: value[i] for name, value in self.nodes.items()}, length)
            for i, length in enumerate(self.lengths)
        ]

    @cached_property
    def motion(self) -> Tensor:
        """Vectors of learned motion of the examples (s t d), of length 1."""
        return self.nodes["learned_motion"][..., : TRACKS["motion"].width].float()

    @cached_property
    def window_lengths(self) -> list[float]:
        """Durations of the windows, in seconds."""
        durations = [
            n for n, label in zip(self.lengths, self.labels, strict=True) if label != BACKGROUND
        ]
        lengths = window_lengths(durations)
        return sorted({round(factor * n, 2) for n in lengths for factor in LENGTHS})

    @cached_property
    def by_clip(self) -> EachAClass:
        """Examples, each a class by itself: their state is the same for all segments."""
        return EachAClass(self.pipeline.method, self.nodes)

    def joined(self, pairs: Array) -> Array:
        """Return the scores (w n) of classes from similarities (w s) with examples."""
        labels = np.array(self.labels)
        of = [pairs[:, labels == label].mean(1) for label in self.classes]
        scores: Array = np.stack(of, 1)
        wrong = labels == BACKGROUND
        if wrong.any():
            scores = scores - AGAINST * pairs[:, wrong].max(1, keepdims=True)
        return scores


def question_of_clips(clips: Sequence[VideoClip], pipeline: Pipeline) -> Question:
    """Return the question for clips with their labels; warn of what is wrong with them.

    Raises:
        VideoError: A clip cannot be read.
    """
    encoded = list(encode(clips, pipeline))
    for clip in encoded:
        for fault in clip.faults:
            warn(f"{display_name(clip.clip)}: {fault}")
    return _question_of(encoded, pipeline)


def _question_of(encoded: Sequence[EncodedClip], pipeline: Pipeline) -> Question:
    nodes = []
    for clip in encoded:
        clip.warn()
        if isinstance(clip.nodes, VideoError):
            raise clip.nodes
        nodes.append(clip.nodes)
    spans = [clip.active or (0.0, clip.duration or 0.0) for clip in encoded]
    return Question(
        pipeline,
        {name: torch.cat([clip_nodes[name] for clip_nodes in nodes]).cpu() for name in nodes[0]},
        tuple(clip.clip.label or FOUND for clip in encoded),
        tuple(end - start for start, end in spans),
    )


def with_marks(question: Question, marks: Sequence[Event]) -> Question:
    """Return the question with found segments as examples: right ones, and wrong ones.

    Args:
        question: The question that found them.
        marks: Events with paths as recordings, marked ``right`` or ``wrong``; those marked ``?`` do
            not count.

    Raises:
        DataError: Nothing is marked, or otherwise than so.
        VideoError: A marked segment cannot be read.
    """
    unknown = {event.mark for event in marks} - {RIGHT, WRONG, "?", ""}
    if unknown:
        raise DataError(
            "unknown marks",
            where="column mark",
            got=", ".join(sorted(unknown))[:80],
            expected=f"{RIGHT}, {WRONG} or ?",
        )
    clips = [
        Clip(
            Path(event.recording),
            BACKGROUND if event.mark == WRONG else str(event.label),
            event.start,
            event.end,
        )
        for event in marks
        if event.mark in (RIGHT, WRONG)
    ]
    if not clips:
        raise DataError(
            "no segment is marked",
            where="column mark",
            expected=f"{RIGHT} or {WRONG} in some rows",
        )
    marked = _question_of(list(encode(clips, question.uncut)), question.uncut)
    nodes = {
        name: torch.cat([value.cpu(), marked.nodes[name]]) for name, value in question.nodes.items()
    }
    return Question(
        question.pipeline,
        nodes,
        (*question.labels, *marked.labels),
        (*question.lengths, *marked.lengths),
    )


def question_of_model(fitted: Fitted) -> Question:
    """Return the question for the classes of a model.

    Raises:
        ModelError: The model does not know how long its training clips are.
    """
    everything = fitted.everything
    lengths = [clip.duration for clip in everything.clips]
    if None in lengths:
        window_lengths(())
    return Question(
        fitted.pipeline,
        everything.nodes,
        tuple(str(clip.label) for clip in everything.clips),
        tuple(length or 0.0 for length in lengths),
        fitted,
    )


def proposals(archive: Archive, question: Question, count: int) -> list[Segment]:
    """Return the segments whose small vectors are nearest to the examples, the best first.

    Segments do not overlap. Memory does not depend on the number of recordings.
    """
    question.sought  # noqa: B018 - before threads share it
    of_recordings = side_by_side(
        lambda recorded: _of_recording(archive, recorded, question), archive.recordings()
    )
    return sorted(chain.from_iterable(of_recordings), key=lambda segment: -segment.rank)[:count]


def _of_recording(
    archive: Archive, recorded: IndexedRecording, question: Question
) -> list[Segment]:
    segments: list[Segment] = []
    for begin, rows in parts_of(archive, recorded):
        windows = _scored(rows, question)
        starts, ends = (np.concatenate([each[i] for each in windows]) for i in (0, 1))
        parts = {name: np.concatenate([each[2][name] for each in windows]) for name in TRACKS}
        near = apart(starts, ends, _quick_scores(parts, question).max(1), PER_PART)
        if not near:
            continue
        starts, ends = starts[near], ends[near]
        parts = {n: _counted(n, part[near]) for n, part in parts.items() if n != "motion"}
        motion = motion_at(rows["motion"], starts, ends - starts)
        parts["motion"] = alignment(motion, question.motion)
        scores = question.joined(_sum(ALIGNED_WEIGHTS, parts))  # (w n)
        of, ranks = scores.argmax(1).tolist(), scores.max(1).tolist()
        segments += [
            Segment(recorded, begin + start, begin + end, question.classes[i], rank)
            for start, end, i, rank in zip(starts.tolist(), ends.tolist(), of, ranks, strict=True)
        ]
    starts, ends, ranks = (
        np.array([getattr(s, n) for s in segments]) for n in ("start", "end", "rank")
    )
    return [segments[i] for i in apart(starts, ends, ranks, len(segments))]


def apart(starts: Array, ends: Array, ranks: Array, count: int) -> list[int]:
    """Return the best windows that show different performances, at most so many, the best first."""
    order = np.argsort(-ranks, kind="stable")[: 20 * count]
    selected: list[int] = []
    while len(order) and len(selected) < count:
        best = int(order[0])
        selected.append(best)
        shared = np.minimum(ends[order], ends[best]) - np.maximum(starts[order], starts[best])
        shorter = np.minimum(ends[order] - starts[order], ends[best] - starts[best])
        order = order[shared <= OVERLAP * shorter]
    return selected


def parts_of(
    archive: Archive, recorded: IndexedRecording
) -> Iterator[tuple[float, dict[str, Array]]]:
    """Yield the starts, in seconds, and rows of parts of a recording, which share a minute."""
    count = archive.blocks(recorded.fingerprint)
    for first in range(0, count, MINUTES):
        last = min(count, first + MINUTES + 1)
        if first == 0 or last - first > 1:
            yield float(first * BLOCK), small_rows(archive.rows(recorded.fingerprint, first, last))


def small_rows(rows: Rows) -> dict[str, Array]:
    """Return rows as they are compared, without those at the end that have no frame."""
    shown = np.flatnonzero(rows["layout"].any(1))
    end = (shown[-1] + 1) / TRACKS["layout"].rate if len(shown) else 0.0
    return {
        name: values[: round(end * TRACKS[name].rate)] * np.float32(LARGEST / 127)
        for name, values in rows.items()
    }


Windows = tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Array]]
"""Starts and ends (w) of windows, in seconds, and similarities (w s) with examples, by track."""


def _scored(rows: dict[str, Array], question: Question) -> list[Windows]:
    """Return the windows of each length."""
    lengths, windows = question.window_lengths, list[Windows]()
    duration = len(rows["layout"]) / TRACKS["layout"].rate
    if duration < CELL:
        none: dict[str, Array] = dict.fromkeys(TRACKS, np.zeros((0, len(question.labels))))
        return [(np.zeros(0), np.zeros(0), none)]
    variances = variances_of(rows, lengths[len(lengths) // 2])
    products = products_of(rows, question.sought)
    for length in lengths:
        starts = np.arange(0.0, max(duration - length, 0.0) + 1e-6, HOP * length)
        parts = window_scores(products, variances, starts, length)
        windows.append((starts, (starts + length).clip(max=duration), parts))
    return windows


def motion_at(rows: Array, starts: Array, lengths: Array | float) -> Tensor:
    """Return the vectors of learned motion of windows (w t d), of length 1."""
    at = starts[:, None] + np.reshape(lengths, (-1, 1)) * POSITIONS["motion"]
    motion = rows[(at * TRACKS["motion"].rate).astype(np.int64).clip(0, len(rows) - 1)]
    return functional.normalize(torch.from_numpy(motion - motion.mean(1, keepdims=True)), dim=-1)


def alignment(windows: Tensor, examples: Tensor) -> NDArray[np.float32]:
    """Return how much more alike than different motions (w t d) and (s t d) are: (w s).

    Unlike a correlation, an alignment forgives a window that begins early or late.
    """
    similarity = ALIGNMENT.alignment(windows[None], examples[None])[0].numpy()
    return _above(similarity, ALIGNED_UNLIKE, ALIGNED_SOFTNESS)


def _quick_scores(parts: Mapping[str, Array], question: Question) -> Array:
    """Return the scores (w n) of classes from similarities (w s) of which none is aligned."""
    return question.joined(_sum(WEIGHTS, {name: _counted(name, parts[name]) for name in parts}))


def _sum(weights: Mapping[str, float], parts: Mapping[str, Array]) -> Array:
    total: Array = np.sum([weights[name] * part for name, part in parts.items()], 0)
    return total


def _counted(name: str, similarity: Array) -> Array:
    return _above(similarity, UNLIKE[name], SOFTNESS) if name in UNLIKE else similarity


def _above(similarity: Array, unlike: float, softness: float) -> Array:
    above: Array = softness * np.logaddexp(0, (similarity - unlike) / softness)
    return above


def spans_to_watch(
    archive: Archive, recorded: IndexedRecording, question: Question, fraction: float
) -> list[Span]:
    """Return the spans of a recording, in seconds, in which its classes are most probable.

    Args:
        archive: Index.
        recorded: A recording of it.
        question: Question of a model.
        fraction: Fraction of the recording, from 0 to 1, that the spans have at least.
    """
    longest = question.window_lengths[-1]
    best = np.zeros(0)
    for begin, rows in parts_of(archive, recorded):
        end = begin + len(rows["layout"]) / TRACKS["layout"].rate
        cells = np.full(math.ceil(end / CELL), -np.inf)
        cells[: len(best)] = best
        best = cells
        for starts, ends, parts in _scored(rows, question):
            scores = _quick_scores(parts, question)
            firsts, lasts = (
                np.floor((begin + times + side * longest) / CELL).astype(int).clip(0, len(best))
                for times, side in ((starts, -1), (ends, 1))
            )
            for first, last, rank in zip(firsts, lasts, scores.max(1), strict=True):
                best[first:last] = np.maximum(best[first:last], rank)
    if not len(best):
        return []
    is_watched = best >= np.quantile(best, max(0.0, 1 - fraction), method="lower")
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_watched, [False]])))
    spans: list[Span] = []
    for first, last in edges.reshape(-1, 2).tolist():
        # No window may contain a gap that is too short to end it.
        if spans and first * CELL - spans[-1].end <= longest:
            spans[-1] = Span(spans[-1].start, last * CELL)
        else:
            spans.append(Span(first * CELL, last * CELL))
    return spans


def read_again(segments: Sequence[Segment], question: Question) -> list[Segment]:
    """Compare segments by the complete method, and sort them; one whose file is gone stays last."""
    readable = [segment for segment in segments if segment.recorded.is_there]
    read = encode([segment.clip for segment in readable], question.uncut)
    compared, unread = [], [segment for segment in segments if not segment.recorded.is_there]
    for segment, clip in zip(readable, read, strict=True):
        if isinstance(clip.nodes, VideoError):
            unread.append(segment)
        else:
            compared.append(_compared(segment, clip.nodes, question))
    if question.fitted is None:
        compared = with_probabilities(compared)
        return sorted(compared, key=lambda segment: -(segment.probability or 0.0)) + unread
    return sorted(compared, key=lambda segment: -(segment.similarity or 0.0)) + unread


def _compared(segment: Segment, nodes: Nodes, question: Question) -> Segment:
    if question.fitted is not None:
        logits, similarity, known = score(question.fitted, nodes)
        best = int(logits[0].argmax())
        of_class = question.fitted.examples.labels == best
        return replace(
            segment,
            label=question.fitted.labels[best],
            similarity=float(similarity[0][of_class].mean()),
            probability=question.fitted.open_set.known_probability(known.item()),
        )
    pairs = similarities(question.by_clip, nodes).numpy()
    return replace(segment, similarity=float(question.joined(pairs)[0].max()))


def with_probabilities(segments: Sequence[Segment]) -> list[Segment]:
    """Return segments with the probabilities that their scores have among each other."""
    similarity, rank = (
        _standardised(np.array([getattr(segment, name) for segment in segments], float))
        for name in ("similarity", "rank")
    )
    offset, slope = PROBABILITY
    odds = (slope * _standardised(similarity + RANK_WEIGHT * rank) - offset).tolist()
    return [
        replace(segment, probability=1 / (1 + math.exp(-each)))
        for segment, each in zip(segments, odds, strict=True)
    ]


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(values.std()) if len(values) > 1 else 0.0
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))


def to_mark(archive: Archive, segments: Sequence[Segment], count: int) -> list[Segment]:
    """Return the segments whose marks would help most: uncertain, and unlike each other."""
    compared = [segment for segment in segments if segment.probability is not None]
    if not compared:
        return []
    vectors = np.stack([small_vector(archive, segment) for segment in compared])
    alike = vectors @ vectors.T
    value = np.array([1 - abs(2 * (segment.probability or 0.0) - 1) for segment in compared])
    selected: list[int] = []
    while len(selected) < min(count, len(compared)):
        nearest = alike[:, selected].max(1) if selected else np.zeros(len(compared))
        worth = value * (1 - nearest.clip(min=0))
        worth[selected] = -1
        selected.append(int(worth.argmax()))
    return [compared[i] for i in selected]


def small_vector(archive: Archive, segment: Segment) -> Array:
    """Return the small vectors of a segment as one vector (d) of length 1."""
    first = int(segment.start // BLOCK)
    last = min(archive.blocks(segment.recorded.fingerprint), int(segment.end // BLOCK) + 1)
    rows = small_rows(archive.rows(segment.recorded.fingerprint, first, last))
    length = segment.end - segment.start
    return joined_vector(Sought.of_rows(rows, segment.start - first * BLOCK, length))


def joined_vector(sought: Sought) -> Array:
    """Return the vectors of all tracks as one (d), whose products add up their similarities."""
    total = sum(ALIKE_WEIGHTS.values())
    parts = [sought.vectors[name].ravel() * (ALIKE_WEIGHTS[name] / total) ** 0.5 for name in TRACKS]
    joined: Array = np.concatenate(parts)
    return joined


def events_of(segments: Sequence[Segment]) -> list[Event]:
    """Return segments as events."""
    return [
        Event(one.label, one.start, one.end, one.probability, recording=str(one.recorded.path))
        for one in segments
    ]
