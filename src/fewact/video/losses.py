"""What damage cost, and telling the user of it."""

import warnings
from dataclasses import dataclass
from pathlib import Path


class VideoWarning(UserWarning):
    """A video was read, but not all of it, or not as its maker meant."""


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
            warnings.warn(f"{path}: {'; '.join(said)}", VideoWarning, stacklevel + 1)


def _count(frames: int) -> str:
    return "1 frame is" if frames == 1 else f"{frames} frames are"
