import warnings
from pathlib import Path

import pytest
import torch

from fewact.backbones import Backbone, pinned
from fewact.classifier import FewShotClassifier, uprightness
from fewact.classifier.analysis.explain import explain
from fewact.classifier.estimator import learned
from fewact.classifier.revision import Lesson, Revision
from fewact.classifier.saved.info import model_info
from fewact.classifier.uprightness import DEVIATION, common_turns, scores_of
from fewact.core.errors import WeightsError
from fewact.data import Clip, Video
from fewact.page.worker import ROTATED, Worker
from fewact.synthetic import motions
from fewact.video import write_video
from tests.classifier.test_orientation import LANDSCAPE, rotated, three_people


def names(count: int) -> list[str]:
    return [f"{i}.mp4" for i in range(count)]


def scores(count: int, greater: float) -> torch.Tensor:
    """Scores (s 4) of clips that are upright after a quarter turn."""
    return torch.tensor([0.0, greater, 0.0, 0.0]).double().repeat(count, 1)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_clips_that_are_all_rotated_are_found(turns: int) -> None:
    found = scores(9, 1.0).roll(turns - 1, -1)
    assert common_turns(found, names(9)) == turns


def test_few_clips_have_to_differ_more() -> None:
    least = 3 * DEVIATION / 2**0.5
    assert common_turns(scores(2, least - 0.01), names(2)) == 0
    assert common_turns(scores(2, least + 0.01), names(2)) == 1
    assert common_turns(scores(100, 0.49), names(100)) == 0
    assert common_turns(scores(100, 0.51), names(100)) == 1


def test_clips_of_one_recording_count_as_one() -> None:
    assert common_turns(scores(9, 1.0), ["game.mp4"] * 9) == 0
    assert common_turns(scores(9, 1.0), names(9)) == 1


def test_clips_that_disagree_stay() -> None:
    found = scores(10, 2.0)
    found[:3] = found[:3].roll(-1, -1)  # These are upright.
    # The mean is 0.8: enough for ten clips that deviate as usual, too little for these.
    assert common_turns(found, names(10)) == 0


def test_of_an_unknown_network_nothing_is_known() -> None:
    assert scores_of(torch.ones(3, 4, 8), "") is None


def test_other_directions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uprightness, "DIRECTIONS_SHA256", "0" * 64)
    uprightness._directions.cache_clear()
    with pytest.raises(WeightsError, match="directions of upright vectors"):
        scores_of(torch.ones(3, 4, 1280), pinned.LITE0.tensors_sha256)


def test_there_are_directions_of_the_networks_of_each_quality() -> None:
    for sha256, size in ((pinned.LITE0.tensors_sha256, 1280), (pinned.LITE0_LITE1_SHA256, 2560)):
        found = scores_of(torch.ones(3, 4, size), sha256)
        assert found is not None
        torch.testing.assert_close(found, torch.zeros(3, 4).double())


