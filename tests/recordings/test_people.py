"""Several subjects in view: each is predicted as a clip of its own."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fewact import FewShotClassifier
from fewact.classifier.info import thumbnails
from fewact.core.errors import DataError
from fewact.data import Clip, Frames, VideoBytes
from fewact.recordings.people import predict_regions, regions_of
from fewact.video import write_video
from fewact.video.track import Box
from tests.recordings.two_people import FPS, HALVES, SIZE, TAUGHT, alone, beside, frames_of


@pytest.mark.slow
def test_each_of_two_people_gets_the_class_of_its_action(
    people: FewShotClassifier, assets: Path
) -> None:
    right = 0
    for left, other in [TAUGHT[:2], TAUGHT[1:], (TAUGHT[2], TAUGHT[0])]:
        frames = beside(frames_of(assets, left, 5), frames_of(assets, other, 6))
        answers = [*predict_regions(people, Frames(frames, FPS))]
        assert [answer.subject for answer in answers] == ["1", "2"]
        ordered = sorted(answers, key=lambda answer: answer.box.x)
        assert ordered[0].box.x < HALVES[1] < ordered[1].box.x + ordered[1].box.width
        right += sum(a.best == label for a, label in zip(ordered, (left, other), strict=True))
    assert right >= 5  # of 6; without regions both halves get one class


@pytest.mark.slow
def test_what_moves_in_a_doubtful_clip_is_counted(people: FewShotClassifier, assets: Path) -> None:
    first, other = frames_of(assets, TAUGHT[0], 5), frames_of(assets, TAUGHT[1], 6)
    two = people.predict(Frames(beside(first, other), FPS))
    assert two.known < 0.5
    assert two.movers == 2
    assert people.predict(Frames(alone(first), FPS)).movers == 1


@pytest.mark.slow
def test_a_small_subject_before_another_background_is_better_known(
    people: FewShotClassifier, assets: Path
) -> None:
    frames = frames_of(assets, TAUGHT[2], 5)[:, ::2, ::2]
    shown = np.full((len(frames), SIZE[0], 2 * SIZE[1], 3), (60, 90, 30), np.uint8)
    place = shown[:, -frames.shape[1] :, : frames.shape[2]]
    place[:] = np.where(frames.max(-1, keepdims=True) < 24, place, frames)
    clip = Frames(shown, FPS)
    (region,) = regions_of(clip, aspect=2 * SIZE[1] / SIZE[0])
    assert region.enlarged
    (answer,) = predict_regions(people, clip)
    plain = people.predict(region.clip)
    assert answer.probabilities == plain.probabilities
    assert answer.known > plain.known + 0.1


@pytest.mark.slow
def test_one_subject_that_fills_the_picture_is_predicted_as_without_regions(
    people: FewShotClassifier, assets: Path
) -> None:
    clip = Frames(frames_of(assets, TAUGHT[0], 5), FPS)
    (answer,) = predict_regions(people, clip)
    expected = people.predict(clip)
    assert answer.subject == "1"
    assert answer.probabilities == expected.probabilities
    assert answer.known == expected.known


@pytest.mark.slow
def test_the_users_boxes_are_used(people: FewShotClassifier, assets: Path, tmp_path: Path) -> None:
    frames = beside(frames_of(assets, TAUGHT[0], 5), frames_of(assets, TAUGHT[2], 6))
    video = write_video(tmp_path / "two.mp4", iter(frames), FPS)
    table = tmp_path / "boxes.csv"
    table.write_text("frame,id,x,y,w,h\n0,anna,60,30,40,80\n0,bob,220,30,40,80\n")
    anna, bob = predict_regions(people, video, boxes=table)
    assert (anna.subject, anna.box, anna.best) == ("anna", Box(60, 30, 40, 80), TAUGHT[0])
    assert (bob.subject, bob.box, bob.best) == ("bob", Box(220, 30, 40, 80), TAUGHT[2])
    with pytest.raises(DataError):
        [*predict_regions(people, Frames(frames, FPS), boxes=table)]


def test_a_clip_without_a_picture_of_its_own_is_refused(people: FewShotClassifier) -> None:
    with pytest.raises(DataError):
        [*predict_regions(people, VideoBytes(b"none"))]


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
    assert [clip.box for clip in saved.fitted_.clips[:2]] == [(0, 0, 160, 120)] * 2
    assert f"{TAUGHT[0]}_1.mp4 [160,0 160x120]" in [clip.title for clip in saved.fitted_.clips]
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
