"""What damage cost, and telling the user of it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

_collected: ContextVar[list[str] | None] = ContextVar("_collected", default=None)


class VideoWarning(UserWarning):
    """A video was read, but not all of it, or not as its maker meant."""


@contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """Collect the texts of this thread's video warnings instead of issuing them.

    A thread that decodes ahead leaves it to another to warn in time; Python's own
    ``catch_warnings`` would change the warnings of the whole process.
    """
    texts: list[str] = []
    token = _collected.set(texts)
    try:
        yield texts
    finally:
        _collected.reset(token)


def warn_of_video(text: str, stacklevel: int) -> None:
    """Issue a ``VideoWarning``, or hand its text to ``collect_warnings`` where that is in force.

    Args:
        text: What the user is told.
        stacklevel: Frames between the caller of this and the user's code.
    """
    texts = _collected.get()
    if texts is None:
        warnings.warn(text, VideoWarning, stacklevel + 1)
    else:
        texts.append(text)


@dataclass
class Losses:
    """Frames that a file should have shown and did not.

    Args:
        cut: Cut off the end; −1 where their number is not known.
        broken: Stored, but did not decode, or not properly.
        replaced: Wanted, and shown by the nearest frame that decodes.
    """

    cut: int = 0
    broken: int = 0
    replaced: int = 0

    def warn(self, path: Path, stacklevel: int = 2) -> None:
        """Warn if there are any, naming the file and how many.

        Args:
            path: The file or folder.
            stacklevel: Frames between the caller of this and the user's code.
        """
        said = []
        if self.cut:
            lost = f", {_count(self.cut)} lost at its end" if self.cut > 0 else ""
            said.append(f"the file is cut short{lost}")
        if self.broken:
            said.append(f"{_count(self.broken)} damaged")
        if self.replaced:
            said.append(f"{_count(self.replaced)} replaced by the nearest that decodes")
        if said:
            warn_of_video(f"{path}: {'; '.join(said)}", stacklevel + 1)


def _count(frames: int) -> str:
    return "1 frame is" if frames == 1 else f"{frames} frames are"
