"""Open sets: measures by thresholds one by one, scores by their formulas, draws, files."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fewact.core.errors import EpisodeError
from fewact.lab.evaluation import RunOptions, compare, evaluate_method, load
from fewact.lab.evaluation import episodes as episode_files
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.evaluation.open_set import MEASURES, SCORES, measures
from fewact.lab.evaluation.scoring import ProgressFile
from fewact.lab.methods.base import Nodes
from tests.lab.evaluation.episodes.made_up import videos_of
from tests.lab.evaluation.made_up import Nearest, problem
from tests.refused import refused

VECTORS = Path(__file__).parents[2] / "vectors" / "open_set.json"


def slow_measures(known: list[float], right: list[bool], unknown: list[float]) -> list[float]:
    """Return the areas under curves of all thresholds, and the fraction at one, in per cent."""
    thresholds = [math.inf, *sorted({*known, *unknown}, reverse=True)]
    curve = []
    for limit in thresholds:
        false = sum(u >= limit for u in unknown) / len(unknown)
        true = sum(k >= limit for k in known) / len(known)
        correct = sum(k >= limit and r for k, r in zip(known, right, strict=True)) / len(known)
        curve.append((false, true, correct))
    areas = [0.0, 0.0]
    for before, after in itertools.pairwise(curve):
        for i in (0, 1):
            areas[i] += (after[0] - before[0]) * (before[i + 1] + after[i + 1]) / 2
    at_95 = next(false for false, true, _ in curve if true >= 0.95)
    return [100 * areas[0], 100 * areas[1], 100 * at_95]


def measured(known: list[float], right: list[bool], unknown: list[float]) -> list[float]:
    scores = np.array([[[*known, *unknown]]])
    return list(measures(scores, np.array([right]))[0, 0])


@pytest.mark.parametrize("case", json.loads(VECTORS.read_text())["cases"])
def test_vectors(case: dict[str, Any]) -> None:
    values = case["known"], case["right"], case["unknown"]
    expected = [100 * case[name][0] / case[name][1] for name in MEASURES]
    assert measured(*values) == pytest.approx(expected)
    assert slow_measures(*values) == pytest.approx(expected)


@given(
    known=st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=45),
    unknown=st.lists(st.integers(0, 6), min_size=1, max_size=9),
)
def test_measures_equal_those_of_all_thresholds(
    known: list[tuple[int, bool]], unknown: list[int]
) -> None:
    scores, right = [float(k) for k, _ in known], [r for _, r in known]
    others = [float(u) for u in unknown]
    assert measured(scores, right, others) == pytest.approx(slow_measures(scores, right, others))


def slow_known(query: list[float], support: np.ndarray, labels: list[int]) -> float:
    """Return the known score of ``classifier.unknown`` from similarities, sums written out."""
    n = max(labels) + 1
    same = [
        support[i, j]
        for i in range(len(labels))
        for j in range(len(labels))
        if i != j and labels[i] == labels[j]
    ]
    level = sum(same) / len(same)
    g = []
    for c in range(n):
        members = [i for i, label in enumerate(labels) if label == c]
        own = [support[i, j] for i in members for j in members if i != j]
        inside = ((len(members) - 1) * sum(own) / len(own) + level) / len(members)
        near = [query[i] for i in members]
        g.append((sum(near) / len(near) - inside / 2) / 2 + max(near) / 2)
    best = max(range(n), key=g.__getitem__)
    return g[best] - 0.3 * sum(g[c] for c in range(n) if c != best) / (n - 1)


def test_scores_equal_their_formulas() -> None:
    source, videos, episodes = problem(count=6, open_set=0.4)
    result = evaluate_method(Nearest(), source, videos, episodes)
    vectors = source._vectors.astype(float)
    far = np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum((2, 3)))
    labels = [i // 2 for i in range(8)]
    assert episodes.unknown is not None
    assert episodes.unknown.shape == (6, 8)
    for index in range(6):
        support, queries = episodes.support[index], episodes.queried[index]
        logits = [[-sum(far[q, support[2 * c : 2 * c + 2]]) for c in range(4)] for q in queries]
        garbage = [-sum(far[q, support]) for q in queries]
        energy = [math.log(sum(map(math.exp, row))) for row in logits]
        near = -far[np.ix_(support, support)]
        expected = {
            "max-softmax": [math.exp(max(r) - e) for r, e in zip(logits, energy, strict=True)],
            "best": list(map(max, logits)),
            "energy": energy,
            "known": [slow_known(list(-far[q, support]), near, labels) for q in queries],
            "garbage": [e - g for e, g in zip(energy, garbage, strict=True)],
        }
        right = [int(np.argmax(row)) == i // 3 for i, row in enumerate(logits[:12])]
        assert list(result.open_set) == list(expected) == list(SCORES[:-1])
        for name, scores in expected.items():
            found = [result.open_set[name][m].per_episode[index] for m in MEASURES]
            assert found == pytest.approx(slow_measures(scores[:12], right, scores[12:]), abs=1e-3)


def test_other_queries_change_neither_episodes_nor_accuracy() -> None:
    source, videos, closed = problem(count=20)
    _, _, opened = problem(count=20, open_set=0.5)
    np.testing.assert_array_equal(closed.query, opened.query)
    assert closed.digest != opened.digest
    first, second = (evaluate_method(Nearest(), source, videos, e) for e in (closed, opened))
    assert first.per_episode == second.per_episode
    assert not first.open_set
    assert 50 < second.open_set["best"]["auroc"].mean < 100


@pytest.mark.parametrize("groups", ["none", "within-class", "shared"])
def test_other_queries_are_of_other_classes_and_people(groups: Any) -> None:
    videos = videos_of(groups=5)
    drawn = draw(videos, Protocol(ways=4, queries=2, count=30, groups=groups, open_set=0.5))
    assert drawn.unknown is not None
    assert drawn.unknown.shape == (30, 8)
    for support, unknown in zip(drawn.support, drawn.unknown, strict=True):
        shown, others = ([videos.videos[i] for i in row] for row in (support, unknown))
        assert not {v.label for v in shown} & {v.label for v in others}
        counts = [sum(v.label == label for v in others) for label in {v.label for v in others}]
        assert max(counts) - min(counts) <= 1
        if groups == "shared":
            assert not {v.group for v in shown} & {v.group for v in others}
    assert len(set(drawn.unknown.flat)) > 20


def test_files_and_bad_episodes(tmp_path: Path) -> None:
    _, videos, episodes = problem(count=5, open_set=0.5)
    saved = episode_files.load(episode_files.save(episodes, tmp_path / "e.json"))
    assert saved.digest == episodes.digest
    saved.check_list(videos)
    assert saved.unknown is not None
    saved.unknown[3, 0] = saved.query[0, 0]
    label = videos.videos[saved.support[3, 0]].label
    free = set(range(len(videos.videos))) - set(saved.queried[3]) - set(saved.support[3])
    saved.unknown[3, 0] = next(i for i in free if videos.videos[i].label == label)
    with refused(EpisodeError, where="episode 3"):
        saved.check_list(videos)
    with refused(EpisodeError, where="made up", got="0 videos of 0 classes"):
        draw(videos_of(), Protocol(ways=len(videos_of().classes), count=1, open_set=0.5))


def test_an_interrupted_run_continues_with_its_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, videos, episodes = problem(count=600, open_set=0.5)
    whole = evaluate_method(Nearest(), source, videos, episodes)
    output, remove = tmp_path / "r.json", ProgressFile.remove
    monkeypatch.setattr(ProgressFile, "remove", lambda self: None)
    evaluate_method(Nearest(), source, videos, episodes, run=RunOptions(output=output))
    output.unlink()
    progress = tmp_path / "r.json.progress"
    head, first, *_ = progress.read_text().splitlines(keepends=True)
    progress.write_text(head + first)
    monkeypatch.setattr(ProgressFile, "remove", remove)
    method = Nearest()
    again = evaluate_method(method, source, videos, episodes, run=RunOptions(output=output))
    assert len(method.batches) < 3 * 3
    assert again == whole == load(output)


class Discriminating(Nearest):
    """Method with a discriminator: how near the nearest support video is."""

    rejects = True

    def known(self, state: Any, nodes: Nodes) -> Tensor:
        return -torch.cdist(nodes["nodes"].flatten(2), state.nodes.flatten(2)).amin(-1)


def test_a_discriminator_is_a_score_and_results_are_compared() -> None:
    source, videos, episodes = problem(count=40, open_set=0.5)
    first, second = (
        evaluate_method(m, source, videos, episodes) for m in (Discriminating(), Nearest())
    )
    assert tuple(first.open_set) == SCORES
    (pair,) = compare([first, second])
    assert list(pair.open_set) == list(SCORES[:-1])
    assert pair.open_set["best"]["auroc"] == (0.0, 0.0)
    other = first.open_set["discriminator"]["auroc"]
    assert other.ci95 == pytest.approx(1.96 * np.std(other.per_episode, ddof=1) / 40**0.5, abs=1e-3)
