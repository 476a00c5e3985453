"""Repetitions of an action within an event, counted in the picture or in the angles of joints.

1. A frame is 64 mean grey levels, of an 8 × 8 grid, without their mean; or the angles of joints.
2. A cut divides an event into shots. In each shot, slow changes are removed: the moving average
   over four repetitions. The duration of a repetition comes from the count itself, which starts
   with twice the longest window and is repeated until it does not change.
3. The first principal component of each part of a shot gives a signal. Its turning points are those
   between swings of at least 40 % of the typical swing. Two swings are a repetition: there and
   back. So the pace may change, and a pause is no repetition.
4. Frames at every second turning point are alike in an action that is repeated. In a shot where
   they are not, or that has no two swings, the performances that windows found are counted. A
   shot with a movement that is much shorter than a window is one repetition.
5. Two circles that are drawn at once look like two repetitions. So cycles count only in a class
   that is surely repeated: an event has had five or more alike in a row, four in one performance,
   or three that are nearly equal. They count up to one window before and after an event, too, if
   they continue it.
   A gesture that begins and ends at rest is one repetition, whatever is between.

The idea that frames of the same phase are alike is that of the self-similarity matrix of RepNet
(Dwibedi et al. 2020). There, a trained network reads the matrix.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fewact.data.joint_angles import has_angles, joint_angles
from fewact.data.joints import JointTrack
from fewact.recordings.formats import Event
from fewact.recordings.formats.repetition import Repetition

SIGNAL_GRID: Final = 8
"""Rows and columns of the grid of a frame. A coarse grid makes the path of a movement straight."""

PIXELS_READ: Final = 96
"""Rows and columns of pixels of which the means are taken, at most about twice as many."""

SIGNAL_RATE: Final = 16.0
"""Frames per second of the signal."""

SMOOTHING: Final = 0.1
"""Standard deviation of the Gaussian that smooths the frames, in seconds."""

FIRST_PERIODS: Final = 2.0
"""Seconds of the first moving average, in durations of the longest window."""

AVERAGED_PERIODS: Final = 4.0
"""Repetitions that the moving average covers."""

SHORTEST_AVERAGE: Final = 1.0
"""Seconds of the shortest moving average."""

PART_AVERAGES: Final = 4.0
"""Duration of the parts with a principal component of their own, in moving averages."""

ROUNDS: Final = 4
"""Largest number of counts with a new moving average."""

SAME_AVERAGE: Final = 0.1
"""Relative change of the moving average below which the count is final."""

FIRST_SWING: Final = 0.2
"""Least swing of which the typical one is found, as a fraction of the signal's range."""

LEAST_SWING: Final = 0.4
"""Least swing, as a fraction of the typical one. Chosen, as the constants below, on the recordings
and clips of docs/results/repetitions.md."""

LEAST_GREY: Final = 0.5
"""Least swing of the picture: root mean square of grey levels, 0 … 255."""

LEAST_ANGLE: Final = 8.0
"""Least swing of joints: root of the sum of squared degrees."""

SAME_PHASE: Final = 0.5
"""Largest distance of frames of the same phase, relative to that of opposite phases."""

SURE_REPETITIONS: Final = ((5, 0.45), (3, 0.15))
"""Least number of cycles in a row, and their largest difference, with which an action is surely
repeated. Otherwise, a cycle may be a part of a gesture, as in two circles that are drawn at once,
and the performances of windows count. Later events of a class that is repeated need fewer."""

ONE_PERFORMANCE: Final = ((4, 0.45),)
"""The same in an event of one performance: then a training clip holds several repetitions."""

CUT_GREY: Final = 20.0
"""Least mean change of grey levels at a cut."""

CUT_RATIO: Final = 4.0
"""Least change at a cut, relative to the median change around it."""

CUT_AROUND: Final = 8
"""Number of frames before and after a cut whose changes are the median."""

FEWEST_SHOT_FRAMES: Final = 6
"""Least number of frames of a shot."""

AT_BASE: Final = 0.1
"""A repetition begins and ends where its signal is this fraction of the swing from the base."""

READ_AROUND: Final = 1.5
"""Time before and after an event that is read, in durations of the longest window."""

EXTENSION: Final = 1.0
"""Time before and after an event in which repetitions that continue it count, in the same unit:
windows with the pause before a repetition may show no class."""

