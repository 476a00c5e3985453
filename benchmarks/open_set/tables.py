"""Similarities of all pairs of the clips of each set, computed once."""

from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from benchmarks.datasets import parts, read_index
from benchmarks.fusion_variants import fusion
from benchmarks.pairs import encode_videos
from fewact import networks
from fewact.data import Split, VideoList
from fewact.methods.base import Nodes, rows
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import NUMBER
from fewact.synthetic import motions

TABLE = "table."
"""Prefix of the names of the tables in a file."""

SYNTHETIC = 6
"""Number of videos of each class of the synthetic benchmark."""


@dataclass(frozen=True)
class ClipSet:
    """Clips whose similarities are known.

    Args:
        name: Name in tables.
        videos: The clips with their classes and groups.
        method: ``fusion`` with all similarities looked up.
        nodes: Its nodes of the clips (v …).
    """

    name: str
    videos: VideoList
    method: Fusion
    nodes: Nodes

    def of(self, numbers: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the nodes of clips by their numbers."""
        return rows(self.nodes, numbers)


def clip_lists(assets: Path, *, development: bool) -> dict[str, VideoList]:
    """Return the clips that may choose, or the clips that measure, by the name of their set."""
    found = {part.name: part.videos for part in parts(read_index(assets), development=development)}
    split: Split = "val" if development else "test"
    found[f"`motions:misaligned` {split}"] = motions("misaligned", videos=SYNTHETIC).videos.of(
        split
    )
    return found


def load_sets(assets: Path, cache: Path, *, development: bool) -> list[ClipSet]:
    """Return the sets; similarities that the cache does not have are computed and stored."""
    lists = clip_lists(assets, development=development)
    return [load_set(name, videos, cache) for name, videos in lists.items()]


def load_set(name: str, videos: VideoList, cache: Path) -> ClipSet:
    """Return a set; similarities that the cache does not have are computed and stored.

    Raises:
        SystemExit: The cache is of another version of the method.
    """
    method = copy(fusion())
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"{file_name(name)}.safetensors"
    if not file.exists():
        _store(file, method, videos)
    nodes = load_file(file)
    terms = method.terms
    if not terms.names <= {name.removeprefix(TABLE) for name in nodes}:
        raise SystemExit(f"{cache} is of another version of the method: use another folder")
    tables = {term.name: partial(_entries, nodes.pop(TABLE + term.name)) for term in terms.terms}
    looked_up = tuple(replace(term, table=tables[term.name]) for term in terms.terms)
    method.terms = replace(terms, terms=looked_up)
    return ClipSet(name, videos, method, nodes)


def _entries(
    table: NDArray[np.float32], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float32]:
    return table[first[:, :, None], second[:, None]]


def _store(file: Path, method: Fusion, videos: VideoList) -> None:
    """Compute the similarities of videos, and write them to a file."""
    (encoded,) = encode_videos([method], networks.create(), videos)
    looked_up, nodes = method.terms.tabulated(encoded, len(videos.videos))
    every = nodes[NUMBER][None]
    tables = {
        TABLE + term.name: term.table(every, every)[0]
        for term in looked_up.terms
        if term.table is not None
    }
    new = file.with_suffix(".new")
    save_file({n: np.ascontiguousarray(value) for n, value in {**nodes, **tables}.items()}, new)
    new.replace(file)


def file_name(name: str) -> str:
    """Return the name of a set for a file."""
    return "".join(c if c.isalnum() else "-" for c in name).strip("-")
