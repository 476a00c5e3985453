"""Watch each of several subjects in a recording: a stream for each, of the picture around it.

A recording is read twice. The first reading follows what moves. So the picture of a subject that
stays at its place is the same for all of the recording, and the picture of a walker follows the
walker. If the camera moves, its motion is estimated from the full picture, and each subject's
picture is stabilised.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag

import numpy as np

from fewact.data.tracks import read_tracks
from fewact.recordings.formats import Event
from fewact.recordings.stream import Stream
from fewact.recordings.windows import Pace
from fewact.video.recording import open_recording
from fewact.video.regions import RATE, RegionFinder
from fewact.video.samplers import RGBImage
from fewact.video.track import Box, CameraPath, Track, pictures, walks

WATCHED_AROUND = 2.0
"""Seconds before and after its movements in which a subject is watched."""

WALKER_BOX_SPAN = 1.0
"""Seconds before and after a time whose boxes of a walker are around its picture at that time."""


def tracks_of_recording(
    source: str | Path, regions: RegionFinder | str | Path, stop: Flag | None = None
) -> tuple[list[Track], CameraPath | None]:
    """Return the subjects of a recording, in the order of appearance, and the camera's motion.

    Args:
        source: Video file.
        regions: Finds what moves; or the table of boxes, see ``read_tracks``.
        stop: Ends the search when it is set; the tracks so far are complete.
    """
    finder = regions if isinstance(regions, RegionFinder) else RegionFinder()
    pace, times, size = Pace(RATE), list[float](), (0, 0)
    with open_recording(source, stop=stop) as recording:
        for time, frame in recording.frames():
            times.append(time)
            if stop is not None and stop.is_set():
                break
            if pace.needs(time):
                pace.take(time)
                image = recording.convert(frame)
                size = image.shape[0], image.shape[1]
                finder.add(image, time)
    tracks = finder.tracks()
    if not isinstance(regions, RegionFinder):
        tracks = read_tracks(regions, np.array(times), size)
    return tracks, finder.camera()


class SubjectStreams:
    """Watches each subject of a recording, as a ``Stream`` watches all of the picture.

    Args:
        begin: Returns a new stream.
        tracks: The subjects.
        aspect: Width over height of a subject's picture; None for the aspect of the recording.
        camera: How the camera moves; None if it is static.
    """

    def __init__(
        self,
        begin: Callable[[], Stream],
        tracks: Sequence[Track],
        aspect: float | None,
        camera: CameraPath | None = None,
    ) -> None:
        self._tracks, self._aspect, self._camera = tracks, aspect, camera
        self._streams = [begin() for _ in tracks or (None,)]
        self._stabilised = [*tracks] if camera is None else [*map(camera.stabilised, tracks)]
        self._boxes = [track.box() for track in self._stabilised]
        self._walks = [walks(track.boxes) for track in self._stabilised]
        self._pace = Pace(self._streams[0].rate)
        self._last = -math.inf
        self._shown: dict[int, tuple[Box | None, RGBImage]] = {}
        self._shown_last: set[int] = set()
        self.lengths, self.rate = self._streams[0].lengths, self._streams[0].rate
        self.delay = self._streams[0].delay

    @property
    def faults(self) -> tuple[str, ...]:
        """Faults of most windows so far of any subject, each with what to do."""
        return tuple(dict.fromkeys(fault for stream in self._streams for fault in stream.faults))

    def needs(self, time: float) -> bool:
        """Return whether a frame of this time would be looked at."""
        return self._pace.needs(time)

    def push(self, frame: RGBImage, time: float, *, after_gap: bool = False) -> list[Event]:
        """Look at the next frame (h w 3), see ``Stream.push``; return events that are complete."""
        self._pace.take(time)
        self._last = time
        if not self._tracks:
            return self._streams[0].push(frame, time, after_gap=after_gap)
        numbers = [i for i in range(len(self._tracks)) if self._is_watched(i, time)]
        boxes = [self._box(i, time) for i in numbers]
        size = frame.shape[0], frame.shape[1]
        scene, view = None, None
        if self._camera is not None:
            scene, view = self._camera.scene, self._camera.view(time)
        events = []
        for i, picture in zip(numbers, pictures(boxes, size, self._aspect, scene), strict=True):
            part, before = self._shown.get(i, (None, None))
            image = picture.of(frame, view, before if part == picture.part else None)
            self._shown[i] = picture.part, image
            gap = after_gap or i not in self._shown_last
            events += self._named(i, self._streams[i].push(image, time, after_gap=gap))
        self._shown_last = set(numbers)
        return events

    def close(self, end: float | None = None) -> list[Event]:
        """End the recording; return the events that were not complete."""
        events = []
        for i, stream in enumerate(self._streams):
            lasts = not self._tracks or self._is_watched(i, self._last)
            events += self._named(i, stream.close(end if lasts else None))
        return sorted(events, key=lambda event: event.start)

    def stop(self) -> None:
        """End the recording without the events that are not complete."""
        for stream in self._streams:
            stream.stop()

    def _is_watched(self, number: int, time: float) -> bool:
        track = self._tracks[number]
        alone = len(self._tracks) == 1
        return alone or track.start - WATCHED_AROUND <= time <= track.end + WATCHED_AROUND

    def _box(self, number: int, time: float) -> Box:
        if self._walks[number]:
            return self._stabilised[number].box(time - WALKER_BOX_SPAN, time + WALKER_BOX_SPAN)
        return self._boxes[number]

    def _named(self, number: int, events: Sequence[Event]) -> list[Event]:
        """Return events with the subject and where it was."""
        if not self._tracks:
            return [*events]
        track = self._tracks[number]
        return [
            replace(event, subject=track.subject, box=_rounded(track.box(event.start, event.end)))
            for event in events
        ]


def _rounded(box: Box) -> tuple[float, float, float, float]:
    x, y, width, height = (round(side, 1) for side in box)
    return x, y, width, height
