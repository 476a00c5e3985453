"""The folder of the page below a model: its clips, their thumbnails and the document.

Everything is written under a temporary name, synced and renamed. Saving a model moves this folder
to the new one, so that changes here hold the lock of the model's parent folder.
"""

import os
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from fewact.core.atomic import make_folder, output_errors, sync, write_bytes
from fewact.core.bounded import GIB, MIB, FileType, size_text
from fewact.core.errors import ModelError, OutputError
from fewact.core.folders import backup_of, current, held, holding
from fewact.core.locks import exclusive
from fewact.core.page_folder import PAGE_CLIP, PAGE_DOCUMENT, PAGE_FOLDER, is_page
from fewact.core.paths import user_path
from fewact.core.temporary import is_temporary, remove_leftovers, temporary
from fewact.data import VIDEO_SUFFIXES
from fewact.page.document import Document
from fewact.page.refused import RefusedError

DOCUMENT_FILE = FileType(
    "document of the page", ModelError, 64 * MIB, hint="Move it away to start with an empty page."
)
MOST_CLIPS: Final = 2000
MOST_BYTES: Final = 1 * GIB
RESERVED: Final = 1 * GIB
"""Bytes of the disk that uploads and unpacked models leave free."""


class Store:
    """Clips and document of one model.

    Args:
        model: Folder of the model; it is created if it does not exist.

    Raises:
        ModelError: The folder has other files, or another server has it open.
        OutputError: It cannot be written.
    """

    def __init__(self, model: Path) -> None:
        self.model = user_path(model, ModelError).resolve()
        self._check()
        with output_errors(self.model):
            if not self.model.exists() and not backup_of(self.model).is_dir():
                make_folder(self.model)
        self.folder = self.model / PAGE_FOLDER
        with held(self.model, is_of_model):  # saving the model moves the page to the new folder
            make_folder(self.folder / "lock")
            self._lock = exclusive(self.folder / "lock" / "serve")
        if self._lock is None:
            raise ModelError(
                "another `fewact serve` has this model open",
                where=str(model),
                hint="Use the page that is open already, or stop the other server first.",
            )
        remove_leftovers(self.folder)
        if not is_page(self.folder):
            self.write(Document())

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def has_model(self) -> bool:
        """Return whether the folder has a model."""
        return (current(self.model) / "config.json").is_file()

    def read(self) -> Document:
        """Return the document; an empty one if there is none.

        Raises:
            ModelError: It is damaged or has another version.
        """
        path = self.folder / PAGE_DOCUMENT
        return DOCUMENT_FILE.model(path, Document) if path.exists() else Document()

    def write(self, document: Document) -> Document:
        """Write the document, without its oldest steps if it is too large; return what is written.

        Raises:
            OutputError: It cannot be written; the old one is unchanged.
        """
        document, content = self._readable(document)
        with self._unmoved():
            write_bytes(self.folder / PAGE_DOCUMENT, content)
        return document

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Yield a new file for an upload; it is removed at the end unless ``keep`` has moved it.

        Raises:
            OutputError: The disk refuses, or is nearly full.
        """
        with output_errors(self.folder), ExitStack() as until_end:
            with self._unmoved():
                new = until_end.enter_context(temporary(self.folder / new_id()))
            yield new

    def check_room(self, size: int) -> None:
        """Refuse an upload that would fill the disk.

        Raises:
            OutputError: Less than a gigabyte would be left, or the folder was moved.
        """
        with self._unmoved():
            free = shutil.disk_usage(self.model).free
        if free < size + RESERVED:
            raise OutputError("the disk is nearly full", where=str(self.folder))

    def keep(self, new: Path, suffix: str, strip: bytes) -> tuple[str, str]:
        """Give a finished upload and its thumbnail their names; return the id and the file's name.

        Raises:
            OutputError: They cannot be written.
        """
        id = new_id()
        file = f"{id}{suffix}"
        with self._unmoved(), output_errors(self.folder):
            write_bytes(self.folder / f"{id}.strip", strip)
            sync(new)
            os.replace(new, self.folder / file)
            sync(self.folder)
        return id, file

    def restore_strip(self, file: str, strip: bytes) -> None:
        """Write the thumbnail of a clip again.

        Raises:
            OutputError: It cannot be written.
        """
        with self._unmoved():
            write_bytes(self.folder / f"{Path(file).stem}.strip", strip)

    def path(self, file: str) -> Path:
        """Return the path of a file of the document; while a model is saved, this waits."""
        path = self.folder / file
        if not path.exists():
            with self._unmoved():
                pass
        return path

    def strip(self, file: str) -> Path:
        """Return the path of the thumbnail of a file."""
        return self.path(f"{Path(file).stem}.strip")

    def forget(self, file: str) -> None:
        """Remove a clip for good, as the user requested.

        Raises:
            OutputError: It cannot be removed.
        """
        with self._unmoved(), output_errors(self.folder):
            # The thumbnail first: without its clip no start would find it.
            for path in (self.folder / f"{Path(file).stem}.strip", self.folder / file):
                path.unlink(missing_ok=True)
            sync(self.folder)

    def forget_deleted(self, document: Document) -> None:
        """Remove clips that were deleted for good, and that a killed server had not removed yet.

        Raises:
            OutputError: They cannot be removed.
        """
        deleted = {file for file, *_ in document.deleted.values()}
        for file in deleted.intersection(self.unknown(document)):
            self.forget(file)

    def unknown(self, document: Document) -> list[str]:
        """Return clips that are not listed in the document: a killed server had written them."""
        known = {clip.file for clip in document.clips.values()}
        return sorted(
            entry.name
            for entry in self.folder.iterdir()
            if PAGE_CLIP.fullmatch(entry.name)
            and entry.suffix in VIDEO_SUFFIXES
            and entry.name not in known
        )

    def _check(self) -> None:
        """Refuse a folder with files of something else.

        Raises:
            ModelError: It has other files, or is a file.
        """
        if not self.model.exists():
            return
        if not self.model.is_dir():
            raise ModelError("this is a file", where=str(self.model), expected="a folder")
        names = {entry.name for entry in self.model.iterdir() if not is_temporary(entry.name)}
        page = self.model / PAGE_FOLDER
        begun = names == {PAGE_FOLDER} and {entry.name for entry in page.iterdir()} <= {"lock"}
        if names and "config.json" not in names and not is_page(page) and not begun:
            raise ModelError(
                "the folder has other files, but no model",
                where=str(self.model),
                expected="a folder of a model, or a new name",
            )

    def _readable(self, document: Document) -> tuple[Document, bytes]:
        """Return a document without the oldest steps that make it too large to read, as JSON.

        Raises:
            OutputError: It is too large without any steps.
        """
        content = document.model_dump_json().encode()
        excess, steps = len(content) - DOCUMENT_FILE.ceiling, deque(document.steps)
        if excess <= 0:
            return document, content
        while steps and excess > 0:
            excess -= len(steps.popleft().model_dump_json().encode())
        if excess > 0:
            raise OutputError(
                "the document of the page is too large",
                where=str(self.folder),
                expected=f"at most {size_text(DOCUMENT_FILE.ceiling)}",
            )
        document = document.model_copy(update={"steps": tuple(steps)})
        return document, document.model_dump_json().encode()

    @contextmanager
    def _unmoved(self) -> Iterator[None]:
        """Hold the lock without which no process replaces the model folder.

        Raises:
            OutputError: The folder was moved or removed.
        """
        with output_errors(self.folder), holding(self.model.parent):
            if not self.folder.is_dir():  # writing would begin another model in its place
                raise OutputError(
                    "the folder of the model is not there any more",
                    where=str(self.model),
                    hint="Move it back, or stop the program and start it with the new folder.",
                )
            yield


class Room:
    """Disk space and clips that requests have reserved, so that they share the limits.

    Args:
        store: Store whose disk is limited.
        count: Returns the number of clips that there are.
    """

    def __init__(self, store: Store, count: Callable[[], int]) -> None:
        self._store, self._count = store, count
        self._bytes, self._clips = 0, 0

    @contextmanager
    def reserved(self, *, size: int = 0, clips: int = 0) -> Iterator[None]:
        """Reserve disk space and clips until the block ends.

        Args:
            size: Number of bytes that will be written. Bytes that the block has written already
                count twice, so that the limit is never exceeded.
            clips: Number of clips that will be added.

        Raises:
            RefusedError: There would be too many clips.
            OutputError: The disk would be nearly full.
        """
        if clips and self._count() + self._clips + clips > MOST_CLIPS:
            raise RefusedError(409, "too_many")
        if size:
            self._store.check_room(self._bytes + size)
        self._bytes += size
        self._clips += clips
        try:
            yield
        finally:
            self._bytes -= size
            self._clips -= clips


def suffix_of(name: str) -> str:
    """Return the suffix for the file of an upload: that of its name, if it is one of a video."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in VIDEO_SUFFIXES else ".mp4"


def new_id() -> str:
    """Return an id for a clip."""
    return secrets.token_hex(8)


def is_of_model(name: str) -> bool:
    """Return whether an entry of a model folder is replaced when the model is saved."""
    from fewact.classifier.history import owns  # loads torch

    return owns(name)
