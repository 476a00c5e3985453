"""Regions of movement: moving subjects are followed over time, without a detector of people.

1. Frames are made small and stabilised, in overlapping chunks. The difference between neighbours is
   residual motion. If the camera moved, a pixel is compared with the pixel at its position in the
   other frame and the eight around it. Chunks are joined by the frames that they share, so that all
   boxes are in one stabilised view.
2. A cell moves if one of its pixels changes within a second of the frame. Connected cells with some
   strong change are a component. A person who waves moves a little from head to foot, so that weak
   change joins the arm to the body.
3. A component continues the track whose box it overlaps. If it overlaps several boxes, it is
   divided: each cell goes to the nearest track. The track of a static subject waits.
4. Two tracks that shared a component are exchanged after it if one of the subjects walks and if
   colours, sizes and velocities before and after show that they crossed.
5. Tracks of little movement are dropped, and tracks that contain each other are merged.

After Jain et al., "Action Localization with Tubelets from Motion" (CVPR 2014), and Bewley et al.,
"Simple Online and Realtime Tracking" (ICIP 2016), without their flow, superpixels or detector.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.video.camera import _native
from fewact.video.camera.motion import (
    LEAST_LOG_ODDS,
    estimate_camera_motion,
    without_motion,
)
from fewact.video.camera.registration import Similarity, joined
from fewact.video.cleaning.light import MEDIAN_OF_NORMAL, Grey, grey_of, lower_median
from fewact.video.opening import collect_warnings
from fewact.video.pooling import largest_of_blocks, mean_colours, totals
from fewact.video.resizing import channels_last, planes, resized
from fewact.video.samplers import Floats, Ints, RGBImage, Segments, Timeline
from fewact.video.source import KeptFrames, VideoSource
from fewact.video.track import Box, CameraPath, Track, extent, walks

RATE = 8.0
"""Frames per second that are compared."""

SMALL_ROWS = 144
"""Rows of a small frame."""

CELL_SIDE = 4
"""Rows and columns of a cell."""

CHUNK_FRAMES = 32
"""Frames of a chunk, which are stabilised together."""

CONTEXT_FRAMES = 8
"""Frames of the chunks before and after that are stabilised with it."""

COMPONENT_REACH = 2
"""Largest distance of neighbouring cells of a component, in rows and in columns."""

WEAK_CHANGE = 5.0
"""Smallest change of a pixel that moves a little, in levels."""

STRONG_CHANGE = 14.0
"""Smallest change of a pixel, in levels, that is certainly motion."""

LEAST_DEVIATIONS = 4.0
"""Smallest change of a pixel that moves, in standard deviations of the noise."""

LEAST_REGION_SIDE = 0.08
"""Smallest height or width of a region, as a fraction of the picture's height."""

LEAST_TRACK_SECONDS = 0.75
"""Shortest time in which the subject of a track moves, in seconds."""

SHRINK_RATE = 0.3
"""Fraction by which the box of a track shrinks to its component in a second."""

WALK_SAMPLES = 24
"""Number of samples after which a walking subject has moved on; its box then follows at once."""

TOUCH_OVERLAP = 0.25
"""Smallest overlap of a component's box with the box of the track that it continues."""

SAME_OVERLAP = 0.6
"""Smallest overlap of the boxes of two tracks of one subject."""

LIMB_MARGIN = 0.25
"""Margin around a track's box that may contain an arm or a leg, relative to its width and height.
"""

LIMB_HEIGHT = 0.6
"""Largest height of an arm or a leg, relative to the track's box."""

HELD_SAMPLES = 80
"""Number of samples for which a box keeps its size while the subject shares a component."""

ALONE_SAMPLES = 12
"""Number of samples before and after a meeting that are compared."""

MEETING_GAP = 1.0
"""Seconds without company that end a meeting."""

COLOUR_BINS = 8
"""Bins of a channel of colours."""

COLOUR_WEIGHT = 5.0
"""Weight of colours in the cost of continuing a track after a meeting. This and the next three
constants were chosen on 48 pairs of development people who cross, go back or stay."""

SIZE_WEIGHT = 0.5
"""Weight of sizes in that cost."""

PLACE_WEIGHT = 1.0
"""Weight in that cost of the distance from the predicted position."""

CROSSING_GAIN = 0.06
"""Two tracks are exchanged if that lowers their cost by more than this."""

MOST_DISTANCE = 3.0
"""Largest distance from the predicted position that counts, in sides of the subject."""

