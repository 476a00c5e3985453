"""The synthetic benchmark: its classes, its lists, its truth, and scenes that follow the truth."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.core.errors import DataError, OptionError, ShapeError, UnknownNameError
from fewact.core.random import NamedDraws
from fewact.synthetic import PRESETS, MotionsBenchmark, correspondence, motions, named
from fewact.synthetic.classes import BACKWARDS, MotionClass, classes, preset_of
from fewact.synthetic.scene import MIN_FRAMES, SceneObject, Truth, draw_pair, draw_scene, draw_truth
from tests.refused import refused

KINDS = classes()


def truth_of(kind: MotionClass, seed: int = 0, name: str = "plain", frames: int = 40) -> Truth:
    return draw_truth(
        NamedDraws(seed, kind.label), tuple(map(str, kind.steps)), frames, preset_of(name)
    )


def pair_of(kind: MotionClass, truth: Truth, seed: int = 0) -> tuple[SceneObject, SceneObject]:
    anchor = NamedDraws(seed, "anchor").below("", len(truth.part))
    draws = NamedDraws(seed, kind.label)
    return draw_pair(draws, "own", kind.steps, truth.progress, anchor, (0.5, 0.5))


def test_the_splits_have_64_12_and_24_classes_and_share_none() -> None:
    by_split = {s: [k.label for k in KINDS if k.split == s] for s in ("train", "val", "test")}
    assert {split: len(labels) for split, labels in by_split.items()} == {
        "train": 64,
        "val": 12,
        "test": 24,
    }
    assert len(set().union(*by_split.values())) == 100


def test_the_other_order_and_the_way_back_are_other_classes_of_the_same_split() -> None:
    known = set(KINDS)
    assert all(kind.swapped in known and kind.swapped != kind for kind in KINDS)
    assert all(kind.backwards in known and kind.backwards != kind for kind in KINDS)


def test_each_class_is_an_order_of_two_or_three_motions_that_are_seen_in_training() -> None:
    assert {len(kind.steps) for kind in KINDS} == {2, 3}
    assert all(not kind.steps[0].other for kind in KINDS)
    trained = {step.motion for kind in KINDS if kind.split == "train" for step in kind.steps}
    assert trained == set(BACKWARDS)


def test_the_list_holds_each_class_equally_often_and_in_its_split() -> None:
    videos = motions(videos=3).videos
    assert videos.name == "motions-1-plain"
    assert [len(videos.of(s).videos) for s in ("train", "val", "test")] == [192, 36, 72]
    assert videos.of("test").classes == tuple(k.label for k in KINDS if k.split == "test")
    assert len({video.id for video in videos.videos}) == 300
    assert len(motions().videos.videos) == 4000


def test_a_list_that_shows_other_pixels_has_another_digest() -> None:
    made = [
        motions(videos=2),
        motions(videos=2, seed=1),
        motions(videos=2, size=64),
        motions(videos=2, frames=30),
        *(motions(name, videos=2) for name in PRESETS if name != "plain"),
    ]
    assert len({benchmark.videos.digest for benchmark in made}) == len(made)


def test_more_videos_leave_the_first_ones_alone() -> None:
    few, many = motions(videos=1), motions(videos=5)
    video = few.videos.videos[40].id
    assert video in {one.id for one in many.videos.videos}
    np.testing.assert_array_equal(few.render(video, [7]), many.render(video, [7]))


@pytest.mark.parametrize("name", PRESETS)
def test_truth_goes_forwards_through_all_parts(name: str) -> None:
    benchmark = motions(name, videos=1)
    fewest, most = PRESETS[name].frames
    for video in benchmark.videos.videos[::7]:
        truth = benchmark.truth(video.id)
        assert fewest <= len(truth.part) == len(truth.phase) == len(truth.pause) <= most
        assert (np.diff(truth.progress) >= 0).all()
        assert ((truth.phase >= 0) & (truth.phase <= 1)).all()
        assert ", then ".join((", ".join(truth.parts[:-1]), truth.parts[-1])) == video.label
        for part in range(len(truth.parts)):
            moving = (truth.part == part) & ~truth.pause
            assert moving.sum() >= MIN_FRAMES
            assert (np.diff(truth.phase[moving]) > 0).all()
        assert np.isin(truth.phase[truth.pause], (0.0, 1.0)).all()


def test_the_shortest_video_has_room_for_all_parts() -> None:
    benchmark = motions("misaligned", videos=1, frames=12)
    for video in benchmark.videos.videos:
        truth = benchmark.truth(video.id)
        moving = truth.part[~truth.pause]
        assert len(truth.part) == 12
        assert np.bincount(moving).min() >= MIN_FRAMES
        assert set(moving) == set(range(len(truth.parts)))


@given(
    first=st.lists(st.floats(0, 3), min_size=1, max_size=9),
    second=st.lists(st.floats(0, 3), min_size=1, max_size=9),
)
def test_correspondence_is_that_of_two_loops(first: list[float], second: list[float]) -> None:
    a, b = np.sort(first), np.sort(second)
    got = correspondence(a, b)
    for i, j in itertools.product(range(len(a)), range(len(b))):
        apart = abs(a[i] - b[j])
        nearest = apart <= min(abs(a[i] - q) for q in b) + 1e-9
        assert got[i, j] == (nearest or apart <= min(abs(p - b[j]) for p in a) + 1e-9)
    np.testing.assert_array_equal(correspondence(b, a), got.T)


def test_alignment_of_a_video_with_itself_is_its_diagonal_where_it_moves() -> None:
    benchmark = motions("misaligned", videos=2)
    video = benchmark.videos.videos[3].id
    moving = np.flatnonzero(~benchmark.truth(video).pause)
    own = benchmark.alignment(video, video)[np.ix_(moving, moving)]
    np.testing.assert_array_equal(own, np.eye(len(moving), dtype=bool))


def test_alignment_is_of_one_class_only() -> None:
    benchmark = motions(videos=2)
    videos = benchmark.videos.videos
    first, second = (benchmark.truth(videos[i].id).part for i in (0, 1))
    assert benchmark.alignment(videos[0].id, videos[1].id).shape == (len(first), len(second))
    with refused(DataError, where=benchmark.name):
        benchmark.alignment(videos[0].id, videos[2].id)


def changed(thing: SceneObject, truth: Truth, part: int) -> dict[str, float]:
    """What of an object is other at the end of a part than at its beginning."""
    frames = np.flatnonzero((truth.part == part) & ~truth.pause)[[0, -1]]
    tracks = {"x": thing.x, "y": thing.y, "radius": thing.radius}
    tracks |= {"angle": thing.angle, "alpha": thing.alpha}
    found = {name: float(np.diff(track[frames])[0]) for name, track in tracks.items()}
    return {name: change for name, change in found.items() if abs(change) > 1e-6}


DIRECTIONS = {
    "slides left": {"x": -1},
    "slides right": {"x": 1},
    "rises": {"y": -1},
    "falls": {"y": 1},
    "turns clockwise": {"angle": 1},
    "turns anticlockwise": {"angle": -1},
    "grows": {"radius": 1},
    "shrinks": {"radius": -1},
    "appears": {"alpha": 1},
    "vanishes": {"alpha": -1},
}


def test_objects_do_what_their_class_says_and_nothing_else() -> None:
    for kind, seed in itertools.product(KINDS, range(3)):
        truth = truth_of(kind, seed)
        pair = pair_of(kind, truth, seed)
        for part, step in enumerate(kind.steps):
            doer, idle = pair[step.other], pair[not step.other]
            if step.motion in DIRECTIONS:
                way = {name: np.sign(change) for name, change in changed(doer, truth, part).items()}
                assert way == DIRECTIONS[step.motion], kind.label
                assert not changed(idle, truth, part), kind.label


def test_nothing_moves_in_a_pause() -> None:
    for kind in KINDS:
        truth = truth_of(kind, name="misaligned")
        draws = NamedDraws("pause", kind.label)
        scene = draw_scene(draws, kind.steps, truth, preset_of("misaligned"))
        still = np.flatnonzero(truth.pause[1:] & truth.pause[:-1] & (np.diff(truth.progress) == 0))
        for thing in (scene.hidden, *scene.objects):
            for track in (thing.x, thing.y, thing.radius, thing.angle, thing.alpha):
                np.testing.assert_allclose(np.diff(track)[still], 0, atol=1e-12)


def kind_with(motion: str) -> MotionClass:
    return next(kind for kind in KINDS if motion in [step.motion for step in kind.steps])


@pytest.mark.parametrize("motion", ["knocks the other", "is knocked"])
def test_objects_that_knock_each_other_meet_halfway_and_never_overlap(motion: str) -> None:
    kind = kind_with(motion)
    part = [step.motion for step in kind.steps].index(motion)  # type: ignore[arg-type]
    for seed in range(5):
        truth = truth_of(kind, seed, frames=400)
        one, other = pair_of(kind, truth, seed)
        gap = np.hypot(one.x - other.x, one.y - other.y) - one.radius - other.radius
        shown = (truth.part == part) & ~truth.pause
        assert gap[shown].min() == pytest.approx(0, abs=0.01)
        met = truth.phase[shown][gap[shown].argmin()]
        assert met == pytest.approx(0.5, abs=0.02)
        paths = [np.hypot(np.diff(t.x[shown]), np.diff(t.y[shown])) for t in (one, other)]
        first, second = (path[:10].sum() > 1e-6 for path in paths)
        assert (first, second) == ((True, False) if motion == "knocks the other" else (False, True))


@pytest.mark.parametrize(("motion", "end"), [("hides", -1), ("emerges", 0)])
def test_what_hides_is_behind_the_occluder_at_one_end_and_beside_it_at_the_other(
    motion: str, end: int
) -> None:
    kind = kind_with(motion)
    part = [step.motion for step in kind.steps].index(motion)  # type: ignore[arg-type]
    for seed in range(5):
        truth = truth_of(kind, seed, frames=400)
        scene = draw_scene(NamedDraws(seed), kind.steps, truth, preset_of("plain"))
        shown = np.flatnonzero((truth.part == part) & ~truth.pause)
        away = np.abs(scene.hidden.x - scene.occluder.x)[shown]
        radius, wall = scene.hidden.radius[shown], scene.occluder
        assert away[end] + radius[end] < wall.width + 0.01
        assert away[-1 - end] - radius[-1 - end] > wall.width - 0.01
        assert (np.abs(scene.hidden.y - wall.y)[shown] + radius < wall.height + 0.01).all()


def test_distractors_move_in_their_own_time() -> None:
    kind = KINDS[0]
    truth = truth_of(kind, name="distractors")
    scene = draw_scene(NamedDraws("d"), kind.steps, truth, preset_of("distractors"))
    strays = [thing for thing in scene.objects if thing.name.startswith("stray")]
    assert 1 <= len(strays) <= 2
    for stray in strays:
        assert any(np.ptp(t) > 0.01 for t in (stray.x, stray.y, stray.radius, stray.angle))
    plain = draw_scene(NamedDraws("d"), kind.steps, truth, preset_of("plain"))
    assert not [thing for thing in plain.objects if thing.name.startswith("stray")]


def test_names_of_the_command_line() -> None:
    assert named("motions") == motions()
    assert named("motions:long", videos=3, seed=2) == motions("long", videos=3, seed=2)
    for wrong in ("motion", "motions:", "motions:plane", "Motions"):
        with refused(UnknownNameError, expected="plain"):
            named(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"videos": 0},
        {"size": 8},
        {"size": 4097},
        {"size": 112.0},
        {"frames": 3},
        {"frames": (40, 30)},
    ],
)
def test_numbers_that_are_not_accepted(wrong: dict[str, int]) -> None:
    with refused(OptionError, where=next(iter(wrong))):
        motions(**wrong)  # type: ignore[arg-type]


def test_a_video_or_frame_that_is_not_there() -> None:
    benchmark: MotionsBenchmark = motions(videos=1)
    with refused(DataError, got="000-001"):
        benchmark.truth("motions-1-plain/000-001")
    for frame in (48, -1):
        with refused(DataError, got=str(frame)):
            benchmark.render("motions-1-plain/000-000", [0, frame])
    with refused(ShapeError, where="first"):
        correspondence(np.zeros(0), np.zeros(3))
