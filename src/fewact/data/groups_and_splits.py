"""Groups and splits of your own data."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from fewact.core.errors import DataError, OptionError
from fewact.data.videos import SPLITS, GroupScope, Split, Video

GroupScopeOption = GroupScope | Literal["auto"]
"""Scope of group names, or ``auto`` to choose it from the data."""


def resolve_groups(videos: Sequence[Video], option: GroupScopeOption, *, where: str) -> GroupScope:
    """Return the scope of the group names.

    ``auto`` chooses ``shared`` if a group name occurs in several classes, as for persons: a scope
    that is too wide costs nothing, but a person in the query of one class and the support of
    another lowers the accuracy below chance. It chooses ``within-class`` if each name occurs in one
    class only, and ``none`` if there are no groups.

    Args:
        videos: Videos, each with its group, or all without.
        option: Requested scope, or ``auto``.
        where: File or folder in error messages.

    Raises:
        OptionError: The scope does not exist.
        DataError: A video has no group, and others have one or groups were requested.
    """
    if option not in ("auto", "none", "within-class", "shared"):
        raise OptionError(
            "unknown scope of groups",
            where="groups",
            got=repr(option),
            expected="auto, none, within-class, shared",
        )
    without = [video.id for video in videos if video.group is None]
    if option == "none" or (option == "auto" and len(without) == len(videos)):
        return "none"
    if without:
        raise DataError(
            "this clip has no group",
            where=f"{where}, {without[0]}",
            got=f"{len(without)} of {len(videos)} clips without one",
            expected="a column group with a name in each row",
            hint='Use groups="none" if clips need not be kept apart.',
        )
    if option != "auto":
        return option
    classes: defaultdict[str | None, set[str]] = defaultdict(set)
    for video in videos:
        classes[video.group].add(video.label)
    return "shared" if any(len(labels) > 1 for labels in classes.values()) else "within-class"


def read_split(text: str, *, where: str) -> Split | None:
    """Return a split by its name in any case; None for an empty cell.

    Raises:
        DataError: The split does not exist.
    """
    if not text:
        return None
    for split in SPLITS:
        if text.casefold() == split:
            return split
    raise DataError("unknown split", where=where, got=text, expected=", ".join(SPLITS))


def check_splits(videos: Sequence[Video], *, where: str) -> None:
    """Check that either all videos have a split or none has.

    Raises:
        DataError: Only some videos have a split.
    """
    without = [video.id for video in videos if video.split is None]
    if 0 < len(without) < len(videos):
        raise DataError(
            "this clip has no split, others have",
            where=f"{where}, {without[0]}",
            expected="train, val or test in every row, or in none",
        )
