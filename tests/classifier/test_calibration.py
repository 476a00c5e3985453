import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact import methods
from fewact.classifier import calibration as module
from fewact.classifier.calibration import (
    MAX_HELD_OUT,
    TEMPERATURE_PRIOR_STD,
    Calibration,
    accuracy_interval,
    expected_temperature,
    fit_temperature,
    folds_of,
    hold_out,
    softmax,
)

METHOD = methods.create("protonet", distance="squared_euclidean")


def clips(shots: list[int], noise: float, seed: int = 0) -> tuple[dict, np.ndarray, int]:
    """Nodes (s 1 5) of clips around one centre per class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(shots)), shots)
    points = rng.standard_normal((len(shots), 5))[labels]
    points += noise * rng.standard_normal((len(labels), 5))
    return {"frames": points[:, None].astype(np.float32)}, labels, len(shots)


def slow_logits(nodes: dict, labels: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Negative squared distances to class means without the j-th clip of each larger class.

    Also the mean number of clips per class that a held-out clip is scored by.
    """
    points = nodes["frames"][:, 0].astype(np.float64)
    members = [[i for i, label in enumerate(labels.tolist()) if label == c] for c in range(n)]
    truth, rows, shots = [], [], []
    for j in range(max(map(len, members))):
        means = [
            points[[i for i in own if len(own) == 1 or i not in own[j : j + 1]]].mean(0)
            for own in members
        ]
        for c, own in enumerate(members):
            if len(own) > max(j, 1):
                rows.append([-((points[own[j]] - mean) ** 2).sum() for mean in means])
                truth.append(c)
                held = sum(len(each) > max(j, 1) for each in members)
                shots.append((len(points) - held) / n)
    return np.array(rows), np.array(truth), float(np.mean(shots))


def slow_temperature(logits: np.ndarray, truth: np.ndarray, own: float) -> float:
    def loss(step: float) -> float:
        scaled = logits / (own * math.exp(step))
        total = sum(np.logaddexp.reduce(row - row[t]) for row, t in zip(scaled, truth, strict=True))
        return float(total) + step**2 / (2 * TEMPERATURE_PRIOR_STD**2)

    return own * math.exp(min(np.linspace(-4.1, 4.1, 4001), key=loss))


@pytest.mark.parametrize("shots", [[2, 2, 2], [5, 1, 3], [4, 4]])
@pytest.mark.parametrize("noise", [0.2, 1.0, 3.0])
def test_temperature_and_accuracy_match_a_slow_leave_one_out(
    shots: list[int], noise: float
) -> None:
    nodes, labels, n = clips(shots, noise)
    logits, truth, shots = slow_logits(nodes, labels, n)
    got = hold_out(METHOD, nodes, labels, n, [None] * len(labels))[0]
    assert got.source == "held-out clips"
    assert got.held_out == len(truth)
    assert got.accuracy == pytest.approx(100 * (logits.argmax(1) == truth).mean())
    before, after = (expected_temperature(METHOD.temperature, k) for k in (shots, len(labels) / n))
    expected = slow_temperature(logits, truth, before) * after / before
    assert got.temperature == pytest.approx(expected, rel=0.011)


def test_one_clip_each_keeps_the_expected_temperature() -> None:
    nodes, labels, n = clips([1, 1, 1], 1.0)
    got = hold_out(METHOD, nodes, labels, n, [None] * 3)[0]
    expected = expected_temperature(METHOD.temperature, 1)
    assert (got.temperature, got.source, got.held_out) == (expected, "method", 0)
    assert expected > METHOD.temperature > expected_temperature(METHOD.temperature, 10)
    assert got.accuracy is None
    assert got.interval is None


def test_probabilities_of_clips_at_random_fall_to_chance() -> None:
    """Labels say nothing: the mean highest probability is near the accuracy, which is chance."""
    sure, right = [], []
    for seed in range(40):
        points = np.random.default_rng(seed).standard_normal((24, 1, 5)).astype(np.float32)
        labels = np.repeat(np.arange(4), 4)
        nodes = {"frames": points[:16]}
        got = hold_out(METHOD, nodes, labels, 4, [None] * 16)[0]
        state = METHOD.support({"frames": points[None, :16]}, labels[None], 4)
        logits = METHOD.score(state, {"frames": points[None, 16:]})[0] / got.temperature
        sure += softmax(logits).max(-1).tolist()
        right += (logits.argmax(-1) == np.arange(8) % 4).tolist()
    assert abs(np.mean(right) - 0.25) < 0.1
    assert np.mean(sure) < 0.45


def test_the_interval_contains_the_accuracy_and_shrinks() -> None:
    for right, held in ((0, 4), (4, 4), (9, 10), (20, 40), (3, 3)):
        low, high = accuracy_interval(right, held)
        assert 0 <= low <= 100 * right / held <= high <= 100
        assert low % 5 == high % 5 == 0
    few, many = accuracy_interval(5, 10), accuracy_interval(50, 100)
    assert few[0] < many[0] < many[1] < few[1]


def test_a_few_correct_clips_do_not_give_certainty() -> None:
    truth = np.array([0, 1, 0, 1, 0, 1])
    logits = np.eye(2)[truth] * 3.0
    few = fit_temperature(logits, truth, 1.0)
    many = fit_temperature(np.tile(logits, (10, 1)), np.tile(truth, 10), 1.0)
    assert 0.4 < few < 1
    assert many < 0.8 * few
    wrong = fit_temperature(logits, 1 - truth, 1.0)
    assert wrong > 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 20))
