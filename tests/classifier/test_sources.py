from pathlib import Path

import pytest

from fewact.classifier.inputs import labelled, of_class
from fewact.classifier.names import check_label, existing_class
from fewact.core.errors import DataError
from fewact.data import BACKGROUND, Clip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in ("wave/a.mp4", "wave/b.mp4", "clap/c.mp4"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def pairs(found: tuple[list[Clip], list[str]]) -> list[tuple[str, str | None]]:
    return [(name, clip.label) for clip, name in zip(*found, strict=True)]


EXPECTED = [("clap/c.mp4", "clap"), ("wave/a.mp4", "wave"), ("wave/b.mp4", "wave")]


def test_folder_table_paths_and_clips_give_the_same_list(folder: Path) -> None:
    names = [name for name, _ in EXPECTED]
    labels = [label for _, label in EXPECTED]
    (folder / "t.csv").write_text("path,label\n" + "".join(f"{n},{c}\n" for n, c in EXPECTED))
    paths = [folder / name for name in names]
    assert pairs(labelled(folder, None)) == EXPECTED
    assert pairs(labelled(str(folder / "t.csv"), None)) == EXPECTED
    assert pairs(labelled(paths, labels)) == EXPECTED
    assert pairs(labelled(map(str, paths), labels)) == EXPECTED
    clips = [Clip(path, label) for path, label in zip(paths, labels, strict=True)]
    assert pairs(labelled(clips, None)) == EXPECTED
    assert pairs(labelled([Clip(path) for path in paths], labels)) == EXPECTED


def test_relative_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert pairs(labelled(["wave/a.mp4", "clap/c.mp4"], ["x", "y"])) == [
        ("wave/a.mp4", "x"),
        ("clap/c.mp4", "y"),
    ]
    assert pairs(labelled(".", None)) == EXPECTED


def test_names_do_not_reveal_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder / "wave"))
    monkeypatch.setenv("USERPROFILE", str(folder / "wave"))
    got = labelled([folder / "wave/a.mp4", folder / "clap/c.mp4"], ["x", "y"])[1]
    assert got == ["a.mp4", "c.mp4"]


def test_a_table_of_clips_elsewhere(folder: Path) -> None:
    table = folder / "tables" / "t.csv"
    table.parent.mkdir()
    table.write_text("path,label\n../wave/a.mp4,x\n../clap/c.mp4,y\n")
    assert labelled(table, None)[1] == ["wave/a.mp4", "clap/c.mp4"]


def test_clips_of_no_class_come_from_every_source(folder: Path) -> None:
    (folder / "None").mkdir()
    outside = folder / "None" / "n.mp4"
    outside.touch()
    assert pairs(labelled(folder, None)) == [*EXPECTED, ("None/n.mp4", "none")]
    rows = "".join(f"{name},{label}\n" for name, label in [*EXPECTED, ("None/n.mp4", "NONE")])
    (folder / "t.csv").write_text("path,label\n" + rows)
    assert pairs(labelled(folder / "t.csv", None)) == [*EXPECTED, ("None/n.mp4", "none")]
    listed = [folder / "wave/a.mp4", folder / "clap/c.mp4", outside]
    labels = ["wave", "clap", "none"]
    assert pairs(labelled(listed, labels))[-1] == ("None/n.mp4", "none")
    beside = labelled(listed[:2], labels[:2], folder / "None")
    assert pairs(beside)[-1] == ("none/n.mp4", "none")


def test_clips_of_one_class(folder: Path) -> None:
    for source in (folder / "wave", str(folder / "wave" / "*.mp4"), [folder / "wave"]):
        assert pairs(of_class(source, "x")) == [("x/a.mp4", "x"), ("x/b.mp4", "x")]
    segment = Clip(folder / "wave/a.mp4", "other", 1.0, 2.0, "anna")
    assert of_class(segment, "x")[0] == [Clip(segment.path, "x", 1.0, 2.0, "anna")]
    with pytest.raises(DataError, match="no training clips"):
        of_class([], "x")
    with pytest.raises(DataError, match="no clips found"):
        of_class(folder / "missing.mp4", "x")


