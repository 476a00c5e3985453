"""Scores from similarities of pairs: what a support tells of itself, and how it is read."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from benchmarks.bodies import actor
from benchmarks.clips import read_index
from benchmarks.handheld import encode
from benchmarks.mirrored import images
from fewact import backbones, methods
from fewact.data import Video, VideoList
from fewact.data.simulated_camera import with_simulated_camera
from fewact.methods.common.kernel import KernelState, leave_one_out
from fewact.methods.fusion import Fusion

SHOTS, ASKED = 3, 1
BODIES = ("sit down", "rise", "squat", "lean", "step")


def test_videos_are_told_by_the_others_of_the_support() -> None:
    pairs = torch.tensor(
        [[9.0, 0.6, 0.1, 0.3], [0.6, 9, 0.5, 0.2], [0.1, 0.5, 9, 0.4], [0.3, 0.2, 0.4, 9]]
    )
    found = leave_one_out(pairs[None], torch.tensor([[0, 0, 1, 2]]), 3, 0.5)
    logits = torch.tensor([[0.6, 0.1, 0.3], [0.6, 0.5, 0.2]]) / 0.5  # the last two are alone
    torch.testing.assert_close(found, logits.log_softmax(-1)[:, 0].sum(0, keepdim=True))
    assert leave_one_out(pairs[None], torch.arange(4)[None], 4, 0.5).tolist() == [0]


def test_the_mean_over_uneven_classes() -> None:
    pairs = torch.rand(1, 5, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 0, 1, 0, 1]])
    expected = torch.zeros(())
    for i, own in enumerate(labels[0].tolist()):
        others = [[j for j in range(5) if j != i and labels[0, j] == c] for c in (0, 1)]
        means = torch.stack([pairs[0, i, some].mean() for some in others])
        expected = expected + (means / 0.2).log_softmax(0)[own]
    torch.testing.assert_close(leave_one_out(pairs, labels, 2, 0.2), expected[None])


@pytest.fixture(scope="module")
def people(assets: Path) -> tuple[Video, ...]:
    """People before a fixed camera who swing an arm, on black."""
    every = read_index(assets)["utd27_depth"]
    return tuple(video for video in every.videos if video.label == every.classes[0])


def examples(videos: Sequence[Video], camera: str) -> tuple[KernelState, list[int], list[int]]:
    """Fusion taught with the first videos of each class, and asked about the next ones."""
    videos = with_simulated_camera(VideoList("people", tuple(videos)), camera).videos
    labels = sorted({video.label for video in videos})
    of = [[v for v in videos if v.label == label][: SHOTS + ASKED] for label in labels]
    ordered = [v for one in of for v in one[:SHOTS]] + [v for one in of for v in one[SHOTS:]]
    method = methods.create("fusion").eval()
    assert isinstance(method, Fusion)
    (nodes,) = encode([method], backbones.create(), VideoList("people", tuple(ordered)))
    count = len(labels)
    number = torch.arange(count).repeat_interleave(SHOTS)[None]
    first = {name: value[:, : number.shape[1]] for name, value in nodes.items()}
    state = method.support(first, number, count)
    scored = method.score(state, {n: value[:, number.shape[1] :] for n, value in nodes.items()})
    truth = torch.arange(count).repeat_interleave(ASKED)
    return state, scored[0].argmax(-1).tolist(), truth.tolist()


@pytest.mark.assets
@pytest.mark.slow
def test_people_who_sit_down_and_rise_say_that_the_camera_stood_still(
    people: tuple[Video, ...],
) -> None:
    acting = [
        Video(
            f"{body} {video.id}",
            body,
            source=actor(video.source, body) if video.source else None,
        )
        for body in BODIES
        for video in people[: SHOTS + ASKED]
    ]
    state, told, truth = examples(acting, "fixed")
    assert state.nodes["still"].min() > 0.6
    assert told == truth


@pytest.mark.assets
@pytest.mark.slow
def test_people_before_a_camera_that_pans_say_that_it_moved(
    people: tuple[Video, ...], assets: Path
) -> None:
    every = read_index(assets)["utd27_depth"]
    others = [video for video in every.videos if video.label == every.classes[3]]
    state, told, truth = examples([*people, *others], "pan")
    assert state.nodes["still"].max() < 0.1
    assert told == truth


@pytest.mark.assets
@pytest.mark.slow
def test_people_of_the_other_hand_are_recognised(assets: Path) -> None:
    every = read_index(assets)["utd27_depth"]
    classes = [every.classes[number] for number in (1, 4, 8, 11)]
    of = [[v for v in every.videos if v.label == label][:8:2] for label in classes]
    examples, asked = ([v for one in of for v in one[part]] for part in (slice(3), slice(3, None)))
    labels = torch.arange(len(classes)).repeat_interleave(SHOTS)[None]
    told = {}
    for mirrored in (False, True):
        method = methods.create("fusion", mirrored=mirrored).eval()
        assert isinstance(method, Fusion)
        clips, others = (
            encode([method], backbones.create(), videos)[0]
            for videos in (
                VideoList("people", tuple(examples)),
                images(VideoList("people", tuple(asked))),
            )
        )
        state = method.support(clips, labels, len(classes))
        told[mirrored] = method.score(state, others)[0].argmax(-1).tolist()
    assert told[True] == list(range(len(classes)))
    assert told[False] != told[True]
