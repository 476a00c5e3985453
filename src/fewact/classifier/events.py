"""Events of a recording, found from the scores of overlapping windows while it goes on.

1. A window whose score reaches the threshold is a candidate. In a recording of other people or of
   another room all scores are lower, so that the recording itself counts more: the threshold is a
   little below a quarter of the model's and three quarters of the one that splits the windows so
   far best into two (Otsu's), and at most the model's.
2. Of candidates that overlap, the one with the highest rank is kept, as in object detection (greedy
   non-maximum suppression). A window that meets a performance well has a class that is distinct
   from all others, which says more of where it is than the score. Each kept window is one
   performance of its class.
3. Performances of one class that follow each other closely are one event with repetitions, if all
   windows between them have that class, too. An event that is probably wrong is not reported.

If a rate of false alarms is requested, the threshold is the model's, and all events are reported.
A window is decided as soon as no later window can overlap it, with the same result as if all were
known. An event is complete when no performance to come can belong to it: two to three of the
longest windows after its end. Memory is bounded.
"""

import math
from bisect import bisect, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from fewact.classifier.names import Label
from fewact.data.events import Event

FEWEST, MOST = 6, 3000
"""Number of windows from which the recording counts, and of the last ones that count. The first
windows wait for them, unless the recording ends; no event is later for it, because windows that
could overlap the first one end later."""

SHORT = 45
"""Number of windows below which an event is reported in any case if it reaches the model's
threshold: where nothing but actions is shown, no window is far above the others."""

MODEL_SHARE = 0.25
"""Weight of the model's threshold in that mean."""

BELOW = 0.25
"""Distance of the threshold below that mean, in standard deviations of the recording's scores."""

OVERLAP, OVERLAP_SAME = 0.3, 0.2
"""Candidates overlap if they share more than this fraction of the shorter one; the second one is of
candidates of one class. Windows are a sixth of their length apart: neighbouring actions of two
classes may share one such step, but not performances of one class, which would be counted twice."""

RANK_OF_DISTINCT = 4.0
"""Weight of how distinct the class of a window is, next to its score, in its rank."""

GAP = 1.25
"""Performances of one class are one event if the time between them is at most this multiple of the
shorter one, and no window between them has another class: one performance may be missed."""

BETWEEN = 0.3
"""Fraction of the shorter performance by which a window between two may overlap each of them."""

CONFIDENCE = (1.2, 1.2, -1.75)
"""Log-odds that an event is right: weight of the probability that its best window is known, weight
of that window's score in standard deviations from the mean of the recording, and a constant. Fitted
to 553 events of development recordings, see docs/decisions/recordings.md. The first says what the
model knows; the second holds if people or a room are new to it, too."""

LEAST_CONFIDENCE = 0.35
"""Confidence below which an event is not reported if the recording counts. F1 is largest if the
events are reported that are right with a probability of at least half of it."""

