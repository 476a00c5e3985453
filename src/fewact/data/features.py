"""Anyone's own features with their labels: skeletons, audio, flow, another network's."""

import csv
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fewact.data.clips import Clip, is_background
from fewact.data.files import some
from fewact.data.grouping import Wanted, check_splits, choose_groups, read_split
from fewact.data.videos import Video, VideoList
from fewact.errors import DataError, ShapeError, did_you_mean
from fewact.shapes import check_shape

CLIP = ("clip",)
NEEDED = (*CLIP, "class")
COLUMNS = (*NEEDED, "group", "split", "dataset")
EXPECTED = "tab-separated columns clip and class, and if wanted group, split and dataset"


@dataclass(frozen=True)
class FeatureClip:
    """A clip of which there are features alone, made elsewhere.

    Args:
        name: What it is called, as in the column clip; where there is no table, the row's number.
        vectors: (t d) floating-point; not compared when clips are.
        label: Its class; None where it is not known.
        group: Clips of one group (a person, a recording) are kept apart when testing.

    Raises:
        ShapeError: The vectors have another shape or type.
    """

    name: str
    vectors: NDArray[np.floating[Any]] = field(compare=False, repr=False)
    label: str | None = None
    group: str | None = None

    start: ClassVar[None] = None
    end: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_shape(self.vectors, "t d", self.name)
        if not np.issubdtype(self.vectors.dtype, np.floating):
            raise ShapeError("not floating-point", where=self.name, got=str(self.vectors.dtype))

    @property
    def path(self) -> Path:
        """The name, where a path is wanted; there need be no such file."""
        return Path(self.name)


AnyClip = Clip | FeatureClip


def is_features(path: str | Path) -> bool:
    """Whether a path is a file of features, by its extension."""
    return Path(path).suffix.lower() == ".npz"


def read_features(file: str | Path, *, dataset: str | None = None) -> list[FeatureClip]:
    """The clips of a features file, as ``FeatureDataset`` has it, whose classes need not be known.

    Numbers that are not finite are let through: of many clips, such a one is no reason to lose the
    others.

    Args:
        file: The .npz file. Of the .tsv file beside it only the column ``clip`` is needed; where
            there is none, clips are called by their numbers, from 0.
        dataset: Which of the data sets in the column ``dataset``; None for all rows.

    Raises:
        DataError: A file is missing or not of this form, a clip is there twice, the numbers of rows
            differ, or there is no such data set.
    """
    path = Path(file).expanduser()
    table = path.with_suffix(".tsv")
    if dataset is None and not table.exists():
        return [FeatureClip(str(i), vectors) for i, vectors in enumerate(_features(path))]
    stored, rows = _read(path, CLIP, CLIP)
    chosen = range(len(rows)) if dataset is None else _chosen(table, rows, dataset)
    return _clips(stored, rows, chosen)


def labelled_features(file: str | Path, *, dataset: str | None = None) -> list[FeatureClip]:
    """The clips of a features file that show a class.

    Args:
        file: As for ``read_features``, with the column ``class``. Rows labelled ``none``, or not at
            all, are set aside with a warning.
        dataset: Which of the data sets in the column ``dataset``, where there are several.

    Raises:
        DataError: As by ``read_features``; no row has a class; there are several data sets, and
            none is chosen.
    """
    path = Path(file).expanduser()
    table = path.with_suffix(".tsv")
    stored, rows = _read(path, NEEDED, CLIP)
    clips = _clips(stored, rows, _chosen(table, rows, dataset))
    examples = [clip for clip in clips if clip.label and not is_background(clip.label)]
    if not examples:
        raise DataError("no row has a class", where=str(table), expected=EXPECTED)
    if rest := len(clips) - len(examples):
        warnings.warn(
            f"{table}: {rest} clips that show no class are not taught",
            category=UserWarning,
            stacklevel=3,
        )
    return examples


class FeatureDataset:
    """Features in an .npz file, and their labels in a .tsv file beside it of the same name.

    The .npz holds ``features`` (clips, t, d), floating-point; the .tsv has a header and, in the
    same order, a row for each clip. It is read without pickle.

    Args:
        file: The .npz file.
        groups: How groups are kept apart, as in ``choose_groups``.
        dataset: Which of the data sets in the column ``dataset``, where there are several.

    Attributes:
        videos: The clips as a list.
        features: (clips t d) float32, in the order of the list.

    Raises:
        DataError: A file is missing or not of this form; a column is missing; the numbers of rows
            differ; a feature is not finite; there are several data sets, and none is chosen.
    """

    videos: VideoList
    features: NDArray[np.float32]

    def __init__(
        self, file: str | Path, *, groups: Wanted = "auto", dataset: str | None = None
    ) -> None:
        path = Path(file).expanduser()
        table = path.with_suffix(".tsv")
        stored, rows = _read(path, NEEDED, NEEDED)
        chosen = _chosen(table, rows, dataset)
        videos = [
            Video(
                row["clip"],
                row["class"],
                read_split(row["split"], where=f"{table}, {row['clip']}"),
                row["group"] or None,
            )
            for row in (rows[i] for i in chosen)
        ]
        check_splits(videos, where=str(table))
        mode = choose_groups(videos, groups, where=str(table))
        name = f"{path.stem}:{dataset}" if dataset else path.stem
        self.videos = VideoList(name, tuple(videos), mode)
        with np.errstate(over="ignore"):  # what overflows is found below, with its clip
            self.features = np.asarray(stored[chosen], dtype=np.float32)  # (clips t d)
        bad = np.flatnonzero(~np.isfinite(self.features).all(axis=(1, 2)))
        if len(bad):
            raise DataError(
                "features that are not finite numbers",
                where=str(path),
                got=some((videos[i].id for i in bad), 3),
            )
        self._row = {video.id: row for row, video in enumerate(videos)}

    def __iter__(self) -> Iterator[FeatureClip]:
        for video, vectors in zip(self.videos.videos, self.features, strict=True):
            yield FeatureClip(video.id, vectors, video.label, video.group)

    def of(self, videos: VideoList) -> NDArray[np.float32]:
        """The features of some of the clips, (videos t d), in the order of the list.

        Raises:
            DataError: The list has a video that is not of this data set.
        """
        strange = [video.id for video in videos.videos if video.id not in self._row]
        if strange:
            raise DataError("has no features of these", where=self.videos.name, got=some(strange))
        return self.features[[self._row[video.id] for video in videos.videos]]


