"""Joints beside the picture: taught, predicted, saved, changed; read, estimated, and missing."""

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.classifier.explain import explain
from fewact.classifier.info import model_info
from fewact.classifier.prediction import Skipped
from fewact.classifier.review import review
from fewact.core.errors import DataError, OptionError
from fewact.data import Frames, read_table
from fewact.data.clips import VideoClip
from fewact.data.joints import JointTrack
from fewact.data.poses.beside import with_joints
from fewact.data.poses.file import write_track
from fewact.networks import Backbone
from fewact.poses import create
from tests.refused import refused

ASSETS = os.environ.get("FEWACT_TEST_ASSETS")
LAYOUT = "5(1-2,3-4):xyc"
ACTIONS = ("reach", "squat", "turn")
ESTIMATOR = "tests.classifier.test_few_shot_joints:painted"
FPS, LENGTH = 10, 20


def body(action: str, seed: int) -> np.ndarray:
    """Return joints (t 15) of a head, two hands and two feet that move as the action says."""
    rng = np.random.default_rng(seed)
    places = np.array([[0.5, 0.2], [0.35, 0.5], [0.65, 0.5], [0.4, 0.9], [0.6, 0.9]])
    track = np.repeat(places[None], LENGTH, 0)
    wave = np.sin(np.linspace(0, np.pi, LENGTH) * rng.uniform(0.95, 1.05))[:, None]
    if action == "reach":
        track[:, 1:3, 1] -= 0.4 * wave
    elif action == "squat":
        track[:, :3, 1] += 0.35 * wave
    else:
        track[:, 1:3, 0] += [[0.15, -0.15]] * wave
    track += rng.uniform(-0.1, 0.1, 2) + rng.normal(0, 0.005, track.shape)
    return np.concatenate([track, np.ones((LENGTH, 5, 1))], -1).reshape(LENGTH, -1)


def pictures(seed: int) -> np.ndarray:
    """Return frames that say nothing of the action: noise."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (LENGTH, 48, 64, 3), np.uint8)


def painted(frames: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Estimate joints: numbers that are painted into the first rows of the pictures."""
    scale = np.asarray(frames).shape[1] // 48
    columns = scale * (2 + 2 * np.arange(10)) + scale
    levels = np.asarray(frames)[:, 2 * scale, columns, 0].astype(np.float32)  # (t 10)
    places = np.concatenate([levels.reshape(-1, 5, 2) / 255, np.ones((len(levels), 5, 1))], -1)
    return places.reshape(len(levels), -1).astype(np.float32)


painted.layout = LAYOUT  # type: ignore[attr-defined]


def with_painted(frames: np.ndarray, joints: np.ndarray) -> np.ndarray:
    levels = joints.reshape(LENGTH, 5, 3)[..., :2].reshape(LENGTH, 10) * 255
    shown = frames.copy()
    for i in range(10):
        shown[:, :5, 2 + 2 * i : 4 + 2 * i] = levels[:, i, None, None, None].astype(np.uint8)
    return shown


def clips(seeds: range, *, joints: bool = True, paint: bool = False) -> list[Frames]:
    made = []
    for number, action in enumerate(ACTIONS):
        for seed in seeds:
            values = body(action, 10 * seed + number)
            frames = pictures(100 * seed + number)
            track = JointTrack(values, LAYOUT) if joints else None
            shown = with_painted(frames, values) if paint else frames
            made.append(Frames(shown, FPS, f"{action} {seed}", action, joints=track))
    return made


@pytest.fixture(scope="module")
def by_joints(backbone: Backbone) -> FewShotClassifier:
    """A classifier taught with two clips of each action; tests must not change it."""
    return FewShotClassifier(backbone).fit(clips(range(2)))


NEW = range(7, 9)


def right(classifier: FewShotClassifier, queries: list[Frames]) -> int:
    answers = classifier.predict(queries)
    return sum(a.best == q.label for a, q in zip(answers, queries, strict=True))


def test_joints_decide_where_the_picture_says_nothing(by_joints: FewShotClassifier) -> None:
    assert by_joints.fitted_.pipeline.joints == LAYOUT
    assert by_joints.fitted_.method.options.joints == LAYOUT
    assert all(clip.joints for clip in by_joints.fitted_.clips)
    assert right(by_joints, clips(NEW)) == 6


