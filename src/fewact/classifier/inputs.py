"""What users pass as clips: paths, folders, tables, bytes, frames or features; as one list."""

import glob
import os
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from fewact import data
from fewact.classifier.names import check_label
from fewact.core.errors import DataError
from fewact.core.paths import user_path
from fewact.data.clips import (
    BACKGROUND,
    AnyClip,
    Clip,
    FeatureClip,
    Frames,
    VideoBytes,
    is_background,
)
from fewact.data.files import expand_paths, is_clip, is_features, legible, no_clips
from fewact.data.images import OF_FEATURES, check_dense, is_frames, is_image


class TensorLike(Protocol):
    """Tensor of torch, or of a library like it."""

    @property
    def device(self) -> Any:
        """Device that has the numbers."""

    def detach(self) -> Any:
        """Return the tensor without gradients."""


C = TypeVar("C", bound=AnyClip)

FileLike: TypeAlias = str | os.PathLike[str] | bytes | bytearray | IO[bytes]
ClipLike: TypeAlias = FileLike | AnyClip | NDArray[np.uint8] | TensorLike
"""One clip: a path; a ``Clip``, ``Frames``, ``VideoBytes`` or ``FeatureClip``; the bytes of a video
file, or an open one; or frames, as an array or tensor (t h w 3). A list of images is one clip, too.
"""

Source: TypeAlias = ClipLike | Iterable[ClipLike]
"""Clips of one class: a clip, a folder or a pattern, or several of them."""

LabelledSource: TypeAlias = Source | Mapping[str, Source] | Mapping[int, Source]
"""Clips of several classes: a folder of class folders, a table, a file of features, a list of
clips, or the clips of each class by its name."""

CLIP_EXPECTED = "a path, Clip, Frames, bytes of a video file, an open file, or frames (t, h, w, 3)"


class TrainingClip(NamedTuple):
    """A clip with its label, and its name relative to the training clips' source."""

    clip: AnyClip
    name: str


def as_list(values: Any) -> tuple[list[ClipLike], bool]:
    """Return one clip or several as a list, and whether it was one; refuse what is neither."""
    if isinstance(values, Mapping):
        raise DataError(
            "clips by name",
            got=_shown(values),
            expected="a clip or a list of clips",
            hint="Only fit and score take the clips of each class in a dictionary.",
        )
    if hasattr(values, "columns"):  # as an iterable it has their names
        raise DataError(
            "a table in memory",
            got=_shown(values),
            expected="a clip or a list of clips",
            hint='Pass its column of paths, such as table["path"].',
        )
    check_dense(values, "clips", CLIP_EXPECTED)
    if _is_one(values):
        return [values], True
    try:
        return list(values), False
    except TypeError:
        raise _no_clip(values) from None


def _is_one(value: object) -> bool:
    return (
        isinstance(value, str | os.PathLike | AnyClip | bytes | bytearray | memoryview)
        or hasattr(value, "read")
        or is_frames(value)
    )


def as_clip(value: ClipLike) -> AnyClip:
    """Return a value as a clip; a path is the entire file."""
    if isinstance(value, AnyClip):
        return value
    check_dense(value, "clip", CLIP_EXPECTED)
    if isinstance(value, str | os.PathLike):
        return _beside(Clip(user_path(value, DataError)))
    if isinstance(value, bytes | bytearray | memoryview):
        return VideoBytes(bytes(value))
    if hasattr(value, "read"):
        return _read(value)
    if is_frames(value):
        return Frames(value)
    raise _no_clip(value)


def query_clips(values: ClipLike | Iterable[ClipLike]) -> tuple[list[AnyClip], bool]:
    """Return the clips to predict, and whether one clip was passed, not a list.

    A folder of clips, a pattern and a file of features stand for all their clips, as on the command
    line.
    """
    values_of_clips, single = as_list(values)
    if single:
        return _expanded(values_of_clips[0])
    return [clip for value in values_of_clips for clip in _expanded(value)[0]], False


def each_query(values: ClipLike | Iterable[ClipLike]) -> Iterable[AnyClip]:
    """Return the clips to predict; an iterable of unknown length is read while clips are taken.

    Such an iterable is read ahead, and may reuse its arrays for the next clip: they are copied.
    """
    if _is_one(values) or isinstance(values, Sized) or not isinstance(values, Iterable):
        return query_clips(values)[0]
    return (_copied(clip) for value in values for clip in _expanded(value)[0])


