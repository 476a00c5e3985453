"""Draw episodes from a list of videos."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fewact.core.errors import EpisodeError
from fewact.core.random import RandomStream
from fewact.data.videos import VideoList
from fewact.evaluation.episodes.episode_set import EpisodeSet
from fewact.evaluation.episodes.protocol import Protocol

ByGroup = dict[str, list[int]]
"""Positions of the videos of a class by group, in the order of the list."""

Episode = tuple[list[int], list[int]]
"""Positions of the support videos and of the query videos."""


def draw(videos: VideoList, protocol: Protocol) -> EpisodeSet:
    """Draw episodes.

    Classes, and videos of a class, are drawn without replacement. Episode i depends on the list,
    the size of an episode, the seed and i alone. It does not depend on the number of episodes or on
    the machine.

    Args:
        videos: List to draw from, usually of one split.
        protocol: Size and number of the episodes, seed and groups.

    Raises:
        EpisodeError: There are too few classes, or a class has too few videos or groups.
    """
    draw_episode = drawer(videos, protocol)
    drawn = [draw_episode(index) for index in range(protocol.count)]
    support, query = (np.array(part, dtype=np.int32) for part in zip(*drawn, strict=True))
    return EpisodeSet(protocol, videos.name, videos.digest, support, query)


def drawer(videos: VideoList, protocol: Protocol) -> Callable[[int], Episode]:
    """Return a function that draws the episode of an index, for training.

    Args:
        videos: List to draw from.
        protocol: Size of the episodes, seed and groups; ``count`` is ignored.

    Returns:
        Function from an index to the positions of the support videos and of the query videos, in
        the order of an ``EpisodeSet``.

    Raises:
        EpisodeError: There are too few classes, or a class has too few videos or groups.
    """
    classes = _classes(videos, protocol)
    if protocol.ways > len(classes):
        raise EpisodeError(
            "too few classes",
            where=videos.name,
            got=f"{len(classes)} classes for {protocol.ways} ways",
            expected=f"at most {len(classes)} ways",
        )
    draw_one = {"none": _ungrouped, "within-class": _within_class, "shared": _shared}[
        protocol.groups
    ]
    # All classes are checked, so that success does not depend on the seed.
    for label, groups in classes.items():
        _check_class(label, groups, protocol, videos.name)
    return lambda index: draw_one(
        classes, protocol, RandomStream("episodes", protocol.seed, index), videos.name
    )


def _classes(videos: VideoList, protocol: Protocol) -> dict[str, ByGroup]:
    """Return the videos of each class by group; without groups, all are in one group."""
    classes: dict[str, ByGroup] = {label: {} for label in videos.classes}
    for position, video in enumerate(videos.videos):
        if protocol.groups == "none":
            group = ""
        elif video.group is None:
            raise EpisodeError(
                "the video has no group",
                where=f"{videos.name}, {video.id}",
                expected=f'a group for every video, with groups "{protocol.groups}"',
                hint='Use groups "none" if groups are unknown.',
            )
        else:
            group = video.group
        classes[video.label].setdefault(group, []).append(position)
    return classes


def _check_class(label: str, groups: ByGroup, protocol: Protocol, name: str) -> None:
    """Refuse a class that has too few videos or groups for some draw."""
    shots, queries = protocol.shots, protocol.queries
    sizes = sorted(map(len, groups.values()))
    if protocol.groups == "none":
        few, needed = sizes[0] < shots + queries, f"{shots + queries} videos"
        got = f"{sizes[0]} videos"
    else:
        few = len(sizes) <= shots or sum(sizes[: len(sizes) - shots]) < queries
        needed = f"{shots + 1} groups, and {queries} videos outside of any {shots} of them"
        got = f"{len(sizes)} groups of {', '.join(map(str, sizes))} videos"
    if few:
        raise EpisodeError(
            f'class "{label}" has too few {"videos" if protocol.groups == "none" else "groups"}',
            where=name,
            got=got,
            expected=f"at least {needed} for {shots} shots and {queries} queries",
            hint="Choose fewer shots or queries, or remove this class.",
        )


def _ungrouped(
    classes: Mapping[str, ByGroup], protocol: Protocol, stream: RandomStream, name: str
) -> Episode:
    support, query = [], []
    for label in stream.choose(list(classes), protocol.ways):
        chosen = stream.choose(classes[label][""], protocol.shots + protocol.queries)
        support += chosen[: protocol.shots]
        query += chosen[protocol.shots :]
    return support, query


def _within_class(
    classes: Mapping[str, ByGroup], protocol: Protocol, stream: RandomStream, name: str
) -> Episode:
    support, query = [], []
    for label in stream.choose(list(classes), protocol.ways):
        groups = classes[label]
        chosen = stream.choose(list(groups), protocol.shots)
        support += [_one(groups[group], stream) for group in chosen]
        query += stream.choose(_outside(groups, chosen), protocol.queries)
    return support, query


def _shared(
    classes: Mapping[str, ByGroup], protocol: Protocol, stream: RandomStream, name: str
) -> Episode:
    labels = stream.choose(list(classes), protocol.ways)
    first, *others = (classes[label] for label in labels)
    common = [group for group in first if all(group in groups for groups in others)]
    if len(common) < protocol.shots:
        fewest = min(labels, key=lambda label: len(classes[label]))
        raise EpisodeError(
            f'class "{fewest}" shares too few groups with the other classes of an episode',
            where=name,
            got=f"{len(common)} groups in all of {', '.join(labels)}",
            expected=f"at least {protocol.shots} for {protocol.shots} shots",
            hint="Choose fewer shots or ways, or remove this class.",
        )
    chosen = stream.choose(common, protocol.shots)
    support, query = [], []
    for label in labels:
        support += [_one(classes[label][group], stream) for group in chosen]
        query += stream.choose(_outside(classes[label], chosen), protocol.queries)
    return support, query


def _one(videos: Sequence[int], stream: RandomStream) -> int:
    return videos[stream.below(len(videos))]


def _outside(groups: ByGroup, excluded: Sequence[str]) -> list[int]:
    """Return the videos outside these groups."""
    return [video for group, videos in groups.items() if group not in excluded for video in videos]