MOST_LOG_ODDS = 10.0
"""Largest log-odds, of either sign: no event is certain."""


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
    label: Label
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
        """Lowest score of a performance now."""
        self.decided = float("-inf")
        """Time before which no performance can be found any more, in seconds."""
        self._seen: deque[float] = deque(maxlen=MOST)
        self._waiting: list[WindowScore] = []
        self._recent: list[WindowScore] = []
        self._pending: list[WindowScore] = []
        self._kept: list[WindowScore] = []
        self._run: list[WindowScore] = []

    @property
    def going_on(self) -> list[Event]:
        """Events that are known so far but not complete: more performances may follow."""
        return [self._event(run) for run in self._runs(self._kept) if self._is_probable(run)]

    def confidence(self, window: WindowScore) -> float:
        """Return the estimated probability that a window of this recording is right, 0 … 1."""
        of_known, of_deviation, constant = CONFIDENCE
        spread = np.std(self._seen) if self._seen else 0.0
        deviation = (window.score - np.mean(self._seen)) / spread if spread > 0 else 0.0
        log_odds = float(of_known * window.known + of_deviation * deviation + constant)
        return 1 / (1 + math.exp(-max(-MOST_LOG_ODDS, min(MOST_LOG_ODDS, log_odds))))

    def add(self, windows: Sequence[WindowScore], time: float) -> list[Event]:
        """Return the events that are complete at a time, after which all later windows end."""
        for window in windows:
            self._seen.append(window.score)
            self._waiting.append(window)
            insort(self._recent, window, key=attrgetter("end"))
            if not self._adapts or len(self._seen) >= FEWEST:
                self._decide()
        return self._events(time - self._longest)

    def close(self, end: float = math.inf) -> list[Event]:
        """Return the other events; what follows is after a gap.

        The last windows may last a little longer than the recording, or what is before the gap,
        which ends at ``end``; events do not.
        """
        self._decide()
        return [replace(event, end=min(event.end, end)) for event in self._events(math.inf)]

    def _decide(self) -> None:
        """Decide which of the waiting windows are candidates."""
        if self._adapts and len(self._seen) > 1:
            of_recording = split(self._seen)
            mean = of_recording + MODEL_SHARE * (self._model_threshold - of_recording)
            lower = mean - BELOW * float(np.std(self._seen))
            self.threshold = min(lower, self._model_threshold)
        self._pending += (window for window in self._waiting if window.score >= self.threshold)
        self._waiting.clear()

    def _events(self, later: float) -> list[Event]:
        """Return complete events; all windows to come start after the time ``later``."""
        self._suppress(later)
        self.decided = min([later, *(window.start for window in (*self._waiting, *self._pending))])
        runs = self._runs(window for window in self._kept if window.start < self.decided)
        self._kept = [window for window in self._kept if window.start >= self.decided]
        if runs[-1]:
            last = runs[-1][-1]
            if last.end + GAP * (last.end - last.start) <= self.decided:
                runs.append([])
        self._run = runs.pop()
        since = self._run[-1].start if self._run else self.decided
        self._recent = [window for window in self._recent if window.start >= since]
        return [self._event(run) for run in runs if self._is_probable(run)]

    def _event(self, run: Sequence[WindowScore]) -> Event:
        end = max(window.end for window in run)
        return Event(run[0].label, run[0].start, end, self._confidence(run), len(run))

    def _confidence(self, run: Sequence[WindowScore]) -> float:
        return max(self.confidence(window) for window in run)

    def _runs(self, windows: Iterable[WindowScore]) -> list[list[WindowScore]]:
        """Return the run that goes on, or an empty one, and later runs, with more performances."""
        runs = [[*self._run]]
        for window in sorted(windows, key=attrgetter("start")):
            if not self._follows(runs[-1], window):
                runs.append([])
            runs[-1].append(window)
        return runs

    def _follows(self, run: Sequence[WindowScore], second: WindowScore) -> bool:
        """Whether a performance is of the same event as those of a run."""
        if not run:
            return False
        first = run[-1]
        shorter = min(first.end - first.start, second.end - second.start)
        if first.label != second.label or second.start - first.end > GAP * shorter:
            return False
        start, end = first.end - BETWEEN * shorter, second.start + BETWEEN * shorter
        ends = slice(*(bisect(self._recent, time, key=attrgetter("end")) for time in (start, end)))
        return all(
            window.label == first.label for window in self._recent[ends] if window.start >= start
        )

    def _is_probable(self, run: Sequence[WindowScore]) -> bool:
        """Whether a run is an event; an empty one is not."""
        if not run:
            return False
        if not self._adapts or self._confidence(run) >= LEAST_CONFIDENCE:
            return True
        best = max(window.score for window in run)
        return len(self._seen) < SHORT and best >= self._model_threshold

    def _suppress(self, later: float) -> None:
        """Keep windows that are better than all windows they overlap, and drop the overlapped."""
        changed = True
        while changed:
            changed = False
            for window in self._pending:
                if window.end > later:
                    continue
                rivals = [rival for rival in self._pending if _overlap(window, rival)]
                if all(_rank(window) >= _rank(rival) for rival in rivals):
                    self._kept.append(window)
                    self._pending = [rival for rival in self._pending if rival not in rivals]
                    changed = True
                    break


def split(scores: Iterable[float]) -> float:
    """Return the threshold between scores with the largest variance of the two sides (Otsu's).

    >>> split([0.0, 0.1, 0.2, 1.0, 1.1])
    0.6
    """
    ordered = np.sort(np.fromiter(scores, np.float64))
    count, total = np.arange(1, len(ordered)), np.cumsum(ordered)
    above = len(ordered) - count
    apart = total[:-1] / count - (total[-1] - total[:-1]) / above
    best = int((count * above * apart**2).argmax())
    return float((ordered[best] + ordered[best + 1]) / 2)


def _rank(window: WindowScore) -> tuple[float, float, float]:
    """Return the order of windows; of equal ones the first window counts."""
    return window.score + RANK_OF_DISTINCT * window.distinct, -window.start, -window.end


def _overlap(first: WindowScore, second: WindowScore) -> bool:
    """Return whether two windows show the same performance; a window overlaps itself."""
    shared = min(first.end, second.end) - max(first.start, second.start)
    shorter = min(first.end - first.start, second.end - second.start)
    return shared > (OVERLAP_SAME if first.label == second.label else OVERLAP) * shorter
