"""A pose estimator divides a region of movement that is several people."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.core.errors import OptionError, WeightsError
from fewact.data import Frames
from fewact.poses.base import Person
from fewact.recordings.bodies import (
    BodyRegions,
    body_tracks,
    boxes_of,
    find_bodies,
    named_estimator,
    with_bodies,
)
from fewact.video.track import Track
from tests.poses.made_up import STILL

HEIGHT, WIDTH, FPS = 120, 200, 8
TIMES = np.arange(32) / FPS


def track(subject: str, box: tuple[float, ...], times: NDArray[np.float64] = TIMES) -> Track:
    return Track(subject, times, np.tile(np.array(box, np.float64), (len(times), 1)))


def boxes(tracks: Iterable[Track]) -> list[list[float]]:
    return [t.boxes[0].tolist() for t in tracks]


class Corners:
    """An estimator that finds people at known places: two joints in the corners of their boxes."""

    name = "corners"
    layout = "2:xyc"

    def __init__(self, *places: tuple[float, float, float, float]) -> None:
        self.places = places

    def estimate(
        self, frames: Iterable[NDArray[np.uint8]], times: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        return self.estimate_people(frames, times)[0].joints

    def estimate_people(
        self, frames: Iterable[NDArray[np.uint8]], times: NDArray[np.float64]
    ) -> list[Person]:
        count = len(list(frames))
        assert count == len(times)
        people = []
        for x, y, width, height in self.places:
            joints = np.array([x, y, 1, x + width, y + height, 1], np.float32) / HEIGHT
            joints[[2, 5]] = 1
            box = np.array([x, y, width, height], np.float32) / HEIGHT
            people.append(Person(np.tile(joints, (count, 1)), np.tile(box, (count, 1))))
        return people


LEFT, RIGHT, IDLE = (60, 30, 30, 60), (92, 30, 30, 60), (10, 20, 25, 70)


def crowd() -> NDArray[np.uint8]:
    """Return frames (t h w 3) of two people who touch and move all the time, beside an idle one."""
    rng = np.random.default_rng(0)
    frames = np.full((len(TIMES), HEIGHT, WIDTH, 3), 40, np.uint8)
    for frame in frames:
        for x, y, width, height in (LEFT, RIGHT):
            part = rng.integers(0, 256, (height // 6, width // 6, 1), np.uint8)
            frame[y : y + height, x : x + width] = part.repeat(6, 0).repeat(6, 1)
        x, y, width, height = IDLE
        frame[y : y + height, x : x + width] = 200
    return frames


def test_people_who_touch_are_subjects_of_their_own() -> None:
    clip = Frames(crowd(), fps=FPS)
    subjects, size = find_bodies(Corners(LEFT, RIGHT, IDLE))(clip)
    assert size == (HEIGHT, WIDTH)
    assert [subject.subject for subject in subjects] == ["1", "2"]
    for subject, expected in zip(subjects, (LEFT, RIGHT), strict=True):
        x, y, width, height = subject.box()
        assert (x, width) == pytest.approx((expected[0], expected[2]), abs=0.1)
        assert y + height == pytest.approx(expected[1] + expected[3], abs=0.1)
        assert y == pytest.approx(expected[1], abs=0.1 * height)  # of the head


def test_without_bodies_the_regions_stay() -> None:
    clip = Frames(crowd(), fps=FPS)
    (subject,), _ = find_bodies(Corners())(clip)
    x, _, width, _ = subject.box()
    assert x < LEFT[0] + 8
    assert x + width > RIGHT[0] + RIGHT[2] - 8


def test_frames_are_estimated_in_chunks() -> None:
    regions = BodyRegions(Corners(LEFT))
    frames = np.concatenate([crowd()] * 3)
    for i, frame in enumerate(frames):
        regions.add(frame, i / FPS)
    (body,) = regions.tracks()
    assert len(body.times) == len(frames)
    assert (np.diff(body.times) > 0).all()


def test_an_estimator_of_one_body_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        find_bodies(STILL)
    assert caught.value.where == STILL.name


def test_parts_of_a_body_are_joined() -> None:
    early, late = TIMES[:10], TIMES[14:]
    parts = [track("", LEFT, early), track("", RIGHT, TIMES), track("", LEFT, late)]
    joined = body_tracks(parts, TIMES)
    assert boxes(joined) == [[*RIGHT], [*LEFT]]
    assert joined[1].times.tolist() == [*early, *late]


def test_short_and_rare_bodies_are_dropped() -> None:
    short = track("", LEFT, TIMES[:4])
    rare = track("", RIGHT, TIMES[::8])
    assert body_tracks([short, rare], TIMES) == []


def test_a_region_stays_where_bodies_are_there_for_a_short_time() -> None:
    region = track("1", (50, 20, 80, 80))
    body = track("", LEFT, TIMES[:10])
    assert boxes(with_bodies([region], [body])) == [[50, 20, 80, 80]]
    assert boxes(with_bodies([region], [track("", LEFT)])) == [[*LEFT]]
    assert with_bodies([], [body]) == []


def test_boxes_are_around_sure_joints_inside_the_picture() -> None:
    joints = np.array([[0.2, 0.5, 1, 0.4, 0.9, 1, 0.9, 0.1, 0.2]] * 3, np.float32)
    joints[1] = 0  # not found
    joints[2, :3] = -0.5, 0.5, 1  # beside the picture
    person = Person(joints, np.zeros((3, 4), np.float32))
    found = boxes_of(person, "3:xyc", TIMES[:3], (100, 100))
    assert found is not None
    assert found.times.tolist() == [TIMES[0], TIMES[2]]
    assert found.boxes[0].tolist() == pytest.approx([20, 46.8, 20, 43.2], abs=1e-3)
    assert found.boxes[1].tolist() == pytest.approx([0, 46.8, 40, 43.2], abs=1e-3)
    nobody = Person(joints[1:2], np.zeros((1, 4), np.float32))
    assert boxes_of(nobody, "3:xyc", TIMES[:1], (100, 100)) is None


def test_names_are_estimators_and_other_texts_are_tables() -> None:
    assert named_estimator("tracks.csv") == Path("tracks.csv")
    assert named_estimator(STILL) is STILL
    pytest.importorskip("ai_edge_litert", reason="LiteRT is missing")
    with pytest.raises(WeightsError):  # in the cache of the tests there are none
        named_estimator("auto")
    with pytest.raises(WeightsError):
        named_estimator(Path("mediapipe:missing.task"))


def test_a_box_has_room_for_an_arm_that_is_stretched_for_a_moment() -> None:
    moving = track("", LEFT)
    moving.boxes[16] = (30, 30, 90, 60)
    (body,) = body_tracks([moving], TIMES)
    near = np.abs(TIMES - TIMES[16]) < 1.5
    assert (body.boxes[near, 2] == 90).all()
    assert (body.boxes[~near][:3, 2] == 30).all()
    assert body.box().width == pytest.approx(90)