def _copied(clip: AnyClip) -> AnyClip:
    if isinstance(clip, Frames):
        return replace(clip, array=clip.array.copy())
    if isinstance(clip, FeatureClip):
        return replace(clip, vectors=clip.vectors.copy())
    return clip


def _expanded(value: ClipLike) -> tuple[list[AnyClip], bool]:
    if not isinstance(value, str | os.PathLike):
        return [as_clip(value)], True
    path = user_path(value, DataError)
    if is_features(path):
        return [*data.read_features(path)], False
    if path.is_dir():
        holds_clips = not is_clip(path)
    else:
        holds_clips = glob.has_magic(str(path)) and not path.exists()
    if holds_clips:
        return [_beside(Clip(clip)) for clip in expand_paths([path])], False
    return [_beside(Clip(path))], True


def _read(file: Any) -> VideoBytes:
    """Return the rest of an open file as a clip."""
    name = getattr(file, "name", "")
    name = Path(name).name if isinstance(name, str) else ""
    try:
        content = file.read()
        at_end = not content and hasattr(file, "tell") and file.tell() > 0
    except UnicodeDecodeError:
        content, at_end = "", False
    except (OSError, ValueError) as error:
        raise DataError(
            "the file cannot be read",
            where=name,
            got=str(error),
            expected="a file that is open for reading bytes",
            hint='Open it with open(path, "rb"), and pass it before it is closed.',
        ) from None
    if isinstance(content, bytes | bytearray | memoryview):
        if at_end:
            raise DataError(
                "the file was read to its end before",
                where=name,
                hint="Go back to its start: file.seek(0).",
            )
        return VideoBytes(bytes(content), name)
    if hasattr(content, "close"):
        content.close()  # a coroutine: else it warns that it was never awaited
    raise DataError(
        "the file does not give bytes",
        where=name,
        got=type(content).__name__,
        expected="a file that is open for reading bytes",
        hint='Open it with open(path, "rb"); of an upload pass upload.file.',
    )


def _no_clip(value: Any) -> DataError:
    hints = [
        "This is one image, or frames without colours." if is_image(value) else "",
        OF_FEATURES if getattr(value, "ndim", 0) in (1, 2) else "",
    ]
    hint = " ".join(filter(None, hints))
    return DataError("not a clip", got=_shown(value), expected=CLIP_EXPECTED, hint=hint)


def _beside(clip: C) -> C:
    """Return a clip with the joints in the file of poses beside it, if there is one."""
    from fewact.data.poses.beside import with_file_beside  # clips on the command line have them

    return with_file_beside(clip)


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" {tuple(shape)}" if shape is not None else "")


def labelled(
    source: LabelledSource,
    labels: Sequence[str] | None,
    none: Source | None = None,
    joints: str | Path | None = None,
) -> list[TrainingClip]:
    """Return training clips in the order of the source, then clips of ``none``.

    Args:
        source: Clips of several classes.
        labels: Class of each clip of a list; None if the source has the classes.
        none: More clips of no class, as for ``of_class``; their label is ``none``.
        joints: Where the joints of the clips are, see ``data.poses.beside.with_joints``.
    """
    root = None
    if isinstance(source, Mapping | str | os.PathLike) and labels is not None:
        raise DataError("a folder, table, file or dictionary has its own labels", where="labels")
    if isinstance(source, Mapping):
        parts = [clip for label, clips in source.items() for clip in of_class(clips, str(label))]
        return _with_none(parts, none, joints)
    if isinstance(source, str | os.PathLike):
        clips, root = _stored(user_path(source, DataError))
    else:
        clips = [as_clip(clip) for clip in as_list(source)[0]]
    if labels is not None and len(labels) != len(clips):
        raise DataError(
            "each clip needs one label",
            where="labels",
            got=str(len(labels)),
            expected=str(len(clips)),
        )
    if labels is not None:
        clips = [replace(clip, label=label) for clip, label in zip(clips, labels, strict=True)]
    clips = [_without_class(c) if is_background(c.label or "") else c for c in clips]
    return _with_none(_named(clips, root), none, joints)


def _with_none(
    clips: list[TrainingClip], none: Source | None, joints: str | Path | None
) -> list[TrainingClip]:
    """Return the clips, then those of no class, with joints; refuse a clip that appears twice."""
    outside = [] if none is None else as_list(none)[0]
    together = [*clips, *(of_class(outside, BACKGROUND) if outside else ())]
    _refuse_repeats(together)
    if joints is None:
        return together
    from fewact.data.poses.beside import with_joints  # not to predict

    found = with_joints([clip for clip, _ in together], joints)
    return [TrainingClip(c, name) for c, (_, name) in zip(found, together, strict=True)]


