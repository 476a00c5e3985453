"""The index: whole after a kill and on a full disk, refused if it is another file, made again."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import OutputError, StoreError
from fewact.features.store import Store
from fewact.features.store.shard import Shape
from fewact.features.store.store import (
    APPLICATION_ID,
    INDEX_FILE,
    INDEX_TABLES,
    SCHEMA_VERSION,
    KnownVideo,
    StoreIndex,
)
from tests.refused import refused

FACTS, LAYOUT = {"made": "up"}, {"a": Shape("int64", ())}


def entries(*numbers: int) -> dict[str, Any]:
    return {f"v{i}": {"a": np.array(i)} for i in numbers}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


WRITE = """
import sys
import numpy as np
from fewact.features.store import Store
from fewact.features.store.shard import Shape

made = Store.create(sys.argv[1]).make({"made": "up"}, {"a": Shape("int64", ())})
for i in range(int(sys.argv[2]), 60, 2):
    made.write({f"v{i}": {"a": np.array(i)}, f"v{i + 1}": {"a": np.array(i + 1)}})
"""


@pytest.mark.slow
def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    run = [sys.executable, "-c", WRITE, str(tmp_path / "store")]
    writers = [subprocess.Popen([*run, str(first)]) for first in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    made = Store(tmp_path / "store").find(FACTS)
    assert made is not None
    assert set(made) == {f"v{i}" for i in range(61)}
    assert all(made.read(f"v{i}")["a"] == i for i in range(61))
    assert not made.damaged


def test_a_shard_that_another_process_writes_during_the_opening_is_not_missing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature_set = store.make(FACTS, LAYOUT)
    feature_set.write(entries(0))
    scandir = os.scandir

    @contextmanager
    def scan_then_write(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(folder) as files:
            seen = list(files)
        monkeypatch.undo()
        feature_set.write(entries(1))
        yield seen

    monkeypatch.setattr(os, "scandir", scan_then_write)
    opened = Store(store.folder).find(FACTS)
    assert opened is not None
    assert not opened.damaged
    assert set(opened) == {"v0", "v1"}


KILLED = """
import os, signal, sys
from fewact.features.store import Store

store = Store(sys.argv[1])
with store.index.transaction() as tables:
    tables.execute("DELETE FROM entries")
    tables.execute("PRAGMA cache_spill = 1")
    tables.executemany(
        "INSERT INTO videos (list, id, page) VALUES ('x', ?, 'p')",
        [(str(i) * 100,) for i in range(100_000)],
    )
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by SIGKILL")
def test_a_writer_that_is_killed_leaves_the_index_as_it_was(store: Store) -> None:
    store.make(FACTS, LAYOUT).write(entries(0, 1))
    run = [sys.executable, "-c", KILLED, str(store.folder)]
    assert subprocess.run(run, check=False).returncode == -9
    again = Store(store.folder)
    made = again.find(FACTS)
    assert made is not None
    assert set(made) == {"v0", "v1"}
    assert again.index.rows("SELECT count(*) FROM videos") == [(0,)]
    made.write(entries(2))
    assert len(made) == 3


def test_a_full_disk_is_an_error_of_the_output(store: Store) -> None:
    made = store.make(FACTS, LAYOUT)
    made.write(entries(0))
    ((pages,),) = store.index.rows("PRAGMA page_count")
    store.index.rows(f"PRAGMA max_page_count = {pages}")
    with refused(OutputError, what="full"):
        store.known("list").write({str(i): KnownVideo("f" * 64) for i in range(1000)})
    assert set(made) == {"v0"}
    assert store.index.rows("SELECT count(*) FROM videos") == [(0,)]


def test_a_lost_index_is_made_again_from_the_shards(store: Store) -> None:
    made = store.make(FACTS, LAYOUT)
    made.write(entries(0, 1))
    made.write(entries(2))
    other = store.make({"other": 1}, LAYOUT)
    other.write(entries(5))
    (other.folder / "broken.safetensors").write_bytes(b"no shard")
    (store.folder / INDEX_FILE).unlink()
    with refused(StoreError, got=INDEX_FILE):
        Store(store.folder)
    again = Store.create(store.folder)
    assert {found.digest: set(found) for found in again.sets()} == {
        made.digest: {"v0", "v1", "v2"},
        other.digest: {"v5"},
    }


