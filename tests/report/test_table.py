"""Tables: every format parses back to the same cells."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fewact.report import Table, TableFormat, latex_notes, render
from fewact.report.table import SMALL_WIDTH

TABLE = Table(
    ("method", "accuracy", "remarks"),
    (
        ("a2m2 τ=12.5", "50.4 ± 0.83", "–"),
        ("方法|x_1", "9.0 ± 0.10", "100 % of {a} & $b$ #1 ~ ^ \\"),
    ),
)

cells = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12)


def test_text_is_aligned() -> None:
    header, *rows = render(TABLE, TableFormat.TABLE).splitlines()
    at = cell_len(header.partition("accuracy")[0])
    assert at == cell_len(rows[0].partition("50.4")[0]) == cell_len(rows[1].partition("9.0")[0])
    assert not any(line.endswith(" ") for line in (header, *rows))


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_csv_reads_back(rows: list[tuple[str, str]]) -> None:
    text = render(Table(("a", "b"), tuple(rows)), TableFormat.CSV)
    assert list(csv.reader(io.StringIO(text))) == [["a", "b"], *map(list, rows)]


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_markdown_has_the_cells(rows: list[tuple[str, str]]) -> None:
    text = render(Table(("a", "b"), tuple(rows)), TableFormat.MARKDOWN)
    lines = text.splitlines()
    assert lines[1] == "|---|---|"
    for line, row in zip(lines[2:], rows, strict=True):
        found = re.split(r"(?<!\\)(?:\\\\)*\|", line)
        assert len(found) == 4
        unescaped = re.sub(r"\\([!-/:-@[-`{-~])", r"\1", line)
        assert unescaped == f"| {row[0]} | {row[1]} |"


def test_latex_escapes_special_characters() -> None:
    text = render(TABLE, TableFormat.LATEX)
    assert "\\begin{tabular}{lll}\n\\toprule\n" in text
    assert text.endswith("\\end{tabular}\n")
    assert r"100 \% of \{a\} \& \$b\$ \#1 \textasciitilde{} \textasciicircum{}" in text
    assert r"x\_1 & 9.0~$\pm$~0.10 & " in text
    body = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 2 for line in body)


def test_a_negative_number_in_latex_has_a_minus_sign() -> None:
    row = ("-8.00 ± 3.07", "-9.53 to +8.55", "7.8e-07", "1-shot", "run-2.json")
    text = render(Table(tuple("abcde"), (row,)), TableFormat.LATEX)
    assert "$-$8.00~$\\pm$~3.07 & $-$9.53 to +8.55 & 7.8e-07 & 1-shot & run-2.json" in text


@pytest.mark.parametrize("name", ["[1] sit", "*"])
def test_no_name_in_latex_is_an_option_of_a_line(name: str) -> None:
    text = render(Table((name, "b"), ((name, "[2]"), (name, "*"))), TableFormat.LATEX)
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert [row.partition(" &")[0] for row in rows] == [f"{{{name[0]}}}{name[1:]}"] * 3
    assert rows[1].endswith("& [2] \\\\")


def test_bars_and_hyphens_in_latex_are_no_dashes() -> None:
    text = render(Table(("a|b",), (("--all ---",),)), TableFormat.LATEX)
    assert r"a\textbar{}b" in text
    assert "-{}-all -{}-{}-" in text
    assert "-{}-all" in latex_notes(["list with --all"])


def test_a_wide_table_in_latex_is_small_and_wrapped() -> None:
    rows = tuple((f"method {i}", "a sentence of many words " * 5, "9.0 ± 0.10") for i in range(31))
    text = render(Table(("method", "remark", "accuracy"), rows), TableFormat.LATEX)
    columns = re.search(r"\\begin\{longtable\}\{l>.*p\{([0-9.]+)em\}l\}", text)
    assert columns is not None
    assert 10 < float(columns[1]) <= SMALL_WIDTH / 2 - 10
    assert "{\\footnotesize\n" in text
    assert "\\endhead" in text
    narrow = render(Table(("a", "b"), (("1", "2"),)), TableFormat.LATEX)
    assert "\\begin{tabular}{ll}" in narrow
    assert "footnotesize" not in narrow


def test_a_note_in_latex_breaks_in_paths() -> None:
    assert "docs/\\allowbreak{}a\\_\\allowbreak{}b.md\\par" in latex_notes(["docs/a_b.md"])
    assert latex_notes([]) == ""


@pytest.mark.parametrize("format", list(TableFormat))
def test_a_title_and_no_rows(format: TableFormat) -> None:
    text = render(Table(("a", "b"), (), "What it is of"), format)
    assert ("What it is of" in text) is (format is not TableFormat.CSV)
    assert "b" in text


@pytest.mark.parametrize("format", [TableFormat.TABLE, TableFormat.MARKDOWN, TableFormat.LATEX])
def test_no_cell_breaks_its_row(format: TableFormat) -> None:
    text = render(Table(("a",), (("one\ntwo\x1b[31m",),)), format)
    assert "\x1b" not in text
    assert "one\ntwo" not in text
