"""Clips that last longer than the training clips."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.datasets import read_index
from fewact.classifier import FewShotClassifier, Prediction
from fewact.classifier.explain import explain
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.search import (
    clearest_window,
    clearness,
    clearness_of,
    encode_windows,
)
from fewact.classifier.windows import FASTEST
from fewact.data import Clip, Frames
from fewact.features import views
from fewact.features.request import DifferenceImageRequest, Features, Request, View
from fewact.networks import Backbone
from fewact.networks.card import Card
from fewact.video import EveryNth, Reading, read_frames
from fewact.video.camera.motion import CameraMotion
from fewact.video.resizing import channels_last
from fewact.video.source import KeepFrames, Span
from tests.classifier.conftest import joined

SPANS, USED = np.array([[0.0, 2], [2, 4], [4, 6]]), np.array([0.0, 6])


@pytest.mark.parametrize(
    ("logits", "known", "best"),
    [
        ([[5, 0], [5, 0], [5, 0]], [1, 1, 1], 1),  # the middle of equal ones
        ([[5, 0], [5, 0], [5, 0]], [3, 1, 1], 0),  # a well known one at the end
        ([[9, 0], [5, 0], [5, 0]], [1, 1, 1], 0),  # a distinct one at the end
        ([[9, 6], [5, 0], [9, 8]], [1, 1, 1], 1),  # large logits of two classes say nothing
    ],
)
def test_the_clearest_window_is_chosen(
    logits: list[list[int]], known: list[int], best: int
) -> None:
    clear = clearness(np.array(logits, float), np.array(known, float))
    assert clearest_window(clear, SPANS, USED) == best


def test_the_window_of_a_known_class_is_chosen() -> None:
    logits = np.array([[0.0, 9], [4, 9], [5, 3]])
    assert clearest_window(clearness_of(logits, 0), SPANS, USED) == 2
    assert clearest_window(clearness_of(logits, 1), SPANS, USED) == 0


@pytest.mark.parametrize(
    ("clear", "best"),
    [
        ([1.0, 1, 1, 1], 0),  # the first of equal ones
        ([2.0, 1, 1, 1], 0),
        ([1.0, 1, 1.1, 1], 2),  # neither loses anything
        ([1.0, 2.5, 1, 1], 0),  # a window at the end loses
        ([1.0, 1, 1, 2.8], 3),  # but can be the clearest
    ],
)
def test_the_full_clip_is_one_more_window_and_loses_nothing(clear: list[float], best: int) -> None:
    assert clearest_window(np.array(clear), np.concatenate([USED[None], SPANS]), USED) == best


@pytest.mark.slow
def test_a_slow_action_is_compared_in_full(
    examples: FewShotClassifier, queries: dict[str, Path]
) -> None:
    """Windows as long as the training clips show a part of it."""
    for label, path in queries.items():
        slow = Frames(np.repeat(read_frames(path, EveryNth(1)), 2, axis=0), fps=12, name=label)
        found = examples.predict(slow)
        assert isinstance(found, Prediction)
        assert (found.label, found.active, found.duration) == (label, None, 2.0)
        assert explain(examples, slow).label == label


@pytest.mark.slow
def test_a_slow_action_is_added_in_full(
    backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    classifier = FewShotClassifier(backbone).fit(actions)
    frames = np.repeat(read_frames(queries["left"], EveryNth(1)), 2, axis=0)
    classifier.add_clips("left", Frames(frames, fps=12, name="slow"))
    added = next(one for one in classifier.fitted_.all_clips if one.name == "slow")
    assert (added.active, added.duration) == (None, 2.0)


def test_windows_of_one_frame_are_not_compared(
    backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    """They show no movement, and there would be very many of them."""
    images = {
        folder.name: [Frames(read_frames(path, EveryNth(1))[:1], fps=12, name=path.name)]
        for folder in sorted(actions.iterdir())
        for path in sorted(folder.iterdir())[:1]
    }
    classifier = FewShotClassifier(backbone).fit(images)
    found = classifier.predict(queries["left"])
    assert isinstance(found, Prediction)
    assert (found.active, found.duration) == (None, 1.0)


@pytest.mark.slow
def test_a_clip_is_decoded_once_for_its_answer_and_the_search(
    backbone: Backbone, actions: Path, queries: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its still ends are left out, and windows of the rest are compared."""
    frames = [read_frames(queries[name], EveryNth(1)) for name in ("right", "left", "right")]
    still = [np.repeat(frames[0][:1], 20, 0), np.repeat(frames[2][-1:], 20, 0)]
    clip = Frames(np.concatenate([still[0], *frames, still[1]]), fps=12, name="long")
    classifier = FewShotClassifier(backbone).fit(actions)
    reads = []
    read = Frames.read

    def counted(self: Frames, *arguments: Any, **options: Any) -> Reading:
        reads.append(self.name)
        return read(self, *arguments, **options)

    monkeypatch.setattr(Frames, "read", counted)
    found = classifier.predict(clip)
    assert isinstance(found, Prediction)
    assert found.active is not None
    assert reads == ["long"]


