"""Find actions in an index by examples: rank all windows by small vectors, read the best again.

All windows are scored by small vectors. In each hour the motion of the best windows is aligned with
the motion of the examples. Then the best segments are read from their recordings, and compared as
``predict`` compares clips.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.encoding import encode
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import Fitted, score, similarities
from fewact.core.errors import VideoError
from fewact.core.workers import on_one_core, side_by_side
from fewact.features.store import Store
from fewact.recordings.index import (
    ENTRY_SECONDS,
    Archive,
    IndexedRecording,
    recording_parts,
    small_rows,
)
from fewact.recordings.question import Question, question_of_model
from fewact.recordings.segments import Segment, apart
from fewact.recordings.small_vectors import (
    CELL_SECONDS,
    INDEX_TRACKS,
    Array,
    Rows,
    SmallVectors,
    above,
    aligned_similarities,
    motion_at,
    row_products,
    row_variances,
    window_similarities,
)
from fewact.recordings.windows import WINDOW_STEP, check_watchable, window_starts
from fewact.video.source import Span

TRACK_WEIGHTS: Final = {"appearance": 3.0, "layout": 1.0, "motion": 2.0}
"""Weights of the similarities. Chosen on development recordings, as are the others here, see
docs/results/archive.md."""

UNLIKE_SIMILARITY: Final = {"layout": 0.1, "motion": 0.2}
"""Similarities of movements that differ: among unlike movements, appearance decides."""

UNLIKE_SOFTNESS: Final = 0.1
"""How gently what is above them begins to count."""

ALIGNED_WEIGHTS: Final = TRACK_WEIGHTS | {"motion": 8.0}
"""Weights of the similarities where motion is aligned."""

SEGMENT_WEIGHTS: Final = {"appearance": 0.5, "layout": 1.0, "motion": 2.0}
"""Weights of the similarities of segments with each other."""

ALIGNED_PER_PART: Final = 100
"""Largest number of segments of a part whose motion is aligned."""

RANK_WEIGHT: Final = 0.3
"""Weight of a segment's value in the index; its similarity after a second reading has weight 1.
Both are in standard deviations over the segments that are read."""

PROBABILITY_OFFSET: Final = 1.85
"""Constant that is subtracted from the log-odds that a segment is right."""

PROBABILITY_SLOPE: Final = 1.8
"""These log-odds for each unit of its score, in standard deviations from the mean of the segments
that are read again."""


def proposals(archive: Archive, question: Question, count: int) -> list[Segment]:
    """Return the segments whose small vectors are nearest to the examples, the best first.

    Segments do not overlap. Memory does not depend on the number of recordings.
    """
    question.examples  # noqa: B018 - before threads share it
    of_recordings = side_by_side(
        lambda recorded: _of_recording(archive, recorded, question), archive.recordings()
    )
    return sorted(chain.from_iterable(of_recordings), key=lambda segment: -segment.rank)[:count]


def _of_recording(
    archive: Archive, recorded: IndexedRecording, question: Question
) -> list[Segment]:
    segments: list[Segment] = []
    for begin, rows in recording_parts(archive, recorded):
        windows = _scored(rows, question)
        starts, ends = (np.concatenate([each[i] for each in windows]) for i in (0, 1))
        parts = {name: np.concatenate([each[2][name] for each in windows]) for name in INDEX_TRACKS}
        near = apart(starts, ends, _quick_scores(parts, question).max(1), ALIGNED_PER_PART)
        if not near:
            continue
        starts, ends = starts[near], ends[near]
        parts = {n: _counted(n, part[near]) for n, part in parts.items() if n != "motion"}
        motion = motion_at(rows["motion"], starts, ends - starts)
        parts["motion"] = aligned_similarities(motion[None], question.motion[None])[0]
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


Windows = tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Array]]
"""Starts and ends (w) of windows, in seconds, and similarities (w s) with examples, by track."""


def _scored(rows: Rows, question: Question) -> list[Windows]:
    """Return the windows of each length."""
    lengths, windows = question.window_lengths, list[Windows]()
    duration = len(rows["layout"]) / INDEX_TRACKS["layout"].rate
    if duration < CELL_SECONDS:
        none: dict[str, Array] = dict.fromkeys(INDEX_TRACKS, np.zeros((0, len(question.labels))))
        return [(np.zeros(0), np.zeros(0), none)]
    variances = row_variances(rows, lengths[len(lengths) // 2])
    products = row_products(rows, question.examples)
    for length in lengths:
        starts = window_starts(duration, length, WINDOW_STEP * length)
        parts = window_similarities(products, variances, starts, length)
        windows.append((starts, (starts + length).clip(max=duration), parts))
    return windows


def _quick_scores(parts: Mapping[str, Array], question: Question) -> Array:
    """Return the scores (w n) of classes from similarities (w s) without alignment."""
    return question.joined(
        _sum(TRACK_WEIGHTS, {name: _counted(name, parts[name]) for name in parts})
    )


def _sum(weights: Mapping[str, float], parts: Mapping[str, Array]) -> Array:
    total: Array = np.sum([weights[name] * part for name, part in parts.items()], 0)
    return total


def _counted(name: str, similarity: Array) -> Array:
    if name not in UNLIKE_SIMILARITY:
        return similarity
    return above(similarity, UNLIKE_SIMILARITY[name], UNLIKE_SOFTNESS)


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
    for begin, rows in recording_parts(archive, recorded):
        end = begin + len(rows["layout"]) / INDEX_TRACKS["layout"].rate
        cells = np.full(math.ceil(end / CELL_SECONDS), -np.inf)
        cells[: len(best)] = best
        best = cells
        for starts, ends, parts in _scored(rows, question):
            scores = _quick_scores(parts, question)
            firsts, lasts = (
                np.floor((begin + times + side * longest) / CELL_SECONDS)
                .astype(int)
                .clip(0, len(best))
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
        if spans and first * CELL_SECONDS - spans[-1].end <= longest:
            spans[-1] = Span(spans[-1].start, last * CELL_SECONDS)
        else:
            spans.append(Span(first * CELL_SECONDS, last * CELL_SECONDS))
    return spans


def spans_of_sources(
    folder: Path, fitted: Fitted, sources: Sequence[str], fraction: float
) -> dict[str, list[Span]]:
    """Return the spans to watch of each source that an index has, see ``spans_to_watch``.

    Args:
        folder: Folder of the index.
        fitted: What the model has learned.
        sources: Recordings.
        fraction: Fraction of each recording, from 0 to 1, that its spans have at least.
    """
    archive = Archive(Store(folder), check_watchable(fitted)[0].card)
    question = question_of_model(fitted)
    indexed = {str(each.path): each for each in archive.recordings() if each.is_there}
    absolute = {source: str(Path(source).absolute()) for source in sources}
    return on_one_core(
        lambda: {
            source: spans_to_watch(archive, indexed[path], question, fraction)
            for source, path in absolute.items()
            if path in indexed
        }
    )


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
            probability=question.fitted.open_set.known_probability(float(known[0])),
        )
    pairs = similarities(question.by_clip, nodes)
    return replace(segment, similarity=float(question.joined(pairs)[0].max()))


def with_probabilities(segments: Sequence[Segment]) -> list[Segment]:
    """Return segments with the probabilities that their scores have among each other."""
    similarity, rank = (
        _standardised(np.array([getattr(segment, name) for segment in segments], float))
        for name in ("similarity", "rank")
    )
    scores = _standardised(similarity + RANK_WEIGHT * rank)
    odds = (PROBABILITY_SLOPE * scores - PROBABILITY_OFFSET).tolist()
    return [
        replace(segment, probability=1 / (1 + math.exp(-log_odds)))
        for segment, log_odds in zip(segments, odds, strict=True)
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
    first = int(segment.start // ENTRY_SECONDS)
    last = min(archive.blocks(segment.recorded.fingerprint), int(segment.end // ENTRY_SECONDS) + 1)
    rows = small_rows(archive.rows(segment.recorded.fingerprint, first, last))
    length = segment.end - segment.start
    vectors = SmallVectors.of_rows(rows, segment.start - first * ENTRY_SECONDS, length)
    return vectors.joined(SEGMENT_WEIGHTS)
