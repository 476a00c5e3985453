"""Similarities of all pairs of the clips of each set, computed once."""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file

from benchmarks.datasets import parts, read_index
from benchmarks.fusion_variants import fusion
from benchmarks.pairs import LookedUp, Pairs, compare_within, corners_of, encode_videos
from fewact import backbones
from fewact.data import Split, VideoList
from fewact.methods.fusion import Fusion
from fewact.synthetic import motions

SYNTHETIC = 6
"""Number of videos of each class of the synthetic benchmark."""


@dataclass(frozen=True)
class ClipSet:
    """Clips whose similarities are known.

    Args:
        name: Name in tables.
        videos: The clips with their classes and groups.
        method: ``fusion`` with all similarities looked up; a clip's node is its number.
    """

    name: str
    videos: VideoList
    method: LookedUp


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
    method = fusion()
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"{file_name(name)}.safetensors"
    if not file.exists():
        _store(file, method, videos)
    nodes = load_file(file)
    exact, quick = nodes.pop("exact"), nodes.pop("quick")
    corners = corners_of(method.map_terms)
    if len(quick) != len(corners):
        raise SystemExit(f"{cache} is of another version of the method: use another folder")
    pairs = Pairs(exact, quick, corners, method.map_terms, nodes)
    return ClipSet(name, videos, LookedUp(method, pairs))


def _store(file: Path, method: Fusion, videos: VideoList) -> None:
    """Compute the similarities of videos, and write them to a file."""
    (nodes,) = encode_videos([method], backbones.create(), videos)
    pairs = compare_within(method, nodes)
    new = file.with_suffix(".new")
    save_file({"exact": pairs.exact, "quick": pairs.quick, **pairs.nodes}, new)
    new.replace(file)


def file_name(name: str) -> str:
    """Return the name of a set for a file."""
    return "".join(c if c.isalnum() else "-" for c in name).strip("-")