@pytest.fixture(scope="module")
def people(assets: Path) -> list[Video]:
    return three_people(assets, "utd5_rgb")


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.slow
def test_clips_that_are_all_rotated_are_answered_as_upright_ones(
    backbone: Backbone,
    people: list[Video],
    turns: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    last = max(one.group or "" for one in people)
    training = [one for one in people if one.group != last]
    labels = [one.label for one in training]
    upright = FewShotClassifier(backbone).fit([one.source for one in training], labels)
    assert learned(upright)[0].turns == 0
    assert "seem to be rotated" not in caplog.text
    classifier = FewShotClassifier(backbone)
    classifier.fit([rotated(one, turns) for one in training], labels)
    assert caplog.text.count(f"seem to be rotated by {180 if turns == 2 else 90}°") == 1
    folder = classifier.save(tmp_path / "model")
    classifier = FewShotClassifier.load(folder, backbone=backbone)
    assert learned(classifier)[0].turns == model_info(folder).turns == 4 - turns
    degrees = f"rotated by {360 - 90 * turns}° counter-clockwise"
    assert degrees in (folder / "README.md").read_text(encoding="utf-8")
    new = [one for one in people if one.group == last]
    for one in new:
        (expected,) = upright.predict([one.source])
        found = classifier.predict(rotated(one, turns))
        assert found.label == expected.label
        assert found.probability == pytest.approx(expected.probability, abs=0.1)
        assert found.faults == expected.faults == ()
        if turns != 2:  # The format differs from that of the training clips.
            (again,) = classifier.predict([one.source])
            assert again.probabilities == pytest.approx(found.probabilities, abs=0.1)
            assert again.faults == ()
    why = explain(classifier, rotated(new[0], turns))
    assert why.best == upright.predict([new[0].source])[0].label
    clips = [*training, new[0]]
    classifier.add_clips(new[0].label, [rotated(new[0], turns)])
    assert [clip.aspect for clip in classifier.clips_] == pytest.approx(
        [LANDSCAPE] * len(clips), abs=0.02
    )
    classifier.fit([one.source for one in training], labels)
    assert learned(classifier)[0].turns == 0


@pytest.mark.slow
def test_files_of_a_page_that_are_all_rotated_are_encoded_upright(
    backbone: Backbone,
    people: list[Video],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = max(one.group or "" for one in people)
    files = {one: tmp_path / f"{number}.mp4" for number, one in enumerate(people)}
    for one, file in files.items():
        write_video(file, rotated(one, 1).array, 30)
    training = [one for one in people if one.group != last]
    lessons = [Lesson((files[one].name, None, None, 0), one.label, one.id) for one in training]
    revision = Revision(FewShotClassifier(backbone))
    for one in training:
        revision.encode(Clip(files[one]))
    revision.teach(lessons)
    assert caplog.text.count("seem to be rotated by 90°") == 1
    assert learned(revision.classifier)[0].turns == 3
    assert revision.rotates
    direct = FewShotClassifier(backbone)
    direct.fit([files[one] for one in training], [one.label for one in training])
    (first, *new) = (one for one in people if one.group == last)
    for one in new:
        expected, found = (model.predict(files[one]) for model in (direct, revision.classifier))
        assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
        assert found.label == one.label
    revision.encode(Clip(files[first]))
    revision.teach([*lessons, Lesson((files[first].name, None, None, 0), first.label, first.id)])
    aspects = [clip.aspect for clip in revision.classifier.clips_]
    assert aspects == pytest.approx([LANDSCAPE] * (len(training) + 1), abs=0.02)
    assert caplog.text.count("seem to be rotated") == 2  # by this page, and by ``direct``
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the worker replaces it
    model = revision.classifier.save(tmp_path / "model")
    assert Worker(str(model), {"device": "cpu", "engine": "auto"}).review()[0] == ROTATED


@pytest.mark.slow
def test_a_recording_of_the_same_camera_is_rotated_as_the_training_clips(
    backbone: Backbone, people: list[Video], caplog: pytest.LogCaptureFixture
) -> None:
    last = max(one.group or "" for one in people)
    training = [one for one in people if one.group != last]
    classifier = FewShotClassifier(backbone, false_alarms=1.0)
    classifier.fit([rotated(one, 1) for one in training], [one.label for one in training])
    (new, *_) = (one for one in people if one.group == last)
    found = []
    for turns in (1, 0):
        stream = classifier.stream(fps=30)
        pushed = 3 * [*rotated(new, turns).array]
        events = [event for frame in pushed for event in stream.push(frame)]
        found.append({event.label for event in events + stream.close()})
    assert found[0] == found[1] == {classifier.predict(rotated(new, 1)).label}
    assert "the recording is compared as it is: it is upright" in caplog.text
    assert "the recording is rotated back" not in caplog.text


def test_rendered_videos_have_no_orientation(backbone: Backbone) -> None:
    videos = motions("misaligned", videos=1).videos.of("test").videos[:8]
    classifier = FewShotClassifier(backbone)
    classifier.fit([rotated(one, 0) for one in videos], [one.label for one in videos])
    assert learned(classifier)[0].turns == 0
