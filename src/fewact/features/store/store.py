"""Store: a folder with shards of features, and an index of them.

The index is one SQLite file that says which shard has a video, and what is known of lists. It can
be made again from the shards, which have the features. A writer that is killed leaves it as it was
before its transaction.
"""

import hashlib
import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter, ValidationError

from fewact.core.atomic import make_folder, remove_leftovers
from fewact.core.bounded import GIB, FileType
from fewact.core.errors import OutputError, StoreError
from fewact.core.paths import user_path
from fewact.data.clips import Clip
from fewact.data.files import legible
from fewact.data.videos import Video
from fewact.features.store.shard import (
    SHARD_HINT,
    SHARD_SUFFIX,
    Entry,
    Facts,
    Layout,
    Shape,
    Shard,
    digest,
    facts_and_layout,
    write_shard,
)
from fewact.video.source import VideoSource

INDEX_FILE: Final = "store.sqlite"
INDEX_HINT = "Remove this file: `fewact embed`, or `fewact index`, makes it again from the shards."
STORE = FileType(
    "feature store",
    StoreError,
    64 * GIB,
    "a folder that `fewact embed` or `fewact index` has written",
)

APPLICATION_ID: Final = int.from_bytes(b"fewa", "big")
SCHEMA_VERSION: Final = 1
"""Numbers in the header of the index, by which SQLite's files are recognised."""

INDEX_TABLES: Final = (
    "CREATE TABLE sets (number INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, "
    "facts TEXT NOT NULL, layout TEXT NOT NULL)",
    "CREATE TABLE shards (number INTEGER PRIMARY KEY, set_number INTEGER NOT NULL, "
    "name TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, "
    "UNIQUE (set_number, name))",
    "CREATE TABLE entries (set_number INTEGER NOT NULL, video TEXT NOT NULL, "
    "shard_number INTEGER NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (set_number, video)) "
    "WITHOUT ROWID",
    "CREATE TABLE videos (list TEXT NOT NULL, id TEXT NOT NULL, page TEXT NOT NULL, "
    "fingerprint TEXT, stamp TEXT, error TEXT, PRIMARY KEY (list, id, page)) WITHOUT ROWID",
    "CREATE INDEX pages ON videos (list, page)",
)

TEXT: Final = "('text')"
INTEGER: Final = "('integer')"
TEXT_OR_NULL: Final = "('text', 'null')"
COLUMN_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "sets": {"digest": TEXT, "facts": TEXT, "layout": TEXT},
    "shards": {"set_number": INTEGER, "name": TEXT, "size": INTEGER, "modified": INTEGER},
    "entries": {"set_number": INTEGER, "video": TEXT, "shard_number": INTEGER, "place": INTEGER},
    "videos": {
        **dict.fromkeys(("list", "id", "page"), TEXT),
        **dict.fromkeys(("fingerprint", "stamp", "error"), TEXT_OR_NULL),
    },
}
"""SQLite's types of the columns, which hold values of any type: those of a damaged file, too."""

WAIT_SECONDS = 60.0
"""Seconds that a writer waits for another writer; a transaction takes milliseconds."""

NO_LOCKS = frozenset((15, 2058, 2314, 3850))
"""SQLite's codes of a disk that has no locks."""

MOST_OPEN_SHARDS: Final = 512
"""Largest number of shards that are mapped at the same time."""

MOST_KNOWN_FOLDERS: Final = 1024
"""Largest number of folders whose absolute paths are kept in memory."""

CLAIMS: Final = "claims"
SETS: Final = "sets"

_NAME = re.compile(rf"[0-9a-f]{{24}}{re.escape(SHARD_SUFFIX)}")
_FACTS = TypeAdapter(dict[str, JsonValue])
_LAYOUT = TypeAdapter(dict[str, Shape])