MOST_COMPARED_FRAMES = 480
"""Largest number of frames of a clip that are compared."""


def find_tracks(source: VideoSource) -> tuple[list[Track], tuple[int, int]]:
    """Return the tracks of a clip, and the height and width of its frames.

    Raises:
        VideoError: The clip cannot be read.
    """

    def chosen(timeline: Timeline) -> Ints:
        return Segments(max(2, min(MOST_COMPARED_FRAMES, round(RATE * timeline.end))))(timeline)

    with collect_warnings():  # the clip is read again
        reading = source.read([chosen], transform=_small)
    finder = RegionFinder()
    for frame, time in zip(
        reading.frames[0], reading.timeline.times[reading.chosen[0]], strict=True
    ):
        finder.add(frame, float(time), reading.size)
    return finder.tracks(), reading.size


def count_movers(frames: KeptFrames) -> int:
    """Return the number of tracks in frames of a clip, of any size."""
    finder = RegionFinder()
    width = max(CELL_SIDE, round(SMALL_ROWS * frames.aspect))
    for frame, time in zip(frames.frames, frames.times.tolist(), strict=True):
        finder.add(resized(frame, (SMALL_ROWS, width)), time, (SMALL_ROWS, width))
    return len(finder.tracks())


Cells = NDArray[np.int64]
"""Rows and columns (k 2) of cells."""


class _Sample(NamedTuple):
    """Position and colours of a subject at a time; lengths are cells.

    Args:
        time: Time, in seconds.
        box: Box of the subject; it grows at once, and shrinks slowly.
        visible: Box around the moving cells.
        histogram: Histogram (b) of the colours of cells that move at this very time.
        company: Positions of the tracks that share its component.
    """

    time: float
    box: Box
    visible: Box
    histogram: Floats
    company: frozenset[int]


@dataclass
class _Followed:
    """A track while it is followed: its latest box, and its samples."""

    box: Box
    samples: list[_Sample] = field(default_factory=list)

    def take(self, cells: Cells, time: float, histogram: Floats, company: frozenset[int]) -> None:
        """Continue with the cells of some components."""
        self.box = visible = _around(cells)
        before = self.samples[1 - WALK_SAMPLES :][0].visible if self.samples else visible
        alone = next((s.box for s in reversed(self.samples[-HELD_SAMPLES:]) if not s.company), None)
        if company and alone is not None:  # its cells show its position, not its size
            y, x = (np.median(cells, 0) + 0.5).tolist()
            width, height = alone[2:]
            self.box = Box(x - width / 2, y - height / 2, width, height)
        elif self.samples and before.overlap(visible) >= TOUCH_OVERLAP:  # else it walks
            self.box = _eased(self.samples[-1].box, visible, time - self.samples[-1].time)
        self.samples.append(_Sample(time, self.box, visible, histogram, company))

    @property
    def boxes(self) -> Floats:
        """Boxes (n 4) at all times."""
        return np.array([sample.box for sample in self.samples], np.float64)


def _eased(box: Box, visible: Box, seconds: float) -> Box:
    """Return a box that grows to the visible box at once, and shrinks to it in some seconds."""
    # Ends are negative so that outward is less.
    was, now = (np.array((b.x, b.y, -b.x - b.width, -b.y - b.height)) for b in (box, visible))
    x, y, right, bottom = np.minimum(
        now, was + min(1.0, SHRINK_RATE * seconds) * (now - was)
    ).tolist()
    return Box(x, y, -right - x, -bottom - y)


def _around(cells: Cells) -> Box:
    top, left = cells.min(0).tolist()
    bottom, right = (cells.max(0) + 1).tolist()
    return Box(left, top, right - left, bottom - top)


