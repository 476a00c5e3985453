import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from fewact.core.bounded import KIB, FileType
from fewact.core.errors import DataError
from tests.refused import refused

FILE = FileType("list of things", DataError, 4 * KIB, "what a test wrote", "Write it again.")


class Thing(BaseModel):
    name: str
    sizes: tuple[int, ...]


def test_text_json_toml_and_models_are_read(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    path.write_bytes('\ufeff{"name": "été", "sizes": [1, 2]}'.encode())
    assert FILE.json(path) == {"name": "été", "sizes": [1, 2]}
    assert FILE.model(path, Thing) == Thing(name="été", sizes=(1, 2))
    path.write_text('name = "a"\n[b]\nc = 1\n')
    assert FILE.toml(path) == {"name": "a", "b": {"c": 1}}


def test_an_error_names_the_file_the_fault_and_the_cure(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        FILE.content(tmp_path / "none.json")
    assert str(error.value) == (
        f"{tmp_path}/none.json: the list of things cannot be read (got No such file or directory); "
        "expected: what a test wrote. Write it again."
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link, tmp_path, Path("/dev/zero")):
        with refused(DataError, got="a folder" if path == tmp_path else "not a regular file"):
            FILE.content(path)


def test_a_pipe_that_takes_the_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    """The file is checked again after it was opened, and opening never waits."""
    path = tmp_path / "file"
    path.write_text("x")
    before = os.stat(path)
    path.unlink()
    os.mkfifo(path)
    code = (
        "import os, pathlib, sys; from unittest import mock;"
        "from tests.core.test_bounded import FILE; real = os.stat;"
        f"mock.patch('os.stat', lambda p, **k: os.stat_result({tuple(before)!r})).start();"
        "FILE.content(pathlib.Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60
    )
    assert stat.S_ISREG(before.st_mode)
    assert "not a regular file" in done.stderr


def test_a_file_above_the_ceiling_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with refused(DataError, got="1024.0 GiB", expected="at most 4.0 KiB"):
        FILE.content(path)
    grown = iter([b"x" * 4096, b"x", b""])
    with refused(DataError, got="more than 4.0 KiB"):
        FILE.limited(lambda _: next(grown), "pipe")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"\xff\xfe", "not text in UTF-8"),
        (b'{"a": "\0"}', "not text in UTF-8"),
        (b"", "Expecting value"),
        (b"[" * 65 + b"]" * 65, "deeper than 64 levels"),
        (b"[" * 2000, "deeper than 64 levels|Expecting value"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64 levels"),
        (b'{"a": 1' + b"0" * 3000 + b"}", "3001 digits"),
        (b'{"a": 18446744073709551616}', "20 digits"),
        (b'{"a": 1, "a": 2}', "'a' appears twice"),
    ],
)
def test_json_that_could_hurt_is_refused(tmp_path: Path, text: bytes, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text)
    with pytest.raises(DataError, match=rf"not a list of things \(got .*({reason})"):
        FILE.json(path)


def test_long_digits_in_texts_and_deep_but_sound_json_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": "' + "1" * 64 + '", "b": -9223372036854775808, "c": 0.' + "1" * 30 + "}")
    assert FILE.json(path)["b"] == -(2**63)
    path.write_text("[" * 64 + "]" * 64)
    assert FILE.json(path)


@pytest.mark.parametrize(
    "text", ["a = [" + "[" * 900, ".".join("a" * 900) + " = 1", "a = 1\na = 2"]
)
def test_toml_that_could_hurt_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with refused(DataError, where=str(path), what=FILE.other):
        FILE.toml(path)


def test_an_invalid_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"name": "a", "sizes": [1, "b"]}')
    with refused(DataError, what=FILE.other, got="sizes.1: "):
        FILE.model(path, Thing)


class Versioned(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1, 2] = 2
    name: str


@pytest.mark.parametrize(
    ("content", "newer"),
    [
        ({"version": 3, "name": "a", "more": 1}, True),
        ({"version": 3}, True),
        ({"version": 0, "name": "a"}, False),
        ({"version": True, "name": 1}, False),
        ({"version": "3", "name": "a"}, False),
        ({"version": 2, "more": 1}, False),
        ([3], False),
    ],
)
def test_content_of_a_newer_version_is_said_to_be_that(content: Any, newer: bool) -> None:
    with pytest.raises(DataError) as caught:
        FILE.validate(content, Versioned, "x")
    said = str(caught.value)
    assert ("written by a newer version of fewact (got version 3 of the format)" in said) is newer
    assert ("Upgrade fewact: pip install --upgrade fewact" in said) is newer
    assert ("expected: version 2" in said) is newer


def test_a_name_with_nul_is_refused() -> None:
    with refused(DataError, got="NUL character"):
        FILE.content(Path("a\0b"))
