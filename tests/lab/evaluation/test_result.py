"""Result files: round trip, edited files."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact.core.bounded import UPGRADE
from fewact.core.errors import ResultError
from fewact.lab.evaluation import Result, evaluate_method, load, save, to_text
from fewact.lab.evaluation.result import RESULT
from tests.lab.evaluation.made_up import Nearest, problem
from tests.refused import refused


@pytest.fixture(scope="module")
def result() -> Result:
    return evaluate_method(Nearest(), *problem())


def test_save_and_load(result: Result, tmp_path: Path) -> None:
    path = save(result, tmp_path / "new" / "r.json")
    assert load(path) == result
    assert path.read_text() == to_text(result)
    content = json.loads(path.read_text())
    assert content["accuracy"] == pytest.approx(sum(content["per_episode"]) / 60)
    assert len(path.read_text().splitlines()) < 150  # episodes stand on one line


def test_a_result_may_be_in_the_home_folder(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert save(result, "~/r.json") == tmp_path / "home" / "r.json"
    assert load("~/r.json") == result
    assert [one.name for one in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c.update(accuracy=99.9),
        lambda c: c["per_episode"].__setitem__(0, 100.0),
        lambda c: c["flags"].append("none"),
        lambda c: c["setup"]["method"]["options"].update(more=1),
        lambda c: c.update(final=True),
        lambda c: c.pop("sha256"),
        lambda c: c.update(more=1),
    ],
)
def test_an_edited_result_is_refused(
    result: Result, tmp_path: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    path = save(result, tmp_path / "r.json")
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=f"{re.escape(str(path))}: the file was edited"):
        load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "no", '{"format": "fewact"}', "[" * 9999])
def test_files_that_are_not_results(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(ResultError, match="not a result file"):
        load(path)


@pytest.mark.parametrize(("version", "hint"), [(2, UPGRADE), (0, RESULT.hint), ("2", RESULT.hint)])
def test_a_result_of_another_version_says_what_helps(
    result: Result, tmp_path: Path, version: Any, hint: str
) -> None:
    path = save(result, tmp_path / "r.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": version}))
    with pytest.raises(ResultError) as refused:
        load(path)
    assert (refused.value.where, refused.value.hint) == (str(path), hint)


def test_a_missing_file(tmp_path: Path) -> None:
    with refused(ResultError, where="r.json"):
        load(tmp_path / "r.json")


def test_the_numbers_of_accuracies_and_episodes_must_agree(result: Result) -> None:
    content = result.model_dump()
    with pytest.raises(ValueError, match="the number of accuracies is not"):
        Result.model_validate({**content, "per_episode": content["per_episode"][1:]})


def test_a_single_episode_has_no_interval() -> None:
    content = evaluate_method(Nearest(), *problem(count=1)).model_dump()
    assert (content["ci95"], content["class_interval"]) == (None, None)
    for interval in ({"ci95": 0.0}, {"class_interval": (50.0, 50.0)}):
        with pytest.raises(ValueError, match="a single episode has no interval"):
            Result.model_validate(content | interval)