@pytest.mark.slow
def test_a_static_camera_is_found_once_and_a_moving_one_in_each_window(
    examples: FewShotClassifier, queries: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.concatenate([read_frames(queries["left"], EveryNth(1))] * 3)
    texture = np.random.default_rng(0).integers(0, 60, (*frames.shape[1:3], 1), np.uint8)
    frames = frames // 2 + texture.repeat(4, 0).repeat(4, 1)[: len(texture), : texture.shape[1]]
    moving = np.stack([np.roll(frame, (3 * i, 2 * i), (0, 1)) for i, frame in enumerate(frames)])
    estimates = []
    estimate = views.estimate_camera_motion

    def counted(*arguments: Any, **options: Any) -> CameraMotion:
        estimates.append(estimate(*arguments, **options))
        return estimates[-1]

    monkeypatch.setattr(views, "estimate_camera_motion", counted)
    examples.predict(Frames(frames, fps=12, name="static"))
    assert [each.moved for each in estimates] == [False]
    examples.predict(Frames(moving, fps=12, name="moving"))
    assert estimates[1].moved
    assert len(estimates) > 3


def test_windows_are_those_of_kept_frames(backbone: Backbone, queries: dict[str, Path]) -> None:
    source, span = Clip(queries["left"]), Span(0.0, 1.0)
    keep = KeepFrames(FASTEST, 0.0, 99)

    def resized(frame: np.ndarray) -> np.ndarray:
        return channels_last(backbone.prepare(frame))

    kept = keep.read(source, [EveryNth(1, 1)], resized).kept
    again = encode_windows(source, differences(backbone), [0.4], span)
    windows = encode_windows(source, differences(backbone), [0.4], span, kept=kept)
    assert [one for one, _ in windows] == [one for one, _ in again]
    assert len(windows) == 7
    for (_, nodes), (_, expected) in zip(windows, again, strict=True):
        assert np.array_equal(nodes["images"], expected["images"])


def test_windows_share_their_frames_and_reach_the_end(backbone: Backbone) -> None:
    clip = Frames(np.random.default_rng(0).integers(0, 256, (36, 64, 64, 3), np.uint8), fps=12)
    windows = encode_windows(clip, differences(backbone), [2.0], Span(0.1, 3.0))
    assert [span.start for span, _ in windows] == pytest.approx([0.1, 0.6, 1.0])
    assert [span.end for span, _ in windows] == pytest.approx([2.1, 2.6, 3.0])
    (full,) = encode_windows(clip, differences(backbone), [2.0], Span(0.5, 2.5))
    assert full[0] == (0.5, 2.5)


class DifferenceImages:
    """Encodes a window as its images of differences."""

    request = DifferenceImageRequest(View(32))

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (self.request,)

    def encode(self, features: Features) -> dict[str, np.ndarray]:
        return {"images": features[self.request]}


def differences(backbone: Backbone) -> Pipeline:
    return Pipeline(backbone, DifferenceImages())  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [8, 12, 30])
def test_no_frame_of_a_slow_camera_stands_still_in_a_window(backbone: Backbone, fps: int) -> None:
    """Windows have more frames than such a clip: each is kept once, or it would not move."""
    frames = np.random.default_rng(0).integers(60, 90, (3 * fps, 128, 128, 3), np.uint8)
    for i, frame in enumerate(frames):
        x = 8 + 100 * i // len(frames)
        frame[40:90, x : x + 14] = 220
    frames[:, :40] = frames[:, 90:] = 75
    clip, span = Frames(frames, fps=fps), Span(0.0, 3.0)
    ((_, nodes),) = encode_windows(clip, differences(backbone), [3.0], span)
    changes = nodes["images"][0].reshape(32, -1).mean(1)[1:-1]
    assert changes.min() > np.median(changes) / 2


def test_no_window_depends_on_the_order_of_the_classes() -> None:
    logits = np.random.default_rng(0).standard_normal((3, 4))
    np.testing.assert_array_equal(
        clearness(logits, np.zeros(3)), clearness(logits[:, ::-1], np.zeros(3))
    )


@pytest.mark.assets
@pytest.mark.slow
def test_the_action_between_other_actions_is_found(assets: Path, backbone: Backbone) -> None:
    people = read_index(assets)["utd27_depth"].videos
    clips = {(v.label.split("_")[0], v.group): v for v in reversed(people)}
    taught = {
        label: [clips[label, person].clip for person in ("s1", "s2")]
        for label in ("a01", "a05", "a09")
    }
    classifier = FewShotClassifier(backbone).fit(taught)
    found = right = 0
    for label in taught:
        for person in ("s5", "s6"):
            own = clips[label, person]
            (alone, loose) = (
                classifier.predict(joined(*some))
                for some in ([own], [clips["a06", person], own, clips["a11", person]])
            )
            assert isinstance(alone, Prediction)
            assert isinstance(loose, Prediction)
            assert alone.active is None
            assert loose.active is not None
            assert loose.duration == pytest.approx(loose.active.end - loose.active.start)
            found += abs(sum(loose.active) / 2 - 3.3) < 1.1
            right += loose.label == label
    assert (found, right) >= (5, 5)
    added = joined(clips["a06", "s7"], clips["a01", "s7"], clips["a11", "s7"])
    classifier.add_clips("a01", replace(added, name="added"))
    example = next(one for one in classifier.fitted_.all_clips if one.name == "added")
    assert example.active is not None
    assert sum(example.active) / 2 == pytest.approx(3.3, abs=1.1)
    why = explain(classifier, joined(clips["a06", "s5"], clips["a01", "s5"], clips["a11", "s5"]))
    assert why.label == "a01"
    classifier.trim = "off"
    full = classifier.predict(joined(*[clips["a01", "s5"]] * 3))
    assert isinstance(full, Prediction)
    assert full.active is None
    classifier.add_clips("a05", replace(joined(*[clips["a05", "s7"]] * 3), name="in full"))
    assert next(one for one in classifier.fitted_.all_clips if one.name == "in full").active is None
