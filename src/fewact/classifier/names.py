"""Names of classes and of training clips, as users give them."""

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from fewact.core.errors import DataError, did_you_mean
from fewact.data.class_names import NAME_EXPECTED, is_class_name, plain_name
from fewact.data.clips import BACKGROUND, Clip, ClipReference, as_box, is_background, is_none
from fewact.data.images import check_dense
from fewact.video.source import Span
from fewact.video.track import Box

Label: TypeAlias = str | int
"""Name of a class: a text, or an integer if the classes were given as integers."""

ClipLabels: TypeAlias = Sequence[str] | Sequence[int] | NDArray[Any]

ClipId: TypeAlias = str | int
"""A training clip: its title, the end of its title, or its number among all clips, from 1 on."""

NONE: Final = "(none)"
"""Label of a clip that shows none of the classes; no class can have this name."""

LABEL_EXPECTED = "text or an integer"

STORED_FILE: Final = re.compile(r"^[0-9a-f]{16}\.[a-z0-9]+$", re.ASCII)
"""File of a clip that a program stores for itself: an id and a suffix."""

INTEGER = re.compile("-?[0-9]{1,1000}")
"""Python refuses to read integers of some thousands of digits."""


def label_texts(labels: Iterable[Any]) -> tuple[list[str], bool]:
    """Return labels as texts, and whether they are integers; ``none`` may be beside integers.

    >>> label_texts([0, 1, "none"])
    (['0', '1', 'none'], True)
    """
    is_list = isinstance(labels, Iterable) and not isinstance(labels, str | bytes | Mapping)
    if not is_list or getattr(labels, "shape", None) == ():
        raise DataError(
            "not a list of labels",
            where="labels",
            got=repr(labels)[:80],
            expected="a list or an array with the label of each clip",
        )
    listed = list(labels)
    texts = [label_text(label) for label in listed]
    classes = [label for label, text in zip(listed, texts, strict=True) if not is_background(text)]
    kinds = {isinstance(label, str) for label in classes}
    if len(kinds) > 1:
        raise DataError("texts and integers are mixed", where="labels", expected="one of them")
    return texts, kinds == {False}


def text_source(source: Any, labels: Any) -> tuple[Any, list[str] | None, bool]:
    """Return training clips and their labels with texts, and whether the labels are integers."""
    if isinstance(source, Mapping):
        texts, integers = label_texts(list(source))
        return dict(zip(texts, source.values(), strict=True)), labels, integers
    if labels is None:
        return source, None, False
    texts, integers = label_texts(labels)
    return source, texts, integers


def as_integer(text: str) -> str:
    """Return an integer as it is stored, such as "1" for "01"; other texts are unchanged.

    >>> as_integer("01"), as_integer("-0"), as_integer("one")
    ('1', '0', 'one')
    """
    return str(int(text)) if INTEGER.fullmatch(text) else text


def as_given(text: str, *, integers: bool) -> Label:
    """Return the label of a class as it was given."""
    return int(text) if integers else text


def label_array(labels: Sequence[Label]) -> NDArray[Any]:
    """Return labels as an array; integers that no type of NumPy has together as objects.

    >>> label_array([1, 2**63]).tolist()
    [1, 9223372036854775808]
    """
    array = np.array(labels)
    rounded = len(labels) and array.dtype.kind == "f"
    return np.array(labels, dtype=object) if rounded else array


def check_integers(classes: Iterable[str], *, integers: bool) -> None:
    """Refuse texts among classes that are integers, and integers that equal others, as "01"."""
    for name in classes if integers else ():
        if not INTEGER.fullmatch(name) or as_integer(name) != name:
            raise DataError(
                "the classes are integers",
                got=repr(name),
                expected="an integer without leading zeros",
            )


def label_text(label: Any) -> str:
    """Return the text of one label: a text, an integer, or an array or tensor of one of them."""
    check_dense(label, "labels", LABEL_EXPECTED)
    if hasattr(label, "item") and getattr(label, "shape", None) == ():
        label = label.item()
    if isinstance(label, str):
        return str(label)
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        return str(int(label))
    raise DataError("not a label", where="labels", got=repr(label), expected=LABEL_EXPECTED)


def normalised(label: Label, *, integers: bool = False) -> str:
    """Return the name of a class in Unicode normal form C, without spaces around it.

    Where the classes are integers, "01" is "1".
    """
    name = plain_name(label_text(label))
    return as_integer(name) if integers else name


def check_label(label: Label, *, where: str = "", integers: bool = False) -> str:
    """Return the ``normalised`` name of a class, which the clip ``where`` has as its label."""
    name = normalised(label, integers=integers)
    if not is_class_name(name):
        raise DataError(
            "not a class name",
            where=where,
            got=repr(label)[:80],
            expected=NAME_EXPECTED,
            hint="Give the class another name, such as that of its folder or in the table.",
        )
    if is_none(name):
        raise DataError(
            f'"{name}" is reserved for clips of no class',
            where=where,
            got=repr(label),
            hint="" if is_background(name) else f'Use "{BACKGROUND}" for clips of no class.',
        )
    return name