def test_an_index_that_was_only_begun_is_made_from_the_shards(store: Store) -> None:
    store.make(FACTS, LAYOUT).write(entries(0, 1))
    (store.folder / INDEX_FILE).write_bytes(b"")
    (again,) = Store(store.folder).sets()
    assert set(again) == {"v0", "v1"}


def test_a_store_is_opened_while_another_process_creates_it(tmp_path: Path) -> None:
    creator = StoreIndex(tmp_path / INDEX_FILE, create=True)
    for statement in ("sets", "shards", "entries", "videos"):
        creator.rows(f"DROP TABLE {statement}")
    creator.rows("PRAGMA application_id = 0")
    reader: list[Store] = []
    opening = threading.Thread(target=lambda: reader.append(Store(tmp_path)))
    with creator.transaction() as tables:
        opening.start()
        opening.join(0.2)
        assert opening.is_alive()
        tables.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        tables.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        for statement in INDEX_TABLES:
            tables.execute(statement)
    opening.join(60)
    assert list(reader[0].sets()) == []


def execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_another_version_is_refused(store: Store) -> None:
    execute(store.folder / INDEX_FILE, "PRAGMA user_version = 2")
    for open_store in (Store, Store.create):
        with refused(StoreError, got="version 2"):
            open_store(store.folder)


@pytest.mark.parametrize(
    "statements",
    [
        ("PRAGMA application_id = 5",),
        ("DROP TABLE videos",),
        ("CREATE TABLE more (x)",),
        ("CREATE TRIGGER t AFTER INSERT ON sets BEGIN DELETE FROM sets; END",),
        ("DROP TABLE sets", "CREATE VIEW sets AS SELECT 1 AS number"),
    ],
)
def test_a_file_with_other_tables_is_refused(store: Store, statements: tuple[str, ...]) -> None:
    execute(store.folder / INDEX_FILE, *statements)
    with refused(StoreError, where=INDEX_FILE):
        Store(store.folder)


@pytest.mark.parametrize("content", [b"no database" * 200, None])
def test_a_damaged_file_is_refused(store: Store, content: bytes | None) -> None:
    path = store.folder / INDEX_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with refused(StoreError, where=INDEX_FILE):
        list(Store(store.folder).sets())


def test_facts_that_are_not_those_of_their_digest_are_refused(store: Store) -> None:
    store.make(FACTS, LAYOUT).write(entries(0))
    for facts in ("{", "[" * 5000, '{"made": "down"}'):
        with store.index.transaction() as tables:
            tables.execute("UPDATE sets SET facts = ?", (facts,))
        with refused(StoreError, where=INDEX_FILE):
            store.find(FACTS)


def test_a_shard_outside_of_the_folder_is_not_read(store: Store) -> None:
    store.make(FACTS, LAYOUT).write(entries(0))
    with store.index.transaction() as tables:
        tables.execute("UPDATE shards SET name = '../../secret.safetensors'")
    made = store.find(FACTS)
    assert made is not None
    assert "v0" not in made


def test_a_disk_without_locks_is_written_without(tmp_path: Path, monkeypatch: Any) -> None:
    addresses: list[str] = []

    def connect(address: str, **options: Any) -> sqlite3.Connection:
        addresses.append(address)
        if "nolock" not in address:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = 3850
            raise error
        return real(address, **options)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", connect)
    index = StoreIndex(tmp_path / INDEX_FILE, create=True)
    assert ["nolock" in address for address in addresses] == [False, True]
    assert len(index.rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")) == len(
        INDEX_TABLES
    )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET place = 'abc'",
        "UPDATE entries SET place = 9e999",
        "UPDATE entries SET video = CAST(video AS BLOB)",
        "UPDATE shards SET size = 1.5",
        "UPDATE videos SET id = CAST(id AS BLOB)",
        "UPDATE videos SET list = CAST(list AS BLOB)",
        "UPDATE sets SET facts = CAST(facts AS BLOB)",
    ],
)
def test_values_of_another_type_are_damage(store: Store, change: str) -> None:
    store.make(FACTS, LAYOUT).write(entries(1))
    store.known("list").write({"a.mp4": KnownVideo("v1", "now")})
    with sqlite3.connect(store.folder / INDEX_FILE) as tables:
        tables.execute(change)
    with pytest.raises(StoreError, match="another type"):
        Store(store.folder)
