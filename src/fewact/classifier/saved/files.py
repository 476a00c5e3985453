"""Files of a saved model beside config.json: their content, if it can be that of the model."""

import hashlib
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from fewact.classifier.saved.config import STATE, Config
from fewact.classifier.saved.errors import HINT, DamagedModelError
from fewact.classifier.saved.method import parameter_bytes
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.tensors import check_tensors, read_hashed

STATE_FILE = FileType("state of a saved classifier", DamagedModelError, 8 * GIB, hint=HINT)
THUMBNAIL_FILE = FileType("thumbnail", DamagedModelError, 16 * MIB, hint=HINT)

MOST_PER_CLIP = 128 * MIB
"""Largest size of what a state has of a clip. The largest nodes are those of TA2N: 16 MiB with 8
frames of ResNet-50, 125 MiB with 64."""


def content_of(
    path: Path, config: Config, where: Path
) -> tuple[dict[str, Tensor], dict[str, bytes]]:
    """Return the tensors of a model's state, and the content of its thumbnails by their names.

    The size and the header of the tensors are checked before they are read: a file may be very
    large.

    Args:
        path: Folder of the model.
        config: Content of its config.json.
        where: Folder, for the error.

    Raises:
        DamagedModelError: A file cannot be read, or is not the one that was saved.
    """
    tensors, digest = read_hashed(state_file_of(config, str(where)), path / STATE)
    thumbnails = {
        name: THUMBNAIL_FILE.content(path / name) for name in config.files if name != STATE
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in thumbnails.items()}
    digests[STATE] = digest
    for name, expected in config.files.items():
        if digests[name] != expected:
            raise DamagedModelError(
                "the file was damaged or edited after it was saved",
                where=str(where / name),
                hint=HINT,
            )
    return tensors, thumbnails


def check_complete(path: Path, config: Config, where: Path) -> None:
    """Check that the other files of a model exist, and that no tensor is cut off.

    Args:
        path: Folder of the model.
        config: Content of its config.json.
        where: Folder, for the error.

    Raises:
        DamagedModelError: A file is missing or damaged.
    """
    for name in config.files:
        if not (path / name).is_file():
            raise DamagedModelError("the file is missing", where=str(where / name), hint=HINT)
    check_tensors(STATE_FILE, path / STATE)


def state_file_of(config: Config, where: str) -> FileType:
    """Return the type of a model's state: its method and its clips say how large it can be."""
    most = parameter_bytes(config.method, where) + len(config.examples) * MOST_PER_CLIP
    return replace(STATE_FILE, ceiling=min(STATE_FILE.ceiling, most))
