"""Clips in class folders, and in folders called train, val and test."""

from pathlib import Path

from fewact.core.errors import DataError, warn
from fewact.core.paths import user_path
from fewact.core.text_table import printable
from fewact.data.class_names import plain_name
from fewact.data.clips import Clip, is_background
from fewact.data.files import (
    clips_below,
    entries,
    first_few,
    is_clip,
    is_image_file,
    is_numbered_image,
    is_saved_model,
    legible,
    warn_of_images,
)

LAYOUT = """Arrange the clips like this:
    actions/
        wave/   first.mp4  second.mp4
        clap/   third.mp4  fourth.mp4"""
ONE_ACTION = 'To recognise one action, make clips of other movements a class, not "none"'
ONE_ACTION_LAYOUT = f"""{ONE_ACTION}:
    actions/
        wave/   first.mp4  second.mp4
        other/  third.mp4  fourth.mp4"""


def list_clips(folder: str | Path) -> list[Clip]:
    r"""Return the clips of a folder that contains one folder for each class.

    A clip is a file with a video's extension or a folder of numbered images; hidden and other files
    are ignored. Classes and clips are in natural order ("clip 2" before "clip 10"), the same on
    every machine. Bytes of a folder's name that are not UTF-8 become
    escapes in the class's name: ``caf\xe9``. The folder ``none`` is not a class:
    ``list_background`` returns its clips. Spaces around the name of a folder do not count. Warnings
    name what is ignored: saved models and videos beside the class folders, and folders of clips and
    images beside the clips of a class.

    Raises:
        DataError: The folder does not exist, has fewer than two classes, or a class has no clips.
    """
    root = user_path(folder, DataError)
    folders, outside, models = _classes(root)
    if not folders:
        got = f"{len(outside)} clips and no folder" if outside else "no class folder"
        raise DataError(
            "the clips are not sorted into class folders",
            where=str(root),
            got=got,
            expected="at least two folders, each with clips of one class",
            hint=LAYOUT,
        )
    found_in = [_clips(entry) for entry in folders]
    clips = [clip for inside, _, _ in found_in for clip in inside]
    deeper = [entry for _, beside, _ in found_in for entry in beside]
    warn_of_images(image for _, _, images in found_in for image in images)
    if len(folders) == 1:
        raise DataError(
            "there is only one class",
            where=str(root),
            got=folders[0].name,
            expected="at least two folders, each with clips of one class",
            hint=ONE_ACTION_LAYOUT,
        )
    for ignored, what, hint in (
        (outside, "in no class folder", ""),
        (models, "saved models beside the class folders", ""),
        (
            deeper,
            "folders beside the clips of a class",
            "; move their clips into the folder of the class",
        ),
    ):
        if ignored:
            names = first_few(str(entry.relative_to(root)) for entry in ignored)
            warn(f"{root}: ignored, {what}: {names}{hint}")
    return clips


def list_background(folder: str | Path) -> list[Clip]:
    """Return the clips of no class, those in the folder ``none`` beside the class folders."""
    return [
        clip
        for entry in _entries(user_path(folder, DataError))
        if entry.is_dir() and is_background(entry.name)
        for clip in clips_of_no_class(entry)
    ]


def clips_of_no_class(folder: Path) -> list[Clip]:
    """Return the clips below a folder of clips of no class, without a label.

    Each folder in it is a group: a person, or a place. A folder of numbered images is one clip.
    """
    ignored: list[Path] = []
    below = [(clip, clip.relative_to(folder).parts) for clip in clips_below(folder, ignored)]
    warn_of_images(ignored)
    return [Clip(c, group=legible(parts[0]) if len(parts) > 1 else None) for c, parts in below]


def _entries(root: Path) -> list[Path]:
    if not root.exists():
        raise DataError(
            "there is no such folder", where=str(root), expected="a folder of class folders"
        )
    if not root.is_dir():
        raise DataError("this is a file", where=str(root), expected="a folder", hint=LAYOUT)
    return entries(root)


def _classes(root: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the class folders, the clips outside of them, and the saved models beside them."""
    folders, outside, models = [], [], []
    for entry in _entries(root):
        if is_saved_model(entry):
            models.append(entry)
        elif entry.is_dir() and not is_background(entry.name):
            folders.append(entry)
        elif not entry.is_dir() and is_clip(entry):
            outside.append(entry)
    return folders, outside, models


def _clips(folder: Path) -> tuple[list[Clip], list[Path], list[Path]]:
    """Return the clips of one class folder, and the folders of clips and images beside them."""
    inside = entries(folder)
    label = printable(plain_name(legible(folder.name)))
    clip_at = {entry: is_clip(entry) for entry in inside}
    clips = [Clip(entry, label) for entry in inside if clip_at[entry]]
    if clips:
        folders = [
            entry
            for entry in inside
            if entry.is_dir() and not (clip_at[entry] or is_saved_model(entry))
        ]
        deeper = [entry for entry in folders if any(clips_below(entry))]
        return clips, deeper, [entry for entry in inside if is_image_file(entry)]
    if any(map(is_numbered_image, inside)):
        got, hint = "single images", "Put the images of each clip into a separate folder."
    elif any(entry.is_dir() for entry in inside):
        names = first_few(entry.name for entry in inside if entry.is_dir())
        got, hint = f"only folders: {names}", f"If these are the classes, use {folder} instead."
    elif inside:
        names = first_few(entry.name for entry in inside)
        got, hint = f"no video: {names}", "Videos have extensions such as .mp4, .mov or .avi."
    else:
        got, hint = "an empty folder", "Add a clip, or remove the folder."
    raise DataError(
        f'the class "{label}" has no clips',
        where=str(folder),
        got=got,
        expected="video files or folders of numbered images",
        hint=hint,
    )
