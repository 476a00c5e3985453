"""Episodes: their protocol, draw, positions in a list of videos, and files."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import EpisodeError
from fewact.core.options import Flag, Spec
from fewact.core.paths import user_path
from fewact.core.random import RandomStream
from fewact.data.videos import GroupScope, VideoList

LARGEST_SEED = 2**63 - 1


class Protocol(Spec):
    """Size and number of episodes. The defaults are the most common ones in papers.

    Args:
        ways: Number of classes of an episode.
        shots: Number of support videos of a class.
        queries: Number of query videos of a class.
        count: Number of episodes.
        seed: Seed of the draw.
        groups: Separation of support and query by recording or person. ``within-class``: each shot
            of a class is from another of its groups, and the queries are from the remaining groups.
            ``shared``: a person in the support of one class is in the query of none. Each shot is
            of another group, the same for all classes, where the classes of an episode share enough
            groups; else several shots may be of one group. ``none``: no separation.
        open_set: Fraction of an episode's queries that are of classes outside it, at most 0.95, and
            must be rejected. They come beside the queries of its classes, which do not change.

    Raises:
        OptionError: A value is invalid.
    """

    ways: Annotated[int, Field(ge=2), Flag(metavar="N")] = 5
    shots: Annotated[int, Field(ge=1), Flag(metavar="N")] = 1
    queries: Annotated[int, Field(ge=1), Flag(metavar="N")] = 1
    count: Annotated[int, Field(ge=1), Flag(metavar="N")] = 10_000
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED), Flag(metavar="N")] = 0
    groups: GroupScope = "none"
    open_set: Annotated[float, Field(ge=0, le=0.95), Flag(metavar="FRACTION")] = 0.0

    @property
    def known(self) -> int:
        """Number of queries of the classes of an episode."""
        return self.ways * self.queries

    @property
    def unknown(self) -> int:
        """Number of queries of classes outside an episode; at least one if there shall be any."""
        number = round(self.known * self.open_set / (1 - self.open_set))
        return max(1, number) if self.open_set else 0


Positions = NDArray[np.int32]


@dataclass(frozen=True)
class EpisodeSet:
    """Episodes as positions in a list of videos.

    Videos are in the order of the episode's classes: support video i belongs to class i // shots,
    query video i to class i // queries.

    Args:
        protocol: Size and number of the episodes, seed and groups.
        list_name: Name of the list that they were drawn from.
        list_digest: SHA-256 of that list.
        support: (count, ways·shots) int32 positions of the support videos.
        query: (count, ways·queries) int32 positions of the query videos.
        unknown: (count, unknown) int32 positions of the queries of classes outside an episode;
            None without any.
    """

    protocol: Protocol
    list_name: str
    list_digest: str
    support: Positions
    query: Positions
    unknown: Positions | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the protocol, the list's digest and all positions as little-endian int32."""
        facts = {**self.protocol.model_dump(), "list": self.list_digest}
        if self.unknown is None:  # the same as before there were open sets
            del facts["open_set"]
        sha = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for _, positions, _ in self.parts:
            sha.update(positions.astype("<i4").tobytes())
        return sha.hexdigest()

    @cached_property
    def needed(self) -> Positions:
        """Positions of all videos of the episodes, ascending."""
        return np.union1d(self.support, self.queried).astype(np.int32)

    @property
    def queried(self) -> Positions:
        """Positions of all queries: of the episode's classes, then of other classes."""
        if self.unknown is None:
            return self.query
        return np.concatenate([self.query, self.unknown], 1)

    @property
    def parts(self) -> tuple[tuple[str, Positions, tuple[int, int]], ...]:
        """Name and positions of each part of the episodes, and the shape that they must have."""
        protocol = self.protocol
        parts = (
            ("support", self.support, (protocol.count, protocol.ways * protocol.shots)),
            ("query", self.query, (protocol.count, protocol.known)),
        )
        if self.unknown is None and not protocol.unknown:
            return parts
        unknown = np.empty((0, 0), np.int32) if self.unknown is None else self.unknown
        return (*parts, ("unknown", unknown, (protocol.count, protocol.unknown)))

    def check_list(self, videos: VideoList) -> None:
        """Check that the episodes were drawn from this list, and are episodes.

        Raises:
            EpisodeError: They were drawn from another list; positions are missing or not in it; or
                an episode has a video twice, a class twice, or videos of other classes than the
                order requires.
        """
        if videos.digest != self.list_digest:
            raise EpisodeError(
                f'the episodes were drawn from another list, "{self.list_name}"',
                where=videos.name,
                got=f"a list with SHA-256 {videos.digest[:12]}…",
                expected=f"{self.list_digest[:12]}…",
                hint="Draw episodes from this list, or use the list they were drawn from.",
            )
        self._check_shapes(len(videos.videos))
        together = np.sort(np.concatenate([self.support, self.queried], 1), 1)
        self._refuse((np.diff(together, axis=1) == 0).any(1), "a video is in it twice")
        _, labels = np.unique([video.label for video in videos.videos], return_inverse=True)
        ways = self.protocol.ways
        support, query = (
            labels[positions].reshape(len(positions), ways, -1)
            for positions in (self.support, self.query)
        )
        classes = support[:, :, :1]  # (count n 1)
        wrong = (support != classes).any((1, 2)) | (query != classes).any((1, 2))
        self._refuse(wrong, "videos are not in the order of its classes")
        twice = (np.diff(np.sort(classes[..., 0], 1), axis=1) == 0).any(1)
        self._refuse(twice, "a class is in it twice")
        if self.unknown is not None:
            inside = labels[self.unknown][:, :, None] == classes[..., 0][:, None]
            self._refuse(inside.any((1, 2)), "an unknown query is of one of its classes")

    def _check_shapes(self, videos: int) -> None:
        for name, positions, shape in self.parts:
            if positions.shape != shape:
                raise EpisodeError(
                    "positions of another shape",
                    where=name,
                    got=str(positions.shape),
                    expected=f"{shape}, as the protocol says",
                )
            if positions.min() < 0 or positions.max() >= videos:
                raise EpisodeError(
                    "positions that are not in the list",
                    where=name,
                    got=f"{positions.min()} to {positions.max()}",
                    expected=f"0 to {videos - 1}",
                )

    def _refuse(self, wrong: NDArray[np.bool_], what: str) -> None:
        if wrong.any():
            i = int(wrong.argmax())
            raise EpisodeError(
                what,
                where=f"episode {i}",
                got=f"support {self.support[i].tolist()}, query {self.query[i].tolist()}",
                expected="videos of different classes, each once, in the order of the classes",
            )


