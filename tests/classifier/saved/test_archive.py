"""A model as one .zip file."""

import errno
import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.classifier.saved import history
from fewact.classifier.saved.archive import pack, unpack, unpacked_size
from fewact.core.errors import ModelError, OutputError
from fewact.data import FeatureClip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0)
    clips = [
        FeatureClip(f"{label}{i}", noise.normal(size=(4, 16)).astype(np.float32) + i_label, label)
        for i_label, label in enumerate(("wave", "throw"))
        for i in range(3)
    ]
    folder = tmp_path_factory.mktemp("model") / "model"
    return FewShotClassifier(method="protonet").fit(clips).save(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_packed_model_is_the_model(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(pack(model))
    assert files_of(unpack(tmp_path / "a.zip", tmp_path / "new")) == files_of(model)


def test_a_model_that_is_replaced_can_be_brought_back(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(pack(model))
    other = FewShotClassifier.load(model).rename_class("wave", "hello").save(tmp_path / "other")
    (other / "notes.txt").write_text("mine")
    unpack(tmp_path / "a.zip", other)
    assert tuple(FewShotClassifier.load(other).classes_) == ("throw", "wave")
    assert (other / "notes.txt").read_text() == "mine"
    history.undo(other)
    assert tuple(FewShotClassifier.load(other).classes_) == ("hello", "throw")


def test_a_damaged_version_is_not_brought_back(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(pack(model))
    mine = unpack(tmp_path / "a.zip", tmp_path / "mine")
    FewShotClassifier.load(mine).rename_class("wave", "hello").save(mine)
    before = files_of(mine)
    (version,) = history.versions(mine)
    state = version.folder / "state.safetensors"
    state.unlink()
    content = files_of(model)["state.safetensors"]
    state.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="damaged or edited"):
        history.undo(mine)
    # Zeros, which take no space on the disk, are refused by their size or their first bytes.
    for size, reason in ((5 << 30, "is too large"), (64 << 20, "not a state of a saved")):
        with state.open("wb") as file:
            file.truncate(size)
        with pytest.raises(ModelError, match=reason):
            history.undo(mine)
    assert files_of(mine) == before
    (version.folder / "change.json").write_text(r'{"change": "\ud800", "time": "now"}')
    state.unlink()
    state.write_bytes(files_of(model)["state.safetensors"])
    history.undo(mine)
    assert tuple(FewShotClassifier.load(mine).classes_) == ("throw", "wave")


def test_a_model_that_is_not_wanted_replaces_nothing(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(pack(model))
    mine = FewShotClassifier.load(model).rename_class("wave", "hello").save(tmp_path / "mine")
    before = files_of(mine)

    def refuse(found: Path) -> None:
        assert files_of(found) == files_of(model)
        raise ModelError("not this one")

    with pytest.raises(ModelError, match="not this one"):
        unpack(tmp_path / "a.zip", mine, refuse)
    assert files_of(mine) == before
    assert history.versions(mine) == []


def test_a_disk_that_is_full_is_not_a_damaged_file(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.zip").write_bytes(pack(model))

    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="new: cannot be written: no space left on device"):
        unpack(tmp_path / "a.zip", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def changed(content: bytes, **files: bytes | None) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, value in files.items():
        members[name.replace("__", ".").replace("_SLASH_", "/")] = value or b""
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            if value:
                archive.writestr(name, value)
    return result.getvalue()


@pytest.mark.parametrize(
    "files",
    [
        {"config__json": None},
        {"config__json": b"{}"},
        {"state__safetensors": bytes(1000)},
        {"notes__txt": b"x"},
        {"___SLASH_config__json": b"x"},
    ],
    ids=lambda files: next(iter(files)),
)
def test_other_files_are_refused(
    model: Path, tmp_path: Path, files: dict[str, bytes | None]
) -> None:
    (tmp_path / "a.zip").write_bytes(changed(pack(model), **files))
    with pytest.raises(ModelError):
        unpack(tmp_path / "a.zip", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def rewritten(content: bytes, change: Callable[[zipfile.ZipInfo], None]) -> bytes:
    """Return an archive whose entries were changed."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as archive,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for one in archive.infolist():
            data = archive.read(one)
            change(one)
            new.writestr(one, data)
    return result.getvalue()


def link(one: zipfile.ZipInfo) -> None:
    if one.filename == "README.md":
        one.external_attr = (stat.S_IFLNK | 0o777) << 16


def upper(one: zipfile.ZipInfo) -> None:
    one.filename = one.filename.replace("README", "readme")


def absolute(one: zipfile.ZipInfo) -> None:
    one.filename = f"/{one.filename}"


def twice(one: zipfile.ZipInfo) -> None:
    one.filename = one.filename.replace("README.md", "config.json")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("change", [link, upper, absolute, twice])
def test_hostile_entries_are_refused(
    model: Path, tmp_path: Path, change: Callable[[zipfile.ZipInfo], None]
) -> None:
    (tmp_path / "a.zip").write_bytes(rewritten(pack(model), change))
    with pytest.raises(ModelError, match=r"not a \.zip file"):
        unpack(tmp_path / "a.zip", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


NAME, DIRECTORY_NAME, DIRECTORY_OFFSET = 30, 46, 42
"""Offsets in the header of a member and in its entry in the directory."""


def not_a_text(content: bytes, *places: tuple[bytes, int]) -> bytes:
    """Return an archive whose last name is declared to be UTF-8, and is not."""
    changed = bytearray(content)
    for signature, name in places:
        at = content.rindex(signature)
        flags = at + (8 if signature == b"PK\x01\x02" else 6)
        changed[flags + 1] |= 8
        changed[at + name] = 0xFF
    return bytes(changed)


def far_away(content: bytes) -> bytes:
    """Return an archive whose last member is at an offset that no file has."""
    at, end = content.rindex(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    entry = bytearray(content[at:end])
    entry[30:32] = struct.pack("<H", len(extra))
    entry[DIRECTORY_OFFSET : DIRECTORY_OFFSET + 4] = b"\xff" * 4
    tail = bytearray(content[end:])
    (size,) = struct.unpack("<L", tail[12:16])
    tail[12:16] = struct.pack("<L", size + len(extra))
    return content[:at] + bytes(entry) + extra + bytes(tail)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: not_a_text(content, (b"PK\x01\x02", DIRECTORY_NAME)),
        lambda content: not_a_text(content, (b"PK\x03\x04", NAME)),
        far_away,
    ],
    ids=["name in the directory", "name of a member", "offset"],
)
def test_a_hostile_directory_is_refused(
    model: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "a.zip").write_bytes(damage(pack(model)))
    with pytest.raises(ModelError, match=r"not a \.zip file"):
        unpack(tmp_path / "a.zip", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_the_unpacked_size_is_that_of_the_files(model: Path, tmp_path: Path) -> None:
    content = pack(model)
    (tmp_path / "a.zip").write_bytes(content)
    assert unpacked_size(tmp_path / "a.zip") == sum(map(len, files_of(model).values()))
    for other in (
        not_a_text(content, (b"PK\x01\x02", DIRECTORY_NAME)),
        changed(content, README__md=bytes(17 << 20)),
        changed(content, notes__txt=b"x"),
        b"PK",
    ):
        (tmp_path / "a.zip").write_bytes(other)
        with pytest.raises(ModelError):
            unpacked_size(tmp_path / "a.zip")


def test_an_unusual_compression_is_refused(model: Path, tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(io.BytesIO(pack(model))) as archive,
        zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as new,
    ):
        for one in archive.infolist():
            new.writestr(one.filename, archive.read(one))
    with pytest.raises(ModelError, match="an unusual compression"):
        unpack(tmp_path / "a.zip", tmp_path / "new")


def test_a_place_that_cannot_be_made_is_an_error_of_the_output(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(pack(model))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="not a directory"):
        unpack(tmp_path / "a.zip", tmp_path / "file" / "below" / "model")


def test_a_bomb_and_a_readme_that_is_no_text_are_refused(model: Path, tmp_path: Path) -> None:
    for readme, message in ((bytes(17 << 20), "compressed more"), (b"\xff\xfe", "not a README")):
        (tmp_path / "a.zip").write_bytes(changed(pack(model), README__md=readme))
        with pytest.raises(ModelError, match=message):
            unpack(tmp_path / "a.zip", tmp_path / "new")
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ModelError):
        unpack(tmp_path / "a.zip", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
