"""Precomputed features with labels."""

from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError, ShapeError
from fewact.data import FeatureClip, labelled_features, read_features
from tests.data.made_up_features import FEATURES, ROWS, Write


def test_classes_in_two_unicode_forms_are_one(write: Write) -> None:
    rows = [("a", "caf\u00e9", "s1", "x"), ("b", "cafe\u0301", "s2", "x"), ROWS[2]]
    file = write(rows=rows)
    assert [c.label for c in labelled_features(file)] == ["caf\u00e9", "caf\u00e9", "clap"]


@pytest.mark.parametrize("character", "\u2028\u2029\x85\x0b\x0c\x1c")
def test_only_line_breaks_end_a_row(write: Write, character: str) -> None:
    rows = [("a", f"wave{character}hand", "s1", "x"), *ROWS[1:]]
    assert labelled_features(write(rows=rows))[0].label == f"wave{character}hand"


def test_empty_lines_are_ignored_and_counted(write: Write) -> None:
    file = write()
    table = file.with_suffix(".tsv")
    header, *rows = table.read_text().splitlines()
    for end in ("\n", "\r", "\r\n"):
        table.write_bytes(end.join(["\t", header, "   ", *rows, " \t ", ""]).encode())
        assert [clip.name for clip in labelled_features(file)] == ["a", "b", "c"]
    table.write_text("\n".join(["", header, "", *rows, rows[0]]))
    with pytest.raises(DataError, match="line 7: the same clip as in line 4"):
        labelled_features(file)


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
        ({"header": "clips\tclass\tgroup\tdataset"}, 'no column "clip".*Rename the column "clips"'),
        ({"header": "clip\tclass\tgroups\tdataset"}, 'unknown column "groups".*mean "group"'),
        ({"header": "clip\tclass\tgruop\tdataset"}, 'unknown column "gruop".*mean "group"'),
        ({"header": "clip\tclass\tgroup\tGroup"}, 'several columns may be "group"'),
        ({"rows": [(id, "none", *rest) for id, _, *rest in ROWS]}, "no row has a class"),
        ({"header": "clip\tlabel\tgroup\tdataset"}, 'no column "class"'),
        ({"rows": [*ROWS[:2], (*ROWS[2], "more")]}, "line 4.*more cells"),
        ({"rows": [ROWS[0], *ROWS[:2]]}, "line 3.*same clip as in line 2"),
    ],
)
def test_invalid_data_sets_are_refused(
    write: Write, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        labelled_features(write(**changes))


def test_unreadable_files_are_refused(write: Write, tmp_path: Path) -> None:
    file = write()
    (tmp_path / "mine.tsv").unlink()
    with pytest.raises(DataError, match=r"mine\.tsv: the table of labels cannot be read"):
        labelled_features(file)
    (tmp_path / "mine.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not text in UTF-8"):
        labelled_features(file)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"mine\.npz"):
        labelled_features(file)
    file.write_bytes(b"")
    with pytest.raises(DataError, match=r"mine\.npz"):
        labelled_features(file)
    with file.open("wb") as bare:
        np.save(bare, FEATURES)
    with pytest.raises(DataError, match=r"mine\.npz"):
        labelled_features(file)
    with pytest.raises(DataError, match="No such file"):
        labelled_features(tmp_path / "absent.npz")


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
