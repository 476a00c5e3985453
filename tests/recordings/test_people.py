"""Several subjects in view: each is predicted, and watched, as a clip of its own."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewact import FewShotClassifier
from fewact.classifier.info import thumbnails
from fewact.core.errors import DataError, OptionError
from fewact.data import Clip, Frames, VideoBytes
from fewact.recordings.people import regions_of
from fewact.recordings.watch import watching
from fewact.video import EveryNth, write_video
from fewact.video.track import Box

FPS = 15
SIZE = 120, 160
TAUGHT = ("a04_clap", "a07_basketball_shoot", "a12_bowling")
HALVES = 0, 160
"""Left ends of the clips of two people who stand side by side."""


def frames_of(assets: Path, label: str, person: int, take: int = 1) -> np.ndarray:
    """Return the frames (t h w 3) of a depth clip, about 15 a second."""
    number = int(label[1:3])
    path = assets / "clips/utd27_depth" / label / f"a{number}_s{person}_t{take}_depth.mp4"
    (frames,) = Clip(path).read([EveryNth(2)])
    rows, columns = (np.arange(n) * m // n for n, m in zip(SIZE, frames.shape[1:3], strict=True))
    return np.asarray(frames[:, rows][:, :, columns])


def beside(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return two clips side by side; the shorter one ends with a still person."""
    count = max(len(first), len(second))
    parts = [np.concatenate([x, np.repeat(x[-1:], count - len(x), 0)]) for x in (first, second)]
    return np.concatenate(parts, axis=2)


