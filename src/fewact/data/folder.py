"""A folder of class folders."""

import unicodedata
import warnings
from pathlib import Path

from fewact.data.clips import Clip, is_background
from fewact.data.files import entries, is_clip, is_picture, some
from fewact.errors import DataError

LAYOUT = """Lay the clips out like this:
    actions/
        wave/   first.mp4  second.mp4
        clap/   third.mp4  fourth.mp4"""


def list_clips(folder: str | Path) -> list[Clip]:
    """The clips of a folder that holds one folder for each class.

    A clip is a file with a video's extension or a folder of numbered pictures; other files and
    hidden ones are passed over. Classes and clips come in natural order ("clip 2" before
    "clip 10"), the same on every machine. A class folder called ``none`` is no class:
    ``list_background`` gives its clips. Videos that lie beside the class folders belong to no class
    either: a warning names them.

    Args:
        folder: Holds the class folders.

    Raises:
        DataError: No such folder, fewer than two classes, or a class without clips.
    """
    root = Path(folder).expanduser()
    folders, astray = _classes(root)
    if not folders:
        found = f"{len(astray)} clips and no folder" if astray else "no class folder"
        raise DataError(
            "the clips are not sorted into class folders",
            where=str(root),
            got=found,
            expected="at least two folders, each with clips of one class",
            hint=LAYOUT,
        )
    clips = [clip for entry in folders for clip in _clips(entry)]
    if len(folders) == 1:
        raise DataError(
            "there is only one class",
            where=str(root),
            got=folders[0].name,
            expected="at least two folders, each with clips of one class",
            hint=LAYOUT,
        )
    if astray:
        names = some(entry.name for entry in astray)
        warnings.warn(
            f"{root}: ignored, in no class folder: {names}", category=UserWarning, stacklevel=2
        )
    return clips


def list_background(folder: str | Path) -> list[Clip]:
    """The clips that show no class: those of the folder ``none`` beside the class folders.

    Args:
        folder: Holds the class folders.

    Returns:
        Clips without a label; none where there is no such folder.

    Raises:
        DataError: No such folder.
    """
    return [
        Clip(clip)
        for entry in _entries(Path(folder).expanduser())
        if entry.is_dir() and is_background(entry.name)
        for clip in entries(entry)
        if is_clip(clip)
    ]


def _entries(root: Path) -> list[Path]:
    if not root.exists():
        raise DataError(
            "there is no such folder", where=str(root), expected="a folder of class folders"
        )
    if not root.is_dir():
        raise DataError("this is a file", where=str(root), expected="a folder", hint=LAYOUT)
    return entries(root)


def _classes(root: Path) -> tuple[list[Path], list[Path]]:
    """The class folders, and the clips that lie beside them."""
    folders, astray = [], []
    for entry in _entries(root):
        if entry.is_dir() and not is_background(entry.name):
            folders.append(entry)
        elif not entry.is_dir() and is_clip(entry):
            astray.append(entry)
    return folders, astray


def _clips(folder: Path) -> list[Clip]:
    """The clips of one class folder."""
    inside = entries(folder)
    label = unicodedata.normalize("NFC", folder.name)
    clips = [Clip(entry, label) for entry in inside if is_clip(entry)]
    if clips:
        return clips
    if any(is_picture(entry) for entry in inside):
        got, hint = "loose pictures", "Give the pictures of each clip a folder of their own."
    elif any(entry.is_dir() for entry in inside):
        names = some(entry.name for entry in inside if entry.is_dir())
        got, hint = f"only folders: {names}", f"If these are the classes, give {folder} instead."
    elif inside:
        names = some(entry.name for entry in inside)
        got, hint = f"no video: {names}", "Known by their extension are .mp4, .mov, .avi and such."
    else:
        got, hint = "an empty folder", "Add a clip, or remove the folder."
    raise DataError(
        f'the class "{label}" has no clips',
        where=str(folder),
        got=got,
        expected="video files or folders of numbered pictures",
        hint=hint,
    )
