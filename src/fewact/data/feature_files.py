"""Precomputed features of clips: an .npz file with a table of labels beside it, or poses."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fewact.core.arrays import read_array
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import DataError, did_you_mean, warn
from fewact.core.paths import user_path
from fewact.data.clips import (
    UNUSABLE_FEATURES,
    USABLE_FEATURES,
    FeatureClip,
    is_background,
    usable_features,
)
from fewact.data.columns import Column, Schema
from fewact.data.files import first_few
from fewact.data.joints import parse_joints
from fewact.data.poses import is_poses, labelled_poses, read_poses
from fewact.data.videos import GroupScopeOption, Video, VideoList, make_list, read_split

LABELS_EXPECTED = "tab-separated columns clip and class; optional: group, split and dataset"
LABELS = FileType("table of labels", DataError, 256 * MIB, LABELS_EXPECTED)
CLIP_NAMES: Final = Schema(
    (
        Column("clip", required=True),
        *map(Column, ("class", "group", "split", "dataset")),
    ),
    LABELS_EXPECTED,
    refuses_misspelt=True,
)
CLIP_LABELS: Final = Schema(
    (Column("clip", required=True), Column("class", required=True), *CLIP_NAMES.columns[2:]),
    LABELS_EXPECTED,
    refuses_misspelt=True,
)
"""Columns of the table of labels where the clips need no class, and where they do."""

FEATURES = FileType(
    "file of features",
    DataError,
    16 * GIB,
    "an .npz file with an array `features` (clips, t, d) of floating-point numbers",
)


def read_features(file: str | Path, *, dataset: str | None = None) -> list[FeatureClip]:
    """Return the clips of a feature file; they need no class.

    Features that are not finite or too large are allowed, so that one bad clip does not stop the
    others.

    Args:
        file: Feature file (.npz), see ``FeatureDataset``. The .tsv file beside it needs only the
            column ``clip``; without it, clips are named by their numbers, from 0. Or a file or
            folder of poses, see ``fewact.data.poses``.
        dataset: Data set in the column ``dataset``; None for all rows.

    Raises:
        DataError: A file is missing or invalid, or there is no such data set.
    """
    path = user_path(file, DataError)
    if is_poses(path):
        return read_poses([path])
    table = path.with_suffix(".tsv")
    if dataset is None and not table.exists():
        stored, joints = _read_array(path)
        return [FeatureClip(str(i), row, joints=joints) for i, row in enumerate(stored)]
    stored, joints, rows = _read_features(path, CLIP_NAMES)
    numbers = range(len(rows)) if dataset is None else _chosen(table, rows, dataset)
    return _feature_clips(stored, joints, rows, numbers)


def labelled_features(
    file: str | Path, *, dataset: str | None = None, background: bool = False
) -> list[FeatureClip]:
    """Return the clips of a feature file that belong to a class.

    Args:
        file: As for ``read_features``, with the column ``class``. Rows without a label are ignored
            with a warning; rows with the label ``none`` belong to no class.
        dataset: Data set in the column ``dataset``; required if there are several.
        background: Return the clips of no class, not the clips of classes.

    Raises:
        DataError: As for ``read_features``; no row has a class; no data set is chosen of several.
    """
    path = user_path(file, DataError)
    table = path
    if is_poses(path):
        clips = labelled_poses(path)
    else:
        table = path.with_suffix(".tsv")
        stored, joints, rows = _read_features(path, CLIP_LABELS)
        clips = _feature_clips(stored, joints, rows, _chosen(table, rows, dataset))
    outside = [clip for clip in clips if is_background(clip.label or "")]
    if background:
        return outside
    examples = [clip for clip in clips if clip.label and not is_background(clip.label)]
    if not examples:
        raise _no_class(table)
    if ignored := len(clips) - len(examples) - len(outside):
        warn(f"{table}: ignored, clips without a class: {ignored}")
    return examples


class FeatureDataset:
    """Features in an .npz file with labels in a .tsv file of the same name beside it.

    The .npz file contains an array ``features`` (clips t d), floating-point; for skeletons and
    landmarks also a text ``joints``, their layout, see ``fewact.data.joints``. The .tsv file has a
    header and one row per clip, in the same order. Rows with the label ``none`` belong to no class
    and are not in the list. Pickled data is refused.

    Args:
        file: Feature file (.npz), or folder of poses in class folders.
        groups: Scope of the group names, or ``auto``, see ``make_list``.
        dataset: Data set in the column ``dataset``; required if there are several.

    Attributes:
        videos: List of the clips.
        features: Features (clips t d), float32, in the order of the list.
        joints: Layout of the joints of skeletons and landmarks; empty for other features.
        outside: Clips of no class.

    Raises:
        DataError: A file is missing or invalid, no row has a class, a feature is not finite or too
            large, or no data set is chosen of several.
    """

    videos: VideoList
    features: NDArray[np.float32]
    joints: str

    def __init__(
        self, file: str | Path, *, groups: GroupScopeOption = "auto", dataset: str | None = None
    ) -> None:
        path = user_path(file, DataError)
        table = path.with_suffix(".tsv")
        if is_poses(path):
            stored, self.joints, rows = _read_labelled(path)
        else:
            filled = ("clip", "class")
            stored, self.joints, rows = _read_features(path, CLIP_LABELS, filled)
        positions = _chosen(table, rows, dataset)
        actions = [i for i in positions if not is_background(rows[i]["class"])]
        if not actions:
            raise _no_class(table)
        background = [i for i in positions if is_background(rows[i]["class"])]
        self.outside = _feature_clips(stored, self.joints, rows, background)
        videos = [
            Video(
                row["clip"],
                row["class"],
                read_split(row["split"], where=f"{table}, {row['clip']}"),
                row["group"] or None,
            )
            for row in (rows[i] for i in actions)
        ]
        name = f"{path.stem}:{dataset}" if dataset else path.stem
        self.videos = make_list(name, videos, groups, where=str(table))
        with np.errstate(over="ignore"):  # overflow is reported below, with its clip
            self.features = np.asarray(stored[actions], dtype=np.float32)  # (clips t d)
        bad = np.flatnonzero(~usable_features(self.features))
        if len(bad):
            raise DataError(
                UNUSABLE_FEATURES,
                where=str(path),
                got=first_few((videos[i].id for i in bad), 3),
                expected=USABLE_FEATURES,
            )
        self._row = {video.id: row for row, video in enumerate(videos)}

    def __iter__(self) -> Iterator[FeatureClip]:
        """Yield the clips of classes in the order of the list, then the clips of no class."""
        for video, vectors in zip(self.videos.videos, self.features, strict=True):
            yield FeatureClip(video.id, vectors, video.label, video.group, self.joints)
        yield from self.outside

    def of(self, videos: VideoList) -> NDArray[np.float32]:
        """Return the features (videos t d) of a list of these clips, in the order of the list."""
        unknown = [video.id for video in videos.videos if video.id not in self._row]
        if unknown:
            raise DataError(
                "has no features of these videos", where=self.videos.name, got=first_few(unknown)
            )
        return self.features[[self._row[video.id] for video in videos.videos]]


def _read_array(path: Path) -> tuple[NDArray[np.floating], str]:
    """Return the features (clips t d) of a file, and the layout of their joints, if any."""
    stored, names = read_array(FEATURES, path, "features")
    if stored is None:
        FEATURES.refuse(path, "there is no array `features`", first_few(names))
    if stored.ndim != 3 or not stored.size or stored.dtype.kind != "f":
        raise DataError(
            "invalid array of features",
            where=str(path),
            got=f"{stored.dtype} {stored.shape}",
            expected="(clips, t, d) floating-point, none empty",
            hint="For one vector per clip use t = 1: features[:, None]."
            if stored.ndim == 2
            else "",
        )
    layout = read_array(FEATURES, path, "joints")[0] if "joints" in names else None
    return np.asarray(stored), "" if layout is None else _layout(path, layout, stored.shape[-1])


def _layout(path: Path, stored: NDArray[Any], width: int) -> str:
    """Return the layout of joints that a file has beside vectors of length d."""
    layout = str(stored) if stored.ndim == 0 and stored.dtype.kind == "U" else repr(stored)
    expected = parse_joints(layout).width
    if expected != width:
        raise DataError(
            "the features have another width than their joints",
            where=str(path),
            got=f"width {width}",
            expected=f"{expected}: joints={layout}",
        )
    return layout


def _read_features(
    path: Path, schema: Schema, filled: Sequence[str] = ("clip",)
) -> tuple[NDArray[np.floating], str, list[dict[str, str]]]:
    """Return features (clips t d), their joints and rows, see ``_label_rows``."""
    table = path.with_suffix(".tsv")
    stored, joints = _read_array(path)
    rows = _label_rows(table, schema, filled)
    if len(rows) != len(stored):
        raise DataError(
            "the numbers of rows and clips differ",
            where=str(table),
            got=f"{len(rows)} rows for {len(stored)} clips in {path.name}",
        )
    return stored, joints, rows


def _read_labelled(path: Path) -> tuple[NDArray[np.floating], str, list[dict[str, str]]]:
    """Return what ``_read_features`` returns, of a folder of poses."""
    clips = labelled_poses(path)
    empty = dict.fromkeys(CLIP_LABELS.names, "")
    rows = [
        {**empty, "clip": clip.name, "class": clip.label or "", "group": clip.group or ""}
        for clip in clips
    ]
    return np.stack([clip.vectors for clip in clips]), clips[0].joints, rows


def _feature_clips(
    stored: NDArray[np.floating],
    joints: str,
    rows: Sequence[Mapping[str, str]],
    positions: Iterable[int],
) -> list[FeatureClip]:
    return [
        FeatureClip(row["clip"], stored[i], row["class"] or None, row["group"] or None, joints)
        for i, row in ((i, rows[i]) for i in positions)
    ]


def _label_rows(table: Path, schema: Schema, filled: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a table; filled columns have no empty cell, and quotes mean nothing."""
    lines = re.split(r"\r\n|\r|\n", LABELS.text(table))
    cut = ([cell.strip() for cell in line.split("\t")] for line in lines)
    numbered = [(n, cells) for n, cells in enumerate(cut, 1) if any(cells)] or [(1, [])]
    header = schema.checked(str(table), numbered[0][1])
    rows = []
    numbers: dict[str, int] = {}
    for number, line in numbered[1:]:
        row = dict.fromkeys(schema.names, "") | dict(zip(header, line, strict=False))
        row["class"] = unicodedata.normalize("NFC", row["class"])
        if not all(row[name] for name in filled) or len(line) > len(header):
            raise DataError(
                f"a row without {' or '.join(filled)}, or with more cells than columns",
                where=f"{table}, line {number}",
                got=" | ".join(line),
            )
        if row["clip"] in numbers:
            raise DataError(
                f"the same clip as in line {numbers[row['clip']]}",
                where=f"{table}, line {number}",
                got=row["clip"],
            )
        numbers[row["clip"]] = number
        rows.append(row)
    return rows


def _no_class(table: Path) -> DataError:
    return DataError("no row has a class", where=str(table), expected=LABELS_EXPECTED)


def _chosen(table: Path, rows: list[dict[str, str]], dataset: str | None) -> list[int]:
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    if dataset is None and len(datasets) == 1:
        return list(range(len(rows)))
    if dataset is None or dataset not in datasets:
        raise DataError(
            "this file contains several data sets" if dataset is None else "unknown data set",
            where=str(table),
            got="none chosen" if dataset is None else repr(dataset),
            expected=", ".join(filter(None, datasets)) or "a column dataset",
            hint=did_you_mean(dataset, datasets)
            if dataset
            else "Choose one: --dataset NAME, in Python dataset=NAME.",
        )
    return [i for i, row in enumerate(rows) if row["dataset"] == dataset]