def test_temperature_scales_with_the_logits(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    logits, truth = rng.standard_normal((9, 3)), rng.integers(3, size=9)
    once = fit_temperature(logits, truth, 0.7)
    assert fit_temperature(factor * logits, truth, factor * 0.7) == pytest.approx(factor * once)


def test_a_clip_is_never_scored_by_its_own_group() -> None:
    """Clips of a group are duplicates; all other clips are nearer to the wrong class."""
    points = np.array([0.0, 0.0, 10.0, 10.0, 9.0, 9.0, 1.0, 1.0], np.float32)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    nodes = {"frames": points[:, None, None]}
    groups = ["a", "a", "b", "b", "a", "a", "b", "b"]
    assert hold_out(METHOD, nodes, labels, 2, groups)[0].accuracy == 0
    nearest = methods.create("protonet", distance="squared_euclidean", shot_aggregation="mean")
    apart = hold_out(nearest, nodes, labels, 2, groups)[0]
    together = hold_out(nearest, nodes, labels, 2, [None] * 8)[0]
    assert (apart.held_out, together.held_out) == (8, 8)
    assert apart.temperature > together.temperature


def test_a_group_is_held_out_of_all_of_its_classes_unless_one_has_no_other() -> None:
    assert folds_of([0, 0, 1, 1], 2, ["a", "a", "b", "c"]) == [[2], [3]]
    assert folds_of([0, 0, 1, 1], 2, ["a", "b", "a", "b"]) == [[0, 2], [1, 3]]
    assert folds_of([0, 0, 1, 1], 2, ["a", "b", "b", "a"]) == [[0, 3], [1, 2]]
    assert folds_of([0, 1, 1], 2, ["a", "a", "b"]) == [[2]]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, *"abcde"])), max_size=60),
    st.booleans(),
)
def test_folds_keep_every_class_and_separate_groups(
    clips: list[tuple[int, str | None]], grouped: bool
) -> None:
    labels = [*range(5), *(label for label, _ in clips)]
    groups = [None] * 5 + [group if grouped else None for _, group in clips]
    folds = folds_of(labels, 5, groups)
    held = [i for fold in folds for i in fold]
    assert len(set(held)) == len(held)
    for fold in folds:
        rest = [i for i in range(len(labels)) if i not in fold]
        assert {labels[i] for i in rest} == set(range(5))
        assert not {groups[i] for i in rest} & {groups[i] for i in fold} - {None}
    if not grouped:
        shots = [labels.count(c) for c in range(5)]
        expected = sum(k for k in shots if k > 1)
        assert len(held) == expected or MAX_HELD_OUT <= len(held) < MAX_HELD_OUT + 5
        counts = [sum(labels[i] == c for i in held) for c in range(5)]
        most = max(counts)
        assert all(count in (most, k * (k > 1)) for count, k in zip(counts, shots, strict=True))


def test_the_batch_size_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, labels, n = clips([5, 3, 1, 4], 1.0)
    groups = ["a", "b", "c", None, "d", "a", "b", None, None, "c", "c", None, "e"]
    at_once = hold_out(METHOD, nodes, labels, n, groups)[0]
    monkeypatch.setattr(module, "FLOATS_AT_ONCE", 1)
    assert hold_out(METHOD, nodes, labels, n, groups)[0] == at_once


def test_sets_have_the_true_class_as_often_as_promised() -> None:
    """Held-out and new clips drawn alike: at least the rate, and no more than 1/(m+1) above it."""
    rng = np.random.default_rng(0)
    rate, held, draws = 0.8, 19, 4000
    scores = rng.beta(3, 1, (draws, held + 1))
    inside = [
        new >= Calibration(1.0, "held-out clips", held, 80.0, 0.0, tuple(some)).set_threshold(rate)
        for *some, new in scores
    ]
    spread = 3 * np.sqrt(rate * (1 - rate) / draws)
    assert rate - spread < np.mean(inside) < rate + 1 / (held + 1) + spread


@pytest.mark.parametrize("shots", [2, 3, 5])
def test_sets_of_hard_classes_have_the_true_class_as_often_as_promised(shots: int) -> None:
    """Of clips that are classified little better than at random, from ``hold_out`` on."""
    n, rate, draws, new = 5, 0.9, 150, 40
    inside, promised = [], []
    for seed in range(draws):
        nodes, labels, _ = clips([shots + new // n] * n, 4.0, seed)
        train = np.arange(len(labels)) % (shots + new // n) < shots
        known = {"frames": nodes["frames"][train]}
        found = hold_out(METHOD, known, labels[train], n, [None] * (n * shots))[0]
        logits = METHOD.score(
            METHOD.support({"frames": known["frames"][None]}, labels[train][None], n),
            {"frames": nodes["frames"][~train][None]},
        )[0]
        each = softmax(logits / found.temperature)
        true = each[np.arange(len(each)), labels[~train]]
        threshold = found.set_threshold(rate)
        inside.append(float(((true >= threshold) | (true == each.max(1))).mean()))
        held = found.held_out
        promised.append(1 - math.floor((1 - rate) * (held + 1) + 1e-9) / (held + 1))
    assert np.mean(inside) >= np.mean(promised)


def test_too_few_held_out_clips_give_sets_of_all_classes() -> None:
    few = Calibration(1.0, "held-out clips", 4, 100.0, 0.0, (0.9, 0.9, 0.9, 0.9))
    assert few.set_threshold(0.9) == 0
    assert few.set_threshold(0.8) == 0.9
    assert few.set_threshold(1e-12) == 0.9
    for rate in (1e-12, 0.5):
        assert Calibration(1.0, "method", 0, None).set_threshold(rate) == 0
