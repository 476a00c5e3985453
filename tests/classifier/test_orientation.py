from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from benchmarks.datasets import read_index
from fewact.backbones import Backbone
from fewact.classifier import FewShotClassifier
from fewact.classifier.analysis.explain import explain
from fewact.classifier.example import Example
from fewact.classifier.examples import Examples
from fewact.classifier.orientation import (
    MARGIN,
    ORIENTATIONS,
    Upright,
    best_turns,
    find_rotated,
    find_upright,
    similarity,
)
from fewact.data import Frames, Video
from fewact.data.rotated import RotatedVideo
from fewact.video import Segments, Timeline
from fewact.video.timeline import Ints

LANDSCAPE, PORTRAIT = 4 / 3, 3 / 4


def examples(vectors: torch.Tensor, *aspects: float | None) -> Examples:
    clips = tuple(Example(f"{i}.mp4", "a", aspect=one) for i, one in enumerate(aspects))
    return Examples(clips, {ORIENTATIONS: vectors}, (None,) * len(clips))


def made_up(clips: int, seed: int = 0) -> torch.Tensor:
    """Vectors (s 4 d): what a clip shows, and an orientation that all clips have in common."""
    made = torch.Generator().manual_seed(seed)
    shown = torch.randn(clips, 1, 64, generator=made)
    return torch.nn.functional.normalize(shown + torch.eye(4, 64) * 3, dim=-1)


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_clip_is_rotated_as_the_training_clips(turns: int) -> None:
    vectors = made_up(6)
    upright = Upright(vectors[:5], landscape=True)
    # A clip that was rotated clockwise has its upright vector after as many turns.
    assert upright.turns(vectors[5].roll(turns, 0), "") == turns


def test_a_clip_that_is_upside_down_stays() -> None:
    vectors = made_up(6)
    assert Upright(vectors[:5], landscape=True).turns(vectors[5].roll(2, 0), "") == 0


def test_a_clip_of_unknown_orientation_stays() -> None:
    same = torch.nn.functional.normalize(torch.ones(3, 4, 8), dim=-1)
    assert Upright(same, landscape=True).turns(same[0], "") == 0
    assert best_turns(torch.tensor([[0.1], [0.1 + 0.9 * MARGIN], [0.0]])) == 0
    assert best_turns(torch.tensor([[0.1], [0.1 + 1.1 * MARGIN], [0.0]])) == 1


def test_where_the_similarity_is_unclear_what_the_network_knows_decides() -> None:
    unclear = torch.tensor([[0.1], [0.1], [0.1]])
    known = torch.tensor([0.0, 1.0, 0.0, 0.0])
    assert best_turns(unclear, known) == 1
    assert best_turns(unclear, known.roll(2)) == 3
    assert best_turns(unclear, known.roll(1)) == 0  # upside down
    clear = torch.tensor([[0.2], [0.1], [0.1]])
    assert best_turns(clear, known) == 0


def test_similarity_is_that_of_each_pair() -> None:
    own, training = made_up(3, 1), made_up(4, 2)
    together = similarity(own, training)
    assert together.shape == (3, 3, 4)
    for i in range(3):
        torch.testing.assert_close(similarity(own[i], training), together[i])


@pytest.mark.parametrize(
    ("aspects", "landscape"),
    [
        ((LANDSCAPE, 16 / 9), True),
        ((PORTRAIT, 9 / 16), False),
        ((LANDSCAPE, PORTRAIT), None),
        ((LANDSCAPE, 1.05), None),
        ((LANDSCAPE, None), None),
    ],
)
def test_training_clips_of_one_format_say_what_is_up(
    aspects: tuple[float, float], landscape: bool | None
) -> None:
    found = find_upright(examples(made_up(2), *aspects))
    assert (None if found is None else found.landscape) is landscape


def test_only_clips_of_the_other_format_may_be_rotated() -> None:
    upright = Upright(made_up(2), landscape=True)
    assert [upright.may_be_rotated(one) for one in (PORTRAIT, LANDSCAPE, 1.0, None)] == [
        True,
        False,
        False,
        False,
    ]


def test_examples_without_vectors_say_nothing() -> None:
    clips = (Example("a.mp4", "a", aspect=LANDSCAPE),)
    assert find_upright(Examples(clips, {"x": torch.ones(1, 2)}, (None,))) is None
    assert find_rotated(Examples(clips, {"x": torch.ones(1, 2)}, (None,)), "") == []


