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
from fewact.text_table import text_table

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


def test_a_wide_column_gets_the_space_that_saves_most_lines() -> None:
    summary = "classes are compared by " + " and ".join(f"part{i}" for i in range(20))
    rows = [("name", "paper", "flags", "summary"), ("a", "A Paper, CVPR 2020", "needs x", summary)]
    lines = text_table(rows, 60).splitlines()
    assert max(map(len, lines)) <= 60
    assert len(lines) <= 1 + len(summary) // 40 + 1
    printed = {word for line in lines for word in line.split()}
    assert printed == {word for row in rows for cell in row for word in cell.split()}


def test_a_table_that_is_too_narrow_for_its_words_splits_the_longest() -> None:
    lines = text_table([("a", "accuracy", "file"), ("b", "9.0", "x" * 60)], 40).splitlines()
    assert lines[0].split() == ["a", "accuracy", "file"]
    assert [line.split()[-1] for line in lines[1:]] == ["x" * 27, "x" * 27, "x" * 6]


def test_many_columns_are_as_narrow_as_they_can_be() -> None:
    assert text_table([tuple(map(str, range(40)))], 30).count("\n") > 0


def test_an_interval_is_not_broken():
    table = text_table(
        [("method", "accuracy", "note"), ("a" * 20, "66.7 ± 4.05", "word " * 40)], 50
    )
    assert "66.7 ± 4.05" in table


def test_a_long_name_is_not_broken_and_leaves_the_row_on_one_line():
    rows = [("path", "true", "predicted"), ("/folder" * 20, "someone waves", "(none)")]
    lines = text_table(rows, 100).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["path", "/folder" * 20]
    assert lines[1].endswith("someone waves  (none)")


LABEL = "fusion cameras=moving intra_class_weight=0.25"
RESULT = ("76.8 ± 2.54", "62.0 to 90.0", "5-way 1-shot, 1 query, 200 episodes", 2 * "mobilenet_v2:")
HEADER = ("method", "accuracy", "class interval", "episodes", "features")


@pytest.mark.parametrize("width", [70, 80, 100])
@pytest.mark.parametrize("more", ["", " motion_frames=16", " weights=1.0,1.5,0.5,0.5,0.75,1.0,1.0"])
def test_a_long_label_is_broken_at_spaces_and_after_punctuation(more: str, width: int) -> None:
    label = LABEL + more
    lines = text_table([HEADER, (label, *RESULT)], width, copied_names=False).splitlines()
    assert max(map(len, lines)) <= width
    column = [line[: lines[0].index("accuracy")] for line in lines[1:]]
    pieces = [piece for line in column for piece in line.split()]
    assert "".join(pieces) == label.replace(" ", "")
    assert all(piece.endswith(("_", "=", ",")) or f"{piece} " in f"{label} " for piece in pieces)
    assert "76.8 ± 2.54" in "\n".join(lines)


def test_a_word_that_is_too_long_is_broken_after_punctuation() -> None:
    rows = [("a", "file"), ("b", "/data/some_features/mobilenet.npz:ucf")]
    lines = text_table(rows, 20).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == [
        "/data/some_",
        "features/",
        "mobilenet.npz:ucf",
    ]
