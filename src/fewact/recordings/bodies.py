"""Bodies among what moves: a pose estimator divides a subject that is several people.

Regions of movement are followed without a detector. So people who overlap when they first move are
one subject, and the box of a person whose legs stand still has no legs. Where an estimator finds
bodies in such a region, each of them is a subject, and its box is around the body.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from fewact.core.errors import OptionError
from fewact.core.options import AUTO
from fewact.data import VideoClip
from fewact.data.joints import parse_joints
from fewact.poses import create, names
from fewact.poses.base import EstimatesPeople, Person, PoseEstimator
from fewact.poses.reading import FRAMES_AT_ONCE, at_most, frames_of, reduced
from fewact.video.regions import LEAST_TRACK_SECONDS, RATE, RegionFinder
from fewact.video.samplers import Floats, RGBImage, Segments
from fewact.video.track import Box, Track, extent

FindTracks: TypeAlias = Callable[[VideoClip], tuple[list[Track], tuple[int, int]]]
"""Returns the tracks of a clip, and the height and width of its picture."""

SAME_PERSON_IOU = 0.3
"""Smallest IoU of the last box of a body and the first box of its continuation."""

LONGEST_ABSENCE = 2.0
"""Longest time in which a body that walks is not found, in seconds."""

LEAST_PRESENCE = 0.5
"""Smallest fraction of the frames between its first and its last in which a body is found."""

IN_REGION = 0.5
"""Smallest fraction of a body's box that is in a region of movement."""

LEAST_COVERAGE = 0.5
"""Smallest fraction of a region's time that bodies take its place for."""

SURE_JOINT = 0.5
"""Smallest confidence of a joint that is in the box of its body."""

REACH_SPAN = 1.5
"""Seconds before and after a time whose boxes are in a body's box: it has room for its arms."""

HEAD_MARGIN = 0.08
"""Height of the head above the eyes, relative to the box around the joints."""


def named_estimator(boxes: str | Path | PoseEstimator) -> Path | PoseEstimator:
    """Return the estimator that a text names; otherwise the table, or what is no text.

    Args:
        boxes: Estimator, or its name; or a table.

    Raises:
        UserError: The named estimator cannot be used, see ``fewact.poses.create``.
    """
    if not isinstance(boxes, str | Path):
        return boxes
    is_name = str(boxes).partition(":")[0] in (AUTO, *names())
    return create(str(boxes)) if is_name else Path(boxes)


class BodyRegions(RegionFinder):
    """Finds bodies in regions of movement, frame by frame.

    Args:
        estimator: Estimates the joints of all people in view.

    Raises:
        OptionError: The estimator finds one body only.
    """

    def __init__(self, estimator: PoseEstimator) -> None:
        super().__init__()
        if not isinstance(estimator, EstimatesPeople):
            raise OptionError(
                "this pose estimator finds one body only",
                where=estimator.name,
                expected="an estimator with a method estimate_people, such as mediapipe",
            )
        self._people: EstimatesPeople = estimator
        self._layout = estimator.layout
        self._waiting: list[RGBImage] = []
        self._waiting_times: list[float] = []
        self._all_times: list[float] = []
        self._parts: list[Track] = []

    def add(self, frame: RGBImage, time: float, size: tuple[int, int] | None = None) -> None:
        """Take the next frame, see ``RegionFinder.add``."""
        super().add(frame, time, size)
        self._waiting.append(reduced(frame))
        self._waiting_times.append(time)
        if len(self._waiting) >= FRAMES_AT_ONCE:
            self._estimate()

    def _estimate(self) -> None:
        """Find the bodies of the frames that wait."""
        times = np.array(self._waiting_times)
        people = self._people.estimate_people(self._waiting, times)
        boxes = (boxes_of(person, self._layout, times, self._size) for person in people)
        self._parts += [track for track in boxes if track is not None]
        self._all_times += self._waiting_times
        self._waiting, self._waiting_times = [], []

    def tracks(self) -> list[Track]:
        """Return the subjects in the order of appearance; no frame may follow."""
        if self._waiting:
            self._estimate()
        return with_bodies(super().tracks(), body_tracks(self._parts, np.array(self._all_times)))


def find_bodies(estimator: PoseEstimator) -> FindTracks:
    """Return a function that returns the subjects of a clip, and the size of its picture.

    Raises:
        OptionError: The estimator finds one body only.
    """
    BodyRegions(estimator)  # refuses it before a clip is read

    def find(clip: VideoClip) -> tuple[list[Track], tuple[int, int]]:
        finder, scale = BodyRegions(estimator), 1.0
        first = clip.read([Segments(1)])
        indices = at_most(RATE, first.timeline, np.arange(first.timeline.n))
        times = first.timeline.times[indices]
        for frame, time in zip(frames_of(clip, indices), times.tolist(), strict=True):
            finder.add(frame, time)
            scale = first.size[0] / len(frame)  # of frames that were reduced
        tracks = [Track(t.subject, t.times, t.boxes * scale) for t in finder.tracks()]
        return tracks, first.size

    return find


