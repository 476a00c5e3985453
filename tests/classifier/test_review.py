"""What a model says about its own clips: held-out scores, wrong labels, duplicates, advice."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fewact.classifier import FewShotClassifier
from fewact.classifier.fitted import similarities_by_part
from fewact.classifier.review import (
    LEAST_GAIN,
    cause_of,
    held_out_scores,
    need_of_classes,
    review,
    suspicion,
    to_check,
)
from fewact.data import FeatureClip, list_clips
from fewact.methods.protocols import score_and_pairs
from fewact.networks import Backbone


def kernel(s: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((s, 6))
    return x @ x.T


def slow_scores(pairs: np.ndarray, labels: list[int], n: int) -> np.ndarray:
    """The equation of ``held_out``, clip by clip."""
    s = len(labels)
    same = [pairs[i, j] for i in range(s) for j in range(s) if i != j and labels[i] == labels[j]]
    mean = np.mean(same)
    found = np.full((s, n), np.nan)
    for i in range(s):
        for c in range(n):
            members = [j for j in range(s) if labels[j] == c and j != i]
            k = len(members)
            if k == 0:
                continue
            inside = sum(pairs[a, b] for a in members for b in members if a != b)
            found[i, c] = pairs[i, members].mean() - (inside + k * mean) / k**2 / 2
    return found


def test_held_out_scores_are_those_of_the_equation_and_add_up_over_terms() -> None:
    labels, n = [0, 0, 0, 1, 1, 2, 2, 2, 3], 4
    first, second = kernel(9), kernel(9, seed=1)
    got, other, total = (
        held_out_scores(pairs, np.array(labels), n) for pairs in (first, second, first + second)
    )
    np.testing.assert_allclose(got, slow_scores(first, labels, n), rtol=1e-9)
    assert np.isnan(got).sum() == 1
    np.testing.assert_allclose(got + other, total, atol=1e-12)


def test_a_wrong_label_gains_most_and_two_clips_say_nothing() -> None:
    labels = np.repeat(np.arange(3), 5)
    x = np.eye(3, 6)[labels] + np.random.default_rng(2).standard_normal((15, 6)) / 8
    labels[7] = 2
    gains = suspicion(x @ x.T, held_out_scores(x @ x.T, labels, 3), labels, 0.1)
    assert gains.argmax() == 7
    assert gains[7] > 9
    pair = np.array([0, 1, 0, 1])
    few = kernel(4)
    assert np.isinf(suspicion(few, held_out_scores(few, pair, 2), pair, 0.1)).all()


def test_a_class_that_is_mistaken_and_a_class_of_one_clip_need_more() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 3])
    x = np.eye(4)[labels]
    x[4], x[6] = x[5].copy(), x[3].copy()
    needs = need_of_classes(held_out_scores(x @ x.T, labels, 4), labels, 0.1).tolist()
    assert needs[0] < min(needs[1:])
    assert min(needs[1:3]) > 0.2
    assert needs[3] >= 1


def test_causes() -> None:
    assert cause_of({"appearance": 0.3, "motion": -0.1, "moments": 0.02}) == "appearance"
    assert cause_of({"appearance": 0.1, "motion": 0.1}) == "appearance and motion"
    assert cause_of({"appearance": -0.1, "motion": 0.3}) == "motion"
    assert cause_of({"similarity": 0.2}) == "unknown"


def test_parts_add_up_to_the_similarities_of_the_method(examples: FewShotClassifier) -> None:
    fitted = examples.fitted_
    count = len(fitted.examples.clips)
    parts = similarities_by_part(fitted, range(count))
    assert set(parts) == {"appearance", "motion", "moments"}
    nodes = {name: value[None] for name, value in fitted.examples.nodes.items()}
    pairs = score_and_pairs(fitted.method, fitted.by_class, nodes)[1]
    assert pairs is not None
    np.testing.assert_allclose(np.sum(list(parts.values()), 0), pairs[0], atol=2e-6)
    subset = similarities_by_part(fitted, range(0, count, 2))
    assert subset["motion"].shape == (5, 5)


def test_a_copied_clip_is_found_and_only_then(
    backbone: Backbone, actions: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(actions, tmp_path / "actions")
    classifier = FewShotClassifier(backbone, "pixels").fit(folder)
    assert not review(classifier).duplicates
    shutil.copy(folder / "left" / "clip 0.mp4", folder / "left" / "again.mp4")
    classifier.fit(folder)
    found = review(classifier)
    assert [one.clips for one in found.duplicates] == [("left/again.mp4", "left/clip 0.mp4")]
    (advice,) = (one.text for one in found.advice if one.action == "remove")
    assert advice == "left/again.mp4 and left/clip 0.mp4 are nearly the same clip: keep one."
    assert found.to_dict()["duplicates"][0]["labels"] == ("left", "left")
    for name in ("left/third.mp4", "right/fourth.mp4"):
        shutil.copy(folder / "left" / "clip 0.mp4", folder / name)
    found = review(classifier.fit(folder))
    copies = ("left/again.mp4", "left/clip 0.mp4", "left/third.mp4", "right/fourth.mp4")
    assert [one.clips for one in found.duplicates] == [copies]
    (text,) = (one.text for one in found.advice if "nearly the same" in one.text)
    assert text.startswith(", ".join(copies))
    assert text.endswith("they have different labels: correct them.")


def noisy_clips(classes: int, shots: int, seed: int) -> list[FeatureClip]:
    noise = np.random.default_rng(seed)
    centres = 0.3 * noise.standard_normal((classes, 1, 8))
    return [
        FeatureClip(f"{c}-{i}", (centre + noise.standard_normal((6, 8))).astype(np.float32), str(c))
        for c, centre in enumerate(centres)
        for i in range(shots)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_the_accuracy_and_the_confusions_are_those_of_teach(seed: int) -> None:
    classifier = FewShotClassifier(device="cpu").fit(noisy_clips(3, 3, seed))
    found, taught = review(classifier), classifier.fitted_.calibration
    assert (found.right, found.scored) == (taught.right, taught.held_out)
    assert sum(len(one.clips) for one in found.confusions) == found.scored - found.right
    assert found.accuracy_line.endswith(f"{taught.right} of {taught.held_out}.")


@pytest.mark.parametrize("scale", [1, 30])
def test_advice_is_without_the_word_class_which_the_page_calls_action(scale: float) -> None:
    axes = scale * np.eye(3, 8, dtype=np.float32)
    clips = [
        FeatureClip(one.name, one.vectors + axes[int(one.label)], one.label)
        for one in noisy_clips(3, 3, 1)
    ]
    found = review(FewShotClassifier(device="cpu").fit(clips))
    assert bool(found.confusions) == (scale == 1)
    assert found.advice
    assert not any("class" in one.text for one in found.advice)


def test_more_clips_are_held_out_than_in_teach() -> None:
    classifier = FewShotClassifier(method="protonet", device="cpu").fit(noisy_clips(3, 20, 0))
    found = review(classifier)
    assert (classifier.fitted_.calibration.held_out, found.scored) == (42, 60)
    assert "of 60 (teach held out 42)" in found.accuracy_line


def test_a_clip_that_is_alone_in_its_class_is_not_scored() -> None:
    clips = noisy_clips(3, 3, 1)[2:]
    found = review(FewShotClassifier(device="cpu").fit(clips))
    assert found.scored == 6
    assert not any("0-2" in one.clips for one in found.confusions)


@pytest.mark.slow
def test_a_wrong_label_of_real_clips_is_named_first(assets: Path, backbone: Backbone) -> None:
    folder = assets / "clips" / "utd27_depth"
    numbers, people = (3, 4, 9), range(1, 6)
    clips = [
        clip
        for clip in list_clips(folder)
        if any(clip.path.name.startswith(f"a{a}_s{p}_t1") for a in numbers for p in people)
    ]
    labels = [str(clip.label) for clip in clips]
    assert len(clips) == 15
    wrong = next(i for i, clip in enumerate(clips) if clip.path.name.startswith("a4_s2"))
    right, labels[wrong] = labels[wrong], labels[0]
    found = review(FewShotClassifier(backbone).fit([clip.path for clip in clips], labels))
    assert clips[wrong].path.name in found.suspects[0].clip
    assert found.suspects[0].likely == right
    assert found.advice[0].action == "correct"


def test_suspects_are_separated_from_the_others_by_a_gap() -> None:
    hard = np.linspace(4, 0, 20)
    assert not to_check(hard)[1]
    planted = hard.copy()
    planted[[7, 3]] = 9.0, 8.0
    assert to_check(planted) == ([7, 3], True)
    assert to_check(np.full(20, -np.inf)) == ([], False)
    # Of 100 clips, five may be wrong: more are a hard set.
    many = np.zeros(100)
    many[:5] = 6
    suspects, clear = to_check(many)
    assert (sorted(suspects), clear) == ([0, 1, 2, 3, 4], True)
    many[:6] = 6
    assert to_check(many) == ([0], False)


def test_without_a_clear_suspect_the_most_doubtful_label_is_named() -> None:
    found = review(FewShotClassifier(device="cpu").fit(noisy_clips(2, 5, 4)))
    (suspect,) = found.suspects
    assert not suspect.clear
    assert suspect.gain >= LEAST_GAIN
    assert found.suspects_title == "The most doubtful label, which may be right"
    last = found.advice[-1]
    assert last.action == "correct"
    assert last.text.startswith("If a label may be wrong, check first")
    assert {suspect.label, suspect.likely} == {"0", "1"}


def test_no_label_of_distinct_classes_is_doubtful() -> None:
    assert to_check(np.array([0.5, -np.inf])) == ([], False)
    assert to_check(np.zeros(0)) == ([], False)
    assert to_check(np.array([3.0, 3.5, 3.2])) == ([1], False)