LONGEST_PAUSE: Final = 1.0
"""Longest pause before a repetition that continues an event, in repetitions."""

KEPT_FRAMES: Final = 60_000
"""Number of frames that are kept: an hour of one event."""

RECOUNT: Final = 0.25
"""Least seconds of new frames after which an event that goes on is counted again."""

RECOUNT_PART: Final = 0.02
"""The same as a fraction of the event: long ones take longer to count."""

MOST_COUNTED: Final = 32
"""Number of counts that are kept."""

LONGEST_FRAME_STEP: Final = 1.0
"""Longest time between two frames of a shot, in seconds."""

OVERLAP: Final = 0.25
"""Largest fraction of a repetition that an event before may have counted as a part of another."""

SHORT_SHOT: Final = 0.75
"""Largest duration of a shot that is one repetition, in durations of the shortest window."""

PART_INSIDE: Final = 0.5
"""Least fraction of a short shot that is in an event, if it is one of its repetitions."""

BODY_FRAMES: Final = 0.6
"""Fraction of an event's frames that must have a body, if joints are counted."""

BODY_FRAMES_OF_ANGLE: Final = 0.5
"""Fraction of an event's frames that must have an angle, if it is read."""

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class _Frame:
    time: float
    grid: NDArray[np.float32]
    angles: NDArray[np.float32] | None


@dataclass(frozen=True)
class _Shot:
    """Frames between two cuts: times (t) at the rate, grids (t 64), angles (t a) if known."""

    times: Signal
    grids: Signal
    angles: Signal | None
    by_joints: bool = True

    @property
    def values(self) -> Signal:
        """What is repeated: angles, or grids where they are not known or repeat nothing."""
        return self.grids if self.angles is None or not self.by_joints else self.angles


@dataclass(frozen=True)
class _Cycle:
    """A movement there and back: positions of its start, apex and end in a shot."""

    start: int
    apex: int
    end: int


@dataclass(frozen=True)
class Cycles:
    """Cycles of a shot, those inside an event, and the difference of frames of one phase."""

    cycles: Sequence[_Cycle] = ()
    inside: int = 0
    difference: float = math.inf

    @property
    def seconds(self) -> float:
        """Seconds from the start of the first cycle to the end of the last one."""
        return (self.cycles[-1].end - self.cycles[0].start) / SIGNAL_RATE if self.cycles else 0.0

    def repeat(self, performances: int) -> bool:
        """Return whether they are surely repetitions in an event of so many performances."""
        several = ONE_PERFORMANCE if performances == 1 else ()
        return any(
            self.inside >= number and self.difference <= difference
            for number, difference in (*SURE_REPETITIONS, *several)
        )