def body_tracks(parts: Sequence[Track], times: Floats) -> list[Track]:
    """Return a track for each body, its parts joined where it was not found for some time.

    Args:
        parts: Boxes of bodies while they were followed.
        times: Times (t) of all frames, in seconds.
    """
    joined: list[Track] = []
    for part in sorted(parts, key=lambda track: track.start):
        before = max(joined, key=lambda track: _continuity(part, track), default=None)
        if before is not None and _continuity(part, before) >= SAME_PERSON_IOU:
            joined.remove(before)
            part = Track(
                "",
                np.concatenate([before.times, part.times]),
                np.concatenate([before.boxes, part.boxes]),
            )
        joined.append(part)
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    return [
        _with_reach(track)
        for track in joined
        if (span := track.end - track.start) >= LEAST_TRACK_SECONDS
        and len(track.times) * step >= LEAST_PRESENCE * span
    ]


def boxes_of(person: Person, layout: str, times: Floats, size: tuple[int, int]) -> Track | None:
    """Return the boxes of a body around its sure joints; None if it has none."""
    joints = parse_joints(layout)
    places = person.joints[:, np.array(joints.coordinates)[:, :2]].astype(np.float64)  # (t j 2)
    confidences = person.joints[:, np.maximum(joints.confidences, 0)]
    sure = np.where(np.array(joints.confidences) >= 0, confidences >= SURE_JOINT, places.any(-1))
    found = sure.sum(1) >= 2
    if not found.any():
        return None
    inside = np.where(sure[..., None], places, np.nan)[found]
    low, high = np.nanmin(inside, 1), np.nanmax(inside, 1)
    low[:, 1] -= HEAD_MARGIN * (high - low)[:, 1]
    limits = np.array([size[1] / size[0], 1.0])
    low, high = np.clip(low, 0, limits), np.clip(high, 0, limits)
    boxes = np.concatenate([low, high - low], 1) * size[0]
    kept = (boxes[:, 2:] > 1).all(1)
    return Track("", times[found][kept], boxes[kept]) if kept.any() else None


def _with_reach(track: Track) -> Track:
    """Return a track whose boxes are around those of the seconds before and after."""
    low, high = track.boxes[:, :2], track.boxes[:, :2] + track.boxes[:, 2:]
    first, last = (np.searchsorted(track.times, track.times + s) for s in (-REACH_SPAN, REACH_SPAN))
    spans = [slice(a, max(b, a + 1)) for a, b in zip(first, last, strict=True)]
    low = np.array([low[span].min(0) for span in spans])
    high = np.array([high[span].max(0) for span in spans])
    return Track(track.subject, track.times, np.concatenate([low, high - low], 1))


def _continuity(part: Track, before: Track) -> float:
    """Return how well a track goes on where another one ended: an IoU, of walkers at once."""
    gap = part.start - before.end
    if gap <= 0:
        return 0.0
    stays = extent(before.boxes).iou(extent(part.boxes))
    if gap > LONGEST_ABSENCE:
        return stays
    return max(stays, Box(*before.boxes[-1]).iou(Box(*part.boxes[0])))


def with_bodies(tracks: Sequence[Track], bodies: Sequence[Track]) -> list[Track]:
    """Return the subjects: bodies in regions of movement, and regions without a body.

    A body that does not move is none: it is in no region.

    Args:
        tracks: Regions of movement.
        bodies: Bodies.
    """
    of_region: dict[int, list[Track]] = {}
    for body in bodies:
        shares = [_share(body, track) for track in tracks]
        if shares and max(shares) >= IN_REGION:
            of_region.setdefault(int(np.argmax(shares)), []).append(body)
    subjects: list[Track] = []
    for number, track in enumerate(tracks):
        inside = of_region.get(number, [])
        subjects += inside if _coverage(track, inside) >= LEAST_COVERAGE else [track]
    ordered = sorted(subjects, key=lambda track: (track.start, track.boxes[0, 0]))
    return [Track(str(n), track.times, track.boxes) for n, track in enumerate(ordered, 1)]


def _coverage(region: Track, bodies: Sequence[Track]) -> float:
    """Return the fraction of a region's times at which one of the bodies is there."""
    there = [(body.start <= region.times) & (region.times <= body.end) for body in bodies]
    return float(np.any(there, 0).mean()) if there else 0.0


def _share(body: Track, region: Track) -> float:
    """Return which fraction of a body's boxes is in a region, on average while both are there."""
    both = (body.times >= region.start) & (body.times <= region.end)
    if not both.any():
        return 0.0
    nearest = np.searchsorted(region.times, body.times[both]).clip(max=len(region.times) - 1)
    pairs = zip(body.boxes[both], region.boxes[nearest], strict=True)
    return float(np.mean([Box(*b).shared(Box(*r)) / max(1e-9, Box(*b).area) for b, r in pairs]))
