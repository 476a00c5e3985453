"""Training clips that are all too long: the part that the clips of a class have in common."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.datasets import read_index
from fewact.backbones import Backbone
from fewact.classifier import FewShotClassifier
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.recordings import common_parts
from fewact.classifier.recordings.common_parts import AT_THE_ENDS, margin, most_similar, too_long
from fewact.data import Frames
from fewact.methods.base import Nodes
from fewact.video import EveryNth, read_frames
from tests.classifier.conftest import joined

LABELS = torch.tensor([0, 0, 0, 1, 1])


def similarities(numbers: list[list[int]]) -> Tensor:
    """Return similarities (s w s w) of windows: 1 of equal numbers, else 0."""
    found = torch.tensor(numbers).double()
    return (found[:, :, None, None] == found).double()


# 1 and 2 are the actions; all clips show 9, the other numbers are shown once.
LOOSE = [[9, 11, 1], [1, 12, 9], [13, 1, 9], [2, 9, 14], [9, 2, 15]]
CUT = [[1, 3, 5], [1, 3, 5], [1, 3, 5], [2, 4, 6], [2, 4, 6]]
# Each clip resembles the other class only.
UNLIKE = [[1, 1, 1], [2, 2, 2], [3, 3, 3], [1, 1, 1], [2, 2, 2]]


def test_windows_that_only_one_class_has_are_chosen() -> None:
    assert most_similar(similarities(LOOSE), LABELS).tolist() == [2, 0, 1, 0, 1]


@pytest.mark.parametrize(("numbers", "expected"), [(LOOSE, True), (CUT, False), (UNLIKE, False)])
def test_clips_are_too_long_if_their_ends_differ(numbers: list[list[int]], expected: bool) -> None:
    table = similarities(numbers)
    assert too_long(table, LABELS, most_similar(table, LABELS)) is expected


def test_of_equal_windows_the_middle_is_chosen() -> None:
    table = torch.ones(5, 3, 5, 3).double()
    chosen = most_similar(table, LABELS)
    assert chosen.tolist() == [1] * 5
    assert margin(table, LABELS, chosen) == pytest.approx(0)


def test_the_order_of_clips_changes_nothing() -> None:
    table = torch.randn(5, 4, 5, 4, generator=torch.manual_seed(0)).double()
    table = table + table.permute(2, 3, 0, 1)
    order = torch.tensor([3, 1, 4, 0, 2])
    chosen, shuffled = most_similar(table, LABELS), table[order][:, :, order]
    assert torch.equal(most_similar(shuffled, LABELS[order]), chosen[order])
    assert margin(shuffled, LABELS[order], chosen[order]) == pytest.approx(
        margin(table, LABELS, chosen)
    )


def test_two_clips_get_the_best_of_all_pairs_of_windows() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    table = torch.rand(4, 6, 4, 6, generator=torch.manual_seed(0)).double()
    table = table + table.permute(2, 3, 0, 1)
    outside = table[:2, :, 2:].mean((2, 3))  # (2 w)
    value = -outside - AT_THE_ENDS * torch.linspace(-1, 1, 6).double().square()
    total = 2 * table[0, :, 1] + value[0, :, None] + value[1]  # (w w)
    best = int(total.argmax())
    assert most_similar(table, labels)[:2].tolist() == [best // 6, best % 6]


@pytest.mark.assets
@pytest.mark.slow
def test_actions_of_loose_training_clips_are_found(
    assets: Path, backbone: Backbone, caplog: pytest.LogCaptureFixture
) -> None:
    people = read_index(assets)["utd27_depth"].videos
    clips = {(v.label.split("_")[0], v.group): v for v in reversed(people)}
    actions, other = ("a01", "a05", "a09"), ("a02", "a03", "a04", "a06", "a07", "a08")

    def taught(make: Callable[[str, int], Frames]) -> dict[str, list[Frames]]:
        return {label: [make(label, person) for person in range(1, 5)] for label in actions}

    def cut(label: str, person: int) -> Frames:
        return joined(clips[label, f"s{person}"])

    def loose(label: str, person: int) -> Frames:
        """Return the action between two others that no other clip of the class has."""
        first = actions.index(label) + person
        around = (clips[other[(first + i) % 6], f"s{person}"] for i in (0, 2))
        return joined(next(around), clips[label, f"s{person}"], next(around))

    with caplog.at_level(logging.WARNING, "fewact"):
        assert not any(clip.active for clip in FewShotClassifier(backbone).fit(taught(cut)).clips_)
        assert not caplog.messages
        classifier = FewShotClassifier(backbone).fit(taught(loose))
        assert "12 of 12 training clips" in caplog.text
    spans = [clip.active for clip in classifier.clips_ if clip.active is not None]
    assert len(spans) == 12
    assert all(clip.duration == pytest.approx(2.2) for clip in classifier.clips_)
    assert sum(abs(sum(span) / 2 - 3.3) < 1.1 for span in spans) >= 10
    full = FewShotClassifier(backbone, trim="off").fit(taught(loose))
    assert not any(clip.active for clip in full.clips_)

    def right(fitted: FewShotClassifier) -> int:
        asked = [(label, person) for label in actions for person in (5, 6, 7)]
        return sum(fitted.predict(loose(*one)).label == one[0] for one in asked)

    assert right(classifier) > right(full) + 1


def test_clips_of_one_image_are_used_in_full(
    actions: Path, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common_parts, "CLEAR", torch.inf)
    images = {
        folder.name: [
            Frames(read_frames(path, EveryNth(1))[:1], fps=12, name=path.name)
            for path in sorted(folder.iterdir())
        ]
        for folder in sorted(actions.iterdir())
    }
    classifier = FewShotClassifier(backbone).fit(images)
    assert not any(clip.active for clip in classifier.clips_)


@pytest.mark.slow
def test_only_the_method_of_the_constants_is_searched(
    actions: Path, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []

    def similarity(pipeline: Pipeline, windows: list[list[Nodes]]) -> Tensor:
        compared.append(type(pipeline.method).__name__)
        return torch.eye(len(windows)).double()[:, None, :, None] + 1

    monkeypatch.setattr(common_parts, "_similarity", similarity)
    monkeypatch.setattr(common_parts, "CLEAR", -1)
    for method in ("otam", "fusion"):
        assert not any(
            clip.active for clip in FewShotClassifier(backbone, method).fit(actions).clips_
        )
    assert compared == ["Fusion"]
