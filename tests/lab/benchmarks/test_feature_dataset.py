"""Data sets of precomputed features with classes, splits and groups."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.lab.benchmarks import FeatureDataset
from tests.data.made_up_features import FEATURES, ROWS, Write
from tests.refused import refused


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_read(write: Write, dtype: type) -> None:
    data = FeatureDataset(write(FEATURES.astype(dtype)))
    assert data.features.dtype == np.float32
    np.testing.assert_array_equal(data.features, FEATURES.astype(np.float32))
    assert (data.videos.name, data.videos.groups) == ("mine", "shared")
    assert [(v.id, v.label, v.group, v.clip) for v in data.videos.videos] == [
        (*row[:3], None) for row in ROWS
    ]


def test_columns_in_any_order_in_capitals_and_additional_ones(write: Write) -> None:
    splits = ("test", "train", "test")
    rows = [(s, label, "?", id) for (id, label, *_), s in zip(ROWS, splits, strict=True)]
    videos = FeatureDataset(write(header="Split\tCLASS\tmore\tclip", rows=rows)).videos
    assert videos.groups == "none"
    assert [(v.split, v.label, "?", v.id) for v in videos.videos] == rows


def test_rows_of_no_class_are_not_in_the_list(write: Write) -> None:
    with pytest.warns(UserWarning, match=r'left out, rows of the label "none": 1 \(b\)'):
        data = FeatureDataset(write(rows=[ROWS[0], ("b", "None", "s2", "x"), ROWS[2]]))
    assert [(v.id, v.label) for v in data.videos.videos] == [("a", "wave"), ("c", "clap")]
    np.testing.assert_array_equal(data.of(data.videos), FEATURES[[0, 2]].astype(np.float32))


def test_features_of_a_split(write: Write) -> None:
    rows = [(*row[:2], split) for row, split in zip(ROWS, ("test", "train", "test"), strict=True)]
    data = FeatureDataset(write(header="clip\tclass\tsplit", rows=rows))
    test = data.of(data.videos.of("test"))
    np.testing.assert_array_equal(test, FEATURES[[0, 2]].astype(np.float32))
    with refused(DataError, where="mine", got="z"):
        data.of(FeatureDataset(write(rows=[("z", *ROWS[0][1:]), *ROWS[1:]])).videos)


def test_data_sets(write: Write) -> None:
    rows = [("a", "wave", "s1", "rgb"), ("b", "wave", "s2", "depth"), ("c", "clap", "s3", "depth")]
    file = write(rows=rows)
    with refused(DataError, where="mine.tsv", expected="rgb, depth", hint="--dataset NAME"):
        FeatureDataset(file)
    with refused(DataError, where="mine.tsv", got="'deep'"):
        FeatureDataset(file, dataset="deep")
    chosen = FeatureDataset(file, dataset="depth")
    assert chosen.videos.name == "mine:depth"
    assert [v.id for v in chosen.videos.videos] == ["b", "c"]
    assert chosen.videos.groups == "within-class"
    np.testing.assert_array_equal(chosen.features, FEATURES[1:].astype(np.float32))


def test_groups(write: Write) -> None:
    assert FeatureDataset(write(), groups="none").videos.groups == "none"
    bare = write(header="clip\tclass", rows=[row[:2] for row in ROWS])
    assert FeatureDataset(bare).videos.groups == "none"
    for groups in ("shared", "within-class"):
        with refused(DataError, got="3 of 3 clips without one", expected="column group"):
            FeatureDataset(bare, groups=groups)


@pytest.mark.assets
def test_real_features(assets: Path, tmp_path: Path) -> None:
    folder = assets / "features"
    with pytest.raises(DataError, match="ucf7, utd27_depth, utd5_rgb"):
        FeatureDataset(folder / "mobilenet_v2_t8.npz")
    for name, clips, classes in (("ucf7", 350, 7), ("utd27_depth", 432, 27), ("utd5_rgb", 160, 5)):
        one = FeatureDataset(folder / "mobilenet_v2_t8.npz", dataset=name)
        assert one.features.shape == (clips, 8, 1280)
        assert len(one.videos.classes) == classes
        assert one.videos.groups == "shared"
    shutil.copy(folder / "ucf14_vgg16_relu6_t8.tsv", tmp_path / "mobilenet_v2_t8.tsv")
    shutil.copy(folder / "mobilenet_v2_t8.npz", tmp_path)
    with pytest.raises(DataError, match="700 rows for 942 clips"):
        FeatureDataset(tmp_path / "mobilenet_v2_t8.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, -1e20])
def test_features_that_are_not_finite_or_too_large_are_refused(write: Write, value: float) -> None:
    features = FEATURES.astype(np.float64)
    features[1, 2, 3] = value
    with pytest.raises(DataError) as caught:
        FeatureDataset(write(features))
    assert caught.value.got == "b"


def test_every_clip_has_a_class(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        FeatureDataset(write(rows=[("a", "", "s1", "x"), *ROWS[1:]]))
    assert caught.value.where.endswith("line 2")
    with pytest.raises(DataError):
        FeatureDataset(write(rows=[(id, "none", *rest) for id, _, *rest in ROWS]))
