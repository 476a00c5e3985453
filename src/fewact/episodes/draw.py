"""Draw episodes from a list of videos."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fewact.data.videos import VideoList
from fewact.episodes.episode_set import EpisodeSet
from fewact.episodes.protocol import Protocol
from fewact.errors import EpisodeError
from fewact.random import RandomStream

ByGroup = dict[str, list[int]]
"""Positions of a class's videos by group, both in the order of the list."""

Episode = tuple[list[int], list[int]]


def draw(videos: VideoList, protocol: Protocol) -> EpisodeSet:
    """Draw episodes.

    Classes, and videos inside a class, are drawn without replacement. Episode i depends on the
    list, the numbers of an episode, the seed and i alone, not on how many episodes there are, and
    comes out the same on every machine.

    Args:
        videos: The classes to draw from, most often those of one split.
        protocol: What an episode is made of.

    Raises:
        EpisodeError: There are too few classes, or too few videos or groups in one of them.
    """
    one = drawer(videos, protocol)
    drawn = [one(index) for index in range(protocol.count)]
    support, query = (np.array(part, dtype=np.int32) for part in zip(*drawn, strict=True))
    return EpisodeSet(protocol, videos.name, videos.digest, support, query)


def drawer(videos: VideoList, protocol: Protocol) -> Callable[[int], Episode]:
    """What draws the episode of an index: for a training that needs one after the other.

    Args:
        videos: As in ``draw``.
        protocol: As in ``draw``; ``count`` is no limit.

    Returns:
        A function from an index to the positions of the support and of the query videos, in the
        order of an ``EpisodeSet``.

    Raises:
        EpisodeError: As in ``draw``.
    """
    classes = _classes(videos, protocol)
    if protocol.ways > len(classes):
        raise EpisodeError(
            "has too few classes",
            where=videos.name,
            got=f"{len(classes)} classes for {protocol.ways} ways",
            expected=f"at most {len(classes)} ways",
        )
    one = {"none": _ungrouped, "within-class": _within_class, "shared": _shared}[protocol.groups]
    # Checked of all classes, so that no seed finds episodes where another is refused.
    for label, groups in classes.items():
        _check_class(label, groups, protocol, videos.name)
    return lambda at: one(
        classes, protocol, RandomStream("episodes", protocol.seed, at), videos.name
    )


def _classes(videos: VideoList, protocol: Protocol) -> dict[str, ByGroup]:
    """The videos of each class by group; without groups, all in one."""
    classes: dict[str, ByGroup] = {label: {} for label in videos.classes}
    for position, video in enumerate(videos.videos):
        if protocol.groups == "none":
            group = ""
        elif video.group is None:
            raise EpisodeError(
                "this video has no group",
                where=f"{videos.name}, {video.id}",
                expected=f'a group of every video, for groups "{protocol.groups}"',
                hint='Draw with groups "none" where groups are not known.',
            )
        else:
            group = video.group
        classes[video.label].setdefault(group, []).append(position)
    return classes


def _check_class(label: str, groups: ByGroup, protocol: Protocol, name: str) -> None:
    """Refuse a class that has too few videos or groups whatever is drawn first."""
    shots, queries = protocol.shots, protocol.queries
    sizes = sorted(map(len, groups.values()))
    if protocol.groups == "none":
        few, wanted = sizes[0] < shots + queries, f"{shots + queries} videos"
        got = f"{sizes[0]} videos"
    else:
        few = len(sizes) <= shots or sum(sizes[: len(sizes) - shots]) < queries
        wanted = f"{shots + 1} groups, and {queries} videos outside of any {shots} of them"
        got = f"{len(sizes)} groups of {', '.join(map(str, sizes))} videos"
    if few:
        raise EpisodeError(
            f'class "{label}" has too few {"videos" if protocol.groups == "none" else "groups"}',
            where=name,
            got=got,
            expected=f"at least {wanted} for {shots} shots and {queries} queries",
            hint="Ask for fewer shots or queries, or leave this class out.",
        )


def _ungrouped(
    classes: Mapping[str, ByGroup], protocol: Protocol, draws: RandomStream, name: str
) -> Episode:
    support, query = [], []
    for label in draws.choose(list(classes), protocol.ways):
        chosen = draws.choose(classes[label][""], protocol.shots + protocol.queries)
        support += chosen[: protocol.shots]
        query += chosen[protocol.shots :]
    return support, query


def _within_class(
    classes: Mapping[str, ByGroup], protocol: Protocol, draws: RandomStream, name: str
) -> Episode:
    support, query = [], []
    for label in draws.choose(list(classes), protocol.ways):
        groups = classes[label]
        taken = draws.choose(list(groups), protocol.shots)
        support += [_one(groups[group], draws) for group in taken]
        query += draws.choose(_outside(groups, taken), protocol.queries)
    return support, query


def _shared(
    classes: Mapping[str, ByGroup], protocol: Protocol, draws: RandomStream, name: str
) -> Episode:
    labels = draws.choose(list(classes), protocol.ways)
    first, *others = (classes[label] for label in labels)
    common = [group for group in first if all(group in groups for groups in others)]
    if len(common) < protocol.shots:
        fewest = min(labels, key=lambda label: len(classes[label]))
        raise EpisodeError(
            f'class "{fewest}" shares too few groups with others of an episode',
            where=name,
            got=f"{len(common)} groups in all of {', '.join(labels)}",
            expected=f"at least {protocol.shots} for {protocol.shots} shots",
            hint="Ask for fewer shots or ways, or leave this class out.",
        )
    taken = draws.choose(common, protocol.shots)
    support, query = [], []
    for label in labels:
        support += [_one(classes[label][group], draws) for group in taken]
        query += draws.choose(_outside(classes[label], taken), protocol.queries)
    return support, query


def _one(videos: Sequence[int], draws: RandomStream) -> int:
    return videos[draws.below(len(videos))]


def _outside(groups: ByGroup, taken: Sequence[str]) -> list[int]:
    """The videos of the groups that were not taken."""
    return [video for group, videos in groups.items() if group not in taken for video in videos]