class RegionFinder:
    """Finds moving subjects in a recording frame by frame, without keeping all frames.

    Frames come at ``RATE`` per second, or fewer.

    Attributes:
        time: Time of the latest frame, in seconds.
    """

    def __init__(self) -> None:
        self.time = 0.0
        self._frames: list[RGBImage] = []  # small frames (h w 3) that are not finished
        self._times: list[float] = []
        self._done = 0  # of these frames, those that are context only
        # Views of the first of these frames, from the stabilised view.
        self._views = Similarity.identity(0)
        self._path: list[Similarity] = []  # of frames that are finished, in pixels of small ones
        self._path_times: list[float] = []
        self._moved = False
        self._followed: list[_Followed] = []
        self._size = (1, 1)
        self._scale = 1.0  # pixels of the recording in a cell

    def add(self, frame: RGBImage, time: float, size: tuple[int, int] | None = None) -> None:
        """Take the next frame.

        Args:
            frame: Frame (h w 3), uint8.
            time: Its time, in seconds.
            size: Height and width of the original frame, if ``frame`` is small already.
        """
        self._size = frame.shape[:2] if size is None else size
        small = _small(frame) if size is None else frame
        self._scale = CELL_SIDE * self._size[0] / len(small)
        self._frames.append(small)
        self._times.append(time)
        self.time = time
        if len(self._frames) >= self._done + CHUNK_FRAMES + CONTEXT_FRAMES:
            self._finish(self._done + CHUNK_FRAMES)

    def _end(self) -> None:
        if len(self._frames) - self._done > 1:
            self._finish(len(self._frames))

    def tracks(self) -> list[Track]:
        """Return the tracks in the order of appearance; no frame may follow."""
        self._end()
        long = [
            f for f in _uncrossed(self._followed) if len(f.samples) >= LEAST_TRACK_SECONDS * RATE
        ]
        rows = self._size[0] / self._scale
        smallest = LEAST_REGION_SIDE * rows  # of the longer side
        kept = [f for f in map(_not_held, long) if np.median(f.boxes[:, 2:].max(1)) >= smallest]
        ordered = sorted(_joined(kept), key=lambda f: (f.samples[0].time, f.box.x))
        return [self._track(str(number), f) for number, f in enumerate(ordered, start=1)]

    def camera(self) -> CameraPath | None:
        """Return the path of the camera; None for a static camera. No frame may follow."""
        self._end()
        if not self._moved:
            return None
        path = joined(self._path).scaled(self._scale / CELL_SIDE)
        linear, shift = (part.astype(complex) for part in path)
        return CameraPath(np.array(self._path_times), linear, shift, self._size)

    def _track(self, subject: str, followed: _Followed) -> Track:
        # A cell moves if any of its pixels does.
        boxes = (followed.boxes + np.array((0.5, 0.5, -1.0, -1.0))) * self._scale
        times = np.array([sample.time for sample in followed.samples])
        track, camera = Track(subject, times, boxes), self.camera()
        return track if camera is None else camera.in_picture(track)

    def _finish(self, count: int) -> None:
        """Follow the subjects in the first ``count`` frames; keep the context of later frames."""
        frames = planes(np.stack(self._frames))
        frames, changes, motion = residual_motion(frames, moved=self._moved)
        inner = channels_last(frames)[:, :-1, :-1]  # as smoothed changes are, a pixel smaller
        colours = np.moveaxis(mean_colours(inner, CELL_SIDE), -1, 1)  # (t 3 r c)
        first = self._joined_to_the_path(motion or Similarity.identity(len(frames)))
        self._moved |= motion is not None
        level = max(WEAK_CHANGE, LEAST_DEVIATIONS * _noise(changes))
        weak, strong = _cells(changes, level), _cells(changes, STRONG_CHANGE / WEAK_CHANGE * level)
        for i in range(self._done, count):
            near = slice(max(0, i - CONTEXT_FRAMES), i + CONTEXT_FRAMES)
            moving, surely = np.any(weak[near], 0), np.any(strong[near], 0)
            components = list(_components(moving, surely))
            center = np.array(moving.shape, np.float64)[::-1] / 2
            stabilised = [_moved(cells, first.inverse(), center) for cells in components]
            now = weak[max(0, i - 1)] & weak[min(i, len(weak) - 1)]
            bins = np.where(now, (colours[i] * (COLOUR_BINS / 256)).astype(int), -1)  # (3 r c)
            bins_of = [bins[:, cells[:, 0], cells[:, 1]] for cells in components]
            self._follow(stabilised, bins_of, self._times[i])
        done, kept = slice(self._done, count), max(0, count - CONTEXT_FRAMES)
        self._path.append(self._views.of(done))
        self._path_times += self._times[done]
        self._done, self._views = count - kept, self._views.of(slice(kept, None))
        self._frames, self._times = self._frames[kept:], self._times[kept:]

    def _joined_to_the_path(self, motion: Similarity) -> Similarity:
        """Set the view of each frame; return the view of this chunk's middle frame.

        Args:
            motion: Similarities (t) from the view of the chunk's middle frame to each frame.
        """
        shared = len(self._views.linear)
        first = Similarity.identity(1)
        if shared:
            linear, shift = motion.of(slice(shared)).inverse().after(self._views)
            first = Similarity(linear.mean(keepdims=True), shift.mean(keepdims=True))
        self._views = motion.after(first)
        return first

    def _follow(self, components: Sequence[Cells], colours: Sequence[Ints], time: float) -> None:
        """Continue the tracks with the components of a frame, and begin new ones.

        Args:
            components: Cells (k 2) of each.
            colours: Bins (3 k) of their colours; −1 for cells that do not move at this very time.
            time: Time of the frame, in seconds.
        """
        parts_of: dict[int, list[tuple[Cells, Ints, list[int]]]] = {}
        for cells, bins in zip(components, colours, strict=True):
            box = _around(cells)
            near = [i for i, f in enumerate(self._followed) if f.box.overlap(box) >= TOUCH_OVERLAP]
            near = near or [i for i, f in enumerate(self._followed) if _is_part(box, f.box)]
            if not near:
                self._followed.append(_Followed(box))
                near = [len(self._followed) - 1]
            nearest = _nearest(cells, [self._followed[i].box for i in near])
            for k, i in enumerate(near):
                part = nearest == k
                if part.any():
                    parts_of.setdefault(i, []).append((cells[part], bins[:, part], near))
        for i, parts in parts_of.items():
            cells_of, bins_of, beside = zip(*parts, strict=True)
            histogram = _histogram(np.concatenate(bins_of, 1))
            company = frozenset[int]().union(*beside) - {i}
            self._followed[i].take(np.concatenate(cells_of), time, histogram, company)


