"""None of these: scores against a slow reference, thresholds, and clips of untaught actions."""

import math
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact import FewShotClassifier
from fewact.classifier import NONE, OpenSet
from fewact.classifier.names import Example
from fewact.classifier.unknown import (
    ANY_CLASS,
    describe,
    fit_open_set,
    mean_of_other_groups,
    needed_clips,
    promise_to_other_groups,
)
from fewact.core.errors import DataError, OptionError
from fewact.data import Clip, FeatureClip, labelled_features
from fewact.methods.common.known import NONE_WEIGHT, OTHERS_WEIGHT, intra_class, known_scores
from fewact.networks import Backbone
from tests.classifier.conftest import render

LABELS = [0, 0, 0, 1, 1, 2]


def symmetric(size: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((size, size))
    return values + values.T


def slow_similarities(
    row: np.ndarray, pairs: np.ndarray, labels: list[int], left_out: set[int]
) -> dict[int, float]:
    """g of the module's equation for one clip with similarities ``row``, by class."""
    every = list(range(len(labels)))
    level = [pairs[i, j] for i in every for j in every if i != j and labels[i] == labels[j]]
    m = float(np.mean(level)) if level else 0.0
    similarity = {}
    for c in sorted(set(labels)):
        clips = [i for i in every if labels[i] == c and i not in left_out]
        if clips:
            inside = np.mean([m if i == j else pairs[i, j] for i in clips for j in clips])
            similarity[c] = float((np.mean(row[clips]) - inside / 2) / 2 + max(row[clips]) / 2)
    return similarity


def slow_score(values: list[float]) -> float:
    """The known score of the module's equation, from g of all classes."""
    best = max(values)
    rest = (sum(values) - best) / (len(values) - 1) if len(values) > 1 else best
    return best - OTHERS_WEIGHT * rest


@pytest.mark.parametrize(
    "groups", [[None] * 6, ["a", "a", "b", "a", "b", "a"], ["a", "b", "c", "a", "b", "c"]]
)
def test_scores_match_the_equation(groups: list[str | None]) -> None:
    pairs, labels = symmetric(6), np.array(LABELS)
    got = fit_open_set(pairs, range(6), labels, 3, groups)
    names = [i if g is None else g for i, g in enumerate(groups)]

    def similarities(i: int, left_out: set[int]) -> dict[int, float]:
        return slow_similarities(pairs[i], pairs, LABELS, left_out)

    known, without = [], []
    for i in range(6):
        same = {j for j in range(6) if names[j] == names[i]}
        own = {j for j in range(6) if LABELS[j] == LABELS[i]}
        if own - same:
            known.append(slow_score([*similarities(i, same).values()]))
        without.append(similarities(i, own | same if len(own | same) < 6 else own))
    untaught = [
        np.mean(
            [
                slow_score([*without[i].values(), without[j][LABELS[i]]])
                for j in range(6)
                if LABELS[j] != LABELS[i] and LABELS[i] in without[j]
            ]
        )
        for i in range(6)
    ]
    assert got.known == pytest.approx(known)
    assert got.untaught == pytest.approx(untaught)
    new = symmetric(6, seed=1)[:4]
    inside = np.array(got.inside)
    expected = [slow_score([*slow_similarities(row, pairs, LABELS, set()).values()]) for row in new]
    assert known_scores(new, labels, inside).tolist() == pytest.approx(expected)
    beside = np.array([1.0, 2.0, 3.0, 4.0])
    lower = [x - NONE_WEIGHT * y for x, y in zip(expected, beside.tolist(), strict=True)]
    assert known_scores(new, labels, inside, beside).tolist() == pytest.approx(lower)


@pytest.mark.slow
def test_thousands_of_clips_need_memory_in_proportion() -> None:
    """No operation makes a value for each pair of clips times each class: 1.6 GB of them here."""
    n, s = 200, 5000
    labels, rows = np.arange(s) // (s // n), range(0, s, s // n)
    pairs = np.random.default_rng(0).standard_normal((n, s))
    tracemalloc.start()
    try:
        got = fit_open_set(pairs, rows, labels, n, [None] * s)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(got.known) == len(got.untaught) == n
    assert most <= 10 * 8 * n * s


def test_clips_of_no_class_are_scored_without_their_group() -> None:
    pairs = np.arange(16.0).reshape(4, 4)
    every = mean_of_other_groups(pairs, range(4), [None] * 4)
    assert every.tolist() == pytest.approx([2.0, (4 + 6 + 7) / 3, 28 / 3, (12 + 13 + 14) / 3])
    grouped = mean_of_other_groups(pairs, range(4), ["a", "a", "b", None])
    assert grouped[0] == pytest.approx(2.5)
    alone = mean_of_other_groups(pairs, range(4), ["a"] * 4)
    assert alone.tolist() == pytest.approx(every.tolist())
    assert mean_of_other_groups(pairs[:, [0, 2]], [0, 2], [None] * 4)[0] == 2.0


@settings(max_examples=60)
@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=40),
    st.sampled_from([0.05, 0.1, 0.25, 0.5, 1 - 1e-10]),
    st.floats(-6, 6),
)
def test_the_threshold_is_the_conformal_one(none: list[float], rate: float, new: float) -> None:
    decision = OpenSet((), (0.0, 1.0), (0.0, 0.0), tuple(none)).decision(rate)
    possible = max(rate, 1 / (len(none) + 1))
    p_value = (1 + sum(score >= new for score in none)) / (len(none) + 1)
    assert (new >= decision.threshold) == (p_value <= possible + 1e-12)
    assert decision.promised <= possible + 1e-12
    assert (decision.promised > rate) == (len(none) < needed_clips(rate))


