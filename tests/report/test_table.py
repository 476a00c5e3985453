"""Tables: every format parses back to the same cells."""

import csv
import io
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fewact.report import Table, TableFormat, latex_notes, render

TABLE = Table(
    ("method", "accuracy", "remarks"),
    (
        ("a2m2 τ=12.5", "50.4 ± 0.83", "–"),
        ("方法|x_1", "9.0 ± 0.10", "100 % of {a} & $b$ #1 ~ ^ \\"),
    ),
)

cells = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12)


def latex_rows(table: Table) -> list[str]:
    lines = render(table, "latex").splitlines()
    return [re.sub(r" +", " ", line) for line in lines if line.endswith("\\\\")]


def test_text_is_aligned() -> None:
    header, *rows = render(TABLE, "table").splitlines()
    at = cell_len(header.partition("accuracy")[0])
    assert at == cell_len(rows[0].partition("50.4")[0]) == cell_len(rows[1].partition("9.0")[0])
    assert not any(line.endswith(" ") for line in (header, *rows))


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_csv_and_markdown_have_the_cells(rows: list[tuple[str, str]]) -> None:
    table = Table(("a", "b"), tuple(rows))
    read_back = list(csv.reader(io.StringIO(render(table, "csv"))))
    assert read_back == [["a", "b"], *map(list, rows)]
    lines = render(table, "markdown").splitlines()
    assert re.fullmatch(r"\|-+\|-+\|", lines[1])
    for line, row in zip(lines[2:], rows, strict=True):
        between = re.split(r"(?<!\\)(?:\\\\)*\|", line)
        assert len(between) == 4
        unescaped = re.sub(r"\\([!-/:-@[-`{-~])", r"\1", line)
        assert re.sub(r" +", " ", unescaped) == re.sub(r" +", " ", f"| {row[0]} | {row[1]} |")


def test_latex_escapes_special_characters() -> None:
    text = render(TABLE, "latex")
    assert "\\begin{tabular}{lll}\n\\toprule\n" in text
    assert text.endswith("\\end{tabular}\n")
    assert r"100 \% of \{a\} \& \$b\$ \#1 \textasciitilde{} \^{} \textbackslash{}" in text
    header, first, second = latex_rows(TABLE)
    assert r"x\_1 & 9.0~$\pm$~0.10 & " in second
    assert all(len(re.findall(r"(?<!\\)&", line)) == 2 for line in (header, first, second))


def test_a_negative_number_in_latex_has_a_minus_sign() -> None:
    row = ("-8.00 ± 3.07", "-9.53 to +8.55", "7.8e-07", "1-shot", "run-2.json")
    (_, text) = latex_rows(Table(tuple("abcde"), (row,)))
    assert "$-$8.00~$\\pm$~3.07 & $-$9.53 to +8.55 & 7.8e-07 & 1-shot & run-2.json" in text


@pytest.mark.parametrize("name", ["[1] sit", "*"])
def test_no_name_in_latex_is_an_option_of_a_line(name: str) -> None:
    rows = latex_rows(Table((name, "b"), ((name, "[2]"), (name, "*"))))
    assert [row.partition(" &")[0].strip() for row in rows] == [f"{{{name[0]}}}{name[1:]}"] * 3
    assert rows[1].endswith("& [2] \\\\")


def test_bars_and_hyphens_in_latex_are_no_dashes() -> None:
    text = render(Table(("a|b",), (("--all ---",),)), "latex")
    assert r"a\textbar{}b" in text
    assert "-{}-all -{}-{}-" in text
    assert "-{}-all" in latex_notes(["list with --all"])


def test_a_note_in_latex_breaks_in_paths() -> None:
    assert "docs/\\allowbreak{}a\\_\\allowbreak{}b.md\\par" in latex_notes(["docs/a_b.md"])
    assert latex_notes([]) == ""


@pytest.mark.parametrize("format", get_args(TableFormat))
def test_a_title_no_rows_and_cells_of_one_line(format: TableFormat) -> None:
    text = render(Table(("a", "b"), (), "What it is of"), format)
    assert ("What it is of" in text) is (format != "csv")
    assert "b" in text
    broken = render(Table(("a",), (("one\ntwo\x1b[31m",),)), format)
    assert ("\x1b" in broken) is ("one\ntwo" in broken) is (format == "csv")
