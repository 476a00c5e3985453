"""Workbooks as text: what is shown is read, and what a file declares has limits."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data.sheets import sheets_of
from fewact.data.tables import CLIP_TABLE
from fewact.data.workbooks import Workbook

openpyxl = pytest.importorskip("openpyxl")

STYLES = f"<styleSheet><fonts>{'<font/>' * 8_000_000}</fonts></styleSheet>"
STRINGS = f"<sst>{'<si/>' * 8_000_000}</sst>"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def saved(fill: Callable[[object], None], path: Path) -> Path:
    """Write a workbook with openpyxl."""
    book = openpyxl.Workbook()
    fill(book)
    book.save(path)
    return path


def made(path: Path, sheet: str, **parts: str | bytes) -> Path:
    """Write the parts of a workbook; ``styles`` and ``sharedStrings`` are linked."""
    links = "".join(
        f'<Relationship Id="{name}" Type="{OFFICE}/{name}" Target="{name}.xml"/>' for name in parts
    )
    files: dict[str, str | bytes] = {
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="s" '
        'sheetId="1" r:id="s"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="s" '
        f'Type="{OFFICE}/worksheet" Target="sheet.xml"/>{links}</Relationships>',
        "xl/sheet.xml": f'<worksheet xmlns="{MAIN}">{sheet}</worksheet>',
    }
    files |= {f"xl/{name}.xml": content for name, content in parts.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def text_of(path: Path) -> str:
    book = Workbook(path, path.read_bytes(), CLIP_TABLE)
    return book.text(book.names[0])


def test_cells_are_what_a_spreadsheet_shows(tmp_path: Path) -> None:
    def fill(book: object) -> None:
        sheet = book.active  # type: ignore[attr-defined]
        sheet.append(["a, b", 1.5, 3, True, 1e-7, None, "é\n2"])
        sheet.append([time(0, 1, 2), timedelta(minutes=62.5), time(1, 2), datetime(2026, 1, 2, 3)])
        sheet["B2"].number_format = "[h]:mm:ss"
        sheet["C2"].number_format = "h:mm"

    lines = text_of(saved(fill, tmp_path / "t.xlsx")).splitlines()
    assert lines == [
        '"a, b",1.5,3,TRUE,0.0000001,,é 2',
        "0:01:02.000,1:02:30.000,0:01:02.000,2026-01-02 03:00:00.000",
    ]


def test_merged_cells_have_the_value_of_their_range(tmp_path: Path) -> None:
    def fill(book: object) -> None:
        sheet = book.active  # type: ignore[attr-defined]
        for row in (["title", None], ["a", 1], [None, 2], ["b", 3]):
            sheet.append(row)
        sheet.merge_cells("A1:B1")
        sheet.merge_cells("A2:A3")

    text = text_of(saved(fill, tmp_path / "t.xlsx"))
    assert text.splitlines() == ["title,title", "a,1", "a,2", "b,3"]


def test_rows_keep_their_numbers(tmp_path: Path) -> None:
    sheet = (
        '<dimension ref="A1:XFD1048576"/><sheetData><row r="2"><c r="B2"><v>7</v></c></row>'
        '<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
    )
    lines = text_of(made(tmp_path / "t.xlsx", sheet)).split("\n")
    assert (len(lines), lines[1], lines[1_048_575]) == (1_048_577, ",7", "x")


def test_a_formula_without_a_stored_value_is_the_formula(tmp_path: Path) -> None:
    row = '<row><c><f>1+1</f></c><c><f>2+2</f><v>4</v></c><c t="s"><v>0</v></c></row>'
    strings = (
        f'<sst xmlns="{MAIN}"><si><r><t>a</t></r><r><t>b</t></r><rPh><t>x</t></rPh></si></sst>'
    )
    path = made(tmp_path / "t.xlsx", f"<sheetData>{row}</sheetData>", sharedStrings=strings)
    assert text_of(path) == "=1+1,4,ab\n"


@pytest.mark.parametrize(
    ("sheet", "parts"),
    [
        ('<sheetData><row r="1000000000000"/></sheetData>', {}),
        ('<sheetData><row r="2"/><row r="1"/></sheetData>', {}),
        ('<sheetData><row><c r="XFE1"><v>1</v></c></row></sheetData>', {}),
        ('<sheetData><row><c t="s"><v>5</v></c></row></sheetData>', {}),
        ("<sheetData><row></sheetData>", {}),
        (
            '<sheetData><row><c s="0"><v>1</v></c></row></sheetData>',
            {"styles": STYLES},
        ),
        (
            '<sheetData><row><c t="s"><v>0</v></c></row></sheetData>',
            {"sharedStrings": STRINGS},
        ),
        (
            '<sheetData><row><c t="s"><v>0</v></c></row></sheetData>',
            {"sharedStrings": '<!DOCTYPE x [<!ENTITY a "aaaa">]><sst><si><t>&a;</t></si></sst>'},
        ),
        (
            "<sheetData>" + "".join(f'<row r="{i}"/>' for i in range(1, 200)) + "</sheetData>"
            '<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>',
            {},
        ),
    ],
)
def test_what_a_file_declares_has_limits(tmp_path: Path, sheet: str, parts: dict[str, str]) -> None:
    sheet = sheet.replace('<row r="1"/>', '<row r="1"><c r="A1"><v>1</v></c></row>')
    path = made(tmp_path / "t.xlsx", sheet, **parts)
    with pytest.raises(DataError) as caught:
        text_of(path)
    assert caught.value.where == str(path)


def test_a_string_that_many_cells_share_counts_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewact.data.workbooks.SHEET_CHARACTERS", 2**20)
    rows = '<row><c t="s"><v>0</v></c></row>' * 50
    for length in (2**15 - 1, 2**15):
        strings = f'<sst xmlns="{MAIN}"><si><t>{"x" * length}</t></si></sst>'
        path = made(tmp_path / "t.xlsx", f"<sheetData>{rows}</sheetData>", sharedStrings=strings)
        with pytest.raises(DataError):
            text_of(path)


@pytest.mark.parametrize(("at", "value"), [(6, 1), (8, 99)])
def test_encrypted_and_unknown_compression(tmp_path: Path, at: int, value: int) -> None:
    path = made(tmp_path / "t.xlsx", "<sheetData/>")
    content = bytearray(path.read_bytes())
    for signature, shift in ((b"PK\3\4", 0), (b"PK\1\2", 2)):
        start = content.find(signature)
        while start >= 0:
            content[start + at + shift] = value
            start = content.find(signature, start + 4)
    path.write_bytes(content)
    with pytest.raises(DataError):
        text_of(path)


def test_sheets_by_name_and_by_content(tmp_path: Path) -> None:
    def fill(book: object) -> None:
        book.active.append(["path", "label"])  # type: ignore[attr-defined]
        book.create_sheet("Day 2").append(["note"])  # type: ignore[attr-defined]
        book.create_sheet("Empty")  # type: ignore[attr-defined]

    path = saved(fill, tmp_path / "t.xlsx")
    path = path.rename(tmp_path / "t.csv")
    assert [sheet.name for sheet in sheets_of(path, CLIP_TABLE)] == ["Sheet", "Day 2"]
    path = path.rename(tmp_path / "t.xlsx")
    (sheet,) = sheets_of(Path(f"{path}#Day 2"), CLIP_TABLE)
    assert sheet.text == "note\n"
    with pytest.raises(DataError) as caught:
        sheets_of(Path(f"{path}#Day 3"), CLIP_TABLE)
    assert caught.value.got == "Sheet, Day 2, Empty"
    path.write_bytes(b"path,label\n")
    with pytest.raises(DataError):
        sheets_of(path, CLIP_TABLE)


def test_damaged_workbooks_are_refused(tmp_path: Path) -> None:
    content = saved(lambda book: book.active.append(["a"]), tmp_path / "t.xlsx").read_bytes()  # type: ignore[attr-defined]
    assert zipfile.is_zipfile(io.BytesIO(content))
    for cut in (4, 100, len(content) // 2, len(content) - 10):
        path = tmp_path / "t.xlsx"
        path.write_bytes(content[:cut])
        with pytest.raises(DataError):
            text_of(path)