def test_the_promise_is_kept_on_draws_from_one_distribution() -> None:
    rng = np.random.default_rng(0)
    got = []
    for _ in range(2000):
        scores = rng.standard_normal(30)
        decision = OpenSet((), (0.0, 1.0), (0.0, 0.0), tuple(scores[:-1])).decision(0.1)
        got.append(scores[-1] >= decision.threshold)
    assert decision.promised == 0.1
    assert abs(np.mean(got) - 0.1) < 4 * math.sqrt(0.09 / 2000)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), st.integers(0, 5), st.data())
def test_the_promise_to_other_groups_is_the_largest_p_value(
    sizes: list[int], above: int, data: st.DataObject
) -> None:
    """Any clips may be the highest: no choice of them exceeds the promise, and one reaches it."""
    group = [g for g, size in enumerate(sizes) for _ in range(size)]
    above = min(above, len(group))
    promised = promise_to_other_groups(above + 1, sizes)
    chosen = data.draw(st.permutations(group))[:above]
    smallest = [g for g in sorted(set(group), key=lambda g: sizes[g]) for _ in range(sizes[g])]
    found = [1 + sum(1 / sizes[g] for g in some) for some in (chosen, smallest[:above])]
    assert found[0] / (len(sizes) + 1) <= promised + 1e-9
    assert found[1] / (len(sizes) + 1) == pytest.approx(promised)
    alone = promise_to_other_groups(above + 1, [1] * 9)
    assert alone == pytest.approx(min(above + 1, 10) / 10)


def test_false_alarms_of_other_people_exceed_the_promise_to_the_same_people_alone() -> None:
    """Scores differ from one person to the next, and within a person a little."""
    rng = np.random.default_rng(0)
    got = []
    for _ in range(4000):
        people = rng.standard_normal(5)
        scores = (people[:4, None] + rng.standard_normal((4, 5)) / 4).ravel()
        found = OpenSet((), (0.0, 1.0), (0.0, 0.0), tuple(scores), (5,) * 4).decision(0.15)
        got.append(people[4] + rng.standard_normal() / 4 >= found.threshold)
    assert found.promised_other_groups == pytest.approx((1 + 2 / 5) / 5)
    assert found.promised + 0.03 < np.mean(got) <= found.promised_other_groups + 0.02


