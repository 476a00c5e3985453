"""Predicted classes in results: packed, counted, compared on similar classes."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.core.errors import ResultError
from fewact.core.intervals import half_width
from fewact.lab.evaluation import (
    Result,
    confusion,
    evaluate_method,
    load,
    pair_accuracies,
    save,
)
from fewact.lab.evaluation.comparison import Pair
from fewact.lab.evaluation.result import hits, pack, packed, unpack
from tests.lab.evaluation.made_up import Constant, Nearest, problem, slow_accuracies
from tests.refused import refused


@pytest.fixture(scope="module")
def result() -> Result:
    return evaluate_method(Nearest(), *problem(count=400))


@pytest.mark.slow
@given(st.data())
def test_predictions_survive_packing(data: Any) -> None:
    ways, queries, episodes = (data.draw(st.integers(*ends)) for ends in ((2, 300), (1, 3), (1, 5)))
    row = st.lists(st.integers(0, ways - 1), min_size=ways * queries, max_size=ways * queries)
    rows = np.array(data.draw(st.lists(row, min_size=episodes, max_size=episodes)), dtype=np.uint16)
    content = pack(rows, ways)
    assert np.array_equal(unpack(content, ways, (episodes, ways * queries)), rows)
    assert 8 * len(content) < rows.size * (ways - 1).bit_length() + 8
    with pytest.raises(ValueError, match="another length"):
        unpack(content + b"\0", ways, (episodes, ways * queries))


def test_a_prediction_that_is_none_of_the_ways() -> None:
    with pytest.raises(ValueError, match="none of the ways"):
        unpack(bytes([0b11100000]), 5, (1, 2))


def test_predictions_are_those_of_a_slow_loop() -> None:
    arguments = problem()
    found = evaluate_method(Nearest(), *arguments).predictions()
    assert hits(found, 4).tolist() == slow_accuracies(*arguments)


def test_counts_are_those_of_a_slow_loop(result: Result) -> None:
    found, predicted = confusion(result), result.predictions()
    got: Counter[tuple[str, str]] = Counter()
    met: Counter[tuple[str, str]] = Counter()
    for classes, row in zip(result.episode_classes, predicted.tolist(), strict=True):
        names = [found.classes[c] for c in classes]
        for query, way in enumerate(row):
            got[names[query // 3], names[way]] += 1
            met.update((names[query // 3], other) for other in names)
    for i, first in enumerate(found.classes):
        for j, second in enumerate(found.classes):
            assert found.predicted[i, j] == got[first, second]
            assert found.offered[i, j] == met[first, second]
    assert found.predicted.sum() == 400 * 12
    own = {name: one.accuracy for name, one in result.per_class.items()}
    assert own == pytest.approx(dict(zip(found.classes, 100 * found.rates.diagonal(), strict=True)))


def swapped(result: Result, first: str, second: str) -> Result:
    """Return a result whose queries of two classes get each other's class wherever they meet."""
    names = list(result.per_class)
    rows = []
    for classes in result.episode_classes:
        way = list(range(4))
        labels = [names[c] for c in classes]
        if {first, second} <= set(labels):
            i, j = labels.index(first), labels.index(second)
            way[i], way[j] = j, i
        rows.append([w for w in way for _ in range(3)])
    predicted = np.array(rows, dtype=np.uint16)
    accuracies = 100 * hits(predicted, 4).mean(1)
    changed = {"predicted": packed(predicted, 4), "per_episode": tuple(accuracies.tolist())}
    return Result.model_validate({**result.model_dump(), **changed})


def test_the_pair_that_is_confused_comes_first(result: Result) -> None:
    a, b = list(result.per_class)[2], list(result.per_class)[5]
    other = swapped(result, a, b)
    pairs = confusion(other).most_confused(3)
    assert [(one.first, one.second, one.confused) for one in pairs] == [(a, b, 100.0)]
    perfect, wrong = pair_accuracies([swapped(result, a, a), other], pairs)
    assert (perfect.accuracy, wrong.accuracy, wrong.ci95) == (100.0, 0.0, 0.0)
    assert perfect.queries == wrong.queries == pairs[0].queries
    half = pair_accuracies([other], pairs, slice(200, None))[0]
    assert 0 < half.queries < wrong.queries


def test_the_interval_of_pairs_is_over_episodes(result: Result) -> None:
    a, b = list(result.per_class)[:2]
    (found,) = pair_accuracies([result], [Pair(a, b, 0.0, 0)])
    names, parts = list(result.per_class), []
    for classes, row in zip(result.episode_classes, result.predictions(), strict=True):
        labels = [names[c] for c in classes]
        if {a, b} <= set(labels):
            queries = [3 * labels.index(name) + i for name in (a, b) for i in range(3)]
            parts.append(sum(row[i] == i // 3 for i in queries))
    each = 100 * np.array(parts) / 6
    assert (found.accuracy, found.queries) == (pytest.approx(each.mean()), 6 * len(parts))
    assert found.ci95 == pytest.approx(half_width(each))
    assert found.ci95 > 0


def test_accuracies_on_pairs_need_the_same_episodes(result: Result) -> None:
    pairs = confusion(result).most_confused(1)
    with refused(ResultError, where="result 2", what="the episodes differ"):
        pair_accuracies([result, evaluate_method(Constant(), *problem(seed=1))], pairs)


def test_a_result_without_predictions_is_refused(result: Result, tmp_path: Path) -> None:
    path = save(result.model_copy(update={"predicted": None}), tmp_path / "r.json")
    with refused(ResultError, where="r.json", got="predicted"):
        load(path)


def test_edited_predictions_are_refused(result: Result, tmp_path: Path) -> None:
    path = save(result, tmp_path / "r.json")
    content = json.loads(path.read_text())
    content["predicted"] = "A" + content["predicted"][1:]
    path.write_text(json.dumps(content))
    with refused(ResultError, where="r.json"):
        load(path)
    other = packed(np.zeros((400, 12), dtype=np.uint16), 4)
    with pytest.raises(ValueError, match="other accuracies"):
        Result.model_validate({**result.model_dump(), "predicted": other})
