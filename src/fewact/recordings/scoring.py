"""Score windows of a recording by a fitted classifier."""

from collections.abc import Sequence

import numpy as np

from fewact.classifier.calibration import softmax
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import Fitted, score
from fewact.core.workers import on_one_core
from fewact.features.extract import Timing
from fewact.features.request import Features
from fewact.recordings.events import WindowScore
from fewact.recordings.windows import fitting_lengths

PERFORMANCE_THRESHOLD = 0.75
"""Lowest score of a performance unless a rate is requested: the known score on the scale of
``OpenSet.relative`` plus how distinct its class is, 0 … 1. Chosen on development clips, as are the
constants of ``events``."""

DISTINCT_LOG_ODDS = 10.0
"""Least log-odds of a class against the second one at which it is fully distinct."""


class WindowScorer:
    """Scores windows from their features.

    Args:
        fitted: What the classifier has learned.
        lengths: Lengths of the windows, in seconds.
        false_alarms: Requested limit of false alarms; None if the recording decides, too.
        timing: Adds up the time of the last two stages.

    Attributes:
        adapts: Whether the recording decides, too.
        threshold: Lowest score of a performance.
    """

    def __init__(
        self, fitted: Fitted, lengths: Sequence[float], false_alarms: float | None, timing: Timing
    ) -> None:
        self._fitted, self._lengths, self._timing = fitted, lengths, timing
        self._fitting = fitting_lengths(fitted, lengths)
        self.adapts, self.threshold = false_alarms is None, PERFORMANCE_THRESHOLD
        if false_alarms is not None:
            scores = fitted.open_set
            self.threshold = scores.relative(scores.decision(false_alarms).threshold)

    def encode(self, features: Features) -> Nodes:
        """Return the nodes (1 …) of a window with these features (t …)."""
        with self._timing.stage("moments"):
            return on_one_core(lambda: self._fitted.pipeline.encode(features))

    def score(self, start: float, end: float, nodes: Nodes) -> WindowScore:
        """Return the scores of the window between two times, in seconds, with these nodes."""
        with self._timing.stage("alignment"):
            logits, _, known_scores = score(self._fitted, nodes)
        best = int(logits[0].argmax())
        second, first = np.partition(logits[0], -2)[-2:].tolist()
        distinct = min((first - second) / DISTINCT_LOG_ODDS, 1.0)
        scores, known = self._fitted.open_set, float(known_scores[0])
        label = self._fitted.labels[best]
        fitting = self._fitting.get(str(label), self._lengths)
        relative = scores.relative(known)
        return WindowScore(
            start,
            end,
            label,
            scores.known_probability(known),
            relative + distinct if self.adapts else relative,
            distinct,
            min(self._lengths, key=lambda length: abs(length - (end - start))) in fitting,
            tuple(softmax(logits[0]).tolist()),
        )
