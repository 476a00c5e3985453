"""Precomputed features of clips: an .npz file with a table of labels beside it, or poses.

The .npz file contains an array ``features`` (clips t d), floating-point; for skeletons and
landmarks also a text ``joints``, their layout, see ``fewact.data.joints``. The .tsv file has the
same name, a header, and one row per clip in the same order. Pickled data is refused.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.core.arrays import read_array
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import DataError, did_you_mean, warn
from fewact.core.paths import user_path
from fewact.data.clips import FeatureClip, is_background
from fewact.data.columns import Column, Schema
from fewact.data.files import first_few
from fewact.data.joints import parse_joints
from fewact.data.poses import is_poses, labelled_poses, read_poses

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


class LabelledRows(NamedTuple):
    """Features of a file with the cells of their labels.

    Args:
        vectors: Features of all clips in the file (clips t d).
        joints: Layout of the joints in a vector; empty without joints.
        rows: Cells by column of each chosen clip, by its position in the array.
    """

    vectors: NDArray[np.floating]
    joints: str
    rows: Mapping[int, Mapping[str, str]]

    def clips(self) -> list[FeatureClip]:
        """Return the chosen clips."""
        return [
            FeatureClip(
                row["clip"],
                self.vectors[position],
                row["class"] or None,
                row["group"] or None,
                self.joints,
            )
            for position, row in self.rows.items()
        ]


def read_features(
    file: str | Path, *, dataset: str | None = None, subject: str | None = None
) -> list[FeatureClip]:
    """Return the clips of a feature file; they need no class.

    Features that are not finite or too large are allowed, so that one bad clip does not stop the
    others.

    Args:
        file: Feature file (.npz), see above. The .tsv file beside it needs only the column
            ``clip``; without it, clips are named by their numbers, from 0. Or a file or folder of
            poses, see ``fewact.data.poses``.
        dataset: Data set in the column ``dataset``; None for all rows.
        subject: Body in files of poses: its name, or its number from 1; None for the one that
            moves most.

    Raises:
        DataError: A file is missing or invalid, or there is no such data set.
    """
    path = user_path(file, DataError)
    if is_poses(path):
        return read_poses([path], subject)
    table = path.with_suffix(".tsv")
    if dataset is None and not table.exists():
        stored, joints = _read_array(path)
        return [FeatureClip(str(i), row, joints=joints) for i, row in enumerate(stored)]
    stored, joints, rows = _read_features(path, CLIP_NAMES)
    numbered = dict(enumerate(rows)) if dataset is None else _rows_of(table, rows, dataset)
    return LabelledRows(stored, joints, numbered).clips()


def labelled_features(
    file: str | Path,
    *,
    dataset: str | None = None,
    background: bool = False,
    subject: str | None = None,
) -> list[FeatureClip]:
    """Return the clips of a feature file that belong to a class.

    Args:
        file: As for ``read_features``, with the column ``class``. Rows without a label are ignored
            with a warning; rows with the label ``none`` belong to no class.
        dataset: Data set in the column ``dataset``; required if there are several.
        background: Return the clips of no class, not the clips of classes.
        subject: As for ``read_features``.

    Raises:
        DataError: As for ``read_features``; no row has a class; no data set is chosen of several.
    """
    path = user_path(file, DataError)
    clips = labelled_rows(path, dataset=dataset, subject=subject).clips()
    outside = [clip for clip in clips if is_background(clip.label or "")]
    if background:
        return outside
    examples = [clip for clip in clips if clip.label and not is_background(clip.label)]
    if not examples:
        raise no_class(path)
    if ignored := len(clips) - len(examples) - len(outside):
        warn(f"{path.with_suffix('.tsv')}: ignored, clips without a class: {ignored}")
    return examples


def labelled_rows(
    file: Path,
    *,
    dataset: str | None = None,
    classes_required: bool = False,
    subject: str | None = None,
) -> LabelledRows:
    """Return the features of a file or folder of poses, and the cells of their labels.

    Args:
        file: As for ``labelled_features``.
        dataset: Data set in the column ``dataset``; required if there are several.
        classes_required: Refuse rows with an empty cell in the column ``class``.
        subject: As for ``read_features``.

    Raises:
        DataError: As for ``read_features``; no data set is chosen of several.
    """
    if is_poses(file):
        stored, joints, rows = _pose_rows(file, subject)
    else:
        filled = ("clip", "class") if classes_required else ("clip",)
        stored, joints, rows = _read_features(file, CLIP_LABELS, filled)
    return LabelledRows(stored, joints, _rows_of(file.with_suffix(".tsv"), rows, dataset))


def no_class(file: Path) -> DataError:
    """Return the error for a file whose rows have no class."""
    table = file.with_suffix(".tsv")
    return DataError("no row has a class", where=str(table), expected=LABELS_EXPECTED)


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
    """Return features (clips t d), the layout of their joints, and the rows of their table."""
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


def _pose_rows(
    path: Path, subject: str | None
) -> tuple[NDArray[np.floating], str, list[dict[str, str]]]:
    """Return features (clips t d), their joints and rows, read from a folder of poses."""
    clips = labelled_poses(path, subject)
    empty = dict.fromkeys(CLIP_LABELS.names, "")
    rows = [
        {**empty, "clip": clip.name, "class": clip.label or "", "group": clip.group or ""}
        for clip in clips
    ]
    return np.stack([clip.vectors for clip in clips]), clips[0].joints, rows


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


def _rows_of(
    table: Path, rows: list[dict[str, str]], dataset: str | None
) -> dict[int, dict[str, str]]:
    """Return the rows of a data set by their numbers; of the only one for None."""
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    if dataset is None and len(datasets) == 1:
        return dict(enumerate(rows))
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
    return {i: row for i, row in enumerate(rows) if row["dataset"] == dataset}