def residual_motion(
    frames: NDArray[np.uint8], *, moved: bool = False
) -> tuple[NDArray[np.uint8], Grey, Similarity | None]:
    """Return how much each frame differs from the one before it, without camera motion.

    Args:
        frames: Frames (t 3 h w), uint8.
        moved: Whether the camera moved before: it then counts as moving unless certainly static.

    Returns:
        Frames (t 3 h w) and changes (t-1 h w) in levels, in the view of the middle frame, and the
        motion that was removed; None for a static camera.
    """
    camera = estimate_camera_motion(frames)
    certain = camera.log_odds <= LEAST_LOG_ODDS
    motion = camera.motion if camera.moved or (moved and not certain) else None
    if motion is not None and not motion.is_identity.all():
        frames = without_motion(frames, motion)
    else:
        motion = None
    grey = grey_of(frames)  # (t h w)
    mean = totals(grey.reshape(1, -1)) / grey.size
    grey -= (totals(grey.reshape(len(grey), -1)) / grey[0].size)[:, None, None]
    grey += mean
    if motion is None:
        return frames, np.abs(grey[1:] - grey[:-1]), None
    # A pixel has moved if it differs from all pixels around its position.
    low, high = (_around_pixels(grey, reduce) for reduce in (np.minimum, np.maximum))
    forward = np.maximum(grey[1:] - high[:-1], low[:-1] - grey[1:])
    backward = np.maximum(grey[:-1] - high[1:], low[1:] - grey[:-1])
    return frames, np.maximum(np.maximum(forward, backward), 0), motion