def existing_class(name: Label, classes: Sequence[str], *, integers: bool = False) -> str:
    """Return the name of an existing class as it is stored; refuse others."""
    text = label_text(name)
    label = text if text in classes else check_label(text, integers=integers)
    if label not in classes:
        raise DataError(
            "unknown class",
            got=repr(name),
            expected=", ".join(classes),
            hint=did_you_mean(label, classes),
        )
    return label


def existing_classes(
    names: Label | Collection[Label], classes: Sequence[str], *, integers: bool = False
) -> set[str]:
    """Return the names of existing classes; a single name is one class."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        names = [names]
    return {existing_class(name, classes, integers=integers) for name in names}


def new_name(name: Label, classes: Sequence[str], *, integers: bool = False) -> str:
    """Return the new name of a class; refuse the name of another class."""
    new = check_label(name, integers=integers)
    if new in classes:
        raise DataError(
            "the name is taken",
            got=repr(new),
            hint="To join two classes, move the clips of one to the other.",
        )
    return new


Seconds: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]


Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _checked(box: Box) -> Box:
    if not all(map(math.isfinite, box)) or box.width <= 0 or box.height <= 0:
        raise ValueError("no box")
    return box


Sides: TypeAlias = Annotated[Box, AfterValidator(_checked)]
"""Left, top, width and height of a box, in pixels."""


def nfc(text: str) -> str:
    """Return a text in Unicode normal form C."""
    return unicodedata.normalize("NFC", text)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Example(ClipReference):
    """A training clip without its nodes.

    Args:
        name: Path relative to the folder given to ``fit``, with forward slashes; for features,
            their name.
        label: Class of the clip.
        start: Start in the file, in seconds; None for the start of the file.
        end: End in the file, in seconds; None for the end of the file.
        group: Group of the clip, such as the person or the recording; None if unknown.
        duration: Duration of the used part of the clip, in seconds; None for features.
        active: Start and end of the active part, in seconds from the start of the clip; None if the
            full clip was used.
        aspect: Width over height of the clip as displayed; None for features.
        stored_file: File of the clip in the folder of a program, such as the page: it identifies
            the clip whatever its name and class. None if the clip is the user's own file.
        faults: Faults of the recording, each with a remedy, such as "very dark; record with more
            light".
        box: Left, top, width and height around who is meant, in pixels; None if all of the picture
            is.
        joints: Whether joints were compared beside its picture.
    """

    name: Annotated[str, Field(min_length=1)]
    label: Annotated[str, Field(min_length=1)]
    start: Seconds | None = None
    end: Seconds | None = None
    group: str | None = None
    duration: Positive | None = None
    active: Span | None = None
    aspect: Positive | None = None
    stored_file: Annotated[str, Field(pattern=STORED_FILE.pattern)] | None = None
    faults: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    box: Sides | None = None
    joints: bool = False

    def clip(self, path: Path) -> Clip:
        """Return the clip, whose file is here."""
        return Clip(path, start=self.start, end=self.end, box=as_box(self.box, self.title))

    @property
    def display_name(self) -> str:
        """Name of the clip.

        >>> Example("game.mp4", "goal", start=12.5).title
        'game.mp4 [12.5 s …]'
        """
        return self.name

    @property
    def _source_key(self) -> str:
        return self.stored_file or self.name


def find_clips(
    clips: Sequence[Example], clip_ids: Iterable[ClipId], *, classes: Sequence[str] = ()
) -> list[int]:
    """Return the positions of clips; refuse a name that no clip or several have.

    A name is compared as it is; if no clip has it, both names in Unicode normal form C: names of
    files may have accents as separate characters, such as those of macOS. The error names
    ``classes`` that could have been meant instead.
    """
    return [_find(clips, clip_id, classes) for clip_id in clip_ids]


def _find(clips: Sequence[Example], clip_id: ClipId, classes: Sequence[str]) -> int:
    if isinstance(clip_id, int | np.integer) and not isinstance(clip_id, bool):
        number = int(clip_id)
        if not 1 <= number <= len(clips):
            raise DataError(
                "no clip has this number", got=str(number), expected=f"1 to {len(clips)}"
            )
        return number - 1
    if not isinstance(clip_id, str):
        raise DataError("not a training clip", got=repr(clip_id), expected="its title or number")
    titles = [clip.title for clip in clips]
    positions = _named(titles, clip_id) or _named([*map(nfc, titles)], nfc(clip_id))
    if len(positions) == 1:
        return positions[0]
    if not positions:
        raise DataError(
            f"no {'class or ' if classes else ''}training clip has this name",
            got=repr(clip_id),
            expected=", ".join(classes),
            hint=did_you_mean(clip_id, [*titles, *classes])
            or "`fewact info MODEL --clips` lists the clips.",
        )
    raise DataError(
        f"{len(positions)} training clips have this name",
        got=repr(clip_id),
        expected="; ".join(f"{i + 1}: {titles[i]}, {clips[i].label}" for i in positions[:5]),
        hint="Use the number of the clip.",
    )


def _named(titles: Sequence[str], name: str) -> list[int]:
    """Return the positions of titles equal to a name, or else of titles that end with it."""
    exact = [i for i, title in enumerate(titles) if title == name]
    end = PurePosixPath(name).parts
    parts = [PurePosixPath(title).parts for title in titles]
    return exact or [i for i, of_title in enumerate(parts) if end and of_title[-len(end) :] == end]
