"""Leaderboard: all published rows, rows of other settings, own results."""

import csv
from dataclasses import replace
from importlib.resources import files

import pytest

from fewact.core.errors import ResultError, UnknownNameError
from fewact.lab.benchmarks import benchmark_names
from fewact.lab.evaluation import Result, evaluate_method
from fewact.lab.evaluation.encode import combined_facts
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.evaluation.published import leaderboard
from tests.lab.evaluation.episodes.made_up import videos_of
from tests.lab.evaluation.made_up import Nearest, class_features
from tests.refused import refused


def own(
    name: str,
    split: str | None = "test",
    flags: tuple[str, ...] = (),
    missing: dict[str, int] | None = None,
) -> Result:
    """Return a result as if on a published list, from which only ``missing`` were missing."""
    videos = videos_of(name=name)
    videos = replace(
        videos, videos=tuple(replace(v, split=split) for v in videos.videos), flags=flags
    )
    result = evaluate_method(
        Nearest(), class_features(videos, 0.9), videos, draw(videos, Protocol(count=20))
    )
    there = result.setup.videos.model_copy(update={"missing": missing or {}})
    return result.model_copy(update={"setup": result.setup.model_copy(update={"videos": there})})


def test_every_published_row_is_in_a_table_and_has_a_source() -> None:
    text = files("fewact.lab.evaluation").joinpath("published.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(text.splitlines()))
    found = {
        (row.method, row.shots, row.accuracy, row.source.partition("; ")[0])
        for name in benchmark_names()
        for row in leaderboard(name)
    }
    assert found == {
        (line["method"], int(line["shots"]), float(line["accuracy"]), line["source"])
        for line in lines
    }
    assert all(source for _, _, _, source in found)


@pytest.mark.parametrize(
    ("name", "method", "backbone", "reason"),
    [
        ("hmdb51", "TRX", "ResNet-50, ImageNet", "another setting"),
        ("ucf101_arn", "TSL", "R(2+1)D-34", "other classes"),
        ("kinetics100_cmn_clip-spm", "CLIP-FSAR", "", "unknown list"),
        ("ssv2-full_otam", "CLIP zero-shot (text match)", "", "zero-shot"),
        ("hmdb51", "Otter", "", "setting of its authors"),
    ],
)
def test_rows_of_other_settings_are_not_comparable(
    name: str, method: str, backbone: str, reason: str
) -> None:
    rows = [
        row
        for row in leaderboard(name)
        if row.method == method and row.backbone.startswith(backbone)
    ]
    assert rows
    assert any(reason in row.not_comparable for row in rows)


def test_rows_on_another_list_of_videos_are_not_comparable() -> None:
    alibaba = leaderboard("kinetics100_alibaba")
    assert {row.list for row in alibaba if not row.not_comparable} == {"kinetics100_alibaba"}
    both = {row.list for row in leaderboard("ssv2-full_otam") if not row.not_comparable}
    assert {"ssv2-full_otam", "ssv2-full_trx"} <= both  # their test videos are the same


def test_flags() -> None:
    rows = leaderboard("hmdb51_arn")
    spm = next(row for row in rows if row.method == "CLIP-SPM")
    assert spm.flags == ("uses text", "its code selects the checkpoint on test classes")
    assert any("second-hand" in row.flags for row in rows)
    assert any("transductive" in row.flags for row in leaderboard("SSv2-Full"))


def test_order_of_the_rows_and_selection_of_shots() -> None:
    rows = leaderboard("UCF-101")
    keys = [(bool(row.not_comparable), row.ways, row.shots, -row.accuracy) for row in rows]
    assert keys == sorted(keys)
    assert {row.shots for row in leaderboard("UCF-101", shots=5)} == {5}


def test_own_result_is_among_the_published_rows() -> None:
    result = own("hmdb51_arn")
    rows = leaderboard("HMDB-51", [result], ["mine.json"])
    (mine,) = (row for row in rows if row.own)
    assert mine.not_comparable == ""
    assert (mine.accuracy, mine.ci95) == (result.accuracy, result.ci95)
    assert mine.source == "mine.json"
    assert len(rows) == len(leaderboard("HMDB-51")) + 1


@pytest.mark.parametrize(
    ("split", "flags", "reason"),
    [
        ("val", (), "not on the test classes"),
        (None, (), "not on the test classes"),
        ("test", ("modified list (test)",), "on a modified list"),
        ("test", ("leak: a shares 3 videos",), "trained on test data"),
        ("test", ("videos missing: test 3 of 9",), "with missing videos"),
        ("test", ("condition: dark:2, of the queries",), "with changed videos"),
        ("test", ("camera: shake",), "with changed videos"),
    ],
)
def test_own_result_of_another_setting(split: str, flags: tuple[str, ...], reason: str) -> None:
    complete = own("hmdb51_arn", split, flags)
    (mine,) = (row for row in leaderboard("hmdb51", [complete], ["r"]) if row.own)
    assert mine.not_comparable == reason
    assert mine.flags == flags


def test_own_result_on_an_incomplete_list() -> None:
    incomplete = own("hmdb51_arn", "val", missing={"jump": 1})
    (mine,) = (row for row in leaderboard("hmdb51", [incomplete], ["r"]) if row.own)
    assert mine.not_comparable == "not on the test classes; with missing videos"


def test_own_result_of_several_modalities() -> None:
    result = own("ucf101_arn")
    both = combined_facts([result.setup.features] * 2)
    several = result.model_copy(
        update={"setup": result.setup.model_copy(update={"features": both})}
    )
    (mine,) = (row for row in leaderboard("ucf101", [several], ["r"]) if row.own)
    assert mine.not_comparable == "with a further modality"


def test_a_result_of_another_benchmark_is_refused() -> None:
    with refused(ResultError, where="r.json", got="ucf101_arn"):
        leaderboard("hmdb51", [own("ucf101_arn")], ["r.json"])
    with pytest.raises(UnknownNameError):
        leaderboard("hmdb52")