ByGroup = dict[str, list[int]]
"""Positions of the videos of a class by group, in the order of the list."""

Episode = tuple[list[int], list[int]]
"""Positions of the support videos and of the query videos."""


def draw(videos: VideoList, protocol: Protocol) -> EpisodeSet:
    """Draw episodes.

    Classes, and videos of a class, are drawn without replacement. Episode i depends on the list,
    the size of an episode, the seed and i alone. It does not depend on the number of episodes or on
    the machine. Queries of other classes are drawn beside it, as evenly over these as possible.

    Raises:
        EpisodeError: There are too few classes, or a class has too few videos or groups.
    """
    draw_episode = drawer(videos, protocol)
    drawn = [draw_episode(index) for index in range(protocol.count)]
    support, query = (np.array(part, dtype=np.int32) for part in zip(*drawn, strict=True))
    unknown = None
    if protocol.unknown:
        outside = [_unknown(videos, protocol, i, drawn[i][0]) for i in range(protocol.count)]
        unknown = np.array(outside, dtype=np.int32)
    return EpisodeSet(protocol, videos.name, videos.digest, support, query, unknown)


def drawer(videos: VideoList, protocol: Protocol) -> Callable[[int], Episode]:
    """Return a function that draws the episode of an index, for training.

    It returns the positions of the support and of the query videos, in the order of an
    ``EpisodeSet``; the protocol's ``count`` is ignored.
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
    shots, queries = protocol.shots, protocol.queries
    sizes = sorted(map(len, groups.values()))
    if protocol.groups == "none":
        too_few, needed = sizes[0] < shots + queries, _count(shots + queries, "video")
        got = _count(sizes[0], "video")
    else:
        got = f"{_count(len(sizes), 'group')} of {', '.join(map(str, sizes))} videos"
        if protocol.groups == "shared":
            needed = f"{_count(shots, 'video')} in some groups and {queries} in others"
            stream = RandomStream("groups of a class", label)
            too_few = not _separable([groups], protocol) and not _separated(
                [groups], protocol, stream
            )
        else:
            too_few = not _separable([groups], protocol)
            needed = (
                f"{shots + 1} groups, and {_count(queries, 'video')} outside of any {shots} of them"
            )
    if too_few:
        raise EpisodeError(
            f'class "{label}" has too few {"videos" if protocol.groups == "none" else "groups"}',
            where=name,
            got=got,
            expected=f"at least {needed} for {_count(shots, 'shot')} and "
            f"{queries} {'query' if queries == 1 else 'queries'}",
            hint="Choose fewer shots or queries, or remove this class.",
        )


def _count(number: int, noun: str) -> str:
    """Return a number of things.

    >>> _count(1, "video"), _count(2, "video")
    ('1 video', '2 videos')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _separable(classes: Sequence[ByGroup], protocol: Protocol) -> bool:
    """Return whether any groups, one a shot, leave each class enough queries."""
    sizes = (sorted(map(len, groups.values())) for groups in classes)
    return all(
        len(of_class) > protocol.shots
        and sum(of_class[: len(of_class) - protocol.shots]) >= protocol.queries
        for of_class in sizes
    )


