"""Joints beside recordings that are watched."""

from collections.abc import Iterable
from pathlib import Path

from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.pipeline import find_estimator
from fewact.cli.options import clips_with_joints
from fewact.core.errors import DataError, warn
from fewact.core.options import OFF
from fewact.data.clips import Clip
from fewact.data.joints import JointTrack
from fewact.video.reading import probe


def joints_of_recordings(
    classifier: FewShotClassifier, sources: Iterable[str], poses: str | None
) -> dict[str, JointTrack]:
    """Return the joints of recordings in files, with times from their starts; of some or none.

    Args:
        classifier: Classifier that may compare joints.
        sources: Recordings; cameras and addresses have no joints.
        poses: Folder or file of joints, see ``data.poses.beside``; None for the files beside them.

    Raises:
        DataError: Joints cannot be read, or are others than those of the training clips.
    """
    layout, tracks = classifier.fitted_.pipeline.joints, dict[str, JointTrack]()
    files = {source: Clip(Path(source)) for source in sources if Path(source).is_file()}
    found = clips_with_joints(classifier, [*files.values()], poses)
    for source, clip in zip(files, found, strict=True):
        track = clip.joint_track() if layout and isinstance(clip, Clip) else None
        if track is None:
            continue
        if track.layout != layout:
            raise DataError(
                "other joints than those of the training clips",
                where=source,
                got=track.layout,
                expected=layout,
            )
        info = probe(source)
        timed = track.since(0.0, info.duration)
        tracks[source] = timed.in_heights(info.width / info.height)
    without = [source for source in sources if source not in tracks]
    pose = classifier.fitted_.pipeline.pose
    if layout and without and poses != OFF and find_estimator(pose) is None:
        warn(
            f"{without[0]} has no joints ({layout}), so its picture alone is compared; "
            "--pose estimates them"
        )
    return tracks
