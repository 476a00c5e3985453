"""Events of a recording, found from the scores of overlapping windows while it goes on.

1. A window whose score reaches the threshold is a candidate. In a recording of other people or of
   another scene all scores are lower. So the threshold adapts: it is a weighted mean of the model's
   threshold (a quarter) and of Otsu's threshold of the windows so far (three quarters), minus a
   margin. It never exceeds the model's threshold.
2. If candidates overlap, the candidate with the highest rank is kept, as in object detection
   (greedy non-maximum suppression). In a window that contains exactly one performance, the class is
   distinct from all others. So the rank depends more on how distinct the class is than on the
   score. Each kept window is one performance of its class.
3. Performances of one class that follow each other closely are one event with repetitions, if all
   windows between them have that class, too, or if they overlap. An event that is probably wrong is
   not reported.
4. In an action that goes on, windows have no natural start. So suppressed windows of the same class
   extend the event. In a long performance whose parts show its class, too, the shortest windows set
   the start and the end. Events of one class never overlap.

If a rate of false alarms is requested, the threshold is the model's, and all events are reported.
A window is decided as soon as no later window can overlap it; more windows would not change the
result. An event is complete when no performance to come can belong to it: two to three of the
longest windows after its end. Memory is bounded.
"""

import math
from bisect import bisect, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

import numpy as np

from fewact.classifier.names import Label
from fewact.recordings.formats import Event

WINDOWS_THAT_ADAPT = 6
"""Least number of windows for a threshold that adapts. Earlier windows wait, unless the recording
ends. Events are not delayed: windows that could overlap the first window end later anyway."""

WINDOWS_REMEMBERED = 3000
"""Number of the latest windows that count."""

SHORT_RECORDING = 45
"""Number of windows below which an event is reported in any case if it reaches the model's
threshold: where nothing but actions is shown, no window is far above the others."""

MODEL_WEIGHT = 0.25
"""Weight of the model's threshold in its mean with the recording's threshold."""

THRESHOLD_MARGIN = 0.25
"""Distance of the threshold below that mean, in standard deviations of the recording's scores."""

OVERLAP_OF_CLASSES = 0.3
"""Largest fraction of the shorter of two candidates that they may share if their classes differ.
Windows are a sixth of their length apart; neighbouring actions may share one such step."""

OVERLAP_OF_ONE_CLASS = 0.2
"""The same of candidates of one class: if they shared a step, a performance would count twice."""

DISTINCT_WEIGHT = 4.0
"""Weight of the distinctness of a window's class in the rank of the window; its score has weight
1."""

EVENT_GAP = 1.25
"""Performances of one class are one event if the time between them is at most this multiple of the
shorter one, and no window between them has another class: one performance may be missed."""

BETWEEN_OVERLAP = 0.3
"""Fraction of the shorter performance by which a window between two may overlap each of them."""

LONG_ACTION = 3
"""Least number of performances in a row that count as one action that goes on."""

EDGE_OUTSIDE = 0.15
"""Fraction of a window that may be outside of an action that goes on and whose class it shows."""

LENGTH_ROUNDING = 1e-6
"""Lengths of windows, in seconds, that differ by less are equal."""

SHORTER_PART = 0.6
"""The shortest windows set the start and end of a performance if they are shorter than this
fraction of it, and enough of those inside show its class."""

PARTS_WITH_CLASS = 0.5
"""Fraction of the shortest windows inside a performance above which they set its start and end."""

KNOWN_WEIGHT = 1.2
"""Log-odds that an event is right for each unit of the probability that its best window is known.
Fitted, as the next two, to 553 events of development recordings, see docs/decisions/recordings.md.
This one says what the model knows; the next one holds if people or a scene are new to it, too."""

DEVIATION_WEIGHT = 1.2
"""The same for the window's score in standard deviations from the mean of the recording."""

CONFIDENCE_OFFSET = -1.75
"""Constant that is added to these log-odds."""

LEAST_CONFIDENCE = 0.35
"""Confidence below which an event is not reported if the recording counts. F1 is largest if the
events are reported that are right with a probability of at least half of it."""