def _ungrouped(
    classes: Mapping[str, ByGroup], protocol: Protocol, stream: RandomStream, name: str
) -> Episode:
    support, query = [], []
    for label in stream.choose(list(classes), protocol.ways):
        drawn = stream.choose(classes[label][""], protocol.shots + protocol.queries)
        support += drawn[: protocol.shots]
        query += drawn[protocol.shots :]
    return support, query


def _within_class(
    classes: Mapping[str, ByGroup], protocol: Protocol, stream: RandomStream, name: str
) -> Episode:
    support, query = [], []
    for label in stream.choose(list(classes), protocol.ways):
        groups = classes[label]
        drawn = stream.choose(list(groups), protocol.shots)
        support += [_one(groups[group], stream) for group in drawn]
        query += stream.choose(_outside(groups, drawn), protocol.queries)
    return support, query


def _shared(
    classes: Mapping[str, ByGroup], protocol: Protocol, stream: RandomStream, name: str
) -> Episode:
    labels = stream.choose(list(classes), protocol.ways)
    classes_drawn = [classes[label] for label in labels]
    first, *remaining = classes_drawn
    common = [group for group in first if all(group in groups for groups in remaining)]
    support: list[int] = []
    if len(common) >= protocol.shots and _separable(classes_drawn, protocol):
        drawn = stream.choose(common, protocol.shots)
        query = []
        for groups in classes_drawn:
            support += [_one(groups[group], stream) for group in drawn]
            query += stream.choose(_outside(groups, drawn), protocol.queries)
        return support, query
    separated = _separated(classes_drawn, protocol, stream)
    if separated is None:
        fewest = min(labels, key=lambda label: len(classes[label]))
        raise EpisodeError(
            "the classes of an episode have no groups that separate support and query",
            where=name,
            got=f"{', '.join(labels)}; {_count(len(classes[fewest]), 'group')} in {fewest}",
            expected=f"groups with {_count(protocol.shots, 'video')} of each class, and "
            f"{protocol.queries} of each class in other groups",
            hint=f"Choose fewer shots, queries or ways, or remove {fewest}.",
        )
    for groups in classes_drawn:
        inside = [group for group in separated if group in groups]
        support += _spread([groups[group] for group in inside], protocol.shots, stream)
    query = [
        video
        for groups in classes_drawn
        for video in stream.choose(_outside(groups, separated), protocol.queries)
    ]
    return support, query


ORDERS = 50
"""Random orders in which groups are tried for the support, before an episode is refused."""


def _separated(
    classes: Sequence[ByGroup], protocol: Protocol, stream: RandomStream
) -> list[str] | None:
    """Return groups for the support that leave each class enough queries; None without success.

    The first orders take a group for each shot where possible, so that the shots differ; the other
    orders take only groups that a class still needs.
    """
    names = list(dict.fromkeys(group for groups in classes for group in groups))
    for preferred in (protocol.shots, 0):
        for _ in range(ORDERS):
            taken: list[str] = []
            missing = [protocol.shots] * len(classes)
            spares = [sum(map(len, groups.values())) - protocol.queries for groups in classes]
            for group in stream.choose(names, len(names)):
                sizes = [len(groups.get(group, ())) for groups in classes]
                needed = any(m > 0 and size for m, size in zip(missing, sizes, strict=True))
                possible = all(size <= spare for size, spare in zip(sizes, spares, strict=True))
                if possible and (needed or len(taken) < preferred):
                    taken.append(group)
                    missing = [m - size for m, size in zip(missing, sizes, strict=True)]
                    spares = [spare - size for spare, size in zip(spares, sizes, strict=True)]
            if max(missing) <= 0:
                return taken
    return None


