"""Predict what each of several subjects in view does: each is a clip of its own.

The picture of a subject is cut out of the clip: one part for all of its frames, as of a static
camera, so that a walk stays a walk. One subject that fills the picture is the clip itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np

from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.fitted import Fitted
from fewact.classifier.inputs import ClipLike, each_query
from fewact.classifier.predict import predict
from fewact.classifier.prediction import Prediction, Skipped
from fewact.core.errors import DataError, VideoError
from fewact.data import AnyClip, Clip, Frames, VideoClip
from fewact.data.tracks import read_tracks
from fewact.features.extract import Timing
from fewact.poses.base import PoseEstimator
from fewact.recordings.bodies import FindTracks, find_bodies, named_estimator
from fewact.video.reading import probe, timeline_of
from fewact.video.regions import find_tracks
from fewact.video.samplers import Sampler
from fewact.video.source import ProcessedVideo, Reading, Show, Transform
from fewact.video.track import Box, Picture, Track, pictures


@dataclass(frozen=True)
class _PartClip(Clip):
    """A clip of a file, cut to a part of the picture."""

    picture: Picture = field(default_factory=Picture)

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> Reading:
        """Return frames of the picture, see ``VideoSource.read``."""
        return Show(self.picture).read(self.full, samplers, transform)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the file and the picture."""
        return ProcessedVideo(self.full, (Show(self.picture),)).fingerprint()

    @property
    def full(self) -> Clip:
        """The clip with its full picture."""
        return Clip(self.path, self.label, self.start, self.end, self.group, self.box)


@dataclass(frozen=True)
class Region:
    """A subject of a clip.

    Args:
        clip: The clip, cut to the picture of the subject.
        subject: Its name.
        box: Where it is, in pixels; None where nothing moves.
        enlarged: Whether a part of the picture is shown.
    """

    clip: VideoClip
    subject: str
    box: Box | None
    enlarged: bool = False


def regions_of(
    clip: AnyClip, find: FindTracks = find_tracks, aspect: float | None = None
) -> list[Region]:
    """Return the subjects of a clip; the clip itself if nothing moves.

    Args:
        clip: Clip of a file, or frames in memory.
        find: Returns its tracks.
        aspect: Width over height of a subject's picture; None for the aspect of the clip.
    """
    if not isinstance(clip, Clip | Frames):
        raise DataError(
            "regions need a picture",
            where=str(clip.path),
            got=type(clip).__name__,
            expected="a video file, or frames in memory",
        )
    tracks, size = find(clip)
    boxes = [track.box() for track in tracks]
    regions = [
        Region(_shown(clip, picture), track.subject, box, picture.part is not None)
        for track, box, picture in zip(tracks, boxes, pictures(boxes, size, aspect), strict=True)
    ]
    return regions or [Region(clip, "", None)]


def _shown(clip: Clip | Frames, picture: Picture) -> VideoClip:
    if picture.is_full:
        return clip
    if isinstance(clip, Frames):
        return replace(clip, array=np.stack([picture.of(f) for f in clip.array]), joints=None)
    parts = clip.path, clip.label, clip.start, clip.end, clip.group, clip.box
    return _PartClip(*parts, picture=picture)  # joints beside the clip may be of another subject


def tracks_of_table(table: str | Path) -> FindTracks:
    """Return a function that returns the tracks of a user's table for a clip of its video."""

    def find(clip: VideoClip) -> tuple[list[Track], tuple[int, int]]:
        if not isinstance(clip, Clip):
            raise DataError("tracks are of a file", where=str(table), got=type(clip).__name__)
        info = probe(clip.path)
        size = info.height, info.width
        return read_tracks(table, timeline_of(clip.path).times, size), size

    return find


def tracks_by(boxes: str | Path | PoseEstimator) -> FindTracks:
    """Return what finds the tracks of a clip: an estimator or its name, or a table."""
    found_by = named_estimator(boxes)
    return tracks_of_table(found_by) if isinstance(found_by, Path) else find_bodies(found_by)


def typical_aspect(fitted: Fitted) -> float | None:
    """Return the typical width over height of the training clips; None if it is not known."""
    aspects = [clip.aspect for clip in fitted.examples.clips if clip.aspect is not None]
    return median(aspects) if aspects else None


def predict_regions(
    classifier: FewShotClassifier,
    clips: ClipLike | Iterable[ClipLike],
    *,
    boxes: str | Path | PoseEstimator | None = None,
    timing: Timing | None = None,
) -> Iterator[Prediction | Skipped]:
    """Predict what each of several subjects in view does, one by one.

    Regions of movement are followed, without a detector: each is predicted as a clip of its own,
    and has a ``subject`` and a ``box``. A clip in which nothing moves has one prediction, without
    them.

    Args:
        classifier: Classifier that has learned classes from videos.
        clips: Video files, or frames in memory, as for ``FewShotClassifier.predict``.
        boxes: Pose estimator, or its name, that finds the people in regions of movement; or the
            table of the subjects' boxes in the only clip, which are used instead of regions: a
            header frame,id,x,y,w,h, or the format of MOTChallenge.
        timing: Time of each stage, which is added up.

    Returns:
        For each clip, in order: the prediction of each subject, or why the clip was skipped.

    Raises:
        DataError: As for ``predict``; or the clips are features; or the table has no boxes.

    >>> for answer in predict_regions(classifier, "court.mp4"):  # doctest: +SKIP
    ...     print(answer.subject, answer.box, answer.label)
    """
    fitted = classifier.fitted_
    find = find_tracks if boxes is None else tracks_by(boxes)
    aspect = typical_aspect(fitted)
    return (
        answer
        for clip in each_query(clips)
        for answer in _of_clip(classifier, fitted, clip, find, aspect, timing)
    )


def _of_clip(
    classifier: FewShotClassifier,
    fitted: Fitted,
    clip: AnyClip,
    find: FindTracks,
    aspect: float | None,
    timing: Timing | None,
) -> Iterator[Prediction | Skipped]:
    try:
        regions = regions_of(clip, find, aspect)
    except VideoError as error:
        yield Skipped(clip, error)
        return
    answers = predict(
        fitted,
        [region.clip for region in regions],
        timing,
        false_alarms=classifier.false_alarms,
        sets=classifier.sets,
        enlarged=[region.enlarged for region in regions],
    )
    for region, (_, answer) in zip(regions, answers, strict=True):
        if isinstance(answer, Skipped):
            yield replace(answer, clip=clip)
        else:
            yield replace(answer, clip=clip, subject=region.subject, box=region.box)
