"""The folder of the page below a model: its clips, their thumbnails and the journal.

Clips are written under a temporary name, synced and renamed. Saving a model leaves this folder
alone.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from fewact.core.atomic import make_folder, output_errors, sync, write_bytes
from fewact.core.bounded import GIB
from fewact.core.errors import ModelError, OutputError
from fewact.core.locks import exclusive
from fewact.core.page_folder import PAGE_CLIP, PAGE_FOLDER, PAGE_JOURNAL, is_page
from fewact.core.paths import user_path
from fewact.core.temporary import is_temporary, remove_leftovers, temporary
from fewact.data import VIDEO_SUFFIXES
from fewact.data.files import is_saved_model
from fewact.page.journal import Journal
from fewact.page.refused import RefusedError
from fewact.page.state import AnyEntry, PageState, new_id

MOST_CLIPS: Final = 2000
MOST_BYTES: Final = 1 * GIB
RESERVED: Final = 1 * GIB
"""Bytes of the disk that uploads and model files leave free."""


class PageFolder:
    """Clips and journal of one model.

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
            make_folder(self.model / PAGE_FOLDER / "lock")
        self.path = self.model / PAGE_FOLDER
        self._reserved_bytes = self._reserved_clips = 0
        self._lock = exclusive(self.path / "lock" / "serve")
        with ExitStack() as on_failure:
            if self._lock is None:
                raise ModelError(
                    "another `fewact serve` has this model open",
                    where=str(model),
                    hint="Use the page that is open already, or stop the other server first.",
                )
            on_failure.callback(self.close)
            remove_leftovers(self.path)
            self.journal = Journal(self.path / PAGE_JOURNAL)
            on_failure.pop_all()

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def has_model(self) -> bool:
        """Return whether the folder has a model."""
        return is_saved_model(self.model)

    def append(self, entry: AnyEntry) -> bool:
        """Append an entry to the journal, see ``Journal.append``.

        Raises:
            OutputError: It cannot be written, or the folder was moved.
        """
        with self._writing():
            return self.journal.append(entry)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Yield a new file for an upload; it is removed at the end unless ``keep`` has moved it.

        Raises:
            OutputError: The disk refuses, or is nearly full.
        """
        with self._writing(), temporary(self.path / new_id()) as new:
            yield new

    @contextmanager
    def reserved(self, *, size: int = 0, clips: int = 0) -> Iterator[None]:
        """Reserve disk space and clips until the block ends, so that requests share the limits.

        Args:
            size: Number of bytes that will be written. Bytes that the block has written already
                count twice, so that the limit is never exceeded.
            clips: Number of clips that will be added.

        Raises:
            RefusedError: There would be too many clips.
            OutputError: The disk would be nearly full, or the folder was moved.
        """
        count = len(self.journal.state.clips) + self._reserved_clips
        if clips and count + clips > MOST_CLIPS:
            raise RefusedError(409, "too_many")
        if size:
            with self._writing():
                free = shutil.disk_usage(self.model).free
            if free < self._reserved_bytes + size + RESERVED:
                raise OutputError("the disk is nearly full", where=str(self.path))
        self._reserved_bytes += size
        self._reserved_clips += clips
        try:
            yield
        finally:
            self._reserved_bytes -= size
            self._reserved_clips -= clips

    def keep(self, new: Path, suffix: str, strip: bytes) -> tuple[str, str]:
        """Give a finished upload and its thumbnail their names; return the id and the file's name.

        Raises:
            OutputError: They cannot be written.
        """
        id = new_id()
        file = f"{id}{suffix}"
        with self._writing():
            write_bytes(self.path / f"{id}.strip", strip)
            sync(new)
            os.replace(new, self.path / file)
            sync(self.path)
        return id, file

    def restore_strip(self, file: str, strip: bytes) -> None:
        """Write the thumbnail of a clip again.

        Raises:
            OutputError: It cannot be written.
        """
        with self._writing():
            write_bytes(self.path / _strip_of(file), strip)

    def file(self, name: str) -> Path:
        """Return the path of a clip."""
        return self.path / name

    def strip(self, file: str) -> Path:
        """Return the path of the thumbnail of a clip."""
        return self.path / _strip_of(file)

    def forget(self, file: str) -> None:
        """Remove a clip for good, as the user requested.

        Raises:
            OutputError: It cannot be removed.
        """
        with self._writing():
            # The thumbnail first: without its clip no start would find it.
            for name in (_strip_of(file), file):
                (self.path / name).unlink(missing_ok=True)
            sync(self.path)

    def forget_deleted(self, state: PageState) -> None:
        """Remove clips that were deleted for good, and that a killed server had not removed yet.

        Raises:
            OutputError: They cannot be removed.
        """
        deleted = {file for file, *_ in state.deleted.values()}
        for file in deleted.intersection(self.unlisted(state)):
            self.forget(file)

    def unlisted(self, state: PageState) -> list[str]:
        """Return clips that are not in the state: a killed server had written them."""
        listed = {clip.file for clip in state.clips.values()}
        return sorted(
            entry.name
            for entry in self.path.iterdir()
            if PAGE_CLIP.fullmatch(entry.name)
            and entry.suffix in VIDEO_SUFFIXES
            and entry.name not in listed
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
        if names and not self.has_model() and not is_page(page) and not begun:
            raise ModelError(
                "the folder has other files, but no model",
                where=str(self.model),
                expected="a folder of a model, or a new name",
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Refuse to write if the folder was moved or removed, or the disk refuses.

        Raises:
            OutputError: It is so.
        """
        with output_errors(self.path):
            if not self.path.is_dir():  # writing would begin another model in its place
                raise OutputError(
                    "the folder of the model is not there any more",
                    where=str(self.model),
                    hint="Move it back, or stop the program and start it with the new folder.",
                )
            yield


def suffix_of(name: str) -> str:
    """Return the suffix for the file of an upload: that of its name, if it is one of a video."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in VIDEO_SUFFIXES else ".mp4"


def _strip_of(file: str) -> str:
    return f"{PurePosixPath(file).stem}.strip"
