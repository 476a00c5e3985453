"""Recordings that are found from what clips look like and how they move."""

from dataclasses import replace

import numpy as np

from fewact.classifier.names import Example
from fewact.classifier.same_recording import find_recordings, groups_of


def test_recordings_are_found_in_what_clips_look_like_and_how_they_move() -> None:
    """Three people a class, four clips each; two people show both classes."""
    rng = np.random.default_rng(3)
    classes, people = rng.normal(0, 0.3, (2, 1, 200)), rng.normal(0, 1, (4, 1, 200))
    of_class, of_person = np.repeat([0, 1], 3), np.array([0, 1, 2, 0, 1, 3])
    vectors = classes[of_class] + people[of_person] + rng.normal(0, 0.3, (6, 4, 200))
    vectors = vectors.reshape(24, 200) / np.linalg.norm(vectors.reshape(24, 200), axis=1)[:, None]
    similarity, labels = vectors @ vectors.T, np.arange(24) // 12
    expected = [first for first in (0, 4, 8, 0, 4, 20) for _ in range(4)]
    assert find_recordings(similarity, 5 * similarity - 2, range(24), labels) == expected
    # One clip of each recording is enough to be joined by.
    held = range(0, 24, 4)
    assert find_recordings(similarity[::4], similarity[::4], held, labels) == expected
    apart = np.eye(24)
    assert find_recordings(apart, apart, range(24), labels) == list(range(24))


def test_one_pair_that_looks_alike_does_not_join_two_recordings() -> None:
    similarity = np.zeros((9, 9))
    similarity[:4, :4] = similarity[4:8, 4:8] = 0.8
    similarity[3, 4] = similarity[4, 3] = 0.7
    np.fill_diagonal(similarity, 1.0)
    labels = np.array(8 * [0] + [1])
    expected = [*4 * [0], *4 * [4], 8]
    assert find_recordings(similarity, similarity, range(9), labels) == expected


def test_given_groups_are_kept_and_recordings_fill_the_others() -> None:
    clips = [Example(f"{i}.mp4", "ab"[i // 3], group="anna" if i == 0 else None) for i in range(6)]
    labels = np.array([0, 0, 0, 1, 1, 1])
    alike = np.eye(6) + 0.9 * (labels[:, None] == labels)
    assert groups_of(clips, None, alike, range(6), labels) == ["anna"] + 5 * [None]
    found = groups_of(clips, alike, alike, range(6), labels)
    assert found[:3] == 3 * ["anna"]  # one recording is of one person
    assert found[3] is not None
    assert found[3:] == 3 * [found[3]]
    # A group may have any name, also one that looks like that of a found recording.
    clips[0] = replace(clips[0], group=found[3].strip("\0"))
    assert len(set(groups_of(clips, alike, alike, range(6), labels))) == 2


def test_clips_that_are_not_compared_with_each_other_join_the_nearest_recording() -> None:
    labels, held = np.arange(2000) % 50, range(100)
    similarity = (np.arange(100)[:, None] % 50 == labels).astype(np.float64)
    assert find_recordings(similarity, similarity, held, labels) == labels.tolist()