def test_teach_says_whom_the_promise_is_about() -> None:
    nine = tuple(float(i) for i in range(9))

    def lines(groups: tuple[int, ...]) -> str:
        return "\n".join(describe(OpenSet((), (0.0, 1.0), (0.0, 0.0), nine, groups)))

    assert "people and places may differ: with a folder" in lines(())
    clips = [Example(f"{i}.mp4", "none", group="anna" if i else None) for i in range(9)]
    loose = "\n".join(describe(OpenSet((), (0.0, 1.0), (0.0, 0.0), nine), none_clips=clips))
    assert '1 of 9 clips in "none" has no group; move it into a folder' in loose
    assert "with a folder for each" not in loose
    assert "than the 3 in" in lines((3, 3, 3))
    assert "at most 25 %" in lines((3, 3, 3))
    assert "places" not in lines((1,) * 9)


def test_decisions_without_clips_of_no_class() -> None:
    scores = OpenSet(tuple(float(i) for i in range(29)), (-1.0, 1.0), (0.0, 0.0))
    estimate = scores.decision(0.5)
    assert (estimate.basis, estimate.threshold) == ("training clips, estimated", 0.0)
    assert scores.decision(0.05).threshold > scores.decision(0.2).threshold
    few = OpenSet((), (-1.0, 1.0, 0.0), (0.0, 0.0, 0.0)).decision(0.1).threshold
    assert few == pytest.approx(2 * 1.28155 * math.sqrt(4 / 3), abs=1e-4)
    for part, one in ((0.35, scores), (0.55, replace(scores, grouped=True, recordings=(15, 14)))):
        expected = math.sqrt((2.0 + 4 * (part * 14.0) ** 2) / 5 * 1.5)
        assert one.decision(0.1).threshold == pytest.approx(1.28155 * expected, abs=1e-4)
    assert scores.decision(1).threshold == -math.inf
    for rate in (0, -0.1, 1.1, math.nan):
        with pytest.raises(OptionError):
            scores.decision(rate)


def gaussian_draws(
    ways: int, shots: int, draws: int
) -> Iterator[tuple[FewShotClassifier, list[FeatureClip], list[FeatureClip]]]:
    """Yield classifiers of classes around random centres, and new clips of theirs and of others."""
    rng = np.random.default_rng(ways)
    for _ in range(draws):
        centres = rng.standard_normal((2 * ways, 12))

        def some(number: int, count: int, centres: np.ndarray = centres) -> list[FeatureClip]:
            vectors = centres[number] + 0.6 * rng.standard_normal((count, 4, 12))
            return [
                FeatureClip(f"{number}/{i}", one.astype(np.float32), label=f"class {number}")
                for i, one in enumerate(vectors)
            ]

        training = [clip for c in range(ways) for clip in some(c, shots)]
        classifier = FewShotClassifier(method="protonet").fit(training)
        known = [clip for c in range(ways) for clip in some(c, 6)]
        yield classifier, known, [clip for c in range(ways, 2 * ways) for clip in some(c, 6)]


@pytest.mark.parametrize("ways", [2, 3, 5])
def test_without_clips_of_no_class_other_classes_are_told_apart_and_rates_hold(ways: int) -> None:
    """With two classes, no other class is left to which the clips of one could be compared."""
    known, unknown, alarms = [], [], []
    for classifier, taught, others in gaussian_draws(ways, 3, 30):
        found = classifier.predict([*taught, *others])
        known += [one.known for one in found[: len(taught)]]
        unknown += [one.known for one in found[len(taught) :]]
        classifier.false_alarms = 0.1
        alarms += [one.label != NONE for one in classifier.predict(others)]
    assert np.mean(known) > 0.9
    assert np.mean(unknown) < 0.45
    assert np.mean(alarms) < 0.15