def test_training_clips_that_are_rotated_are_named() -> None:
    vectors = made_up(5)
    vectors[3] = vectors[3].roll(1, 0)
    formats = (LANDSCAPE, LANDSCAPE, LANDSCAPE, PORTRAIT, PORTRAIT)
    # The last one is in portrait format, but upright.
    assert find_rotated(examples(vectors, *formats), "") == ["3.mp4"]
    assert find_rotated(
        examples(vectors[3:], PORTRAIT, PORTRAIT), "", Upright(vectors[:3], landscape=True)
    ) == ["0.mp4"]
    assert find_rotated(examples(vectors[2:4], LANDSCAPE, PORTRAIT), "") == []


def test_a_video_is_rotated_when_it_is_read() -> None:
    frames = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    source = Frames(frames, fps=2)
    video = RotatedVideo(source, 1)
    found = video.read([Segments(2)])
    np.testing.assert_array_equal(found[0], np.rot90(frames, 1, (1, 2)))
    assert found.size == (6, 4)
    assert RotatedVideo(source, 2).read([Segments(1)]).size == (4, 6)
    small = video.read([Segments(2)], transform=lambda frame: frame[:1, :1])
    np.testing.assert_array_equal(small[0], np.rot90(frames, 1, (1, 2))[:, :1, :1])
    assert video.fingerprint() != source.fingerprint()
    assert video.changes.endswith("rotated 1")


def every(timeline: Timeline) -> Ints:
    return np.arange(timeline.n)


def rotated(video: Video, turns: int) -> Frames:
    """Return a clip of the test assets, rotated."""
    assert video.source is not None
    (frames,) = RotatedVideo(video.source, turns).read([every])
    return Frames(np.ascontiguousarray(frames), fps=30, name=f"{video.id}, {turns}")


def three_people(assets: Path, name: str) -> list[Video]:
    """Clips of three people of a set, each of three classes once."""
    videos = read_index(assets)[name].videos
    labels, groups = (sorted({getattr(v, of) for v in videos}) for of in ("label", "group"))
    found = {
        (one.label, one.group): one
        for one in videos
        if one.label in labels[:3] and one.group in groups[:3]
    }
    return list(found.values())


@pytest.fixture(scope="module")
def people(assets: Path) -> list[Video]:
    return three_people(assets, "utd27_depth")


@pytest.mark.slow
def test_rotated_real_clips_are_answered_as_upright_ones(
    backbone: Backbone, people: list[Video], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    last = max(one.group or "" for one in people)
    training = [one for one in people if one.group != last]
    classifier = FewShotClassifier(backbone)
    classifier.fit([one.source for one in training], [one.label for one in training])
    assert "rotated by 90°" not in caplog.text
    classifier = FewShotClassifier.load(classifier.save(tmp_path / "model"), backbone=backbone)
    for one in (one for one in people if one.group == last):
        (expected,) = classifier.predict([one.source])
        for turns in (1, 3):
            found = classifier.predict(rotated(one, turns))
            assert found.label == expected.label
            assert found.probability == pytest.approx(expected.probability, abs=0.1)
            assert [text.split(";")[0] for text in found.faults] == ["rotated by 90°"]
        assert expected.faults == ()
    why = explain(classifier, rotated(one, 1))
    assert why.best == expected.best
    with av.open(BytesIO(why.frames[0])) as image:
        height, width, _ = next(image.decode(video=0)).to_ndarray(format="rgb24").shape
    assert width / height == pytest.approx(LANDSCAPE, abs=0.02)
    assert why.probabilities[why.best] == pytest.approx(found.probabilities[why.best], abs=0.05)
    classifier.false_alarms = 1.0
    stream = classifier.stream(fps=30)
    events = [event for frame in 3 * [*rotated(one, 1).array] for event in stream.push(frame)]
    events += stream.close()
    assert "from 1.5 s on the recording is rotated back: it is rotated by 90°" in caplog.text
    assert {event.label for event in events} == {expected.label}
    assert events[0].start >= 1.5
    classifier.add_clips(training[0].label, [rotated(training[0], 1)])
    assert "1 of 1 training clips: rotated by 90°, unlike the others" in caplog.text
