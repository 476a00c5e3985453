"""Events of a recording, found from the scores of overlapping windows while it goes on.

1. A window whose score reaches the lower threshold is a candidate. In a recording of other people
   or of another room all scores are lower, so that the recording itself counts more: the thresholds
   are a little below a quarter of the model's and three quarters of the one that splits the windows
   so far best into two (Otsu's).
2. Of candidates that overlap, the one with the highest rank is kept, as in object detection (greedy
   non-maximum suppression). A window that meets a performance well has a class that is distinct
   from all others, which says more of where it is than the score. Each kept window is one
   performance of its class.
3. Performances of one class that follow each other closely are one event with repetitions, if one
   of them reaches the upper threshold (hysteresis): a performance beside a clear one is believed
   more easily. If a rate of false alarms is requested, both thresholds are the model's.

A window is decided as soon as no later window can overlap it, with the same result as if all were
known. So the delay is little more than the longest window, and memory is bounded.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

FEWEST, MOST = 30, 2000
"""Number of windows from which the recording counts, and of the last ones that count."""

MODEL_SHARE = 0.25
"""Weight of the model's threshold in that mean."""

SURE, WEAK = 0.25, 0.5
"""Distances of the upper and the lower threshold below that mean, in standard deviations of the
scores of the recording."""

OVERLAP, OVERLAP_SAME = 0.3, 0.2
"""Candidates overlap if they share more than this fraction of the shorter one; the second one is of
candidates of one class. Windows are a quarter of their length apart: neighbouring actions of two
classes may share one such step, but not performances of one class, which would be counted twice."""

RANK_OF_DISTINCT = 4.0
"""Weight of how distinct the class of a window is, next to its score, in its rank."""

GAP = 0.75
"""Performances of one class are one event if the time between them is at most this fraction of the
shorter one."""

CONFIDENCE = (1.4, 0.8, -0.6)
"""Log-odds that an event is right: weight of the probability that its best window is known, weight
of that window's score in standard deviations from the mean of the recording, and a constant. Fitted
to 421 events of development recordings, see docs/decisions/events.md. The first says what the model
knows; the second holds if people or a room are new to it, too."""

MOST_LOG_ODDS = 10.0
"""Largest log-odds, of either sign: no event is certain."""


