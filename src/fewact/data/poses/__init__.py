"""Files of poses by other programs: skeletons and landmarks as clips of features.

A file, or a folder of frames of OpenPose, is a clip. A folder with a folder for each class has
labelled clips; folders in the folder of a class are groups.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from fewact.core.errors import DataError, SkippedWarning, warn
from fewact.data.clips import BACKGROUND, FeatureClip, is_background
from fewact.data.files import VIDEO_SUFFIXES, entries, first_few, is_image_file, legible, matching
from fewact.data.poses import documents, hdf5, ntu, tables
from fewact.data.poses.bodies import Body, BodyChoice, chosen
from fewact.data.poses.pose import POSES, Poses, poses

HDF5_SUFFIXES: Final = (".h5", ".hdf5")
POSE_SUFFIXES: Final = (".json", ".csv", ".tsv", ntu.SKELETON_SUFFIX, *HDF5_SUFFIXES)
FOLDER_LEVELS: Final = 4
"""Levels of folders that are searched, below a folder of poses."""

HEAD_BYTES: Final = 65536
"""Bytes of a file by which its format is recognised."""

DOCUMENT: Final = re.compile(r'"(keypoints|pose_keypoints_2d)"\s*:|landmark|^\s*\[+\s*\{\s*"x"')


def is_poses(path: str | Path) -> bool:
    """Return whether a file has poses, or a folder has such files and no videos or images.

    A pattern has poses if all files and folders that it matches have.
    """
    named = matching(Path(path))
    return bool(named) and all(_has_poses(p) if p.is_dir() else is_pose_file(p) for p in named)


def _has_poses(folder: Path, levels: int = FOLDER_LEVELS) -> bool | None:
    """Return whether poses, not videos, are in the first folder that has either; None for none."""
    try:
        inside = entries(folder)
    except DataError:
        return False
    if any(e.suffix.lower() in VIDEO_SUFFIXES or is_image_file(e) for e in inside):
        return False
    if frames_of_openpose(inside) or any(is_pose_file(entry) for entry in inside):
        return True
    below = (_has_poses(entry, levels - 1) for entry in inside if levels and entry.is_dir())
    return next((decided for decided in below if decided is not None), None)


def frames_of_openpose(inside: list[Path]) -> list[Path]:
    """Return the frames of OpenPose among the entries of a folder."""
    return [entry for entry in inside if entry.name.endswith(documents.FRAME_END)]


def is_pose_file(path: Path) -> bool:
    """Return whether a file has poses of a known program, by its beginning."""
    suffix = path.suffix.lower()
    if suffix not in POSE_SUFFIXES or not path.is_file():
        return False
    if suffix in (ntu.SKELETON_SUFFIX, *HDF5_SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return False
    if suffix == ".json":
        return DOCUMENT.search(head) is not None
    return tables.is_deeplabcut(head) or tables.is_wide(head)


def read_pose(path: Path, subject: str | None = None) -> Poses:
    """Return the poses of one clip: a file, or a folder of frames of OpenPose.

    Args:
        path: File or folder.
        subject: Name of the body, or its number from 1; None for the body that moves most.

    Raises:
        DataError: No known program wrote it, it has no pose, or no such body.
    """
    return pose_and_choice(path, subject)[0]


def pose_and_choice(path: Path, subject: str | None = None) -> tuple[Poses, BodyChoice]:
    """Return the poses of one clip, see ``read_pose``, and which of its bodies they are."""
    bodies, skeleton = _bodies(path)
    choice = chosen(path, bodies, subject)
    return poses(choice.body.joints, skeleton), choice


def _bodies(path: Path) -> tuple[list[Body], str]:
    """Return the bodies of a file or folder, and the skeleton of all."""
    if path.is_dir():
        return documents.read_openpose(frames_of_openpose(entries(path)))
    suffix = path.suffix.lower()
    if suffix in HDF5_SUFFIXES:
        return hdf5.read_sleap(path)
    text = POSES.text(path)
    if not text.strip():
        POSES.refuse(path, "the file is empty")
    if suffix == ntu.SKELETON_SUFFIX:
        return ntu.read_ntu(path, text)
    if suffix != ".json":
        read = tables.read_deeplabcut if tables.is_deeplabcut(text) else tables.read_wide
        return read(path, text)
    content = POSES.parse(text, str(path))
    if isinstance(content, dict) and "people" in content:
        return documents.read_openpose([path])
    return (documents.read_coco if documents.is_coco(content) else documents.read_mediapipe)(
        path, content
    )


def _clips_below(folder: Path, levels: int = FOLDER_LEVELS) -> Iterator[Path]:
    """Yield the clips below a folder, also files of other content, which are refused when read.

    An HDF5 file beside the table of the same name is no clip.
    """
    inside = entries(folder)
    if frames_of_openpose(inside):
        yield folder
        return
    tabled = {entry.stem for entry in inside if entry.suffix.lower() == ".csv"}
    for entry in inside:
        if entry.is_dir():
            yield from _clips_below(entry, levels - 1) if levels else ()
        elif entry.suffix.lower() in HDF5_SUFFIXES and entry.stem in tabled:
            continue
        elif entry.suffix.lower() in POSE_SUFFIXES:
            yield entry


def read_poses(paths: Iterable[Path], subject: str | None = None) -> list[FeatureClip]:
    """Return the clips of files, folders and patterns of poses, without labels; named by paths.

    Args:
        paths: Files, folders and patterns.
        subject: Body of each file, see ``read_pose``.

    Raises:
        DataError: None can be read.
    """
    matches = [match for path in paths for match in matching(path)]
    files = [f for path in matches for f in (_clips_below(path) if path.is_dir() else [path])]
    return _read(Path(), [(file, None, None) for file in files], subject)


def labelled_poses(folder: Path, subject: str | None = None) -> list[FeatureClip]:
    """Return the clips of a folder of class folders; clips of no class have the label ``none``.

    Args:
        folder: Folder.
        subject: Body of each file, see ``read_pose``.

    Raises:
        DataError: There is no class folder, a class has no poses, or none can be read.
    """
    listed = []
    classes = [entry for entry in entries(folder) if entry.is_dir()] if folder.is_dir() else []
    for entry in classes:
        label = unicodedata.normalize("NFC", legible(entry.name)).strip()
        files = list(_clips_below(entry))
        if not files:
            raise DataError(f'the class "{label}" has no poses', where=str(entry))
        for file in files:
            parts = file.relative_to(entry).parts
            group = legible(parts[0]) if len(parts) > 1 else None
            listed.append((file, BACKGROUND if is_background(label) else label, group))
    if not listed:
        raise DataError(
            "the poses are not sorted into class folders",
            where=str(folder),
            expected="a folder for each class, with the poses of its clips",
        )
    clips = _read(folder, listed, subject)
    if lost := {label for _, label, _ in listed} - {clip.label for clip in clips}:
        raise DataError(f'no clip of the class "{min(lost)}" can be read', where=str(folder))
    return clips


def _read(
    root: Path, listed: Sequence[tuple[Path, str | None, str | None]], subject: str | None
) -> list[FeatureClip]:
    """Return the clips that can be read; the others are named in warnings."""
    clips: list[FeatureClip] = []
    several: list[str] = []
    for file, label, group in listed:
        name = legible(file.relative_to(root).as_posix() if root in file.parents else str(file))
        try:
            read, choice = pose_and_choice(file, subject)
            if len(choice.names) > 1:
                several.append(f"{name}: {choice.sentence}")
            clip = FeatureClip(name, read.vectors(), label, group, read.layout)
        except DataError as error:
            if len(listed) == 1:
                raise
            warn(f"skipped: {error}", SkippedWarning)
            continue
        if clips and clip.joints != clips[0].joints:
            fault = f"its joints, {clip.joints}, are not the joints of {clips[0].name}"
            warn(f"skipped: {file}: {fault}", SkippedWarning)
            continue
        clips.append(clip)
    if not clips:
        raise DataError("no poses can be read", where=str(root), expected=POSES.expected)
    if several:
        hint = "" if subject is not None else "; --subject NAME chooses"
        warn(f"{first_few(several)}{hint}")
    return clips
