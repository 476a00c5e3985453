"""Precomputed features with labels."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError, ShapeError
from fewact.data import (
    FeatureClip,
    FeatureDataset,
    labelled_features,
    read_features,
)

ROWS = [("a", "wave", "s1", "x"), ("b", "wave", "s2", "x"), ("c", "clap", "s1", "x")]
HEADER = "clip\tclass\tgroup\tdataset"
FEATURES = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float16)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(
        features: object = FEATURES, header: str = HEADER, rows: object = ROWS, **more: object
    ) -> Path:
        arrays = {"features": features, **more}
        np.savez(tmp_path / "mine.npz", **{k: v for k, v in arrays.items() if v is not None})
        lines = [header, *("\t".join(row) for row in rows)]
        (tmp_path / "mine.tsv").write_text("\n".join(lines) + "\n")
        return tmp_path / "mine.npz"

    return write


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_read(write: Write, dtype: type) -> None:
    data = FeatureDataset(write(FEATURES.astype(dtype)))
    assert data.features.dtype == np.float32
    np.testing.assert_array_equal(data.features, FEATURES.astype(np.float32))
    assert (data.videos.name, data.videos.groups) == ("mine", "shared")
    assert [(v.id, v.label, v.group, v.clip) for v in data.videos.videos] == [
        (*row[:3], None) for row in ROWS
    ]
    clips = list(data)
    assert [(c.name, c.label, c.group) for c in clips] == [row[:3] for row in ROWS]
    np.testing.assert_array_equal(np.stack([c.vectors for c in clips]), data.features)


def test_columns_in_any_order_in_capitals_and_additional_ones(write: Write) -> None:
    splits = ("test", "train", "test")
    rows = [(s, label, "?", id) for (id, label, *_), s in zip(ROWS, splits, strict=True)]
    videos = FeatureDataset(write(header="Split\tCLASS\tmore\tclip", rows=rows)).videos
    assert videos.groups == "none"
    assert [(v.split, v.label, "?", v.id) for v in videos.videos] == rows


def test_classes_in_two_unicode_forms_are_one(write: Write) -> None:
    rows = [("a", "caf\u00e9", "s1", "x"), ("b", "cafe\u0301", "s2", "x"), ROWS[2]]
    file = write(rows=rows)
    assert FeatureDataset(file).videos.classes == ("caf\u00e9", "clap")
    assert [c.label for c in labelled_features(file)] == ["caf\u00e9", "caf\u00e9", "clap"]


@pytest.mark.parametrize("character", "\u2028\u2029\x85\x0b\x0c\x1c")
def test_only_line_breaks_end_a_row(write: Write, character: str) -> None:
    rows = [("a", f"wave{character}hand", "s1", "x"), *ROWS[1:]]
    assert FeatureDataset(write(rows=rows)).videos.classes[0] == f"wave{character}hand"


def test_empty_lines_are_ignored_and_counted(write: Write) -> None:
    file = write()
    table = file.with_suffix(".tsv")
    header, *rows = table.read_text().splitlines()
    for end in ("\n", "\r", "\r\n"):
        table.write_bytes(end.join(["\t", header, "   ", *rows, " \t ", ""]).encode())
        assert [v.id for v in FeatureDataset(file).videos.videos] == ["a", "b", "c"]
    table.write_text("\n".join(["", header, "", *rows, rows[0]]))
    with pytest.raises(DataError, match="line 7: the same clip as in line 4"):
        FeatureDataset(file)


def test_rows_of_no_class_are_not_in_the_list(write: Write) -> None:
    data = FeatureDataset(write(rows=[ROWS[0], ("b", "None", "s2", "x"), ROWS[2]]))
    assert [(v.id, v.label) for v in data.videos.videos] == [("a", "wave"), ("c", "clap")]
    np.testing.assert_array_equal(data.of(data.videos), FEATURES[[0, 2]].astype(np.float32))
    assert [(c.name, c.label) for c in data] == [("a", "wave"), ("c", "clap"), ("b", "None")]


def test_features_of_a_split(write: Write) -> None:
    rows = [(*row[:2], split) for row, split in zip(ROWS, ("test", "train", "test"), strict=True)]
    data = FeatureDataset(write(header="clip\tclass\tsplit", rows=rows))
    test = data.of(data.videos.of("test"))
    np.testing.assert_array_equal(test, FEATURES[[0, 2]].astype(np.float32))
    with pytest.raises(DataError, match=r"no features of these videos.*z"):
        data.of(FeatureDataset(write(rows=[("z", *ROWS[0][1:]), *ROWS[1:]])).videos)


def test_data_sets(write: Write) -> None:
    rows = [("a", "wave", "s1", "rgb"), ("b", "wave", "s2", "depth"), ("c", "clap", "s3", "depth")]
    file = write(rows=rows)
    with pytest.raises(DataError, match=r"several data sets.*rgb, depth.*one: --dataset NAME"):
        FeatureDataset(file)
    with pytest.raises(DataError, match=r"unknown data set.*Did you mean .depth"):
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
        with pytest.raises(DataError, match="column group"):
            FeatureDataset(bare, groups=groups)


def features_with(value: float) -> np.ndarray:
    features = FEATURES.astype(np.float64)
    features[1, 2, 3] = value
    return features


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": FEATURES[:2]}, "3 rows for 2 clips"),
        ({"features": FEATURES[:, 0]}, r"\(3, 5\).*features\[:, None\]"),
        ({"features": FEATURES[:, :0]}, "none empty"),
        ({"features": np.ones((3, 4, 5), dtype=np.int64)}, "int64"),
        ({"features": np.array([[[None]]] * 3)}, "pickled data"),
        ({"features": None, "x": FEATURES}, "no array `features`.*x"),
        ({"features": features_with(np.nan)}, "not finite numbers.*b"),
        ({"features": features_with(np.inf)}, "not finite numbers.*b"),
        ({"features": features_with(1e300)}, "not finite numbers.*b"),
        ({"features": features_with(-1e20)}, r"too large \(got b\); expected: .*up to 1e\+15"),
        ({"header": "clips\tclass\tgroup\tdataset"}, 'no column "clip".*Rename the column "clips"'),
        ({"header": "clip\tclass\tgroups\tdataset"}, 'unknown column "groups".*mean "group"'),
        ({"header": "clip\tclass\tgruop\tdataset"}, 'unknown column "gruop".*mean "group"'),
        ({"header": "clip\tclass\tgroup\tGroup"}, 'several columns may be "group"'),
        ({"rows": [(id, "none", *rest) for id, _, *rest in ROWS]}, "no row has a class"),
        ({"header": "clip\tlabel\tgroup\tdataset"}, 'no column "class"'),
        ({"rows": [("a", "", "s1", "x"), *ROWS[1:]]}, "line 2"),
        ({"rows": [*ROWS[:2], (*ROWS[2], "more")]}, "line 4.*more cells"),
        ({"rows": [ROWS[0], *ROWS[:2]]}, "line 3.*same clip as in line 2"),
    ],
)
def test_invalid_data_sets_are_refused(
    write: Write, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        FeatureDataset(write(**changes))


def test_unreadable_files_are_refused(write: Write, tmp_path: Path) -> None:
    file = write()
    (tmp_path / "mine.tsv").unlink()
    with pytest.raises(DataError, match=r"mine\.tsv: the table of labels cannot be read"):
        FeatureDataset(file)
    (tmp_path / "mine.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not text in UTF-8"):
        FeatureDataset(file)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"mine\.npz"):
        FeatureDataset(file)
    file.write_bytes(b"")
    with pytest.raises(DataError, match=r"mine\.npz"):
        FeatureDataset(file)
    with file.open("wb") as bare:
        np.save(bare, FEATURES)
    with pytest.raises(DataError, match=r"mine\.npz"):
        FeatureDataset(file)
    with pytest.raises(DataError, match="No such file"):
        FeatureDataset(tmp_path / "absent.npz")


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


def test_feature_clip() -> None:
    clip = FeatureClip("s1//wave 1", FEATURES[0])
    assert clip == FeatureClip("s1//wave 1", FEATURES[1])
    assert clip != FeatureClip("s1/wave 1", FEATURES[0])
    assert (clip.name, clip.path) == ("s1//wave 1", Path("s1/wave 1"))
    for shape in ((4,), (0, 5), (4, 0), (2, 4, 5)):
        with pytest.raises(ShapeError, match=r"wave: .*\(t d\)"):
            FeatureClip("wave", np.ones(shape))
    with pytest.raises(ShapeError, match=r"wave: not floating-point.*int64"):
        FeatureClip("wave", np.ones((4, 5), dtype=np.int64))
    for wrong in ([[1.0, 2.0]], [1.0], None, (1.0, 2.0)):
        with pytest.raises(DataError, match=r"wave: the vectors are not a NumPy array.*asarray"):
            FeatureClip("wave", wrong)  # type: ignore[arg-type]
    for nameless in ("", None):
        with pytest.raises(DataError, match="FeatureClip: a clip of features needs a name"):
            FeatureClip(nameless, FEATURES[0])  # type: ignore[arg-type]


def test_features_need_no_classes(write: Write, tmp_path: Path) -> None:
    clips = read_features(write(header="group\tclip", rows=[(g, c) for c, _, g, _ in ROWS]))
    assert [(c.name, c.label, c.group) for c in clips] == [(c, None, g) for c, _, g, _ in ROWS]
    np.testing.assert_array_equal(np.stack([c.vectors for c in clips]), FEATURES)
    (tmp_path / "mine.tsv").unlink()
    clips = read_features(tmp_path / "mine.npz")
    assert [(c.name, c.label, c.group) for c in clips] == [(n, None, None) for n in "012"]
    with pytest.raises(DataError, match=r"mine\.tsv"):
        read_features(tmp_path / "mine.npz", dataset="x")


def test_rows_of_all_data_sets_or_one(write: Write) -> None:
    file = write(rows=[(*row[:3], name) for row, name in zip(ROWS, "xyx", strict=True)])
    assert [c.name for c in read_features(file)] == ["a", "b", "c"]
    assert [c.name for c in read_features(file, dataset="x")] == ["a", "c"]
    assert [c.name for c in labelled_features(file, dataset="x")] == ["a", "c"]
    with pytest.raises(DataError, match="Choose one"):
        labelled_features(file)
    with pytest.raises(DataError, match="unknown data set"):
        read_features(file, dataset="z")


def test_clips_that_are_not_finite_are_read(write: Write) -> None:
    clips = read_features(write(features_with(np.nan)))
    assert [np.isfinite(c.vectors).all() for c in clips] == [True, False, True]


def test_rows_of_no_class_are_ignored(write: Write) -> None:
    file = write(rows=[ROWS[0], ("b", "None", "s2", "x"), ("c", "", "s1", "x")])
    with pytest.warns(UserWarning, match=r"mine\.tsv: ignored, clips without a class: 1"):
        clips = labelled_features(file)
    assert [(c.name, c.label) for c in clips] == [("a", "wave")]
    assert [c.label for c in read_features(file)] == ["wave", "None", None]
    with pytest.raises(DataError, match="no row has a class"):
        labelled_features(write(rows=[(row[0], "", *row[2:]) for row in ROWS]))


def test_invalid_features_are_refused_with_and_without_classes(write: Write) -> None:
    for changes, message in (
        ({"header": "name\tclass\tgroup\tdataset"}, 'no column "clip"'),
        ({"rows": [("", *ROWS[0][1:]), *ROWS[1:]]}, "line 2.*without clip"),
        ({"rows": ROWS[:2]}, "2 rows for 3 clips"),
        ({"features": FEATURES[:0], "rows": []}, "none empty"),
    ):
        for read in (read_features, labelled_features):
            with pytest.raises(DataError, match=message):
                read(write(**changes))