def test_a_classifier_of_clips_without_joints_compares_none(backbone: Backbone) -> None:
    classifier = FewShotClassifier(backbone).fit(clips(range(1), joints=False))
    assert classifier.fitted_.pipeline.joints == ""
    assert not any(clip.joints for clip in classifier.fitted_.clips)


def test_a_clip_without_joints_is_compared_by_its_picture_and_said_once(
    by_joints: FewShotClassifier,
) -> None:
    without = clips(NEW, joints=False)
    with pytest.warns(UserWarning, match="picture") as caught:
        answers = by_joints.predict(without)
    assert len(answers) == 6
    assert [LAYOUT in str(warning.message) for warning in caught] == [True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_joints.predict(clips(NEW))


def test_clips_without_joints_are_taught_among_others(backbone: Backbone) -> None:
    some = clips(range(3))
    some = [replace(clip, joints=None) if clip.name.endswith("2") else clip for clip in some]
    classifier = FewShotClassifier(backbone).fit(some)
    assert [clip.joints for clip in classifier.fitted_.clips] == [True, True, False] * 3
    assert right(classifier, clips(NEW)) == 6


def test_other_joints_than_those_of_the_training_clips_skip_a_clip(
    by_joints: FewShotClassifier,
) -> None:
    other = JointTrack(np.ones((4, 6)), "2:xyc")
    (answer,) = by_joints.predict_each([Frames(pictures(1), FPS, joints=other)])
    assert isinstance(answer, Skipped)
    assert "2:xyc" in answer.reason
    assert LAYOUT in answer.reason


def test_training_clips_of_two_layouts_are_refused(backbone: Backbone) -> None:
    several = clips(range(1))
    several[1] = replace(several[1], joints=JointTrack(np.ones((4, 6)), "2:xyc"))
    with refused(DataError, where=several[1].name, got="2:xyc", expected=LAYOUT):
        FewShotClassifier(backbone).fit(several)


def test_a_method_that_compares_no_joints_says_so(backbone: Backbone) -> None:
    with pytest.warns(UserWarning, match="pixels compares no joints"):
        classifier = FewShotClassifier(backbone, "pixels").fit(clips(range(1)))
    assert classifier.fitted_.pipeline.joints == ""


def test_a_saved_classifier_compares_joints_too(
    by_joints: FewShotClassifier, backbone: Backbone, tmp_path: Path
) -> None:
    folder = by_joints.save(tmp_path / "model")
    loaded = FewShotClassifier.load(folder, backbone=backbone)
    queries = clips(NEW)
    assert loaded.predict(queries) == by_joints.predict(queries)
    info = model_info(folder)
    assert (info.joints, info.pose) == (LAYOUT, "off")
    assert info.joints_line == f"6 of 6 clips ({LAYOUT})"


def test_clips_with_joints_are_added_explained_and_reviewed(
    by_joints: FewShotClassifier, backbone: Backbone, tmp_path: Path
) -> None:
    folder = by_joints.save(tmp_path / "model")
    classifier = FewShotClassifier.load(folder, backbone=backbone)
    (new, query, *_) = clips(range(20, 21))
    classifier.add_clips("reach", new)
    assert sum(clip.joints for clip in classifier.fitted_.clips) == 7
    explanation = explain(classifier, query)
    assert explanation.label == "squat"
    assert explanation.contributions["joints"] > 0
    assert all("joints" in neighbour.parts for neighbour in explanation.neighbours)
    assert review(classifier).right == review(classifier).scored


def test_joints_are_found_beside_files_in_a_folder_and_a_table(
    backbone: Backbone, actions: Path, tmp_path: Path
) -> None:
    listed = sorted(actions.glob("*/*.mp4"))
    table = tmp_path / "clips.csv"
    rows = ["path,label,joints"]
    for number, path in enumerate(listed):
        beside = tmp_path / "actions" / path.parent.name / path.name
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(path.read_bytes())
        track = JointTrack(body(ACTIONS[number // 3], number), LAYOUT)
        write_track(beside.with_name(f"{beside.stem}.poses.npz"), track)
        poses = tmp_path / "poses" / path.parent.name / f"{path.stem}.poses.npz"
        write_track(poses, track)
        rows.append(f"{path},{path.parent.name},{poses if number else ''}")
    table.write_text("\n".join(rows))

    def taught(source: Path, **options: Any) -> list[bool]:
        classifier = FewShotClassifier(backbone).fit(source, **options)
        return [clip.joints for clip in classifier.fitted_.clips]

    assert taught(actions) == [False] * 9
    assert taught(tmp_path / "actions") == [True] * 9
    assert taught(tmp_path / "actions", joints="off") == [False] * 9
    assert taught(actions, joints=tmp_path / "poses") == [True] * 9
    assert taught(table) == [False] + [True] * 8


def test_an_estimator_finds_the_joints_of_clips_without_them(
    backbone: Backbone, tmp_path: Path
) -> None:
    pose = create(ESTIMATOR)
    seeds = range(2)
    classifier = FewShotClassifier(backbone, pose=pose)
    classifier.fit(clips(seeds, joints=False, paint=True))
    assert all(clip.joints for clip in classifier.fitted_.clips)
    queries = clips(NEW, joints=False, paint=True)
    assert right(classifier, queries) == 6
    folder = classifier.save(tmp_path / "model")
    assert model_info(folder).pose == ESTIMATOR
    loaded = FewShotClassifier.load(folder, backbone=backbone)
    with pytest.warns(UserWarning, match="picture") as caught:  # its code is not imported
        loaded.predict(queries[0])
    assert ESTIMATOR in str(caught[0].message)
    loaded.save(folder)
    assert model_info(folder).pose == ESTIMATOR
    loaded = FewShotClassifier.load(folder, backbone=backbone, pose=ESTIMATOR)
    assert loaded.predict(queries) == classifier.predict(queries)


def test_an_estimator_of_other_joints_is_refused(
    by_joints: FewShotClassifier, backbone: Backbone, tmp_path: Path
) -> None:
    other = "tests.poses.made_up:brightest"
    with refused(DataError, got="2:xyc", expected=LAYOUT):
        FewShotClassifier(backbone, pose=other).fit(clips(range(1)))
    loaded = FewShotClassifier.load(by_joints.save(tmp_path / "m"), backbone=backbone, pose=other)
    with refused(OptionError, got="2:xyc", expected=LAYOUT):
        loaded.predict(clips(NEW)[0])


def test_an_estimator_that_is_missing_is_said_and_the_picture_compared(
    by_joints: FewShotClassifier,
    backbone: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    missing = f"mediapipe:{tmp_path / 'none.whl'}"
    folder = by_joints.save(tmp_path / "model")
    loaded = FewShotClassifier.load(folder, backbone=backbone, pose=missing)
    with pytest.warns(UserWarning, match="picture") as caught:
        loaded.predict(clips(NEW, joints=False)[0])
    assert "none.whl" in str(caught[0].message)


@pytest.mark.slow
@pytest.mark.skipif(not ASSETS, reason="FEWACT_TEST_ASSETS names no folder of real clips")
def test_joints_help_with_exercises_of_other_people(backbone: Backbone) -> None:
    more = Path(ASSETS or "") / "more"
    listed = read_table(more / "workout7" / "clips.csv")
    groups = {
        label: sorted({c.group for c in listed if c.label == label}, key=str)
        for label in {clip.label for clip in listed}
    }
    first = {(label, group) for label, of_label in groups.items() for group in of_label[::2]}
    training = [clip for clip in listed if (clip.label, clip.group) in first]
    new = [clip for clip in listed if (clip.label, clip.group) not in first]
    counts = []
    for poses in ("off", more / "poses" / "workout7_pose33.npz"):
        classifier = FewShotClassifier(backbone, false_alarms=1.0).fit(training, joints=poses)
        queries: list[VideoClip] = [*with_joints(new, poses)]
        answers = classifier.predict(queries)
        counts.append(sum(a.label == q.label for a, q in zip(answers, queries, strict=True)))
    assert counts[1] >= counts[0] + 5
    assert counts[1] >= 0.8 * len(new)
