"""Labels and names of classes as users give them: texts or integers. Needs no torch."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError, did_you_mean
from fewact.data import BACKGROUND, is_background
from fewact.data.clips import check_dense

Label: TypeAlias = str | int
"""Name of a class: a text, or an integer if the classes were given as integers."""

EXPECTED = "text or an integer"

INTEGER = re.compile("-?[0-9]{1,1000}")
"""Python refuses to read integers of some thousands of digits."""

Labels: TypeAlias = Sequence[str] | Sequence[int] | NDArray[Any]

NONE: Final = "(none)"
"""Label of a clip that shows none of the taught classes; no class can have this name."""


def label_texts(labels: Iterable[Any]) -> tuple[list[str], bool]:
    """Return labels as texts, and whether they are integers; ``none`` may be beside integers.

    Raises:
        DataError: A label is neither, texts and integers are mixed, or there is no list of labels.

    >>> label_texts([0, 1, "none"])
    (['0', '1', 'none'], True)
    """
    listed = _listed(labels)
    texts = [label_text(label) for label in listed]
    classes = [label for label, text in zip(listed, texts, strict=True) if not is_background(text)]
    kinds = {isinstance(label, str) for label in classes}
    if len(kinds) > 1:
        raise DataError("texts and integers are mixed", where="labels", expected="one of them")
    return texts, kinds == {False}


def text_source(source: Any, labels: Any) -> tuple[Any, list[str] | None, bool]:
    """Return training clips and their labels with texts, and whether the labels are integers.

    Raises:
        DataError: As for ``label_texts``.
    """
    if isinstance(source, Mapping):
        texts, integers = label_texts(source)
        return dict(zip(texts, source.values(), strict=True)), labels, integers
    if labels is None:
        return source, None, False
    if isinstance(labels, Mapping):
        raise _no_list(labels)
    texts, integers = label_texts(labels)
    return source, texts, integers


def _listed(labels: Any) -> list[Any]:
    if isinstance(labels, str | bytes):  # else each letter would be a label
        raise _no_list(labels)
    try:
        return list(labels)
    except TypeError:
        raise _no_list(labels) from None


def _no_list(labels: Any) -> DataError:
    return DataError(
        "not a list of labels",
        where="labels",
        got=repr(labels)[:80],
        expected="a list or an array with the label of each clip",
    )


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
    """Refuse texts among classes that are integers, and integers that equal others, such as "01".

    Raises:
        DataError: A class is no integer, or is not written as ``as_integer`` does.
    """
    for name in classes if integers else ():
        if not INTEGER.fullmatch(name) or as_integer(name) != name:
            raise DataError(
                "the classes are integers",
                got=repr(name),
                expected="an integer without leading zeros",
            )


def label_text(label: Any) -> str:
    """Return the text of one label.

    Raises:
        DataError: It is neither a text nor an integer.
    """
    check_dense(label, "labels", EXPECTED)
    if hasattr(label, "item") and getattr(label, "shape", None) == ():  # such as a tensor
        label = label.item()
    if isinstance(label, str):
        return str(label)
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        return str(int(label))
    raise DataError("not a label", where="labels", got=repr(label), expected=EXPECTED)


def normalised(label: Label, *, integers: bool = False) -> str:
    """Return the name of a class in Unicode normal form C, without spaces around it.

    Args:
        label: Name of the class; of an integer its text is returned.
        integers: Whether the classes are integers: then "01" is "1".
    """
    name = nfc(label_text(label)).strip()
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
    """Return the names of existing classes; a single name is one class.

    Raises:
        DataError: There is no such class.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        names = [names]
    return {existing_class(name, classes, integers=integers) for name in names}


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


def nfc(text: str) -> str:
    """Return a text in Unicode normal form C."""
    return unicodedata.normalize("NFC", text)