def _spread(groups: Sequence[Sequence[int]], count: int, stream: RandomStream) -> list[int]:
    """Choose videos from as many groups as possible, and from each group as evenly."""
    shuffled = [stream.choose(videos, len(videos)) for videos in stream.choose(groups, len(groups))]
    rounds = range(max(map(len, shuffled)))
    return [videos[i] for i in rounds for videos in shuffled if i < len(videos)][:count]


def _unknown(
    videos: VideoList, protocol: Protocol, index: int, support: Sequence[int]
) -> list[int]:
    """Draw queries of classes outside an episode, by its support; of no person in it if shared."""
    stream = RandomStream("queries of other classes", protocol.seed, index)
    shown = [videos.videos[position] for position in support]
    inside = {video.label for video in shown}
    groups = {video.group for video in shown} if protocol.groups == "shared" else set()
    outside: dict[str, list[int]] = {}
    for position, video in enumerate(videos.videos):
        if video.label not in inside and video.group not in groups:
            outside.setdefault(video.label, []).append(position)
    if sum(map(len, outside.values())) < protocol.unknown:
        raise EpisodeError(
            "too few videos of classes outside an episode",
            where=videos.name,
            got=f"{_count(sum(map(len, outside.values())), 'video')} of {len(outside)} classes",
            expected=f"{protocol.unknown}, for open_set {protocol.open_set:g}",
            hint="Choose fewer ways or queries, or a smaller --open-set.",
        )
    return _spread(list(outside.values()), protocol.unknown, stream)


def _one(videos: Sequence[int], stream: RandomStream) -> int:
    return videos[stream.below(len(videos))]


def _outside(groups: ByGroup, excluded: Sequence[str]) -> list[int]:
    return [video for group, videos in groups.items() if group not in excluded for video in videos]


EPISODES = FileType(
    "file of episodes",
    EpisodeError,
    64 * MIB,
    hint="Draw the episodes again, with the same protocol, or restore the file.",
)

Rows = list[list[Annotated[int, Field(ge=0, lt=2**31)]]]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["fewact episodes"]
    version: Literal[1]
    protocol: dict[str, Any]
    list: str
    list_sha256: str
    sha256: str
    support: Rows
    query: Rows
    unknown: Rows = []


def save(episodes: EpisodeSet, path: str | Path) -> Path:
    """Write a file of episodes, and return its path; an existing file is replaced atomically."""
    head = {
        "format": "fewact episodes",
        "version": 1,
        "protocol": episodes.protocol.model_dump(),
        "list": episodes.list_name,
        "list_sha256": episodes.list_digest,
        "sha256": episodes.digest,
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for name, positions, _ in episodes.parts:
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in positions.tolist())
        lines.append(f'"{name}": [\n{rows}\n]')
    return write_text(user_path(path, EpisodeError), "{\n" + ",\n".join(lines) + "\n}\n")


def load(path: str | Path) -> EpisodeSet:
    """Read a file of episodes and check its SHA-256.

    Raises:
        EpisodeError: The file is missing, is not a file of episodes, or was edited.
    """
    content = EPISODES.model(user_path(path, EpisodeError), _File)
    try:
        episodes = EpisodeSet(
            Protocol(**content.protocol),
            content.list,
            content.list_sha256,
            np.array(content.support, dtype=np.int32),
            np.array(content.query, dtype=np.int32),
            np.array(content.unknown, dtype=np.int32) if content.unknown else None,
        )
    except (TypeError, ValueError) as error:
        EPISODES.refuse(path, EPISODES.other, str(error))
    consistent = all(positions.shape == shape for _, positions, shape in episodes.parts)
    if not consistent or episodes.digest != content.sha256:
        EPISODES.refuse(path, "the file was edited or damaged")
    return episodes