def alone(frames: np.ndarray) -> np.ndarray:
    """Return a clip in the middle of a picture for two."""
    side = np.zeros((*frames.shape[:2], SIZE[1] // 2, 3), np.uint8)
    return np.concatenate([side, frames, side], axis=2)


@pytest.fixture(scope="module")
def classifier(assets: Path) -> FewShotClassifier:
    clips = {
        label: [Frames(alone(frames_of(assets, label, person)), FPS) for person in (1, 2, 3)]
        for label in TAUGHT
    }
    return FewShotClassifier().fit(clips)


@pytest.mark.slow
def test_each_of_two_people_gets_the_class_of_its_action(
    classifier: FewShotClassifier, assets: Path
) -> None:
    right = 0
    for left, other in [TAUGHT[:2], TAUGHT[1:], (TAUGHT[2], TAUGHT[0])]:
        frames = beside(frames_of(assets, left, 5), frames_of(assets, other, 6))
        answers = [*classifier.predict_regions(Frames(frames, FPS))]
        assert [answer.subject for answer in answers] == ["1", "2"]
        ordered = sorted(answers, key=lambda answer: answer.box.x)
        assert ordered[0].box.x < HALVES[1] < ordered[1].box.x + ordered[1].box.width
        right += sum(a.best == label for a, label in zip(ordered, (left, other), strict=True))
    assert right >= 5  # of 6; without regions both halves get one class


@pytest.mark.slow
def test_what_moves_in_a_doubtful_clip_is_counted(
    classifier: FewShotClassifier, assets: Path
) -> None:
    first, other = frames_of(assets, TAUGHT[0], 5), frames_of(assets, TAUGHT[1], 6)
    two = classifier.predict(Frames(beside(first, other), FPS))
    assert two.known < 0.5
    assert two.movers == 2
    assert classifier.predict(Frames(alone(first), FPS)).movers == 1


@pytest.mark.slow
def test_a_small_subject_before_another_background_is_better_known(
    classifier: FewShotClassifier, assets: Path
) -> None:
    frames = frames_of(assets, TAUGHT[2], 5)[:, ::2, ::2]
    shown = np.full((len(frames), SIZE[0], 2 * SIZE[1], 3), (60, 90, 30), np.uint8)
    place = shown[:, -frames.shape[1] :, : frames.shape[2]]
    place[:] = np.where(frames.max(-1, keepdims=True) < 24, place, frames)
    clip = Frames(shown, FPS)
    (region,) = regions_of(clip, aspect=2 * SIZE[1] / SIZE[0])
    assert region.enlarged
    (answer,) = classifier.predict_regions(clip)
    plain = classifier.predict(region.clip)
    assert answer.probabilities == plain.probabilities
    assert answer.known > plain.known + 0.1


@pytest.mark.slow
def test_one_subject_that_fills_the_picture_is_predicted_as_without_regions(
    classifier: FewShotClassifier, assets: Path
) -> None:
    clip = Frames(frames_of(assets, TAUGHT[0], 5), FPS)
    (answer,) = classifier.predict_regions(clip)
    expected = classifier.predict(clip)
    assert answer.subject == "1"
    assert answer.probabilities == expected.probabilities
    assert answer.known == expected.known


@pytest.mark.slow
def test_the_users_boxes_are_used(
    classifier: FewShotClassifier, assets: Path, tmp_path: Path
) -> None:
    frames = beside(frames_of(assets, TAUGHT[0], 5), frames_of(assets, TAUGHT[2], 6))
    video = write_video(tmp_path / "two.mp4", iter(frames), FPS)
    table = tmp_path / "boxes.csv"
    table.write_text("frame,id,x,y,w,h\n0,anna,60,30,40,80\n0,bob,220,30,40,80\n")
    anna, bob = classifier.predict_regions(video, boxes=table)
    assert (anna.subject, anna.box, anna.best) == ("anna", Box(60, 30, 40, 80), TAUGHT[0])
    assert (bob.subject, bob.box, bob.best) == ("bob", Box(220, 30, 40, 80), TAUGHT[2])
    with pytest.raises(DataError, match="tracks are of a file"):
        [*classifier.predict_regions(Frames(frames, FPS), boxes=table)]


@pytest.mark.slow
def test_events_of_a_recording_have_their_subject_and_box(
    classifier: FewShotClassifier, assets: Path, tmp_path: Path
) -> None:
    order = [(0, 1), (2, 0), (1, 2), (0, 2), (2, 1), (1, 0)]
    parts = [
        beside(frames_of(assets, TAUGHT[a], 5, 1), frames_of(assets, TAUGHT[b], 6, 1))
        for a, b in order
    ]
    video = write_video(tmp_path / "two.mp4", iter(np.concatenate(parts)), FPS)
    with watching(classifier, video, regions=True) as opened:
        events = [*opened.events()]
    assert {event.subject for event in events} == {"1", "2"}
    sides = {(e.subject, e.box[0] + e.box[2] / 2 > HALVES[1]) for e in events if e.box}
    assert len(sides) == 2
    assert all(event.box for event in events)


def test_a_clip_without_a_picture_of_its_own_is_refused(classifier: FewShotClassifier) -> None:
    with pytest.raises(DataError, match="regions need a picture"):
        [*classifier.predict_regions(VideoBytes(b"none"))]


def test_a_camera_is_refused(classifier: FewShotClassifier) -> None:
    with (
        pytest.raises(OptionError, match="subjects are followed"),
        watching(classifier, "rtsp://127.0.0.1/none", regions=True),
    ):
        pass


@pytest.mark.slow
def test_a_table_teaches_one_of_two_people(assets: Path, tmp_path: Path) -> None:
    boxes = "0,0,160,120", "160,0,160,120"
    lines = ["path,label,box"]
    for person in (1, 2, 3):
        parts = [frames_of(assets, label, person) for label in TAUGHT]
        for i, label in enumerate(TAUGHT):
            name = f"{label}_{person}.mp4"
            write_video(tmp_path / name, beside(parts[i], parts[(i + 1) % 3]), fps=FPS)
            lines.append(f'{name},{label},"{boxes[0]}"')
    # The other one of a clip is one of another class.
    lines.append(f'{TAUGHT[0]}_1.mp4,{TAUGHT[1]},"{boxes[1]}"')
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(lines))
    taught = FewShotClassifier().fit(table)
    saved = FewShotClassifier.load(taught.save(tmp_path / "model", thumbnails=True))
    assert [clip.box for clip in saved.clips_[:2]] == [(0, 0, 160, 120)] * 2
    assert f"{TAUGHT[0]}_1.mp4 [160,0 160x120]" in [clip.title for clip in saved.clips_]
    for images in thumbnails(saved).values():
        for _, image in images:
            width, height = Image.open(BytesIO(image)).size
            assert width / height == pytest.approx(4 / 3, abs=0.02)
    # A prediction with the box is that of the part of the picture alone.
    for model in (taught, saved):
        right = 0
        for label in TAUGHT:
            frames = beside(frames_of(assets, label, 5), frames_of(assets, TAUGHT[0], 6))
            video = write_video(tmp_path / "new.mp4", frames, FPS, overwrite=True)
            right += model.predict(Clip(video, box=Box(0, 0, 160, 120))).best == label
        assert right == 3
