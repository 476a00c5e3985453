"""Data sets of precomputed features with classes, splits and groups."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError
from fewact.core.paths import user_path
from fewact.data.clips import UNUSABLE_FEATURES, USABLE_FEATURES, is_background, usable_features
from fewact.data.feature_files import labelled_rows, no_class
from fewact.data.files import first_few
from fewact.data.videos import Video, VideoList
from fewact.lab.benchmarks.user_lists import (
    GroupScopeOption,
    make_list,
    name_left_out,
    read_split,
)


class FeatureDataset:
    """Features of labelled clips, see ``fewact.data.feature_files``.

    Every clip has a class. Clips of the label ``none`` are left out with a warning.

    Args:
        file: Feature file (.npz), or folder of poses in class folders.
        groups: Scope of the group names, or ``auto``, see ``make_list``.
        dataset: Data set in the column ``dataset``; required if there are several.

    Attributes:
        videos: List of the clips.
        features: Features (clips t d), float32, in the order of the list.
        joints: Layout of the joints of skeletons and landmarks; empty for other features.

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
        stored, self.joints, rows = labelled_rows(path, dataset=dataset, classes_required=True)
        actions = [i for i, row in rows.items() if not is_background(row["class"])]
        if not actions:
            raise no_class(path)
        name_left_out(
            str(path), [row["clip"] for row in rows.values() if is_background(row["class"])]
        )
        table = str(path.with_suffix(".tsv"))
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
        self.videos = make_list(name, videos, groups, where=table)
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

    def of(self, videos: VideoList) -> NDArray[np.float32]:
        """Return the features (videos t d) of a list of these clips, in the order of the list."""
        unknown = [video.id for video in videos.videos if video.id not in self._row]
        if unknown:
            raise DataError(
                "has no features of these videos", where=self.videos.name, got=first_few(unknown)
            )
        return self.features[[self._row[video.id] for video in videos.videos]]
