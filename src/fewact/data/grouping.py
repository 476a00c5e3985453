"""How the groups of a user's own data are kept apart."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from fewact.data.benchmarks import SPLITS
from fewact.data.videos import Groups, Split, Video
from fewact.errors import DataError, OptionError

Wanted = Groups | Literal["auto"]


def choose_groups(videos: Sequence[Video], wanted: Wanted, *, where: str) -> Groups:
    """Settle how groups are kept apart.

    ``auto`` takes a group name that is met in several classes for one person or recording: keeping
    too much apart costs nothing, while a person in the query of one class and the support of
    another pulls accuracy below chance. Where each name is met in one class, it is
    ``within-class``; where there are no groups, ``none``.

    Args:
        videos: Each with its group, or none of them.
        wanted: What was asked for.
        where: The file or folder, for error messages.

    Raises:
        OptionError: There is no such way.
        DataError: A video has no group, and others have or groups were asked for.
    """
    if wanted not in ("auto", "none", "within-class", "shared"):
        raise OptionError(
            "no way to keep groups apart",
            where="groups",
            got=repr(wanted),
            expected="auto, none, within-class, shared",
        )
    without = [video.id for video in videos if video.group is None]
    if wanted == "none" or (wanted == "auto" and len(without) == len(videos)):
        return "none"
    if without:
        raise DataError(
            "this clip has no group",
            where=f"{where}, {without[0]}",
            got=f"{len(without)} of {len(videos)} clips without one",
            expected="a column group with a name in each row",
            hint='Say groups="none" where clips need not be kept apart.',
        )
    if wanted != "auto":
        return wanted
    classes: defaultdict[str | None, set[str]] = defaultdict(set)
    for video in videos:
        classes[video.group].add(video.label)
    return "shared" if any(len(labels) > 1 for labels in classes.values()) else "within-class"


def read_split(text: str, *, where: str) -> Split | None:
    """A split's name in any case; None for an empty cell.

    Raises:
        DataError: Another name.
    """
    if not text:
        return None
    for split in SPLITS:
        if text.casefold() == split:
            return split
    raise DataError("no such split", where=where, got=text, expected=", ".join(SPLITS))


def check_splits(videos: Sequence[Video], *, where: str) -> None:
    """Refuse data of which only a part has a split.

    Raises:
        DataError: Some have, some have not.
    """
    without = [video.id for video in videos if video.split is None]
    if 0 < len(without) < len(videos):
        raise DataError(
            "this clip has no split, others have",
            where=f"{where}, {without[0]}",
            expected="train, val or test in each row, or in none",
        )