def _features(path: Path) -> NDArray[np.floating]:
    expected = "an .npz file with an array `features` (clips, t, d) of floating-point numbers"
    try:
        # Of a damaged file np.load would leave the handle open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            names, stored = file.files, file.get("features")
    except OSError as error:
        reason = error.strerror or "it is no .npz file"
        raise DataError(
            f"the file cannot be read: {reason}", where=str(path), expected=expected
        ) from error
    # What np.load raises of damaged files, of pickled ones, and of a bare array.
    except (ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            "the file is damaged, is no .npz file, or would run code of its own when it is read",
            where=str(path),
            expected=expected,
        ) from error
    if stored is None:
        raise DataError(
            "there is no array `features`", where=str(path), got=some(names), expected=expected
        )
    if stored.ndim != 3 or not stored.size or stored.dtype.kind != "f":
        raise DataError(
            "features of another form",
            where=str(path),
            got=f"{stored.dtype} {stored.shape}",
            expected="(clips, t, d) floating-point, none empty",
            hint="One vector a clip is t = 1: features[:, None]." if stored.ndim == 2 else "",
        )
    return np.asarray(stored)


def _read(
    path: Path, needed: Sequence[str], filled: Sequence[str]
) -> tuple[NDArray[np.floating], list[dict[str, str]]]:
    """The features (clips t d), and the row of each; columns as in ``_rows``."""
    table = path.with_suffix(".tsv")
    stored = _features(path)
    rows = _rows(table, needed, filled)
    if len(rows) != len(stored):
        raise DataError(
            "as many rows as clips are needed",
            where=str(table),
            got=f"{len(rows)} rows for {len(stored)} clips in {path.name}",
        )
    return stored, rows


def _clips(
    stored: NDArray[np.floating], rows: Sequence[Mapping[str, str]], chosen: Iterable[int]
) -> list[FeatureClip]:
    return [
        FeatureClip(row["clip"], stored[i], row["class"] or None, row["group"] or None)
        for i, row in ((i, rows[i]) for i in chosen)
    ]


def _rows(table: Path, needed: Sequence[str], filled: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table with these columns, of which some are empty nowhere."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise DataError(
            f"the labels cannot be read: {reason}", where=str(table), expected=EXPECTED
        ) from error
    lines = csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    header, *cells = [[cell.strip() for cell in line] for line in lines if any(line)] or [[]]
    for name in needed:
        if name not in header:
            raise DataError(
                f'there is no column "{name}"',
                where=str(table),
                got=", ".join(header),
                expected=EXPECTED,
                hint=did_you_mean(name, header),
            )
    rows = []
    seen: dict[str, int] = {}
    for number, line in enumerate(cells, 2):
        row = dict.fromkeys(COLUMNS, "") | dict(zip(header, line, strict=False))
        if not all(row[name] for name in filled) or len(line) > len(header):
            raise DataError(
                f"a row without its {' or '.join(filled)}, or with more cells than columns",
                where=f"{table}, row {number}",
                got=" | ".join(line),
            )
        if row["clip"] in seen:
            raise DataError(
                f"the same clip as in row {seen[row['clip']]}",
                where=f"{table}, row {number}",
                got=row["clip"],
            )
        seen[row["clip"]] = number
        rows.append(row)
    return rows


def _chosen(table: Path, rows: list[dict[str, str]], dataset: str | None) -> list[int]:
    """Positions of the rows of a data set."""
    there = list(dict.fromkeys(row["dataset"] for row in rows))
    if dataset is None and len(there) == 1:
        return list(range(len(rows)))
    if dataset is None or dataset not in there:
        raise DataError(
            "several data sets are in this file" if dataset is None else "no such data set",
            where=str(table),
            got="none chosen" if dataset is None else repr(dataset),
            expected=", ".join(filter(None, there)) or "a column dataset",
            hint=did_you_mean(dataset, there) if dataset else "Choose one: dataset=NAME.",
        )
    return [i for i, row in enumerate(rows) if row["dataset"] == dataset]