def test_invalid_sources_are_refused(folder: Path) -> None:
    clip = folder / "wave/a.mp4"
    with pytest.raises(DataError, match="has its own labels"):
        labelled(folder, ["x"])
    with pytest.raises(DataError, match=r"labels: .*got 1.*expected: 2"):
        labelled([clip, folder / "clap/c.mp4"], ["x"])
    with pytest.raises(DataError, match="needs a label"):
        labelled([clip], None)
    with pytest.raises(DataError, match=r"appears twice \(got the same as .*a\.mp4\)"):
        labelled([clip, folder / "clap/../wave/a.mp4"], ["x", "y"])
    with pytest.raises(DataError, match="no such folder"):
        labelled(folder / "missing", None)


def test_labels_are_normalised_and_checked() -> None:
    assert check_label("ho\u0308he 跳跃") == "höhe 跳跃"
    assert check_label(" clap \t") == "clap"
    for label in ("", "  ", "a\nb"):
        with pytest.raises(DataError, match="not a class name"):
            check_label(label)
    with pytest.raises(DataError, match="reserved for clips of no class"):
        check_label("None")


def test_an_invalid_label_is_refused_with_its_place(folder: Path, tmp_path: Path) -> None:
    table = folder / "table.csv"
    table.write_text('path,label\nwave/a.mp4,wave\nwave/b.mp4,"a\tb"\n')
    with pytest.raises(DataError) as refused:
        labelled(table, None)
    assert f'{table}, line 3, column "label": not a class name' in str(refused.value)
    table.write_text("path,label\nwave/a.mp4,wave\nwave/b.mp4,(none)\n")
    with pytest.raises(DataError) as refused:
        labelled(table, None)
    assert str(refused.value).startswith(f'{folder}/wave/b.mp4: "(none)" is reserved')
    assert str(refused.value).endswith('Use "none" for clips of no class.')
    (folder / "wave").rename(folder / " ")
    with pytest.raises(DataError) as refused:
        labelled(folder, None)
    assert str(refused.value).startswith(f"{folder}/ /a.mp4: not a class name")


def test_spaces_around_a_label_do_not_count(folder: Path) -> None:
    first, second, third = folder / "wave/a.mp4", folder / "wave/b.mp4", folder / "clap/c.mp4"
    expected = [("a.mp4", "wave"), ("b.mp4", "wave")]
    assert pairs(labelled([first, second], ["wave", "wave "])) == expected
    found = labelled({"wave": first, "wave ": second, "clap": third}, None)
    assert pairs(found) == [("wave/a.mp4", "wave"), ("wave/b.mp4", "wave"), ("clap/c.mp4", "clap")]
    assert existing_class(" wave", ["clap", "wave"]) == "wave"
    assert existing_class("wave ", ["wave", "wave "]) == "wave "
    with pytest.raises(DataError, match='Did you mean "Wave"'):
        existing_class("wave", ["Wave"])


def test_clips_of_no_class_have_the_same_groups_however_they_come(folder: Path) -> None:
    for file in ("none/anna/1.mp4", "none/ben/day 2/1.mp4", "none/2.mp4"):
        (folder / file).parent.mkdir(exist_ok=True, parents=True)
        (folder / file).touch()
    groups = {"none/2.mp4": None, "none/anna/1.mp4": "anna", "none/ben/day 2/1.mp4": "ben"}
    table = folder / "t.csv"
    table.write_text(
        "path,label,group\n"
        + "".join(f"{name},none,{group or ''}\n" for name, group in groups.items())
        + "wave/a.mp4,wave,anna\nclap/c.mp4,clap,\n"
    )
    classes = {"wave": folder / "wave", "clap": folder / "clap"}
    for clips, _ in (
        of_class(folder / "none", "None"),
        of_class(table, BACKGROUND),
        labelled(folder, None),
        labelled(table, None),
        labelled(classes, None, none=folder / "none"),
    ):
        outside = [clip for clip in clips if clip.label == BACKGROUND]
        assert {c.path.relative_to(folder).as_posix(): c.group for c in outside} == groups


def test_a_table_stands_for_its_rows_of_the_class(folder: Path) -> None:
    table = folder / "t.csv"
    table.write_text("path,label,end\nwave/a.mp4,wave,2\nwave/b.mp4,wave,\nclap/c.mp4,clap,\n")
    clips, names = of_class(table, "wave")
    assert [(clip.path.name, clip.end) for clip in clips] == [("a.mp4", 2.0), ("b.mp4", None)]
    assert names == ["wave/a.mp4", "wave/b.mp4"]
    with pytest.raises(DataError, match="no row has this label"):
        of_class(table, "jump")
