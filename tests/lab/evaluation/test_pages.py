"""Tables of results, comparisons and leaderboards."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from fewact.lab.evaluation import Row, compare, evaluate_method, stability
from fewact.lab.evaluation.comparison import Point
from fewact.lab.evaluation.pages import (
    ONE_EPISODE,
    comparison_table,
    interval_notes,
    leaderboard_tables,
    named,
    result_table,
    short_tables,
    stability_chart,
    stability_table,
)
from fewact.lab.evaluation.report import result_page
from fewact.report.table import render
from tests.lab.evaluation.made_up import Constant, Nearest, Options, problem


def test_result_table_shows_all_remarks() -> None:
    result = evaluate_method(Nearest(), *problem(), flags=("modified list",))
    final = result.model_copy(update={"final": True, "flags": ()})
    first, second = result_table([result, final]).rows
    assert first[:3] == (
        "Nearest",
        f"{result.accuracy:.1f} ± {result.ci95:.2f}",
        "{:.1f} to {:.1f}".format(*(result.class_interval or ())),
    )
    assert first[3] == "4-way 2-shot, 3 queries, 60 episodes"
    assert first[-1] == "modified list"
    assert second[-1] == "on test classes"


def test_names_of_results_say_that_a_method_is_not_trained() -> None:
    assert named("a.json", evaluate_method(Nearest(), *problem())) == "a.json"
    method = Nearest()
    method.trained = False
    result = evaluate_method(method, *problem())
    assert named("a.json", result) == "a.json (not trained)"
    assert result_table([result]).rows[0][-1] == "not trained: random weights"


def test_a_missing_interval() -> None:
    (row,) = result_table([evaluate_method(Nearest(), *problem(ways=8))]).rows
    assert row[2] == "–"


def test_the_default_of_a_swept_option_is_marked() -> None:
    found = [evaluate_method(Nearest(Options(scale)), *problem()) for scale in (1.0, 2.0)]
    rows = result_table(found, ["scale", "no such option"]).rows
    assert [row[0] for row in rows] == ["Nearest scale=1.0 (default)", "Nearest scale=2.0"]
    assert [row[0] for row in result_table(found).rows] == ["Nearest", "Nearest scale=2.0"]


def test_intervals_are_explained_with_the_words_of_the_table() -> None:
    results = [evaluate_method(Nearest(), *problem(ways=ways)) for ways in (4, 8, 4)]
    with_classes, without = interval_notes(results)
    assert "class interval is an interval over classes" in with_classes
    assert "no class interval" in without
    for note in (with_classes, without):
        assert note.startswith("± is the 95 % interval over episodes")
        assert "_" not in note


def test_comparison_table() -> None:
    arguments = problem(noise=0.2)
    results = [evaluate_method(kind(), *arguments) for kind in (Nearest, Constant)]
    (one,) = compare(results)
    (row,) = comparison_table([one], ["a.json", "b.json"]).rows
    assert row[:3] == ("a.json", "b.json", f"+{one.difference:.2f} ± {one.ci95:.2f}")
    assert row[3] == "{:+.2f} to {:+.2f}".format(*(one.class_interval or ()))
    assert row[4:6] == (str(one.wins), str(one.losses))
    assert row[6] == "< 1e-11"


ROW = Row("TRX", "2021", "RN50, ImageNet", 5, 1, 42.0, None, "ssv2-full_trx", (), "README")


@pytest.mark.parametrize("apart", ["", "zero-shot"])
def test_leaderboard_tables(apart: str) -> None:
    rows = [
        ROW,
        Row("a2m2", "", "RN50", 5, 1, 50.0, 0.4, "ssv2-full_trx", ("uses text",), "r.json", True),
        replace(ROW, method="CLIP", accuracy=9.0, flags=("x",), not_comparable=apart),
    ]
    tables = leaderboard_tables(rows)
    assert len(tables) == (2 if apart else 1)
    cells = [row for table in tables for row in table.rows]
    assert [row[0] for row in cells] == ["TRX", "▸ a2m2", "CLIP"]
    assert [row[5] for row in cells] == ["42.0", "50.0 ± 0.40", "9.0"]
    assert cells[2][7] == ("zero-shot; x" if apart else "x")
    assert all(row[8] for row in cells)
    assert leaderboard_tables([]) == []


def test_short_tables_have_all_episodes_of_a_method_in_one_row() -> None:
    rows = [
        ROW,
        replace(ROW, method="OTAM", accuracy=45.0),
        replace(ROW, accuracy=41.0),  # the same setting, printed twice with other figures
        replace(ROW, shots=5, accuracy=60.0, source="table 2"),
        replace(ROW, method="mine", year="", own=True, shots=5, accuracy=61.0, ci95=0.25),
        replace(ROW, method="zero", not_comparable="zero-shot"),
    ]
    (table,), notes = short_tables(rows)
    assert table.header == ("method", "year", "backbone", "5-way 1-shot", "5-way 5-shot", "note")
    assert [(row[0], *row[3:]) for row in table.rows] == [
        ("OTAM", "45.0", "–", "[1]"),
        ("TRX", "42.0", "–", "[1]"),
        ("TRX", "41.0", "60.0", "[2]"),
        ("▸ mine", "–", "61.0 ± 0.25", "[1]"),
    ]
    assert notes == [
        "[1] list ssv2-full_trx; README",
        "[2] list ssv2-full_trx; README; table 2",
        "Left out: 1 row of other settings; list with --all",
    ]
    every, notes = short_tables(rows, all_rows=True)
    assert every[1].rows[0][0] == "zero"
    assert notes[-1] == "[3] zero-shot; list ssv2-full_trx; README"
    assert short_tables([]) == ([], [])


def test_short_tables_list_your_results_of_other_settings_too() -> None:
    mine = replace(ROW, method="mine", own=True, not_comparable="with missing videos")
    rows = [ROW, mine, replace(ROW, method="zero", not_comparable="zero-shot")]
    (_, others), notes = short_tables(rows)
    assert [row[0] for row in others.rows] == ["▸ mine"]
    assert notes[1].startswith("[2] with missing videos; ")
    assert notes[-1] == "Left out: 1 row of other settings; list with --all"
    assert "Left out" not in short_tables(rows[:2])[1][-1]


def test_one_episode_has_no_interval() -> None:
    one, other = (evaluate_method(m, *problem(count=1)) for m in (Nearest(), Constant()))
    assert (one.ci95, one.class_interval) == (None, None)
    accuracy, interval = result_table([one]).rows[0][1:3]
    assert (accuracy, interval) == (f"{one.accuracy:.1f} ± –", "–")
    assert interval_notes([one, other]) == (ONE_EPISODE,)
    table = comparison_table(compare([one, other]), ["a", "b"])
    assert table.rows[0][2].endswith(" ± –")
    assert table.rows[0][3] == "–"
    assert stability_table({"a": stability(one)}).rows == (("a", "1", f"{one.accuracy:.2f} ± –"),)
    latex = render(result_table([one]), "latex")
    assert f"{one.accuracy:.1f}~$\\pm$~–" in latex
    page = result_page([one], ["a.json"])
    assert f"{one.accuracy:.1f} ± – %" in page.html()
    assert "± 0.00" not in page.html() + page.markdown() + stability_chart({"a": stability(one)})


SVG = "{http://www.w3.org/2000/svg}"
CURVES = {"a.json": [Point(10, 60.0, 9.5), Point(100, 55.5, 3.25)], "<b>": [Point(10, 20.0, 0.0)]}


def test_stability_table() -> None:
    assert stability_table(CURVES).rows == (
        ("a.json", "10", "60.00 ± 9.50"),
        ("a.json", "100", "55.50 ± 3.25"),
        ("<b>", "10", "20.00 ± 0.00"),
    )


def test_stability_chart_has_a_line_and_a_band_for_each_result() -> None:
    root = ET.fromstring(stability_chart(CURVES))
    texts = [text.strip() for text in root.itertext()]
    assert {"a.json", "<b>", "episodes", "accuracy, %"} <= set(texts)
