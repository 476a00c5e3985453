"""Which videos a batch holds: it depends on the seed, the stage and the batch's number alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from fewact.data.videos import Groups, VideoList
from fewact.episodes import Protocol, drawer
from fewact.episodes.protocol import LARGEST_SEED
from fewact.random import RandomStream
from fewact.training.recipe import ClassifyStage, EpisodesStage


@dataclass(frozen=True)
class Drawn:
    """The videos of a batch.

    Args:
        number: Of the batch in its stage.
        positions: (v) in the list of training videos; of episodes each one's support, class by
            class, and then its queries, class by class.
        shots: Support videos of a class; 0 where these are no episodes.
        queries: Query videos of a class.
        ways: Classes of an episode.
    """

    number: int
    positions: tuple[int, ...]
    shots: int = 0
    queries: int = 0
    ways: int = 0


Drawing = Callable[[int], Drawn]
"""From a batch's number to what it holds."""


def drawing(
    videos: VideoList,
    stage: ClassifyStage | EpisodesStage,
    *,
    seed: int,
    number: int,
    groups: Groups,
) -> Drawing:
    """What draws the batches of a stage.

    Args:
        videos: To learn from.
        stage: Whose batches.
        seed: Of the recipe.
        number: Of the stage in the recipe.
        groups: How recordings or persons are kept apart in episodes.

    Raises:
        EpisodeError: Such episodes cannot be drawn from this list.
    """
    match stage:
        case ClassifyStage():
            return _classes(videos, stage.batch, seed, number)
        case EpisodesStage():
            return _episodes(videos, stage, seed, number, groups)
        case _:
            assert_never(stage)


def _episodes(
    videos: VideoList, stage: EpisodesStage, seed: int, number: int, groups: Groups
) -> Drawing:
    protocol = Protocol(
        ways=stage.ways,
        shots=stage.shots,
        queries=stage.queries,
        seed=RandomStream("training episodes", seed, number).below(LARGEST_SEED),
        groups=groups,
    )
    episode = drawer(videos, protocol)

    def draw(batch: int) -> Drawn:
        parts = [episode(batch * stage.batch + i) for i in range(stage.batch)]
        positions = [video for support, query in parts for video in (*support, *query)]
        return Drawn(batch, tuple(positions), stage.shots, stage.queries, stage.ways)

    return draw


def _classes(videos: VideoList, size: int, seed: int, number: int) -> Drawing:
    """As many classes as fit, each as often as the others or once more."""
    members: dict[str, list[int]] = {label: [] for label in videos.classes}
    for position, video in enumerate(videos.videos):
        members[video.label].append(position)
    classes = list(members.values())
    each, rest = divmod(size, len(classes))

    def draw(batch: int) -> Drawn:
        draws = RandomStream("training classes", seed, number, batch)
        more = set(draws.choose(range(len(classes)), rest))
        positions: list[int] = []
        for place, own in enumerate(classes):
            wanted = each + (place in more)
            while wanted:
                taken = draws.choose(own, min(wanted, len(own)))
                positions += taken
                wanted -= len(taken)
        return Drawn(batch, tuple(positions))

    return draw
