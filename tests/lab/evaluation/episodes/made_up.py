"""Artificial lists of videos, and an independent implementation of the draw."""

import hashlib
from collections.abc import Iterator

from fewact.data import Video, VideoList


def videos_of(
    classes: int = 7, each: int = 12, groups: int | None = None, name: str = "made up"
) -> VideoList:
    """Return a list with interleaved classes of equal size, in alternating groups."""
    return VideoList(
        name,
        tuple(
            Video(f"{label}/{i}", f"class {label}", group=f"g{i % groups}" if groups else None)
            for i in range(each)
            for label in range(classes)
        ),
    )


def words(key: str) -> Iterator[int]:
    counter = 0
    while True:
        digest = hashlib.sha256(f"fewact {key} {counter}".encode()).hexdigest()
        for at in range(0, 64, 16):
            yield int.from_bytes(bytes.fromhex(digest[at : at + 16]), "little")
        counter += 1


def below(stream: Iterator[int], bound: int) -> int:
    for word in stream:
        if word < 2**64 // bound * bound:
            return word % bound
    raise AssertionError


def shuffled(stream: Iterator[int], items: list, count: int) -> list:
    """Return a selection by the Fisher–Yates shuffle of a copy of the list."""
    items = list(items)
    for place in range(count):
        other = place + below(stream, len(items) - place)
        items[place], items[other] = items[other], items[place]
    return items[:count]


def slow_episode(
    videos: VideoList, ways: int, shots: int, queries: int, seed: int, index: int, groups: str
) -> tuple[list[int], list[int]]:
    stream = words(f"episodes {seed} {index}")
    labels = shuffled(stream, list(videos.classes), ways)
    support, query = [], []
    people: list[str] = []
    if groups == "shared":
        every = [
            {video.group for video in videos.videos if video.label == label} for label in labels
        ]
        first = [video.group for video in videos.videos if video.label == labels[0]]
        people = [g for g in dict.fromkeys(first) if all(g in other for other in every)]
        people = shuffled(stream, people, shots)
    for label in labels:
        own = [i for i, video in enumerate(videos.videos) if video.label == label]
        if groups == "none":
            chosen = shuffled(stream, own, shots + queries)
            support += chosen[:shots]
            query += chosen[shots:]
            continue
        names = list(dict.fromkeys(videos.videos[i].group for i in own))
        taken = people or shuffled(stream, names, shots)
        for group in taken:
            inside = [i for i in own if videos.videos[i].group == group]
            support.append(inside[below(stream, len(inside))])
        by_group = [i for g in names for i in own if videos.videos[i].group == g]
        rest = [i for i in by_group if videos.videos[i].group not in taken]
        query += shuffled(stream, rest, queries)
    return support, query
