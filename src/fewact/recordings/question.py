"""What is to be found in an index: clips, marked segments, or the classes of a model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from fewact.classifier.encoding import EncodedClip, encode
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import EachAClass, Fitted
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.windows import window_lengths
from fewact.core.errors import DataError, VideoError, warn
from fewact.data import BACKGROUND, Clip, VideoClip
from fewact.recordings.formats import Event
from fewact.recordings.small_vectors import Array, SmallVectors, motion_of_nodes

FOUND_CLASS: Final = "found"
"""Class of what clips without a label show."""

LENGTH_FACTORS: Final = (0.85, 1.15)
"""Durations of windows, as multiples of the examples' durations."""

RIGHT: Final = "right"
WRONG: Final = "wrong"

UNMARKED: Final = ("?", "")
"""Marks that do not count, beside ``right`` and ``wrong``."""

WRONG_WEIGHT: Final = 0.5
"""Weight of the nearest wrong example, next to 1 for the mean of the right ones."""


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
    def examples(self) -> list[SmallVectors]:
        """Small vectors of the examples."""
        return [
            SmallVectors.of_nodes(
                self.pipeline.method, {name: value[i] for name, value in self.nodes.items()}, length
            )
            for i, length in enumerate(self.lengths)
        ]

    @cached_property
    def motion(self) -> Array:
        """Vectors of learned motion of the examples (s t d), of length 1."""
        return motion_of_nodes(self.pipeline.method, self.nodes)

    @cached_property
    def window_lengths(self) -> list[float]:
        """Durations of the windows, in seconds."""
        durations = [
            n for n, label in zip(self.lengths, self.labels, strict=True) if label != BACKGROUND
        ]
        lengths = window_lengths(durations)
        return sorted({round(factor * n, 2) for n in lengths for factor in LENGTH_FACTORS})

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
            scores = scores - WRONG_WEIGHT * pairs[:, wrong].max(1, keepdims=True)
        return scores


def question_of_clips(clips: Sequence[VideoClip], pipeline: Pipeline) -> Question:
    """Return the question for labelled clips; warn of their faults.

    Raises:
        VideoError: A clip cannot be read.
    """
    encoded = list(encode(clips, pipeline))
    for clip in encoded:
        for fault in clip.faults:
            warn(f"{clip.clip.display_name}: {fault}")
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
        {name: np.concatenate([clip_nodes[name] for clip_nodes in nodes]) for name in nodes[0]},
        tuple(clip.clip.label or FOUND_CLASS for clip in encoded),
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
    unknown = {event.mark for event in marks} - {RIGHT, WRONG, *UNMARKED}
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
        name: np.concatenate([value, marked.nodes[name]]) for name, value in question.nodes.items()
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