class StoreIndex:
    """Tables of a store, which any number of processes read and write.

    The journal is rolled back, not written ahead: that needs memory which machines do not share.

    Args:
        path: File of the index. Tables are created if it is empty: the process that made the file
            may not have come further.
        create: Create the file if it is missing.

    Attributes:
        created: Whether the tables were created.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection = self._connect("rwc" if create else "rw")
        self._connection.execute("PRAGMA trusted_schema = OFF")
        self._connection.execute("PRAGMA synchronous = FULL")
        self.created = self._create_tables()
        self._check()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write what the block writes, all of it or nothing."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise OutputError(f"cannot be written: {error}", where=str(self.path)) from None
            except sqlite3.DatabaseError as error:
                raise self._damaged(str(error)) from None
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _connect(self, mode: str) -> sqlite3.Connection:
        for locking in ("", "&nolock=1"):
            address = f"{self.path.absolute().as_uri()}?mode={mode}{locking}"
            try:
                connection = sqlite3.connect(
                    address,
                    timeout=WAIT_SECONDS,
                    isolation_level=None,
                    check_same_thread=False,
                    uri=True,
                )
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode in NO_LOCKS and not locking:
                    continue
                reason = f"cannot be opened: {error}"
                raise OutputError(reason, where=str(self.path)) from None
            except sqlite3.DatabaseError as error:
                raise self._damaged(str(error)) from None
            return connection
        raise OutputError("cannot be opened", where=str(self.path))

    def _create_tables(self) -> bool:
        if self._has_content(self._connection):
            return False
        with self.transaction() as tables:
            if self._has_content(tables):
                return False
            tables.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            tables.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            for statement in INDEX_TABLES:
                tables.execute(statement)
            return True

    def _check(self) -> None:
        ((application,),) = self.rows("PRAGMA application_id")
        ((version,),) = self.rows("PRAGMA user_version")
        if application == APPLICATION_ID and version != SCHEMA_VERSION:
            raise StoreError(
                "is a store of another version",
                where=str(self.path),
                got=f"version {version}",
                expected=f"version {SCHEMA_VERSION}",
            )
        statements = self.rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
        if application != APPLICATION_ID or [sql for (sql,) in statements] != list(INDEX_TABLES):
            raise self._damaged("other tables")
        for table, types in COLUMN_TYPES.items():
            wrong = " OR ".join(f"typeof({name}) NOT IN {kinds}" for name, kinds in types.items())
            if self.rows(f"SELECT 1 FROM {table} WHERE {wrong} LIMIT 1"):
                raise self._damaged(f"values of another type in the table {table}")

    def _has_content(self, connection: sqlite3.Connection) -> bool:
        try:
            ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            ((application,),) = connection.execute("PRAGMA application_id").fetchall()
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from None
        return bool(tables or application)

    def _damaged(self, got: str) -> StoreError:
        return StoreError(
            "is damaged, or not the index of a store",
            where=str(self.path),
            got=got,
            hint=INDEX_HINT,
        )


class EntrySet:
    """Arrays of videos that were computed alike; other processes may add videos at the same time.

    Args:
        index: Index of the store.
        number: Number of the set in the index.
        folder: Folder of its shards.
        facts: All facts that decide the arrays of a video.
        layout: Names, types and shapes of a video's arrays.

    Attributes:
        damaged: Shards that are missing or cannot be read, and why; their videos count as missing.
            A shard that has not changed since it was written is read when one of its videos is.
    """

    def __init__(
        self, index: StoreIndex, number: int, folder: Path, facts: Facts, layout: Layout
    ) -> None:
        self.folder, self.facts, self.layout = folder, facts, layout
        self.digest = digest(facts)
        self._index, self._number = index, number
        self._shard = lru_cache(MOST_OPEN_SHARDS)(self._open)
        self.damaged: dict[Path, str] = dict(self._find_damaged())

    def __contains__(self, fingerprint: object) -> bool:
        return self._place(fingerprint) is not None

    def __len__(self) -> int:
        if self.damaged:
            return sum(1 for _ in self)
        query = "SELECT count(*) FROM entries WHERE set_number = ?"
        ((count,),) = self._index.rows(query, self._number)
        return int(count)

    def __iter__(self) -> Iterator[str]:
        return (video for video, path in self._videos() if path not in self.damaged)

    def beginning_with(self, prefix: str) -> list[str]:
        """Return the videos whose names begin with a text, sorted."""
        query = (
            "SELECT video, name FROM entries JOIN shards ON number = shard_number "
            "WHERE entries.set_number = ? AND video >= ? AND video < ? ORDER BY video"
        )
        rows = self._index.rows(query, self._number, prefix, f"{prefix}\U0010ffff")
        return [str(video) for video, name in rows if self.folder / str(name) not in self.damaged]

    def lost(self) -> Iterator[str]:
        """Yield the videos of damaged shards."""
        if self.damaged:
            yield from (video for video, path in self._videos() if path in self.damaged)

    def _videos(self) -> Iterator[tuple[str, Path]]:
        query = (
            "SELECT video, name FROM entries JOIN shards ON number = shard_number "
            "WHERE entries.set_number = ? ORDER BY video"
        )
        for video, name in self._index.rows(query, self._number):
            yield str(video), self.folder / str(name)

    @property
    def bytes_a_video(self) -> int:
        """Size of a video's arrays in bytes."""
        return sum(shape.nbytes for shape in self.layout.values())

    def read(self, fingerprint: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of one video.

        Raises:
            KeyError: The set does not contain it.
            StoreError: Its shard is damaged.
        """
        place = self._place(fingerprint)
        if place is None:
            raise KeyError(fingerprint)
        name, row = place
        shard = self._shard(name)
        if shard.videos[row : row + 1] != [fingerprint]:
            raise StoreError(
                "does not fit the index", where=str(shard.path), got=f"row {row}", hint=SHARD_HINT
            )
        return shard.read(row)

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Add videos, all of them or none.

        Args:
            entries: Arrays by fingerprint.

        Raises:
            StoreError: An entry has another layout.
            OutputError: The shard or the index cannot be written.
        """
        for fingerprint, entry in entries.items():
            shapes = {name: Shape(array.dtype.name, array.shape) for name, array in entry.items()}
            if shapes != self.layout:
                raise StoreError(
                    "the layout differs from the layout of the set",
                    where=f"video {fingerprint[:12]}",
                    got=f"{shapes}",
                    expected=f"{dict(self.layout)}",
                )
        if not entries:
            return
        path = write_shard(self.folder, self.facts, entries)
        self._shard.cache_clear()  # It may be another file under the name of a damaged one.
        self.add(self._shard(path.name))
        self.damaged.pop(path, None)

    def add(self, shard: Shard) -> None:
        """Put a shard into the index."""
        status = shard.path.stat()
        facts = (self._number, shard.path.name, status.st_size, status.st_mtime_ns)
        with self._index.transaction() as tables:
            tables.execute(
                "INSERT INTO shards (set_number, name, size, modified) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET size = excluded.size, modified = excluded.modified",
                facts,
            )
            tables.executemany(
                "INSERT OR REPLACE INTO entries SELECT ?, ?, number, ? FROM shards "
                "WHERE set_number = ? AND name = ?",
                [
                    (self._number, video, row, self._number, shard.path.name)
                    for row, video in enumerate(shard.videos)
                ],
            )

    def _open(self, name: str) -> Shard:
        return Shard(self.folder / name, self.digest, self.layout)

    def _find_damaged(self) -> Iterator[tuple[Path, str]]:
        """Yield the shards that are gone, or that have changed and cannot be read."""
        query = "SELECT name, size, modified FROM shards WHERE set_number = ? ORDER BY name"
        # Before the files: another process writes a shard first, and then its row.
        shards = self._index.rows(query, self._number)
        try:
            with os.scandir(self.folder) as files:
                present = dict(filter(None, map(_status, files)))
        except FileNotFoundError:
            present = {}
        except NotADirectoryError:
            raise StoreError(
                "this is a file", where=str(self.folder), expected="a folder"
            ) from None
        for name, size, modified in shards:
            path, status = self.folder / str(name), present.get(name)
            if status is None and _NAME.fullmatch(name):
                # Another process that replaces a shard hides it for a moment from a listing.
                with suppress(OSError):
                    status = path.stat()
            if status is None or not _NAME.fullmatch(name):
                yield path, f"{path}: the shard is missing"
            elif (status.st_size, status.st_mtime_ns) != (size, modified):
                try:
                    self._shard(name)
                except StoreError as error:
                    yield path, str(error)

    def _place(self, fingerprint: object) -> tuple[str, int] | None:
        query = (
            "SELECT name, place FROM entries JOIN shards ON number = shard_number "
            "WHERE entries.set_number = ? AND video = ?"
        )
        if not isinstance(fingerprint, str):
            return None
        for name, row in self._index.rows(query, self._number, fingerprint):
            if _NAME.fullmatch(str(name)) and self.folder / name not in self.damaged:
                return name, int(row)
        return None


def _status(file: os.DirEntry[str]) -> tuple[str, os.stat_result] | None:
    """Return the name and status of a regular file; None for others, such as a loop of links."""
    try:
        return (file.name, file.stat()) if file.is_file() else None
    except OSError:
        return None


@dataclass(frozen=True)
class KnownVideo:
    """Known facts of a video.

    Args:
        fingerprint: Fingerprint of its video source; None if its bytes cannot be read.
        stamp: Stamp of its files, see ``stamp``; None for a video source without files.
        error: Why its features could not be computed.
    """

    fingerprint: str | None = None
    stamp: str | None = None
    error: str | None = None


class KnownVideos:
    """Known videos of one list: a file that did not change is not read again.

    A store identifies a video by its bytes. Reading all bytes of a benchmark takes minutes. On
    another machine without the videos, the ids of a list identify them.
    """

    def __init__(self, index: StoreIndex, name: str) -> None:
        self._index, self._name = index, legible(name)

    def fingerprint(self, video: Video, at: str | None) -> str | None:
        """Return a video's fingerprint if it is known without reading a file, otherwise None.

        ``at`` is the stamp of its source. Without a file its id decides, unless several had it.
        """
        if video.source is not None and not isinstance(video.source, Clip):
            return video.source.fingerprint()
        facts = self._facts(video)
        if at is not None:
            return next((fact.fingerprint for fact in facts if fact.stamp == at), None)
        fingerprints = {fact.fingerprint for fact in facts if fact.fingerprint}
        return fingerprints.pop() if len(fingerprints) == 1 else None

    def error(self, video: Video) -> str | None:
        """Return why the features of a video could not be computed; None if that is not known."""
        return next((fact.error for fact in self._facts(video) if fact.error), None)

    def every(self, id: str | None = None, fingerprint: str | None = None) -> dict[str, KnownVideo]:
        """Return the known videos by id: all, or those with this id or fingerprint."""
        query = (
            "SELECT id, fingerprint, stamp, error FROM videos "
            "WHERE list = ? AND id = ifnull(?, id) AND (? IS NULL OR fingerprint = ?) ORDER BY id"
        )
        rows = self._index.rows(query, self._name, id, fingerprint, fingerprint)
        return {row[0]: KnownVideo(*row[1:]) for row in rows}

    def write(self, facts_of: Mapping[str, KnownVideo]) -> None:
        """Write known videos by id; what was known of the same videos together is replaced."""
        facts = {legible(id): video for id, video in facts_of.items()}
        page = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:24]
        query = "SELECT id, fingerprint, stamp, error FROM videos WHERE list = ? AND page = ?"
        stored = {row[0]: KnownVideo(*row[1:]) for row in self._index.rows(query, self._name, page)}
        if stored == facts:
            return
        with self._index.transaction() as tables:
            tables.execute("DELETE FROM videos WHERE list = ? AND page = ?", (self._name, page))
            tables.executemany(
                "INSERT INTO videos (list, id, page, fingerprint, stamp, error) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (self._name, id, page, video.fingerprint, video.stamp, video.error)
                    for id, video in facts.items()
                ],
            )

    def _facts(self, video: Video) -> list[KnownVideo]:
        query = "SELECT fingerprint, stamp, error FROM videos WHERE list = ? AND id = ?"
        rows = self._index.rows(query, self._name, legible(video.id))
        return [KnownVideo(*row) for row in rows]


