"""The labelled clips of the benchmarks: which may choose options, which measure, and episodes.

The options of the methods were chosen on classes 1-13 of ``utd27_depth`` and groups 1-12 of
``ucf7``. Tables show the other classes, the other groups, and ``utd5_rgb``, which chose nothing.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fewact.data import Clip, Video, VideoList, read_table
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw

WAYS, SHOTS = 5, (1, 5)


RARE = ("head_raising", "wall_supported_rearing")
"""Classes that are in too few groups of ``mouse6``."""


@dataclass(frozen=True)
class Part:
    """A list of videos that episodes are drawn from.

    Args:
        name: Name in tables.
        videos: The videos.
        ways: Number of classes of an episode.
        shots: Numbers of support videos of a class.
        queries: Number of queries per class.
    """

    name: str
    videos: VideoList
    ways: int = WAYS
    shots: tuple[int, ...] = SHOTS
    queries: int = 5

    def drawn(self, episodes: int) -> list[EpisodeSet]:
        """Draw episodes at each number of shots."""
        return episode_sets(self.videos, self.queries, episodes, ways=self.ways, shots=self.shots)


def read_rows(assets: Path) -> list[dict[str, str]]:
    """Return the rows of the index of clips: path, dataset, class, group and more."""
    with (assets / "clips" / "index.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def read_index(assets: Path) -> dict[str, VideoList]:
    """Return the clips of each dataset; in the ``utd`` sets all classes have the same people."""
    found: dict[str, list[Video]] = {}
    for row in read_rows(assets):
        clip = Clip(assets / row["path"], row["class"])
        video = Video(row["path"], row["class"], group=row["group"], source=clip)
        found.setdefault(row["dataset"], []).append(video)
    return {
        name: VideoList(name, tuple(videos), "within-class" if name == "ucf7" else "shared")
        for name, videos in found.items()
    }


def is_development(dataset: str, video: Video) -> bool:
    """Return whether options may be chosen on a video."""
    if dataset == "utd27_depth":
        return class_number(video.label) <= 13
    return dataset == "ucf7" and int((video.group or "")[1:]) <= 12


def class_number(label: str) -> int:
    """Return the number in a label such as ``a02_swipe_right``."""
    return int("".join(c for c in label.split("_")[0] if c.isdigit()))


def parts(datasets: Mapping[str, VideoList], *, development: bool) -> list[Part]:
    """Return the development clips, or the clips that measure."""
    names = [("utd27_depth", "classes 1-13" if development else "classes 14-27")]
    names += [] if development else [("utd5_rgb", "")]
    names += [("ucf7", "groups 1-12" if development else "groups 13-25")]
    found = []
    for name, which in names:
        every = datasets[name]
        chosen = tuple(v for v in every.videos if is_development(name, v) == development)
        found.append(Part(f"`{name}` {which}".strip(), replace(every, videos=chosen)))
    return found


def other_scenes(assets: Path) -> list[Part]:
    """Return the development clips of other scenes: gestures, yoga and mice."""
    found = []
    for name in ("ego10", "yoga6", "mouse6"):
        clips = read_table(assets / "more" / name / "clips.csv")
        kept = [
            Video(str(clip.path), str(clip.label), group=clip.group, source=clip)
            for clip in clips
            if clip.label not in RARE
        ]
        videos = VideoList(name, tuple(kept), "shared")
        few = Part(name, videos, ways=4, shots=(1, 3), queries=1)
        found.append(few if name == "mouse6" else Part(name, videos, queries=3))
    return found


def exercises(assets: Path) -> VideoList:
    """Return the development clips of exercises; each recording is of one class."""
    clips = read_table(assets / "more" / "workout7" / "clips.csv")
    kept = (Video(str(c.path), str(c.label), group=c.group, source=c) for c in clips)
    return VideoList("workout7", tuple(kept), "within-class")


def fraction_of(videos: VideoList, fraction: float) -> VideoList:
    """Return a fraction of the videos of each class, spread evenly over all groups."""
    step = round(1 / fraction)
    count: dict[str, int] = {}
    kept = []
    for video in videos.videos:
        count[video.label] = count.get(video.label, -1) + 1
        if count[video.label] % step == 0:
            kept.append(video)
    return replace(videos, videos=tuple(kept))


def episode_sets(
    videos: VideoList,
    queries: int,
    episodes: int,
    *,
    ways: int = WAYS,
    shots: Sequence[int] = SHOTS,
) -> list[EpisodeSet]:
    """Draw episodes at each number of shots.

    Args:
        videos: Videos, whose groups are the way in which support and queries are kept apart.
        queries: Number of queries per class.
        episodes: Number of episodes.
        ways: Number of classes of an episode.
        shots: Numbers of support videos of a class.
    """
    size = {"ways": ways, "queries": queries, "count": episodes}
    return [draw(videos, Protocol(shots=k, groups=videos.groups, **size)) for k in shots]