def _around_pixels(grey: Grey, reduce: np.ufunc) -> Grey:
    """Return the smallest or largest of each pixel and the eight around it: (t h w)."""
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), "edge")
    rows = reduce(reduce(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    around: Grey = reduce(reduce(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
    return around


def _small(frame: RGBImage) -> RGBImage:
    """Return a frame (h w 3) as a small one (h' w' 3) with square pixels."""
    height, width = frame.shape[:2]
    rows = min(height, SMALL_ROWS)
    return resized(frame, (rows, max(CELL_SIDE, round(width * rows / height))))


def _noise(changes: Grey) -> float:
    """Return the standard deviation of the noise of changes, from their median."""
    return float(lower_median(changes[:, ::2, ::2].ravel())) / MEDIAN_OF_NORMAL


def _cells(changes: Grey, level: float) -> NDArray[np.bool_]:
    """Return which cells change: (t h w) → (t r c); single pixels do not count."""
    upper, lower = changes[:, :-1], changes[:, 1:]
    smooth = (upper[..., :-1] + upper[..., 1:] + lower[..., :-1] + lower[..., 1:]) / 4
    moving: NDArray[np.bool_] = largest_of_blocks(smooth, CELL_SIDE) > level
    return moving


def _components(moving: NDArray[np.bool_], surely: NDArray[np.bool_]) -> Iterator[Cells]:
    """Yield the connected cells that move, where some surely do."""
    cells = np.argwhere(moving)
    numbers = labels(moving)[moving]  # of these cells
    surely_moving = np.bincount(numbers, surely[moving])
    ordered = cells[np.argsort(numbers, kind="stable")]
    ends = np.cumsum(np.bincount(numbers))
    for number in np.flatnonzero(surely_moving >= 2).tolist():
        yield ordered[ends[number - 1] : ends[number]]


def labels(moving: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the number of each cell's component (r c), from 1; 0 for cells that do not move.

    Cells are also connected over a gap of one cell. Components are in the order of their first
    cells.
    """
    if _native.computes(moving):
        return _native.label(moving, COMPONENT_REACH)
    # A border that does not move is around all cells: positions in it are single numbers.
    padded = np.pad(moving, COMPONENT_REACH)
    columns = padded.shape[1]
    numbers = np.zeros(padded.size, np.int32)
    steps = [
        y * columns + x for y, x in product(range(-COMPONENT_REACH, COMPONENT_REACH + 1), repeat=2)
    ]
    cells = np.flatnonzero(padded).tolist()
    remaining = set(cells)
    number = 0
    for first in cells:
        if first not in remaining:
            continue
        number += 1
        remaining.remove(first)
        waiting = [first]
        while waiting:
            cell = waiting.pop()
            numbers[cell] = number
            near = remaining.intersection([cell + step for step in steps])
            remaining -= near
            waiting += near
    inside = slice(COMPONENT_REACH, -COMPONENT_REACH)
    return numbers.reshape(padded.shape)[inside, inside]


def _moved(cells: Cells, motion: Similarity, center: Floats) -> Cells:
    """Return the cells (k 2) at the positions to which one similarity moves cells."""
    if motion.is_identity.all():
        return cells
    linear, shift = motion.linear.item(), motion.shift.item() / CELL_SIDE
    z = (cells[:, 1] + 0.5 - center[0]) + 1j * (cells[:, 0] + 0.5 - center[1])
    z = linear * z + shift
    return np.stack([np.floor(z.imag + center[1]), np.floor(z.real + center[0])], 1).astype(int)


def _nearest(cells: Cells, boxes: Sequence[Box]) -> Ints:
    """Return the number of the box that is nearest to each cell, relative to its sides: (k)."""
    distances = []
    for box in boxes:
        y = (cells[:, 0] + 0.5 - box.y - box.height / 2) / box.height
        x = (cells[:, 1] + 0.5 - box.x - box.width / 2) / box.width
        distances.append(np.maximum(np.abs(x), np.abs(y)))
    nearest: Ints = np.argmin(distances, 0)
    return nearest


def _is_part(part: Box, of: Box) -> bool:
    """Return whether a component may be a limb of the subject in a box beside it."""
    x, y = LIMB_MARGIN * of.width, LIMB_MARGIN * of.height
    around = Box(of.x - x, of.y - y, of.width + 2 * x, of.height + 2 * y)
    return part.height <= LIMB_HEIGHT * of.height and part.shared(around) >= part.area / 2


def _histogram(bins: Ints) -> Floats:
    """Return the histogram of colours (3 k), channel by channel: (3·levels)."""
    counts = [np.bincount(channel[channel >= 0], minlength=COLOUR_BINS) for channel in bins]
    return np.concatenate(counts).astype(np.float64)


def _uncrossed(followed: Sequence[_Followed]) -> list[_Followed]:
    """Return tracks whose rests are exchanged where their subjects crossed.

    A shared component is divided by the earlier positions of both subjects, like that of subjects
    who only meet. After subjects that cross, each track therefore follows the other subject.
    """
    tracks = [replace(f, samples=[*f.samples]) for f in followed]
    for start, end, i, j in reversed(_meetings(followed)):
        both = (i, j)
        alone = [[s for s in followed[k].samples if not s.company] for k in both]
        before = [[s for s in samples if s.time < start][-ALONE_SAMPLES:] for samples in alone]
        after = [[s for s in samples if s.time > end][:ALONE_SAMPLES] for samples in alone]
        if not all(before + after) or not _have_crossed(before, after):
            continue
        first, last = min(s[0].time for s in before), max(s[-1].time for s in after)
        if any(_walks(s for s in followed[k].samples if first <= s.time <= last) for k in both):
            middle = (start + end) / 2
            tails = [[s for s in tracks[k].samples if s.time > middle] for k in (j, i)]
            for k, tail in zip(both, tails, strict=True):
                tracks[k].samples = [s for s in tracks[k].samples if s.time <= middle] + tail
    return tracks


def _not_held(track: _Followed) -> _Followed:
    """Return a track whose boxes have the visible size, also in company, if its subject stays."""
    if _walks(track.samples) or not any(sample.company for sample in track.samples):
        return track
    first = track.samples[0]
    samples = [first._replace(box=first.visible)]
    for sample in track.samples[1:]:
        box = _eased(samples[-1].box, sample.visible, sample.time - samples[-1].time)
        samples.append(sample._replace(box=box))
    return replace(track, samples=samples)


def _walks(samples: Iterable[_Sample]) -> bool:
    return walks(np.array([sample.visible for sample in samples], np.float64))


def _meetings(followed: Sequence[_Followed]) -> list[tuple[float, float, int, int]]:
    """Return start, end and both tracks' positions for each time two tracks shared a component."""
    meetings = []
    for i, f in enumerate(followed):
        last: dict[int, tuple[float, float]] = {}
        for sample in f.samples:
            for j in sample.company:
                start, end = last.get(j, (sample.time, sample.time))
                if sample.time > end + MEETING_GAP:
                    meetings.append((start, end, i, j))
                    start = sample.time
                last[j] = start, sample.time
        meetings += [(start, end, i, j) for j, (start, end) in last.items()]
    return sorted(meeting for meeting in meetings if meeting[2] < meeting[3])


def _have_crossed(before: Sequence[Sequence[_Sample]], after: Sequence[Sequence[_Sample]]) -> bool:
    """Return whether each of two tracks is more similar to the other's rest than to its own."""
    cost = [[_difference(samples, later) for later in after] for samples in before]
    return cost[0][1] + cost[1][0] + CROSSING_GAIN < cost[0][0] + cost[1][1]


def _difference(before: Sequence[_Sample], after: Sequence[_Sample]) -> float:
    """Return the difference of a track before a meeting and a track after it, at least 0."""
    histograms = [
        np.sum([sample.histogram for sample in samples], 0) for samples in (before, after)
    ]
    first, second = (np.sqrt(histogram / max(1.0, histogram.sum())) for histogram in histograms)
    visible, later = (
        np.array([s.visible for s in samples], np.float64) for samples in (before, after)
    )
    sides, sides_later = (np.median(boxes[:, 2:], 0) for boxes in (visible, later))
    place, place_later = (boxes[:, :2] + boxes[:, 2:] / 2 for boxes in (visible, later))
    speed = (place[-1] - place[0]) / max(1 / RATE, before[-1].time - before[0].time)
    seconds = np.mean([s.time for s in after]) - np.mean([s.time for s in before])
    off = place.mean(0) + speed * seconds - place_later.mean(0)
    distance = min(float(np.hypot(*off) / sides.max()) / MOST_DISTANCE, 1.0)
    size = float(np.abs(np.log(sides / sides_later)).sum())
    return (
        COLOUR_WEIGHT * (1 - float(first @ second)) + SIZE_WEIGHT * size + PLACE_WEIGHT * distance
    )


def _joined(followed: Sequence[_Followed]) -> list[_Followed]:
    """Merge tracks that contain each other."""
    merged: list[_Followed] = []
    for track in sorted(followed, key=lambda f: -len(f.samples)):
        earlier = next((m for m in merged if _shared_place(m, track) >= SAME_OVERLAP), None)
        if earlier is None:
            merged.append(track)
        else:
            earlier.samples = sorted(earlier.samples + track.samples, key=lambda s: s.time)
    return [_once(track) for track in merged]


def _once(track: _Followed) -> _Followed:
    """Return a track with one sample per time, around all boxes of that time."""
    samples: dict[float, _Sample] = {}
    for sample in track.samples:
        box, other = sample.box, samples.get(sample.time, sample).box
        left, top = min(box.x, other.x), min(box.y, other.y)
        right = max(box.x + box.width, other.x + other.width)
        bottom = max(box.y + box.height, other.y + other.height)
        samples[sample.time] = sample._replace(box=Box(left, top, right - left, bottom - top))
    return replace(track, samples=[*samples.values()])


def _shared_place(first: _Followed, second: _Followed) -> float:
    """Return the overlap of the extents of two tracks; 0 if a subject walks."""
    if walks(first.boxes) or walks(second.boxes):
        return 0.0
    return extent(first.boxes).overlap(extent(second.boxes))