@dataclass(frozen=True)
class Event:
    """An action in a recording, performed once or several times in a row.

    Args:
        label: Class of the action.
        start: Start, in seconds of the recording.
        end: End, in seconds of the recording.
        confidence: Estimated probability that the action was performed there, 0 … 1; that of the
            clearest repetition.
        repetitions: Number of times that the action was performed.
    """

    label: str
    start: float
    end: float
    confidence: float
    repetitions: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON; times are rounded to milliseconds."""
        return asdict(self) | {"start": round(self.start, 3), "end": round(self.end, 3)}


@dataclass(frozen=True)
class WindowScore:
    """Scores of a window of a recording.

    Args:
        start: Start, in seconds.
        end: End, in seconds.
        label: Most probable class.
        known: Probability that it shows one of the classes, if half of all windows do.
        score: How certainly it shows a class: 0 as a clip of no class, 1 as a training clip; the
            sum of this and of ``distinct`` unless a rate of false alarms is requested.
        distinct: How distinct its class is from the second one, 0 … 1.
    """

    start: float
    end: float
    label: str
    known: float
    score: float
    distinct: float


class EventFinder:
    """Turns scores of windows into events, while windows arrive.

    Args:
        threshold: Lowest score of a performance.
        longest: Duration of the longest window, in seconds.
        adapts: Whether the scores of the recording change the threshold.
    """

    def __init__(self, threshold: float, longest: float, *, adapts: bool = False) -> None:
        self._model_threshold, self._longest, self._adapts = threshold, longest, adapts
        self.threshold = threshold
        """Lowest score of the clearest performance of an event now."""
        self._lowest = threshold
        self.decided = float("-inf")
        """Time before which no performance can be found any more, in seconds."""
        self._seen: deque[float] = deque(maxlen=MOST)
        self._pending: list[WindowScore] = []
        self._kept: list[WindowScore] = []

    @property
    def going_on(self) -> list[Event]:
        """Events that are known so far but not complete: more performances may follow."""
        return [self._event(run) for run in self._runs() if self._is_sure(run)]

    def confidence(self, window: WindowScore) -> float:
        """Return the estimated probability that a window of this recording is right, 0 … 1."""
        of_known, of_deviation, constant = CONFIDENCE
        spread = np.std(self._seen) if self._seen else 0.0
        deviation = (window.score - np.mean(self._seen)) / spread if spread > 0 else 0.0
        log_odds = float(of_known * window.known + of_deviation * deviation + constant)
        return 1 / (1 + math.exp(-max(-MOST_LOG_ODDS, min(MOST_LOG_ODDS, log_odds))))

    def add(self, windows: Sequence[WindowScore], time: float) -> list[Event]:
        """Return the events that are complete now, in order.

        Args:
            windows: New windows; they end at ``time`` at the latest.
            time: Later windows end after this time, in seconds.
        """
        for one in windows:
            self._seen.append(one.score)
            if self._adapts and len(self._seen) >= FEWEST:
                of_recording = split(self._seen)
                mean = of_recording + MODEL_SHARE * (self._model_threshold - of_recording)
                spread = float(np.std(self._seen))
                self.threshold, self._lowest = mean - SURE * spread, mean - WEAK * spread
            if one.score >= self._lowest:
                self._pending.append(one)
        return self._events(time - self._longest)

    def close(self) -> list[Event]:
        """Return the other events; what follows is after a gap."""
        return self._events(float("inf"))

    def _events(self, later: float) -> list[Event]:
        """Return complete events; all windows to come start after the time ``later``."""
        self._suppress(later)
        self.decided = min([later, *(one.start for one in self._pending)])
        events: list[Event] = []
        for run in self._runs():
            # A later performance could still belong to the last run.
            reach = run[-1].end + GAP * (run[-1].end - run[-1].start)
            if reach > self.decided:
                break
            if self._is_sure(run):
                events.append(self._event(run))
            for one in run:
                self._kept.remove(one)
        return events

    def _event(self, run: Sequence[WindowScore]) -> Event:
        confidence = max(self.confidence(one) for one in run)
        return Event(run[0].label, run[0].start, max(o.end for o in run), confidence, len(run))

    def _runs(self) -> list[list[WindowScore]]:
        return _runs(sorted(self._kept, key=lambda one: one.start))

    def _is_sure(self, run: Sequence[WindowScore]) -> bool:
        return max(one.score for one in run) >= self.threshold

    def _suppress(self, later: float) -> None:
        """Keep windows that are better than all windows they overlap, and drop the overlapped."""
        changed = True
        while changed:
            changed = False
            for one in self._pending:
                if one.end > later:
                    continue
                rivals = [other for other in self._pending if _overlap(one, other)]
                if all(_rank(one) >= _rank(other) for other in rivals):
                    self._kept.append(one)
                    self._pending = [other for other in self._pending if other not in rivals]
                    changed = True
                    break


def split(scores: Iterable[float]) -> float:
    """Return the threshold with the largest variance between the two sides (Otsu's).

    Args:
        scores: At least two scores.

    >>> split([0.0, 0.1, 0.2, 1.0, 1.1])
    0.6
    """
    ordered = np.sort(np.fromiter(scores, np.float64))
    count, total = np.arange(1, len(ordered)), np.cumsum(ordered)
    others = len(ordered) - count
    apart = total[:-1] / count - (total[-1] - total[:-1]) / others
    best = int((count * others * apart**2).argmax())
    return float((ordered[best] + ordered[best + 1]) / 2)


def _rank(window: WindowScore) -> tuple[float, float, float]:
    """Return the order of windows; of equal ones the first window counts."""
    return window.score + RANK_OF_DISTINCT * window.distinct, -window.start, -window.end


def _overlap(first: WindowScore, second: WindowScore) -> bool:
    """Return whether two windows show the same performance; a window overlaps itself."""
    shared = min(first.end, second.end) - max(first.start, second.start)
    shorter = min(first.end - first.start, second.end - second.start)
    return shared > (OVERLAP_SAME if first.label == second.label else OVERLAP) * shorter


def _runs(windows: Sequence[WindowScore]) -> list[list[WindowScore]]:
    """Return performances of one class that follow each other closely."""
    runs: list[list[WindowScore]] = []
    for one in windows:
        last = runs[-1][-1] if runs else None
        if last is not None and last.label == one.label:
            shorter = min(last.end - last.start, one.end - one.start)
            if one.start - last.end <= GAP * shorter:
                runs[-1].append(one)
                continue
        runs.append([one])
    return runs
