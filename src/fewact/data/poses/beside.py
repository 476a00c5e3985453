"""Which joints belong to which clip: files of the same stem, in a folder or beside the clip."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from fewact.core.errors import DataError
from fewact.core.options import OFF
from fewact.core.paths import user_path
from fewact.data.clips import AnyClip, Clip
from fewact.data.files import entries, first_few, legible
from fewact.data.joints import JointTrack
from fewact.data.poses import FOLDER_LEVELS, POSE_SUFFIXES, frames_of_openpose, is_pose_file
from fewact.data.poses.file import TRACK_END, TRACK_FILE, TrackSource, read_tracks

C = TypeVar("C", bound=AnyClip)

ENDS: Final = (TRACK_END, ".npz", *POSE_SUFFIXES)
"""Ends of the names of files of poses after the stem of their clip, the preferred ones first."""

BESIDE: Final = (TRACK_END, ".json", ".csv", ".tsv")
"""Ends of those that are looked for beside a clip: other .npz and .h5 files may be anything."""

DEEPLABCUT: Final = re.compile(r"DLC_.*", re.DOTALL)
"""What DeepLabCut adds to the stem of a video."""


def file_beside(clip: Path) -> Path | None:
    """Return the file of poses of the same stem beside a clip; None if there is none.

    A folder of frames of OpenPose counts too.
    """
    for end in BESIDE:
        file = clip.with_name(clip.stem + end)
        if file != clip and file.is_file() and (end == TRACK_END or is_pose_file(file)):
            return file
    folder = clip.with_suffix("")
    is_poses = folder != clip and folder.is_dir() and frames_of_openpose(entries(folder))
    return folder if is_poses else None


def with_file_beside(clip: C) -> C:
    """Return a clip with the file of poses beside it, unless it has joints or is no file."""
    if not isinstance(clip, Clip) or clip.joints is not None:
        return clip
    file = file_beside(clip.path)
    return clip if file is None else replace(clip, joints=file)


def with_joints(clips: Sequence[C], source: str | Path | None) -> list[C]:
    """Return clips with their joints; clips without any stay as they are.

    Args:
        clips: Clips; only those of files are looked up.
        source: Folder with a file of poses for each clip, of the same stem; or an .npz file with a
            table of its clips, see ``fewact.data.poses.file``. ``off`` for no joints; None for the
            joints that the clips have already.

    Raises:
        DataError: The folder or file cannot be read, or has the joints of no clip.
    """
    if source is None:
        return list(clips)
    if str(source) == OFF:
        return [replace(c, joints=None) if isinstance(c, Clip) else c for c in clips]
    path = user_path(source, DataError)
    poses: PoseFolder | PoseTable
    poses = PoseFolder(path) if path.is_dir() else PoseTable(path, only=len(clips) == 1)
    found = [poses.of(clip) if isinstance(clip, Clip) else None for clip in clips]
    if clips and all(joints is None for joints in found):
        raise DataError(
            "no clip has joints there",
            where=str(path),
            got=f"joints of {first_few(poses.names)}" if poses.names else "no file of poses",
            expected=f"joints of clips such as {clips[0].display_name}",
        )
    return [
        clip if joints is None or not isinstance(clip, Clip) else replace(clip, joints=joints)
        for clip, joints in zip(clips, found, strict=True)
    ]


@dataclass(frozen=True)
class PoseTable:
    """Joints in an .npz file with a table of the clips.

    Args:
        file: The .npz file; the table is beside it.
        only: Whether the joints of one clip without a table are those of any clip.
    """

    file: Path
    only: bool = False

    @cached_property
    def _tracks(self) -> dict[TrackSource, JointTrack]:
        if self.file.suffix.lower() != ".npz":
            raise DataError(
                "neither a folder nor an .npz file",
                where=str(self.file),
                expected=f"a folder of files of poses, or {TRACK_FILE.expected}",
            )
        return read_tracks(self.file)

    @property
    def names(self) -> list[str]:
        """Names of the clips that have joints."""
        return [legible(Path(source.file).name) for source in self._tracks]

    def of(self, clip: Clip) -> JointTrack | None:
        """Return the joints of a clip, or of the recording that has it; None without."""
        segments = (clip.start, clip.end), (None, None)
        keys = [TrackSource.of(clip.path, *segment) for segment in segments]
        keys += [TrackSource("")] if self.only else []
        return next((self._tracks[key] for key in keys if key in self._tracks), None)


@dataclass(frozen=True)
class PoseFolder:
    """A folder with a file of poses for each clip; clips of one name may be in folders of theirs.

    Args:
        folder: The folder.
    """

    folder: Path

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        files: dict[str, list[Path]] = {}
        for file in _below(self.folder):
            files.setdefault(stem_of(file), []).append(file)
        return files

    @property
    def names(self) -> list[str]:
        """Stems of the clips that have joints."""
        return list(map(legible, self._files))

    def of(self, clip: Clip) -> Path | None:
        """Return the file of poses of a clip; None without.

        Of several, the one is taken whose folders are named as those of the clip.

        Raises:
            DataError: Several files may be meant.
        """
        files = self._files.get(clip.path.stem, [])
        above = Path(os.path.abspath(clip.path)).parent.parts
        shared = [_shared(file.relative_to(self.folder).parent.parts, above) for file in files]
        nearest = [f for f, s in zip(files, shared, strict=True) if s == max(shared)]
        if len({file.parent for file in nearest}) > 1:
            raise DataError(
                "several files of poses have the name of a clip",
                where=str(clip.path),
                got=first_few(map(str, nearest)),
                expected="one, or folders that are named as those of the clips",
            )
        return min(nearest, key=_rank, default=None)


def stem_of(file: Path) -> str:
    """Return the stem of the clip whose poses a file has.

    >>> stem_of(Path("squat.poses.npz")), stem_of(Path("squatDLC_resnet50_gymshuffle1.csv"))
    ('squat', 'squat')
    """
    stem = file.name.removesuffix(TRACK_END) if file.name.endswith(TRACK_END) else file.stem
    return DEEPLABCUT.sub("", stem) or stem


def _below(folder: Path, levels: int = FOLDER_LEVELS) -> Iterator[Path]:
    for entry in entries(folder):
        if entry.is_dir():
            if frames_of_openpose(entries(entry)):
                yield entry
            elif levels:
                yield from _below(entry, levels - 1)
        elif entry.suffix.lower() == ".npz" or is_pose_file(entry):
            yield entry


def _shared(parts: tuple[str, ...], others: tuple[str, ...]) -> int:
    """Return how many folders, from the innermost one on, have the same names."""
    pairs = zip(reversed(parts), reversed(others), strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(parts), len(others)))


def _rank(file: Path) -> int:
    return next((i for i, end in enumerate(ENDS) if file.name.lower().endswith(end)), len(ENDS))
