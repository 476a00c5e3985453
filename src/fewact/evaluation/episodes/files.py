"""Files of episodes.

The format is JSON with one episode on each line, readable in any language. 10,000 episodes of five
ways take one megabyte.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import EpisodeError
from fewact.core.paths import user_path
from fewact.evaluation.episodes.episode_set import EpisodeSet
from fewact.evaluation.episodes.protocol import Protocol

HINT = "Draw the episodes again, with the same protocol, or restore the file."
EPISODES = FileType("file of episodes", EpisodeError, 64 * MIB, hint=HINT)

Rows = list[list[Annotated[int, Field(ge=0, lt=2**31)]]]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["fewact episodes"]
    version: Literal[1]
    protocol: dict[str, Any]
    list: str
    list_sha256: str
    sha256: str
    support: Rows
    query: Rows


def save(episodes: EpisodeSet, path: str | Path) -> Path:
    """Write a file of episodes.

    Args:
        episodes: Episodes to write.
        path: File; an existing file is replaced atomically.

    Returns:
        Path of the file.

    Raises:
        OutputError: The file cannot be written.
    """
    head = {
        "format": "fewact episodes",
        "version": 1,
        "protocol": asdict(episodes.protocol),
        "list": episodes.list_name,
        "list_sha256": episodes.list_digest,
        "sha256": episodes.digest,
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for name, positions in (("support", episodes.support), ("query", episodes.query)):
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in positions.tolist())
        lines.append(f'"{name}": [\n{rows}\n]')
    return write_text(user_path(path, EpisodeError), "{\n" + ",\n".join(lines) + "\n}\n")


def load(path: str | Path) -> EpisodeSet:
    """Read a file of episodes and check its SHA-256.

    Raises:
        EpisodeError: The file is missing, is not a file of episodes, or was edited.
    """
    where = str(path)
    found = EPISODES.model(user_path(path, EpisodeError), _File)
    try:
        episodes = EpisodeSet(
            Protocol(**found.protocol),
            found.list,
            found.list_sha256,
            np.array(found.support, dtype=np.int32),
            np.array(found.query, dtype=np.int32),
        )
    except (TypeError, ValueError) as error:
        EPISODES.refuse(where, "not a file of episodes", str(error))
    consistent = all(positions.shape == shape for _, positions, shape in episodes.parts)
    if not consistent or episodes.digest != found.sha256:
        raise EpisodeError("the file was edited or damaged", where=where, hint=HINT)
    return episodes