class RepetitionCounter:
    """Keeps the last frames of a recording, and counts repetitions in events.

    Args:
        lengths: Durations of the windows, in seconds.
    """

    def __init__(self, lengths: Sequence[float]) -> None:
        self._shortest, self._longest = min(lengths), max(lengths)
        self._angle_names: tuple[str, ...] = ()
        self._frames: deque[_Frame] = deque(maxlen=KEPT_FRAMES)
        self._counted: dict[tuple[Event, int], Event] = {}
        self._until: dict[str | int, float] = {}
        self._repeated = set[str | int]()

    def __len__(self) -> int:
        return len(self._frames)

    def add(
        self,
        time: float,
        image: NDArray[np.uint8],
        joints: JointTrack | None = None,
    ) -> None:
        """Keep a frame.

        Args:
            time: Its time, in seconds, later than that of the frame before.
            image: Frame (h w 3), uint8.
            joints: Joints of this frame alone, whose x and y have one unit; None without.
        """
        angles = None
        if joints is not None and has_angles(joints.layout):
            of_frame = joint_angles(joints)
            self._angle_names, angles = of_frame.names, of_frame.degrees[0]
        self._frames.append(_Frame(time, grid_of(image), angles))

    def repeat(self, time: float) -> None:
        """Keep the last frame again, at a later time."""
        if self._frames:
            self._frames.append(replace(self._frames[-1], time=time))

    def forget(self, before: float) -> None:
        """Forget the frames that no event needs which begins at this time or later."""
        since = before - READ_AROUND * self._longest
        while self._frames and self._frames[0].time < since:
            self._frames.popleft()

    def clear(self) -> None:
        """Forget all frames."""
        self._frames.clear()

    def complete(self, event: Event) -> Event:
        """Return a complete event with its repetitions; no later one of its class has these."""
        counted, is_repeated = self._with_repetitions(event)
        if is_repeated:
            self._repeated.add(event.label)
        self._until[event.label] = max(each.end for each in counted.repetition_times)
        return counted

    def count(self, event: Event) -> Event:
        """Return an event with its repetitions, whose number may be another one than before."""
        if not self._frames:
            return event
        until = min(self._frames[-1].time, event.end + READ_AROUND * self._longest)
        step = max(RECOUNT, (until - event.start) * RECOUNT_PART)
        key = event, int((until - event.start) / step)
        if key not in self._counted:
            if len(self._counted) >= MOST_COUNTED:
                self._counted.clear()
            self._counted[key] = self._with_repetitions(event)[0]
        return self._counted[key]

    def _with_repetitions(self, event: Event) -> tuple[Event, bool]:
        """Return an event with its repetitions, and whether its action is surely repeated."""
        margin = READ_AROUND * self._longest
        frames = [
            frame
            for frame in self._frames
            if event.start - margin <= frame.time <= event.end + margin
        ]
        performances, counted = spread(event), self._until.get(event.label, -math.inf)
        found: list[Repetition] = []
        until = -math.inf
        shots = self._cycles(frames, event)
        is_repeated = any(cycles.repeat(event.repetitions) for _, cycles in shots)
        for shot, own in shots:
            cycles = own.cycles if is_repeated or event.label in self._repeated else []
            later = [cycle for cycle in cycles if _is_after(cycle, shot, counted)]
            end = math.inf if shot is shots[-1][0] else float(shot.times[-1])
            if cycles:
                found += self._repetitions(shot, later)
            elif self._is_short(shot, event):
                found.append(Repetition(float(shot.times[0]), float(shot.times[-1])))
            else:
                found += [one for one in performances if until <= (one.start + one.end) / 2 < end]
            until = end
        found = found or performances
        counts = replace(event, repetitions=len(found), repetition_times=tuple(found))
        return counts, is_repeated

    def _is_short(self, shot: _Shot, event: Event) -> bool:
        """Return whether a shot of an event has a movement, but is much shorter than a window."""
        begin, end = float(shot.times[0]), float(shot.times[-1])
        inside = min(end, event.end) - max(begin, event.start)
        if end - begin >= SHORT_SHOT * self._shortest or inside < PART_INSIDE * (end - begin):
            return False
        return len(turns_of(shot, 0, len(shot.times), self._longest)[1]) > 1

    def _cycles(self, frames: Sequence[_Frame], event: Event) -> list[tuple[_Shot, Cycles]]:
        """Return the shots of an event with their cycles; none where frames of a phase differ."""
        shots = shots_of(frames)
        found = self._cycles_of(shots, event)
        if any(cycles.cycles for _, cycles in found) or all(shot.angles is None for shot in shots):
            return found
        return self._cycles_of([replace(shot, by_joints=False) for shot in shots], event)

    def _cycles_of(self, shots: Sequence[_Shot], event: Event) -> list[tuple[_Shot, Cycles]]:
        average, counted = FIRST_PERIODS * self._longest, [Cycles() for _ in shots]
        for _ in range(ROUNDS):
            counted = [
                cycles_of(shot, event.start, event.end, average, EXTENSION * self._longest)
                for shot in shots
            ]
            number = sum(len(own.cycles) for own in counted)
            if not number:
                break
            spans = [own.seconds for own in counted]
            before, average = average, max(AVERAGED_PERIODS * sum(spans) / number, SHORTEST_AVERAGE)
            if abs(average / before - 1) < SAME_AVERAGE:
                break
        return list(zip(shots, counted, strict=True))

    def _repetitions(self, shot: _Shot, cycles: Sequence[_Cycle]) -> list[Repetition]:
        """Return the repetitions of cycles, with the range of the angle that moves most."""
        if not cycles:
            return []
        times = [(float(shot.times[c.start]), float(shot.times[c.end])) for c in cycles]
        if shot.angles is None:
            return [Repetition(start, end) for start, end in times]
        ranges = np.stack([np.ptp(shot.angles[c.start : c.end + 1], axis=0) for c in cycles])
        best = int(np.median(ranges, axis=0).argmax())
        name = self._angle_names[best]
        return [
            Repetition(start, end, float(degrees), name)
            for (start, end), degrees in zip(times, ranges[:, best], strict=True)
        ]


