"""Report of damaged and missing frames, and warnings about them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from fewact.core.errors import warn

_collected: ContextVar[list[str] | None] = ContextVar("_collected", default=None)


class VideoWarning(UserWarning):
    """A video was read only in part, or not as its metadata requests."""


@contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """Collect the texts of this thread's video warnings instead of issuing them.

    A thread that decodes ahead passes the texts to the thread that issues the warnings. Python's
    ``catch_warnings`` would change the warnings of the entire process.
    """
    texts: list[str] = []
    token = _collected.set(texts)
    try:
        yield texts
    finally:
        _collected.reset(token)


def warn_of_video(text: str) -> None:
    """Issue a ``VideoWarning``, or append its text to the list of ``collect_warnings``."""
    texts = _collected.get()
    if texts is None:
        warn(text, VideoWarning)
    else:
        texts.append(text)


@dataclass
class Damage:
    """Numbers of frames of a file that are missing or damaged, and whether their times are.

    Args:
        missing: Frames missing at the end of a truncated file; −1 if their number is not known.
        corrupt: Frames that are stored but do not decode, or only with errors.
        replaced: Requested frames that are replaced by the nearest frame that decodes.
        assumed_fps: Assumed frame rate if all frames have the same time; None if they do not.
    """

    missing: int = 0
    corrupt: int = 0
    replaced: int = 0
    assumed_fps: float | None = None

    def warn(self, path: str | Path) -> None:
        """Warn if frames are missing or damaged, or their times are.

        Args:
            path: File, folder or camera that the warning names.
        """
        parts = []
        if self.missing:
            lost = f", {_count(self.missing)} lost at its end" if self.missing > 0 else ""
            parts.append(f"the file is cut short{lost}")
        if self.corrupt:
            parts.append(f"{_count(self.corrupt)} damaged")
        if self.replaced:
            parts.append(f"{_count(self.replaced)} replaced by the nearest that decodes")
        if self.assumed_fps is not None:
            rate = f"{self.assumed_fps:.4g} frames per second are assumed"
            parts.append(f"all frames have the same time, {rate}")
        if parts:
            warn_of_video(f"{path}: {'; '.join(parts)}")


def _count(frames: int) -> str:
    return "1 frame is" if frames == 1 else f"{frames} frames are"