def _stored(path: Path) -> tuple[list[AnyClip], Path | None]:
    """Return the clips of a folder, table or file of features, and what names are relative to."""
    if is_features(path):
        examples = data.labelled_features(path)
        return [*examples, *data.labelled_features(path, background=True)], None
    clips: list[Clip]
    if path.is_file() or (data.is_table(path) and not path.is_dir()):
        clips = [*data.read_table(path), *data.read_table(path, background=True)]
        root = path.parent
    else:
        clips = [*data.list_clips(path), *map(_without_class, data.list_background(path))]
        root = path
    return [*map(_beside, clips)], root


def _without_class(clip: C) -> C:
    return replace(clip, label=BACKGROUND)


def of_class(source: Source, label: str) -> list[TrainingClip]:
    """Return clips of one class, named as if they were in a folder of its name.

    A file of features means all its rows, a table its rows of the class. The folders in a
    folder of clips of no class, whose label is ``none`` in any case, are groups.
    """
    label = BACKGROUND if is_background(label) else check_label(label)
    clips: list[AnyClip] = []
    for value in as_list(source)[0]:
        if isinstance(value, str | os.PathLike):
            clips += _of_path(user_path(value, DataError), label)
        else:
            clips.append(as_clip(value))
    if not clips:
        raise DataError("no training clips", where=f'class "{label}"')
    missing = [str(c.path) for c in clips if isinstance(c, Clip) and not os.path.exists(c.path)]
    if len(missing) == len(clips):
        raise no_clips(missing)
    named = _named([replace(clip, label=label) for clip in clips], None, below=f"{label}/")
    _refuse_repeats(named)
    return named


def _of_path(path: Path, label: str) -> Sequence[AnyClip]:
    """Return the clips that a path names, with their groups if these are known."""
    from fewact.data.poses import is_poses, read_poses  # not to predict

    if is_poses(path):
        return [replace(c, name=f"{label}/{Path(c.name).name}") for c in read_poses([path])]
    if is_features(path):
        return data.read_features(path)
    if data.is_table(path):
        is_none = label == BACKGROUND
        rows = [
            clip
            for clip in data.read_table(path, background=is_none)
            if is_none or clip.label == label
        ]
        if not rows:
            raise DataError("no row has this label", where=str(path), got=repr(label))
        return [*map(_beside, rows)]
    if label == BACKGROUND and path.is_dir():
        outside = data.clips_of_no_class(path)
        if not outside:
            raise no_clips([str(path)])
        return [*map(_beside, outside)]
    paths = expand_paths([path], may_be_missing=True)
    return [_beside(Clip(clip)) for clip in paths]


def _named(clips: Sequence[AnyClip], root: Path | None, below: str = "") -> list[TrainingClip]:
    checked: list[AnyClip] = []
    for clip in clips:
        if clip.label is None:
            raise DataError(
                "a training clip needs a label",
                where=clip.display_name,
                hint="Pass labels, or a folder with one subfolder of clips per class.",
            )
        label = clip.label
        if label != BACKGROUND:
            label = check_label(label, where=clip.display_name)
        checked.append(replace(clip, label=label))
    files = [Path(os.path.abspath(clip.path)) for clip in checked if isinstance(clip, Clip)]
    names = (below + legible(name) for name in _names(files, root))
    return [
        TrainingClip(c, next(names) if isinstance(c, Clip) else legible(c.display_name))
        for c in checked
    ]


def _refuse_repeats(clips: Iterable[TrainingClip]) -> None:
    names: dict[tuple[object, ...], str] = {}
    for clip, _ in clips:
        if clip.key in names:
            raise DataError(
                "the clip appears twice",
                where=clip.display_name,
                got=f"the same as {names[clip.key]}",
            )
        names[clip.key] = clip.display_name


def _names(paths: list[Path], root: Path | None) -> list[str]:
    """Return each path relative to the source, or relative to the common folder of all.

    Models are shared, so a name must not reveal the folders of their owner.
    """
    above = None if root is None else Path(os.path.abspath(root))
    if above is None or not all(path.is_relative_to(above) for path in paths):
        try:
            above = Path(os.path.commonpath([path.parent for path in paths]))
        except ValueError:  # different drives
            return [path.name for path in paths]
        if above != Path.home() and Path.home().is_relative_to(above):
            return [path.name for path in paths]
    return [path.relative_to(above).as_posix() for path in paths]