LARGEST_LOG_ODDS = 10.0
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
        fits: Whether training clips of its class are about as long. Only a window that fits is a
            performance; other windows may show an action that goes on, or a part of an action.
        probabilities: Probability of each class if it shows one of them, in their order.
    """

    start: float
    end: float
    label: Label
    known: float
    score: float
    distinct: float
    fits: bool = True
    probabilities: tuple[float, ...] = ()

    @property
    def length(self) -> float:
        """Duration, in seconds."""
        return self.end - self.start


@dataclass
class _Run:
    """Performances of one class that follow each other.

    Args:
        starts: Start of an event of some performances, and of an action that goes on, in seconds.
        windows: The performances, in the order of their starts.
    """

    starts: tuple[float, float] = (0.0, 0.0)
    windows: list[WindowScore] = field(default_factory=list)


class EventFinder:
    """Turns scores of windows into events, while windows arrive.

    Args:
        threshold: Lowest score of a performance.
        longest: Duration of the longest window, in seconds.
        adapts: Whether the scores of the recording change the threshold.
        merge_gap: Events of one class with at most this time between them are one, in seconds.
        min_duration: Duration of the shortest event that is reported, in seconds.
    """

    def __init__(
        self,
        threshold: float,
        longest: float,
        *,
        adapts: bool = False,
        merge_gap: float = 0.0,
        min_duration: float = 0.0,
    ) -> None:
        self._model_threshold, self._longest, self._adapts = threshold, longest, adapts
        self.threshold = threshold
        """Lowest score of a performance now."""
        self._merge_gap, self._min_duration = merge_gap, min_duration
        self._decided = -math.inf
        self._seen: deque[float] = deque(maxlen=WINDOWS_REMEMBERED)
        self._waiting: list[WindowScore] = []
        self._recent: list[WindowScore] = []
        self._pending: list[WindowScore] = []
        self._kept: list[WindowScore] = []
        self._run = _Run()
        self._open: list[Event] = []
        self._ends: dict[Label, float] = {}

    @property
    def decided(self) -> float:
        """Time before which no event can be found any more, in seconds."""
        return min([self._decided, *(event.start for event in self._open)])

    @property
    def needed_from(self) -> float:
        """Time before which no event begins that is not complete, in seconds."""
        begun = self._run.starts[: len(self._run.windows)]
        return min([self.decided, *begun]) - 2 * self._longest

    @property
    def going_on(self) -> list[Event]:
        """Events that are known so far but not complete: more performances may follow."""
        runs = [self._event(run) for run in self._runs(self._kept) if self._is_probable(run)]
        return joined([*self._open, *runs], self._merge_gap)

    def confidence(self, window: WindowScore) -> float:
        """Return the estimated probability that a window of this recording is right, 0 … 1."""
        spread = np.std(self._seen) if self._seen else 0.0
        deviation = (window.score - np.mean(self._seen)) / spread if spread > 0 else 0.0
        log_odds = KNOWN_WEIGHT * window.known + DEVIATION_WEIGHT * float(deviation)
        log_odds += CONFIDENCE_OFFSET
        return 1 / (1 + math.exp(-max(-LARGEST_LOG_ODDS, min(LARGEST_LOG_ODDS, log_odds))))

    def add(self, windows: Sequence[WindowScore], time: float) -> list[Event]:
        """Return the events that are complete at a time, after which all later windows end."""
        for window in windows:
            self._seen.append(window.score)
            self._waiting.append(window)
            insort(self._recent, window, key=attrgetter("end"))
            if not self._adapts or len(self._seen) >= WINDOWS_THAT_ADAPT:
                self._decide()
        return self._events(time - self._longest)

    def close(self, end: float = math.inf) -> list[Event]:
        """Return the other events; the next windows are after a gap.

        The last windows may last a little longer than the recording, or what is before the gap,
        which ends at ``end``; events do not.
        """
        self._decide()
        return [replace(event, end=min(event.end, end)) for event in self._events(math.inf)]

    def _decide(self) -> None:
        """Decide which of the waiting windows are candidates."""
        if self._adapts and len(self._seen) > 1:
            of_recording = split(self._seen)
            mean = of_recording + MODEL_WEIGHT * (self._model_threshold - of_recording)
            lower = mean - THRESHOLD_MARGIN * float(np.std(self._seen))
            self.threshold = min(lower, self._model_threshold)
        self._pending += (window for window in self._waiting if window.fits and self._shows(window))
        self._waiting.clear()

    def _events(self, later: float) -> list[Event]:
        """Return complete events; all windows to come start after the time ``later``."""
        self._suppress(later)
        self._decided = min([later, *(window.start for window in (*self._waiting, *self._pending))])
        runs = self._runs(window for window in self._kept if window.start < self._decided)
        self._kept = [window for window in self._kept if window.start >= self._decided]
        last = runs[-1].windows[-1:]
        if last and last[0].end + EVENT_GAP * last[0].length <= self._decided:
            runs.append(_Run())
        self._run = runs.pop()
        events = self._reported([self._event(run) for run in runs if self._is_probable(run)])
        last_start = next((window.start for window in self._run.windows[-1:]), self._decided)
        since = last_start - 2 * self._longest
        self._recent = [window for window in self._recent if window.start >= since]
        return events

    def _event(self, run: _Run) -> Event:
        windows = run.windows
        goes_on = len(windows) >= LONG_ACTION
        end = max(self._edges(window, goes_on=goes_on)[1] for window in windows[-2:])
        start = run.starts[goes_on]
        return Event(windows[0].label, start, end, self._confidence(run), len(windows))

    def _reported(self, events: Iterable[Event]) -> list[Event]:
        """Return events to which no later one can belong; others wait, as do those after them."""
        known = joined([*self._open, *events], self._merge_gap)
        begun = min([self._decided, *self._run.starts[: len(self._run.windows)]])
        near = (e.start for e in known if self._merge_gap and e.end + self._merge_gap >= begun)
        first = min(near, default=math.inf)
        self._open = [event for event in known if event.start >= first]
        reported = []
        for event in known[: len(known) - len(self._open)]:
            start = max(event.start, self._ends.get(event.label, event.start))
            self._ends[event.label] = max(event.end, start)
            if event.end - start >= self._min_duration and event.end > start:
                reported.append(replace(event, start=start))
        return reported

    def _shows(self, window: WindowScore) -> bool:
        """Whether a window shows its class."""
        return window.score >= self.threshold

    def _edges(self, window: WindowScore, *, goes_on: bool) -> tuple[float, float]:
        """Return the start and end of the action that a performance is a part of."""
        shortest = min(recent.length for recent in self._recent)
        lengths = SHORTER_PART * window.length, window.length + LENGTH_ROUNDING
        around = [recent for recent in self._recent if lengths[0] <= recent.length < lengths[1]]
        start, end = window.start, window.end
        if shortest < SHORTER_PART * window.length:
            parts = [
                recent for recent in self._recent if recent.length < shortest + LENGTH_ROUNDING
            ]
            inside = [recent for recent in parts if start <= recent.start and recent.end <= end]
            shown = [recent for recent in inside if self._supports(recent, window)]
            if len(shown) > PARTS_WITH_CLASS * len(inside):
                around, start, end = parts, shown[0].end, shown[-1].start
                goes_on = True
        if not goes_on:
            return start, end
        showing = [recent for recent in around if self._supports(recent, window)]
        for recent in sorted(showing, key=attrgetter("start"), reverse=True):
            if recent.end >= start:
                is_first = all(recent.start <= peer.start for peer in around)
                outside = 0.0 if is_first else EDGE_OUTSIDE * recent.length
                start = min(start, recent.start + outside)
        for recent in sorted(showing, key=attrgetter("end")):
            if recent.start <= end:
                is_last = all(recent.end >= peer.end for peer in around)
                outside = 0.0 if is_last else EDGE_OUTSIDE * recent.length
                end = max(end, recent.end - outside)
        return start, end

    def _supports(self, window: WindowScore, performance: WindowScore) -> bool:
        return window.label == performance.label and self._shows(window)

    def _confidence(self, run: _Run) -> float:
        return max(self.confidence(window) for window in run.windows)

    def _runs(self, windows: Iterable[WindowScore]) -> list[_Run]:
        """Return the run that goes on, or an empty one, and later runs, with more performances."""
        runs = [replace(self._run, windows=[*self._run.windows])]
        for window in sorted(windows, key=attrgetter("start")):
            if not self._follows(runs[-1].windows, window):
                act, goes_on = (self._edges(window, goes_on=flag)[0] for flag in (False, True))
                runs.append(_Run((act, goes_on)))
            runs[-1].windows.append(window)
        return runs

    def _follows(self, run: Sequence[WindowScore], second: WindowScore) -> bool:
        """Return whether a performance belongs to the event of a run."""
        if not run:
            return False
        first = run[-1]
        shorter = min(first.length, second.length)
        if first.label != second.label or second.start - first.end > EVENT_GAP * shorter:
            return False
        if second.start <= first.end:
            return True
        start, end = first.end - BETWEEN_OVERLAP * shorter, second.start + BETWEEN_OVERLAP * shorter
        ends = slice(*(bisect(self._recent, time, key=attrgetter("end")) for time in (start, end)))
        return all(
            window.label == first.label for window in self._recent[ends] if window.start >= start
        )

    def _is_probable(self, run: _Run) -> bool:
        """Whether a run is an event; an empty one is not."""
        if not run.windows:
            return False
        if not self._adapts or self._confidence(run) >= LEAST_CONFIDENCE:
            return True
        best = max(window.score for window in run.windows)
        return len(self._seen) < SHORT_RECORDING and best >= self._model_threshold

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


def joined(events: Iterable[Event], gap: float) -> list[Event]:
    """Join events of one class; return all events in the order of their starts.

    Two events are joined if at most ``gap`` seconds are between them; 0 joins none.

    >>> [e.end for e in joined([Event("a", 0, 2, 0.9), Event("b", 1, 3), Event("a", 3, 5, 0.8)], 1)]
    [5, 3]
    """
    last: dict[Label, Event] = {}
    result: list[Event] = []
    for event in sorted(events, key=attrgetter("start")):
        before = last.get(event.label)
        if gap and before is not None and event.start - before.end <= gap:
            event = replace(
                before,
                end=max(before.end, event.end),
                confidence=max(before.confidence or 0.0, event.confidence or 0.0),
                repetitions=before.repetitions + event.repetitions,
            )
            result.remove(before)
        last[event.label] = event
        result.append(event)
    return sorted(result, key=attrgetter("start"))


def split(scores: Iterable[float]) -> float:
    """Return Otsu's threshold: it maximises the variance between the scores below and above it.

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
    return window.score + DISTINCT_WEIGHT * window.distinct, -window.start, -window.end


def _overlap(first: WindowScore, second: WindowScore) -> bool:
    """Return whether two windows show the same performance; a window overlaps itself."""
    shared = min(first.end, second.end) - max(first.start, second.start)
    shorter = min(first.end - first.start, second.end - second.start)
    return (
        shared
        > (OVERLAP_OF_ONE_CLASS if first.label == second.label else OVERLAP_OF_CLASSES) * shorter
    )
