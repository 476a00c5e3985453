"""Text of tables by their content: encodings that are detected or refused, and sheets."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.core.paths import file_and_sheet
from fewact.data.sheets import sheets_of
from fewact.data.tables import CLIP_TABLE

TEXT = "vidéo;comportement\nÜbung.mp4;se lève – vite\n"


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"],
)
def test_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(TEXT.encode(encoding))
    (sheet,) = sheets_of(path, CLIP_TABLE)
    assert sheet.text == TEXT
    assert bool(sheet.note) == (encoding == "cp1252")


@pytest.mark.parametrize(
    "content",
    [
        "путь,метка\nа.mp4,ходьба\n".encode("cp1251"),
        "動画,行動\n".encode("shift-jis"),
        b"path,label\n\x81\n",
        b"path\0,label\n",
        b"\xff\xfep\x00a\xd8",  # half of a pair of surrogates
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
        b"\x00\x01\x02\x03" * 50,
    ],
)
def test_other_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        sheets_of(path, CLIP_TABLE)
    assert caught.value.where == str(path)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for text in ("a,b\n", "a,b,c\n"):
        path.write_text(text)
        assert sheets_of(path, CLIP_TABLE)[0].text == text


def test_the_name_of_a_sheet(tmp_path: Path) -> None:
    file = tmp_path / "a#b.xlsx"
    assert file_and_sheet(tmp_path / "a.csv#x") == (tmp_path / "a.csv#x", "")
    assert file_and_sheet(Path(f"{file}#Day 2")) == (file, "Day 2")
    file.touch()
    assert file_and_sheet(file) == (file, "")