def _is_after(cycle: _Cycle, shot: _Shot, time: float) -> bool:
    """Return whether a cycle follows a time, but for a part of it that may overlap."""
    start, end = shot.times[cycle.start], shot.times[cycle.end]
    return bool(start >= time - OVERLAP * (end - start))


def spread(event: Event) -> list[Repetition]:
    """Return the repetitions of an event, evenly spread over it.

    >>> [(each.start, each.end) for each in spread(Event("wave", 1.0, 4.0, repetitions=2))]
    [(1.0, 2.5), (2.5, 4.0)]
    """
    edges = np.linspace(event.start, event.end, event.repetitions + 1).tolist()
    return [Repetition(start, end) for start, end in pairwise(edges)]


def grid_of(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean grey levels (64) of the cells of a frame (h w 3), without their mean.

    >>> float(np.ptp(grid_of(np.full((90, 120, 3), 7, np.uint8))))
    0.0
    """
    read = image[:: max(1, len(image) // PIXELS_READ), :: max(1, image.shape[1] // PIXELS_READ)]
    rows, columns = (
        np.linspace(0, size, SIGNAL_GRID, endpoint=False).astype(int) for size in read.shape[:2]
    )
    grey = read.sum(2, dtype=np.float32) / read.shape[2]
    sums = np.add.reduceat(np.add.reduceat(grey, rows, 0), columns, 1)
    areas = np.outer(*(np.diff([*i, n]) for i, n in zip((rows, columns), grey.shape, strict=True)))
    means = (sums / np.maximum(areas, 1)).ravel()
    return np.asarray(means - means.mean(), np.float32)


def shots_of(frames: Sequence[_Frame]) -> list[_Shot]:
    """Return the parts of frames between cuts, at an even rate; none that is too short."""
    if len(frames) < FEWEST_SHOT_FRAMES:
        return []
    grids = np.stack([frame.grid for frame in frames]).astype(np.float64)
    times = np.array([frame.time for frame in frames])
    changes = np.abs(np.diff(grids, axis=0)).mean(1)
    shots = []
    gaps = np.flatnonzero(np.diff(times) > LONGEST_FRAME_STEP) + 1
    for begin, end in pairwise(sorted({0, *_cuts(changes), *gaps.tolist(), len(frames)})):
        if end - begin < FEWEST_SHOT_FRAMES:
            continue
        own = times[begin:end]
        even = np.arange(own[0], own[-1] + 1e-6, 1 / SIGNAL_RATE)
        if len(even) < FEWEST_SHOT_FRAMES:
            continue
        angles = _angles(frames[begin:end], own, even)
        shots.append(_Shot(even, _at(even, own, grids[begin:end]), angles))
    return shots


def _cuts(changes: Signal) -> list[int]:
    """Return the numbers of the frames that follow a cut, from the changes (t − 1)."""
    cuts = []
    for i in np.flatnonzero(changes > CUT_GREY):
        around = changes[max(0, i - CUT_AROUND) : i + CUT_AROUND + 1]
        if changes[i] > CUT_RATIO * np.median(around):
            cuts.append(int(i) + 1)
    return cuts


def _angles(frames: Sequence[_Frame], own: Signal, even: Signal) -> Signal | None:
    """Return the angles (t a) of joints at even times; None if too few frames have a body."""
    known = [f.angles for f in frames if f.angles is not None and np.isfinite(f.angles).any()]
    if len(known) < BODY_FRAMES * len(frames) or not known:
        return None
    missing = np.full_like(known[0], np.nan)
    angles = np.stack([missing if f.angles is None else f.angles for f in frames])
    columns = []
    for column in angles.T.astype(np.float64):
        there = np.isfinite(column)
        is_known = there.mean() >= BODY_FRAMES_OF_ANGLE
        columns.append(
            np.interp(even, own[there], column[there]) if is_known else np.zeros(len(even))
        )
    if not any(column.any() for column in columns):
        return None
    return np.stack(columns, axis=1)


def _at(even: Signal, own: Signal, values: Signal) -> Signal:
    """Return values (t d) of ascending times at other times within them."""
    after = np.searchsorted(own, even).clip(1, len(own) - 1)
    part = ((even - own[after - 1]) / (own[after] - own[after - 1])).clip(0, 1)[:, None]
    return np.asarray(values[after - 1] + part * (values[after] - values[after - 1]))


def cycles_of(
    shot: _Shot, start: float, end: float, average: float, extension: float = 0.0
) -> Cycles:
    """Return the cycles of a shot; none if the frames of the same phase are not alike.

    Args:
        shot: The shot, with frames before and after the event.
        start: Start of the event, in seconds.
        end: End of the event, in seconds.
        average: Seconds of the moving average that is removed.
        extension: Seconds before and after the event in which cycles that continue it count.
    """
    first, last = np.searchsorted(shot.times, (start, end))
    if last - first < FEWEST_SHOT_FRAMES:
        return Cycles()
    moving, every, signal = turns_of(shot, int(first), int(last), average)
    turns = _around(every, first, last)
    if len(turns) < 3 or (difference := _difference(moving[turns])) > SAME_PHASE:
        return Cycles()
    base = every.index(_paired(signal, turns)) % 2
    cycles = [*_cycles_from(signal, every, base)]
    inside = [i for i, cycle in enumerate(cycles) if first <= cycle.apex < last]
    if not inside:
        return Cycles()
    further = round(extension * SIGNAL_RATE)
    in_reach = [c for c in cycles if first - further <= c.apex < last + further]
    found = _continued(in_reach, [cycles[i] for i in inside], moving)
    return Cycles(found, len(inside), difference)


def _continued(cycles: Sequence[_Cycle], inside: Sequence[_Cycle], moving: Signal) -> list[_Cycle]:
    """Return the cycles inside an event, and those before and after that continue them."""
    apex = np.median(moving[[c.apex for c in inside]], axis=0)
    base = np.median(moving[[c.start for c in inside] + [c.end for c in inside]], axis=0)
    limit = SAME_PHASE * np.linalg.norm(apex - base)
    longest = LONGEST_PAUSE * float(np.median([c.end - c.start for c in inside]))

    def is_alike(cycle: _Cycle) -> bool:
        ends = np.linalg.norm(moving[[cycle.start, cycle.end]] - base, axis=1).max()
        return bool(max(ends, np.linalg.norm(moving[cycle.apex] - apex)) <= limit)

    found = [*inside]
    for cycle in cycles[cycles.index(inside[-1]) + 1 :]:
        if cycle.start - found[-1].end > longest or not is_alike(cycle):
            break
        found.append(cycle)
    for cycle in reversed(cycles[: cycles.index(inside[0])]):
        if found[0].start - cycle.end > longest or not is_alike(cycle):
            break
        found.insert(0, cycle)
    return found


def turns_of(
    shot: _Shot, first: int, last: int, average: float
) -> tuple[Signal, list[int], Signal]:
    """Return the turning points of a shot.

    Args:
        shot: The shot.
        first: Number of the first frame of the event, whose movement is followed.
        last: Number of the frame that follows its last frame.
        average: Seconds of the moving average that is removed.

    Returns:
        The frames (t d) without slow changes, the numbers of frames at turning points, and the
        signal (t).
    """
    smoothed = _smoothed(shot.values)
    moving = smoothed - _moving_average(smoothed, round(average * SIGNAL_RATE))
    moving -= moving[first:last].mean(0)
    signal = _projected(moving, first, last, PART_AVERAGES * average * SIGNAL_RATE)
    least = LEAST_ANGLE if shot.values is shot.angles else LEAST_GREY * SIGNAL_GRID
    low, high = np.percentile(signal[first:last], (5, 95))
    turns = _around(turning_points(signal, max(FIRST_SWING * (high - low), least)), first, last)
    if len(turns) > 1:
        typical = _weighted_median(np.abs(np.diff(signal[turns])))
        turns = turning_points(signal, max(LEAST_SWING * typical, least))
    return moving, turns, signal


def _around(turns: Sequence[int], first: int, last: int) -> list[int]:
    """Return the turning points in an event, with one before and one after it."""
    begin, end = np.searchsorted(turns, (first, last))
    return list(turns[max(0, begin - 1) : end + 1])


def turning_points(signal: Signal, least: float) -> list[int]:
    """Return the positions between which a signal (t) swings by at least so much.

    >>> turning_points(np.array([0.0, 5.0, 4.5, 5.2, 0.1, 6.0]), 1.0)
    [0, 3, 4, 5]
    """
    turns: list[int] = []
    low = high = direction = 0
    values = signal.tolist()
    for i, value in enumerate(values):
        if value > values[high]:
            high = i
        if value < values[low]:
            low = i
        if direction >= 0 and values[high] - value >= least:
            turns += [low, high] if direction == 0 and low < high else [high]
            direction, low = -1, i
        elif direction <= 0 and value - values[low] >= least:
            turns += [high, low] if direction == 0 and high < low else [low]
            direction, high = 1, i
    if turns:
        turns.append(high if direction > 0 else low)
    return turns


def _paired(signal: Signal, turns: Sequence[int]) -> int:
    """Return the turning point with which cycles begin: the first one, or the second one.

    It is the one with which more of them begin; if there are as many, the one at which the movement
    rests.
    """
    swing = np.median(np.abs(np.diff(signal[list(turns)])))

    def order(first: int) -> tuple[int, float]:
        cycles = [*_cycles_from(signal, turns, first)]
        bases = [signal[c.start] for c in cycles]
        rests = np.abs(signal - np.median(bases)) < AT_BASE * swing if bases else np.zeros(1)
        return len(cycles), float(rests.sum())

    return turns[max((0, 1), key=order)]


def _cycles_from(signal: Signal, turns: Sequence[int], first: int) -> Iterator[_Cycle]:
    for i in range(first, len(turns) - 2, 2):
        start, apex, end = turns[i : i + 3]
        there = np.abs(signal[start : apex + 1] - signal[start])
        back = np.abs(signal[apex : end + 1] - signal[end])
        begins = start + int(np.flatnonzero(there <= AT_BASE * there[-1])[-1])
        ends = apex + int(np.flatnonzero(back <= AT_BASE * back[0])[0])
        yield _Cycle(begins, apex, ends)


def _difference(turned: Signal) -> float:
    """Return how far every second frame (m d) at turning points differs, see SAME_PHASE."""
    same = ((turned[2:] - turned[:-2]) ** 2).sum(1)
    opposite = ((turned[1:] - turned[:-1]) ** 2).sum(1)
    return math.sqrt(float(np.median(same)) / max(float(np.median(opposite)), 1e-12))


def _projected(moving: Signal, first: int, last: int, part: float) -> Signal:
    """Return frames (t d) on the first principal component around each, as a signal (t).

    Args:
        moving: Frames without slow changes.
        first: Number of the first frame of the event: the components are those of its frames.
        last: Number of the frame that follows its last frame.
        part: Number of frames of a part; the components of neighbouring parts are interpolated.
    """
    count, inside = last - first, moving[first:last]
    parts = max(1, round(count / part))
    centers = (np.arange(parts) + 0.5) * count / parts
    components: list[Signal] = []
    for center in centers:
        around = inside[int(max(0, center - part)) : math.ceil(center + part)]
        component = np.linalg.eigh(around.T @ around)[1][:, -1]
        if components and component @ components[-1] < 0:
            component = -component
        components.append(component)
    at = np.arange(len(moving)) - first
    weights = np.stack([np.interp(at, centers, one) for one in np.eye(parts)], axis=1)  # (t parts)
    return np.asarray(((moving @ np.stack(components).T) * weights).sum(1))


def _smoothed(values: Signal) -> Signal:
    """Return values (t d) that a Gaussian over time smooths."""
    radius = math.ceil(3 * SMOOTHING * SIGNAL_RATE)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / (SMOOTHING * SIGNAL_RATE)) ** 2)
    padded = np.pad(values, ((radius, radius), (0, 0)), mode="edge")
    parts: Any = (weight * padded[i : i + len(values)] for i, weight in enumerate(kernel))
    return np.asarray(sum(parts) / kernel.sum())


def _moving_average(values: Signal, count: int) -> Signal:
    """Return the mean of values (t d) over so many frames around each, fewer at the ends."""
    half = max(count // 2, 1)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    at = np.arange(len(values))
    first, last = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return np.asarray((sums[last] - sums[first]) / (last - first)[:, None])


def _weighted_median(sizes: Signal) -> float:
    """Return the size at which half of the sum of all sizes is reached, from the smallest."""
    ordered = np.sort(sizes)
    sums = np.cumsum(ordered)
    return float(ordered[np.searchsorted(sums, sums[-1] / 2)])