class Store:
    """Features on disk, read and written by many processes at once.

    A set contains features of videos that were computed alike. Its name is the SHA-256 of all facts
    that decide the features: another transform or other weights give another set. A set identifies
    a video by its fingerprint, so that its path and name do not matter.

    Args:
        folder: Folder of the store.

    Raises:
        StoreError: The folder is not a feature store.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = user_path(folder, StoreError)
        if not (self.folder / INDEX_FILE).is_file():
            STORE.refuse(folder, STORE.other, f"no file {INDEX_FILE}")
        self.index = StoreIndex(self.folder / INDEX_FILE)
        if self.index.created:
            self._index_shards()

    @classmethod
    def create(cls, folder: str | Path) -> "Store":
        """Create a store, or open the existing one; a lost index is made again from the shards.

        Raises:
            StoreError: The folder contains other files.
            OutputError: The folder cannot be written.
        """
        path = user_path(folder, StoreError)
        if path.exists() and not path.is_dir():
            raise StoreError("this is a file", where=str(path), expected="a folder")
        names = {file.name for file in path.iterdir()} if path.exists() else set()
        if INDEX_FILE not in names:
            if {name for name in names if name[0] != "."} - {SETS, CLAIMS}:
                raise StoreError(
                    "contains other files",
                    where=str(path),
                    expected="a new or empty folder, or a store",
                )
            make_folder(path)
        index = StoreIndex(path / INDEX_FILE, create=True)
        store = cls(path)
        if index.created:
            store._index_shards()
        return store

    def sets(self) -> Iterator[EntrySet]:
        """Return all sets."""
        for row in self.index.rows(
            "SELECT number, digest, facts, layout FROM sets ORDER BY digest"
        ):
            yield self._set(*row)

    def find(self, facts: Facts) -> EntrySet | None:
        """Return the set with these facts, or None."""
        query = "SELECT number, digest, facts, layout FROM sets WHERE digest = ?"
        rows = self.index.rows(query, digest(facts))
        return self._set(*rows[0]) if rows else None

    def make(self, facts: Facts, layout: Layout) -> EntrySet:
        """Return the set with these facts; it is created if there is none.

        Args:
            facts: All facts that decide the arrays of a video.
            layout: Names, types and shapes of a video's arrays.

        Raises:
            StoreError: The existing set has another layout.
            OutputError: The set cannot be written.
        """
        entries = self.find(facts)
        if entries is None:
            shapes = _LAYOUT.dump_json(dict(layout)).decode()
            values = (digest(facts), json.dumps(dict(facts), sort_keys=True), shapes)
            with self.index.transaction() as tables:
                tables.execute(
                    "INSERT OR IGNORE INTO sets (digest, facts, layout) VALUES (?, ?, ?)", values
                )
            entries = self.find(facts)
        if entries is None or entries.layout != dict(layout):
            raise StoreError(
                "contains another set under this name",
                where=str(self.folder),
                got=f"{entries and entries.layout}",
                expected=f"{dict(layout)}",
            )
        if entries.folder.is_dir():
            remove_leftovers(entries.folder)
        return entries

    def known(self, name: str) -> KnownVideos:
        """Return the known videos of a list."""
        return KnownVideos(self.index, name)

    def claims(self, name: str) -> Path:
        """Return the lock file of work that processes share."""
        return self.folder / CLAIMS / hashlib.sha256(name.encode()).hexdigest()[:24]

    def _set(self, number: int, name: str, facts: str, layout: str) -> EntrySet:
        folder = self.folder / SETS / str(name)[:24]
        try:
            entries = EntrySet(
                self.index,
                number,
                folder,
                _FACTS.validate_json(facts),
                _LAYOUT.validate_json(layout),
            )
        except ValidationError as error:
            got = error.errors()[0]["msg"]
            STORE.refuse(self.index.path, "the facts of a set cannot be read", got)
        if entries.digest != name:
            STORE.refuse(self.index.path, "the facts of a set cannot be read", "another digest")
        return entries

    def _index_shards(self) -> None:
        for path in sorted((self.folder / SETS).glob(f"*/*{SHARD_SUFFIX}")):
            try:
                facts, layout = facts_and_layout(path)
                shard = Shard(path, digest(facts), layout)
            except StoreError:
                continue  # Its videos are missing, and are embedded again.
            entries = self.make(facts, layout)
            if entries.folder == path.parent:
                entries.add(shard)


def stamp(source: VideoSource | None) -> str | None:
    """Return the SHA-256 of the paths, sizes and modification times of a clip's files.

    Returns:
        The stamp; None for a video source without files, or if the files cannot be read.
    """
    if not isinstance(source, Clip):
        return None
    path = source.path
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        facts = [(file.name, (at := file.stat()).st_size, at.st_mtime_ns) for file in files]
        where = _resolved(path)
    except OSError:
        return None
    content = repr((where, source.start, source.end, facts))
    return hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()


def _resolved(path: Path) -> str:
    """Return the absolute path without symbolic links; folders are resolved once."""
    if path.name in ("", "..") or path.is_symlink():
        return str(path.resolve())
    return os.path.join(_resolved_folder(os.path.join(os.getcwd(), path.parent)), path.name)


@lru_cache(MOST_KNOWN_FOLDERS)
def _resolved_folder(folder: str) -> str:
    return os.path.realpath(folder)