def test_an_untaught_clip_that_no_other_can_complete_is_compared_with_the_classes_left() -> None:
    pairs, labels = symmetric(6), np.array(LABELS)
    alone = fit_open_set(pairs[:1], [0], labels, 3, [None] * 6)
    own = labels[None] == labels[0]
    inside = intra_class(pairs[:1], [0], labels, 3, own)
    kept = known_scores(pairs[:1], labels, inside, left_out=own)
    assert alone.untaught == pytest.approx(kept.tolist())


def test_scores_relative_to_unknown_and_known_clips() -> None:
    apart = OpenSet((3.0, 5.0), (0.0, 2.0), (0.0, 0.0))
    assert [apart.relative(score) for score in (1.0, 4.0, 2.5)] == pytest.approx([0, 1, 0.5])
    assert apart.relative(-math.inf) == -math.inf
    same = OpenSet((1.0, 1.0), (1.0, 1.0), (0.0, 0.0))
    assert same.relative(3.0) == 2.0


def test_the_known_probability_follows_the_scores() -> None:
    apart = OpenSet((3.0, 4.0, 5.0), (-1.0, 0.0, 1.0), (0.0, 0.0), grouped=True, recordings=(3, 2))
    assert apart.known_probability(4 * (0.5 + 0.5 / 5)) == pytest.approx(0.5)
    assert apart.known_probability(4.0) > 0.9
    assert apart.known_probability(0.0) < 0.05
    alike = OpenSet((-1.0, 0.0, 1.0), (-1.0, 0.0, 1.0), (0.0, 0.0))
    assert alike.known_probability(9.0) == 0.5
    one_shot = OpenSet((), (-1.0, 0.0, 1.0), (0.0, 0.0, 0.0))
    assert one_shot.known_probability(1.0) == pytest.approx(0.5)  # a deviation counts twice
    assert 0.5 < one_shot.known_probability(2.0) < 0.8


@pytest.mark.parametrize("other", [1.0, 1.001])
def test_two_clips_of_two_classes_say_nothing_about_others(other: float) -> None:
    """Both scores are of the same two clips: they differ by rounding alone."""
    two = OpenSet((), (1.0, other), (0.0, 0.0))
    assert two.known_probability(2.0) == two.known_probability(-2.0) == 0.5
    assert two.relative(3.0) == pytest.approx(2.0, abs=0.01)
    assert two.decision(0.05) == two.decision(0.5)
    assert two.decision(0.05).promised == 1
    assert "one recording of each of two classes does not say" in "\n".join(describe(two, 0.05))
    assert OpenSet((), (1.0, other), (0.0, 0.0), (0.0, 0.5)).known_probability(2.0) > 0.5


def test_clips_of_one_person_say_little_about_others() -> None:
    """Nearly equal clips do not make a new one impossible, and it may be farther from them."""
    equal = (4.0, 4.001, 4.002), (0.0, 0.001, 0.002), (0.0, 0.0)
    grouped = OpenSet(*equal, grouped=True, recordings=(50, 50))
    unknown = OpenSet(*equal)
    assert 0.001 < grouped.known_probability(0.0) < 0.01
    assert 0.99 < grouped.known_probability(4.0) < 0.999
    assert grouped.known_probability(1.5) < 0.2 < 0.5 < unknown.known_probability(1.5)
    assert unknown.known_probability(-0.4) < 0.2
    with_none = OpenSet(*equal, none=(0.0, 0.001))
    assert with_none.known_probability(1.5) == pytest.approx(
        grouped.known_probability(1.5), abs=0.01
    )
    assert OpenSet((1.0, 1.0), (0.0, 0.0), (0.0, 0.0)).known_probability(1.0) > 0.95


