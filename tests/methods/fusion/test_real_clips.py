"""Fusion on real clips, under simulated cameras and flipped."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import read_index
from benchmarks.full_body import edited, flipped
from benchmarks.pairs import encode_videos
from fewact import methods, networks
from fewact.data import Video, VideoList
from fewact.lab.synthetic.simulated_cameras import with_simulated_camera
from fewact.methods.base import rows
from fewact.methods.fusion import Fusion, FusionState
from fewact.methods.fusion.terms import MAX_BY_CAMERAS

SHOTS, QUERIES = 3, 1
MOTIONS = ("sit down", "rise", "squat", "lean", "step")


@pytest.fixture(scope="module")
def people(assets: Path) -> tuple[Video, ...]:
    """Videos of an arm swing, by a fixed camera, on a textureless background."""
    every = read_index(assets)["utd27_depth"]
    return tuple(video for video in every.videos if video.label == every.classes[0])


def classified(videos: Sequence[Video], camera: str) -> tuple[FusionState, list[int], list[int]]:
    """State of fusion for the first videos of each class; predictions and labels of the next."""
    videos = with_simulated_camera(VideoList("people", tuple(videos)), camera).videos
    labels = sorted({video.label for video in videos})
    of = [[v for v in videos if v.label == label][: SHOTS + QUERIES] for label in labels]
    ordered = [v for one in of for v in one[:SHOTS]] + [v for one in of for v in one[SHOTS:]]
    method = methods.create("fusion")
    assert isinstance(method, Fusion)
    (nodes,) = encode_videos([method], networks.create(), VideoList("people", tuple(ordered)))
    count = len(labels)
    number = np.arange(count).repeat(SHOTS)[None]
    first = {name: value[None, : number.shape[1]] for name, value in nodes.items()}
    state = method.support(first, number, count)
    scored = method.score(state, {n: value[None, number.shape[1] :] for n, value in nodes.items()})
    truth = np.arange(count).repeat(QUERIES)
    return state, scored[0].argmax(-1).tolist(), truth.tolist()


@pytest.mark.assets
@pytest.mark.slow
def test_full_body_motion_is_recognised_as_static_camera(
    people: tuple[Video, ...],
) -> None:
    acting = [
        Video(
            f"{body} {video.id}",
            body,
            source=edited(video.source, body) if video.source else None,
        )
        for body in MOTIONS
        for video in people[: SHOTS + QUERIES]
    ]
    state, predicted, truth = classified(acting, "fixed")
    assert state.decision.static.item() > MAX_BY_CAMERAS  # The labels say so, too.
    assert predicted == truth


@pytest.mark.assets
@pytest.mark.slow
def test_a_panning_camera_is_recognised_as_moving(people: tuple[Video, ...], assets: Path) -> None:
    every = read_index(assets)["utd27_depth"]
    others = [video for video in every.videos if video.label == every.classes[3]]
    state, predicted, truth = classified([*people, *others], "pan")
    assert state.decision.static.item() < 0.1
    assert predicted == truth


@pytest.mark.assets
@pytest.mark.slow
def test_flipped_people_are_recognised(assets: Path) -> None:
    every = read_index(assets)["utd27_depth"]
    classes = [every.classes[number] for number in (1, 4, 8, 11)]
    of = [[v for v in every.videos if v.label == label][:8:2] for label in classes]
    support, queries = ([v for one in of for v in one[part]] for part in (slice(3), slice(3, None)))
    labels = np.arange(len(classes)).repeat(SHOTS)[None]
    predicted = {}
    for flip in (False, True):
        method = methods.create("fusion", horizontal_flip=flip)
        assert isinstance(method, Fusion)
        clips, others = (
            rows(encode_videos([method], networks.create(), videos)[0], None)
            for videos in (
                VideoList("people", tuple(support)),
                flipped(VideoList("people", tuple(queries))),
            )
        )
        state = method.support(clips, labels, len(classes))
        predicted[flip] = method.score(state, others)[0].argmax(-1).tolist()
    assert predicted[True] == list(range(len(classes)))
    assert predicted[False] != predicted[True]
