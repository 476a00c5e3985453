"""Names of classes and training clips as users give them. Needs no torch."""

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from fewact.classifier.example import Example
from fewact.classifier.labels import Label, as_integer, label_text
from fewact.classifier.prediction import NONE
from fewact.core.errors import DataError, did_you_mean
from fewact.data import BACKGROUND, is_background

ClipId = str | int
"""A training clip: its title, the end of its title, or its number in ``all_clips_`` from 1 on."""


def normalised(label: Label, *, integers: bool = False) -> str:
    """Return the name of a class in Unicode normal form C, without spaces around it.

    Args:
        label: Name of the class; of an integer its text is returned.
        integers: Whether the classes are integers: then "01" is "1".
    """
    name = _nfc(label_text(label)).strip()
    return as_integer(name) if integers else name


def check_label(label: Label, *, where: str = "", integers: bool = False) -> str:
    """Return the name of a class, see ``normalised``.

    Args:
        label: Name of the class.
        where: Clip that has the label, for errors.
        integers: Whether the classes are integers.

    Raises:
        DataError: The name is blank, has a line break, or is reserved for clips of no class.
    """
    name = normalised(label, integers=integers)
    if not name or not name.isprintable():
        raise DataError(
            "not a class name",
            where=where,
            got=repr(label),
            expected="printable text in UTF-8",
            hint="Give the class another name, such as that of its folder or in the table.",
        )
    if is_background(name) or name == NONE:
        raise DataError(
            f'"{name}" is reserved for clips of no class',
            where=where,
            got=repr(label),
            hint="" if is_background(name) else f'Use "{BACKGROUND}" for clips of no class.',
        )
    return name


def existing_class(name: Label, classes: Sequence[str], *, integers: bool = False) -> str:
    """Return the name of an existing class, see ``check_label``.

    Raises:
        DataError: There is no such class.
    """
    text = label_text(name)
    found = text if text in classes else check_label(text, integers=integers)
    if found not in classes:
        raise DataError(
            "unknown class",
            got=repr(name),
            expected=", ".join(classes),
            hint=did_you_mean(found, classes),
        )
    return found


def existing_classes(
    names: Label | Collection[Label], classes: Sequence[str], *, integers: bool = False
) -> set[str]:
    """Return the names of existing classes; a single name is one class.

    Raises:
        DataError: There is no such class.
    """
    some = [names] if isinstance(names, str) or not isinstance(names, Iterable) else names
    return {existing_class(name, classes, integers=integers) for name in some}


def new_name(name: Label, classes: Sequence[str], *, integers: bool = False) -> str:
    """Return the new name of a class, see ``check_label``.

    Raises:
        DataError: The name is invalid, or another class has it.
    """
    new = check_label(name, integers=integers)
    if new in classes:
        raise DataError(
            "the name is taken",
            got=repr(new),
            hint="To join two classes, move the clips of one to the other.",
        )
    return new


def find_clips(
    clips: Sequence[Example], wanted: Iterable[ClipId], *, classes: Sequence[str] = ()
) -> list[int]:
    """Return the positions of clips.

    A name is compared as it is; if no clip has it, both names in Unicode normal form C: names of
    files may have accents as separate characters, such as those of macOS.

    Args:
        clips: All clips.
        wanted: Clips to find.
        classes: Classes that could have been named instead, for the error.

    Raises:
        DataError: A clip is not found, or not the only one of its name.
    """
    return [_find(clips, one, classes) for one in wanted]


def _find(clips: Sequence[Example], wanted: ClipId, classes: Sequence[str]) -> int:
    if isinstance(wanted, int | np.integer) and not isinstance(wanted, bool):
        number = int(wanted)
        if not 1 <= number <= len(clips):
            raise DataError(
                "no clip has this number", got=str(number), expected=f"1 to {len(clips)}"
            )
        return number - 1
    if not isinstance(wanted, str):
        raise DataError("not a training clip", got=repr(wanted), expected="its title or number")
    titles = [clip.title for clip in clips]
    found = _named(titles, wanted) or _named([*map(_nfc, titles)], _nfc(wanted))
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(
            f"no {'class or ' if classes else ''}training clip has this name",
            got=repr(wanted),
            expected=", ".join(classes),
            hint=did_you_mean(wanted, [*titles, *classes])
            or "`fewact info MODEL --clips` lists the clips.",
        )
    raise DataError(
        f"{len(found)} training clips have this name",
        got=repr(wanted),
        expected="; ".join(f"{i + 1}: {titles[i]}, {clips[i].label}" for i in found[:5]),
        hint="Use the number of the clip.",
    )


def _named(titles: Sequence[str], wanted: str) -> list[int]:
    """Return the positions of the titles that are a name, or else of those that end with it."""
    exact = [i for i, title in enumerate(titles) if title == wanted]
    return exact or [i for i, title in enumerate(titles) if _ends_with(title, wanted)]


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _ends_with(title: str, end: str) -> bool:
    parts, wanted = PurePosixPath(title).parts, PurePosixPath(end).parts
    return bool(wanted) and parts[-len(wanted) :] == wanted