def test_the_text_says_what_cannot_be_promised() -> None:
    few = OpenSet((1.0, 2.0), (0.0, 1.0), (0.0, 0.0), tuple(float(i) for i in range(10)))
    text = "\n".join(describe(few, 0.05))
    assert "at most 10 % of other clips like the 10" in text
    assert "5 % cannot be promised: needs 19 clips" in text
    nearly = replace(few, none=tuple(float(i) for i in range(18)))
    assert "at most 6 % of other clips like the 18" in "\n".join(describe(nearly, 0.05))
    assert 'Of 2 held-out training clips 2 would be "(none)"; of clips of new people' in text
    assert "new people" not in "\n".join(describe(replace(few, grouped=True), 0.05))
    assert "teach more clips of each class, or allow more false alarms" in text
    enough = "\n".join(describe(few))
    assert "cannot be promised" not in enough
    without = OpenSet((1.0, 2.0), (0.0, 1.0), (0.0, 0.0))
    assert "rough estimate" in "\n".join(describe(without, 0.05))
    assert "Most classes have one recording" in "\n".join(describe(without))
    several = replace(without, grouped=True, recordings=(2, 3))
    assert "about 10 % of clips of the classes are" in "\n".join(describe(several))
    assert "from 2 to 3 recordings of each class" in "\n".join(describe(several))
    people = replace(several, recordings=(2, 2))  # the same two may show both
    assert "from 2 recordings of each class" in "\n".join(describe(people))
    ungrouped = "\n".join(describe(replace(several, grouped=False)))
    assert "is not known: a table can say the group" in ungrouped
    assert "one recording:" not in ungrouped
    pair = OpenSet((), (0.5, 0.5), (0.0, 0.0))
    assert "every clip gets a class; one recording of each" in "\n".join(describe(pair))
    assert "every clip gets a class" in "\n".join(describe(without, 1))


@pytest.mark.parametrize(
    ("unknown", "says"), [(-9.0, "less than 5 %"), (1.0, "about 90 %"), (9.0, "more than 95 %")]
)
def test_an_estimate_is_never_nothing_nor_all(unknown: float, says: str) -> None:
    known, untaught = (1.0, 2.0), (unknown - 0.1, unknown + 0.1)
    scores = OpenSet(known, untaught, 100 * (0.0,), grouped=True, recordings=100 * (9,))
    assert f"{says} of clips of other actions get a class" in describe(scores)[0]


