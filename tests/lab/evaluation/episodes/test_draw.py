"""Draw of episodes: an independent implementation, known answers, groups, bad input."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.core.errors import EpisodeError, OptionError
from fewact.data import Video, VideoList
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw
from tests.lab.evaluation.episodes.made_up import slow_episode, videos_of
from tests.refused import refused

KINDS = ("none", "within-class", "shared")


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("none", "e17ddf82a8e5da7131e6644de0e2ef2aee590814e35c5b7c5675b67bfc316e06"),
        ("within-class", "0a75cde6469196a9126f07d9494ed6a2ce38474e5a58d28ef3849e0819359eb3"),
        ("shared", "92582ee084d3326703007e97100e7ad4b31b750e311d9287f397d12a396dbf43"),
    ],
)
def test_known_answers(kind: str, digest: str) -> None:
    protocol = Protocol(ways=5, shots=2, queries=3, count=50, seed=4, groups=kind)
    assert draw(videos_of(groups=4), protocol).digest == digest


@pytest.mark.parametrize("kind", KINDS)
@given(
    ways=st.integers(2, 6),
    shots=st.integers(1, 3),
    queries=st.integers(1, 3),
    seed=st.integers(0, 2**63 - 1),
)
def test_equals_an_independent_implementation(
    kind: str, ways: int, shots: int, queries: int, seed: int
) -> None:
    videos = videos_of(groups=4)
    drawn = draw(
        videos, Protocol(ways=ways, shots=shots, queries=queries, count=3, seed=seed, groups=kind)
    )
    for index in range(3):
        support, query = slow_episode(videos, ways, shots, queries, seed, index, kind)
        assert drawn.support[index].tolist() == support
        assert drawn.query[index].tolist() == query


@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_depends_on_seed_and_index_alone(kind: str) -> None:
    videos = videos_of(groups=5)
    many = draw(videos, Protocol(count=40, shots=2, groups=kind))
    few = draw(videos, Protocol(count=7, shots=2, groups=kind))
    np.testing.assert_array_equal(many.support[:7], few.support)
    np.testing.assert_array_equal(many.query[:7], few.query)
    assert many.digest != few.digest
    other = draw(videos, Protocol(count=40, shots=2, groups=kind, seed=1))
    assert (other.query != many.query).any(1).all()


def facts(videos: VideoList, positions: np.ndarray, ways: int, field: str) -> np.ndarray:
    values = np.array([getattr(video, field) for video in videos.videos])
    return values[positions].reshape(len(positions), ways, -1)


@pytest.mark.parametrize("kind", KINDS)
def test_videos_are_in_order_of_classes_and_unique(kind: str) -> None:
    videos = videos_of(groups=6)
    drawn = draw(videos, Protocol(ways=4, shots=3, queries=2, count=30, groups=kind))
    assert drawn.support.dtype == drawn.query.dtype == np.int32
    support, query = (facts(videos, p, 4, "label") for p in (drawn.support, drawn.query))
    assert (support == support[:, :, :1]).all()
    assert (query == support[:, :, :1]).all()
    assert all(len(set(labels)) == 4 for labels in support[:, :, 0])
    both = np.concatenate([drawn.support, drawn.query], 1)
    assert all(len(set(row)) == both.shape[1] for row in both)
    assert set(drawn.needed) == set(both.flat)


@pytest.mark.parametrize("kind", ["within-class", "shared"])
def test_groups_are_separated(kind: str) -> None:
    videos = videos_of(groups=6)
    drawn = draw(videos, Protocol(ways=4, shots=3, queries=2, count=50, groups=kind))
    support, query = (facts(videos, p, 4, "group") for p in (drawn.support, drawn.query))
    for one, other in zip(support, query, strict=True):
        assert all(len(set(shots)) == 3 for shots in one)
        for shots, queries in zip(one, other, strict=True):
            assert not set(shots) & set(queries)
        if kind == "shared":
            assert all(set(shots) == set(one[0]) for shots in one)
            assert not set(one.flat) & set(other.flat)
    if kind == "within-class":
        assert any(set(one[0]) != set(one[1]) for one in support)


def grouped(rows: dict[str, str], each: int = 2) -> VideoList:
    """Videos of classes: `each` for each letter, which is their group."""
    return VideoList(
        "partial",
        tuple(
            Video(f"{label}{group}{place}/{i}", label, group=group)
            for label, groups in rows.items()
            for place, group in enumerate(groups)
            for i in range(each)
        ),
    )


def test_shared_groups_occur_in_all_classes_of_the_episode() -> None:
    videos = grouped({"a": "123", "b": "234", "c": "345"})
    drawn = draw(videos, Protocol(ways=3, queries=2, count=20, groups="shared"))
    assert (facts(videos, drawn.support, 3, "group") == "3").all()


@pytest.mark.parametrize(
    ("videos", "shots", "queries", "groups"),
    [
        (grouped(dict.fromkeys("abcd", "12345"), 10), 5, 10, 4),  # five people, ten clips each
        (grouped(dict.fromkeys("abcd", "12"), 6), 5, 6, 1),  # two recordings
        (grouped({"a": "123", "b": "234", "c": "345", "d": "51"}, 3), 2, 1, 1),  # none in all
        (grouped({"a": "1123", "b": "2344445", "c": "455", "d": "111115"}), 2, 2, 1),
    ],
)
def test_several_shots_of_a_shared_group(
    videos: VideoList, shots: int, queries: int, groups: int
) -> None:
    protocol = Protocol(ways=3, shots=shots, queries=queries, count=60, groups="shared")
    drawn = draw(videos, protocol)
    drawn.check_list(videos)
    support, query = (facts(videos, p, 3, "group") for p in (drawn.support, drawn.query))
    for shot_groups, query_groups in zip(support, query, strict=True):
        assert not set(shot_groups.flat) & set(query_groups.flat)
        assert min(len(set(of_class)) for of_class in shot_groups) >= groups
    assert len({tuple(row) for row in drawn.support.tolist()}) > 20
    assert (
        draw(videos, protocol.model_copy(update={"count": 3})).support == drawn.support[:3]
    ).all()


def test_shared_groups_that_cannot_be_separated() -> None:
    videos = grouped({"a": "12", "b": "23", "c": "31"})
    with refused(EpisodeError, where="partial", got="a, c, b; 2 groups in a"):
        draw(videos, Protocol(ways=3, shots=2, count=1, groups="shared"))


def test_all_classes_and_videos_are_drawn() -> None:
    videos = videos_of(classes=6, each=3)
    drawn = draw(videos, Protocol(ways=2, count=400))
    counts = np.bincount(np.concatenate([drawn.support.ravel(), drawn.query.ravel()]))
    assert len(counts) == 18
    assert counts.min() > 60
    assert counts.max() < 120


GROUPED = videos_of(classes=3, each=8, groups=4)


def short(kind: str) -> VideoList:
    """A class with one video too few for two shots and two queries."""
    own = [video for video in GROUPED.videos if video.label == "class 1"]
    keep = own[:3] if kind == "none" else [v for v in own if v.group in ("g0", "g1")]
    return replace(
        GROUPED, videos=tuple(v for v in GROUPED.videos if v.label != "class 1" or v in keep)
    )


FEW_GROUPS = r'"class 1" has too few .*got 2 groups of 2, 2 videos\); expected: at least 3 groups'


@pytest.mark.parametrize(
    ("videos", "protocol", "message"),
    [
        (short("none"), {}, r'"class 1" has too few .*got 3 videos\); expected: at least 4 videos'),
        (short("shared"), {"groups": "within-class"}, FEW_GROUPS),
        (
            grouped({"class 1": "1", "class 2": "12"}, 9),
            {"groups": "shared"},
            r"got 1 group of 9 videos\); expected: at least 2 videos in some groups and 2 in",
        ),
        (
            grouped({"class 1": "1", "class 2": "12"}, 1),
            {"shots": 1, "queries": 1},
            r"got 1 video\); expected: at least 2 videos for 1 shot and 1 query",
        ),
        (GROUPED, {"groups": "within-class", "queries": 5}, "5 videos outside of any 2"),
        (GROUPED, {"groups": "shared", "queries": 7}, "2 videos in some groups and 7 in others"),
        (videos_of(classes=3), {"ways": 4}, "3 classes for 4 ways"),
        (videos_of(), {"groups": "shared"}, "made up, 0/0: the video has no group"),
    ],
)
def test_lists_that_are_too_small_are_refused(
    videos: VideoList, protocol: dict[str, Any], message: str
) -> None:
    sizes = {"ways": 2, "shots": 2, "queries": 2, "count": 1} | protocol
    with pytest.raises(EpisodeError, match=message):
        draw(videos, Protocol(**sizes))
    assert draw(GROUPED, Protocol(ways=3, shots=2, queries=4, count=5, groups="shared"))


@pytest.mark.parametrize(
    "wrong",
    [{"ways": 1}, {"shots": 0}, {"queries": 0}, {"count": 0}, {"seed": -1}, {"groups": "person"}],
)
def test_an_invalid_protocol_is_refused(wrong: dict) -> None:
    ((name, value),) = wrong.items()
    message = rf"^Protocol, {name}: invalid value \(got {value!r}\); expected"
    with pytest.raises(OptionError, match=message):
        Protocol(**wrong)


def test_another_list_is_refused() -> None:
    videos = videos_of()
    drawn = draw(videos, Protocol(count=2))
    drawn.check_list(videos)
    with pytest.raises(EpisodeError, match='drawn from another list, "made up"'):
        drawn.check_list(replace(videos, videos=videos.videos[:-1]))
    assert isinstance(drawn, EpisodeSet)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda support, query: (support, support), "episode 0: a video is in it twice"),
        (lambda support, query: (support[:, ::-1], query), "not in the order of its classes"),
        (lambda support, query: (support, query + 1000), "positions that are not in the list"),
        (lambda support, query: (support - 1000, query), "positions that are not in the list"),
        (lambda support, query: (support[:-1], query), "positions of another shape"),
        (lambda support, query: (support, query[:, :-1]), "positions of another shape"),
    ],
)
def test_what_are_no_episodes_of_the_list_is_refused(change: Any, message: str) -> None:
    videos = videos_of()
    drawn = draw(videos, Protocol(ways=4, queries=1, count=9))
    support, query = change(drawn.support, drawn.query)
    with pytest.raises(EpisodeError, match=message):
        replace(drawn, support=support, query=query).check_list(videos)


def test_a_class_that_is_twice_in_an_episode_is_refused() -> None:
    videos = videos_of(classes=2)  # classes take turns
    support, query = np.array([[0, 2]], np.int32), np.array([[4, 6]], np.int32)
    protocol = Protocol(ways=2, count=1)
    episodes = EpisodeSet(protocol, videos.name, videos.digest, support, query)
    with refused(EpisodeError, where="episode 0", got="support [0, 2], query [4, 6]"):
        episodes.check_list(videos)
