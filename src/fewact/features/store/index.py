"""Index of a store: one SQLite file that says which shard has a video, and what is known of lists.

The features themselves are in the shards, and the index of lost shards can be made again from them.
A writer that is killed leaves the index as it was before its transaction.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from fewact.core.bounded import GIB, FileType
from fewact.core.errors import OutputError, StoreError

FILE: Final = "store.sqlite"
HINT = "Remove this file: `fewact embed` makes it again from the shards."
STORE = FileType("feature store", StoreError, 64 * GIB, "a folder that `fewact embed` has written")

FORMAT, VERSION = int.from_bytes(b"fewa", "big"), 1

SCHEMA: Final = (
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

WAIT = 60.0
"""Seconds that a writer waits for another one; a transaction takes milliseconds."""

NO_LOCKS = frozenset((15, 2058, 2314, 3850))
"""SQLite's codes of a disk that has no locks."""


class StoreIndex:
    """Tables of a store, which any number of processes read and write.

    The journal is rolled back, not written ahead: that needs memory which machines do not share.

    Args:
        path: File of the index. Tables are created if it is empty: the process that made the file
            may not have come further.
        create: Create the file if it is missing.

    Attributes:
        created: Whether the tables were created.

    Raises:
        StoreError: The file is not an index, or one of another version.
        OutputError: The file cannot be created.
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
        """Return the rows of a query.

        Raises:
            StoreError: The file is damaged.
        """
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write what the block writes, all of it or nothing.

        Raises:
            OutputError: The file cannot be written.
            StoreError: The file is damaged.
        """
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
                    address, timeout=WAIT, isolation_level=None, check_same_thread=False, uri=True
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
            tables.execute(f"PRAGMA application_id = {FORMAT}")
            tables.execute(f"PRAGMA user_version = {VERSION}")
            for statement in SCHEMA:
                tables.execute(statement)
            return True

    def _check(self) -> None:
        ((application,),) = self.rows("PRAGMA application_id")
        ((version,),) = self.rows("PRAGMA user_version")
        if application == FORMAT and version != VERSION:
            raise StoreError(
                "is a store of another version",
                where=str(self.path),
                got=f"version {version}",
                expected=f"version {VERSION}",
            )
        statements = self.rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
        if application != FORMAT or [sql for (sql,) in statements] != list(SCHEMA):
            raise self._damaged("other tables")

    def _has_content(self, connection: sqlite3.Connection) -> bool:
        try:
            ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            ((application,),) = connection.execute("PRAGMA application_id").fetchall()
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from None
        return bool(tables or application)

    def _damaged(self, got: str) -> StoreError:
        return StoreError(
            "is damaged, or not the index of a store", where=str(self.path), got=got, hint=HINT
        )