def test_one_clip_each_gives_every_clip_a_class(
    backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    clips = [Clip(actions / name / "clip 0.mp4", name) for name in queries]
    classifier = FewShotClassifier(backbone, "pixels").fit(clips)
    assert classifier.fitted_.open_set.known == ()
    assert NONE not in [one.label for one in classifier.predict(queries.values())]


@pytest.mark.slow
def test_untaught_actions_are_answered_none(
    backbone: Backbone, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    """Two motions are taught; the third is the clips of no class, then new ones of it."""
    taught = [clip for name in ("left", "right") for clip in sorted((actions / name).iterdir())]
    labels = [path.parent.name for path in taught]
    classifier = FewShotClassifier(backbone).fit(taught, labels, none=actions / "down")
    assert tuple(classifier.classes_) == ("left", "right")
    assert [clip.name for clip in classifier.fitted_.none_clips] == [
        f"none/clip {i}.mp4" for i in range(3)
    ]
    new = [render(tmp_path / f"{seed}.mp4", "down", seed) for seed in (21, 22, 23)]
    found = classifier.predict(new)
    assert [one.label for one in found] == [NONE] * 3
    assert all(one.best in classifier.classes_ and one.known < 0.5 for one in found)
    assert [classifier.predict(queries[name]).label for name in ("left", "right")] == [
        "left",
        "right",
    ]
    classifier.false_alarms = 1
    assert NONE not in [one.label for one in classifier.predict(new)]
    assert classifier.predict_proba(new).sum(1) == pytest.approx(np.ones(3))
    classifier.sets = 0.8
    loaded = FewShotClassifier.load(classifier.save(tmp_path / "model"), backbone=backbone)
    assert (loaded.false_alarms, loaded.sets) == (1, 0.8)
    loaded.false_alarms = loaded.sets = None
    assert loaded.predict(new) == found
    assert loaded.fitted_.none_clips == classifier.fitted_.none_clips
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Recognises 2 actions" in card
    loaded.add_none(new[:2])
    assert len(loaded.fitted_.none_clips) == len(loaded.fitted_.open_set.none) == 5
    with pytest.raises(DataError):
        loaded.add_none(new[:1])
    with pytest.raises(DataError):
        loaded.add_class(NONE, new[:1])
    loaded.add_class("down", new[2]).remove_class("right")
    assert tuple(loaded.classes_) == ("down", "left")
    assert len(loaded.fitted_.none_clips) == 5


def test_one_clip_of_no_class_is_not_enough(
    backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    plain = FewShotClassifier(backbone, "pixels").fit(actions)
    with pytest.warns(UserWarning, match="one clip of no class"):
        one = FewShotClassifier(backbone, "pixels").fit(actions, none=queries["left"])
    assert one.fitted_.none_clips == ()
    assert one.fitted_.open_set == plain.fitted_.open_set


def test_an_invalid_rate_is_refused_before_clips_are_read() -> None:
    with pytest.raises(OptionError):
        FewShotClassifier(false_alarms=2).fit("nowhere")


@pytest.mark.assets
@pytest.mark.slow
def test_false_alarms_of_real_clips_are_within_the_promise(assets: Path) -> None:
    """Three classes of real features; others are clips of no class, and new clips of those."""
    clips = labelled_features(assets / "features" / "mobilenet_v2_t8.npz", dataset="ucf7")
    rng = np.random.default_rng(0)
    accepted, promised, kept = [], [], []
    for _ in range(25):
        classes = rng.permutation(sorted({str(clip.label) for clip in clips}))
        order = rng.permutation(sorted({str(clip.group) for clip in clips}))

        def some(labels: np.ndarray, groups: np.ndarray, count: int) -> list[FeatureClip]:
            found = [c for c in clips if c.label in labels and c.group in groups]
            return [found[i] for i in rng.choice(len(found), count, replace=False)]

        training = [clip for c in classes[:3] for clip in some(c, order[:5], 3)]
        outside = some(classes[3:], order[5:15], 19)
        classifier = FewShotClassifier(device="cpu", false_alarms=0.1)
        classifier.fit(training, none=[FeatureClip(c.name, c.vectors) for c in outside])
        promised.append(classifier.fitted_.open_set.decision(0.1).promised)
        new = classifier.predict(some(classes[3:], order[15:], 10))
        accepted += [one.label != NONE for one in new]
        kept += [one.label != NONE for one in classifier.predict(some(classes[:3], order[15:], 6))]
    assert set(promised) == {0.1}
    assert np.mean(accepted) < 0.1 + 3 * math.sqrt(0.1 * 0.9 / 25)
    assert np.mean(kept) > 0.4


def threshold_by_hand(scores: OpenSet, others: int) -> float:
    """The equation of the module, written out."""
    known, unknown = np.array(scores.known), np.array(scores.untaught)
    prior = (0.35 * (known.mean() - unknown.mean())) ** 2 + unknown.var()
    spread = (known.var() * (others + 1) + 4 * prior) / (others + 4)
    return float(known.mean() - 1.35 * math.sqrt(spread * (1 + 1 / (others + 1))))


def test_the_default_threshold_follows_from_held_out_recordings() -> None:
    scores = OpenSet(
        (2.0, 3.0, 4.0, 3.5), (0.0, 1.0, 0.5), 3 * (0.0,), grouped=True, recordings=(2, 2, 1)
    )
    decision = scores.decision()
    assert decision.basis == "held-out recordings"
    assert decision.threshold == pytest.approx(threshold_by_hand(scores, 2))
    assert 0 < decision.promised < 0.5
    # Where most classes have one recording, or none is known, the threshold is a low one.
    low = 0.5 - 0.5 * float(np.std(scores.untaught))
    for change in ({"recordings": (2, 1, 1)}, {"grouped": False}):
        assert replace(scores, **change).decision().threshold == pytest.approx(low)
    assert replace(scores, known=(), recordings=(1, 1, 1)).decision().threshold == pytest.approx(
        low
    )
    assert OpenSet((), (0.5, 0.5), (0.0, 0.0)).decision() == ANY_CLASS
