"""All forms of a published list give the same list."""

import gzip
import json
import random
from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.lab.benchmarks import benchmark, benchmark_names, lists
from fewact.lab.benchmarks.lists import find_list
from tests.lab.benchmarks.small import (
    KINETICS,
    SSV2,
    SSV2_NAMES,
    UCF,
    Lines,
    make_benchmark,
    write_table,
    write_texts,
)
from tests.refused import refused

BENCH = make_benchmark(SSV2, "ssv2", SSV2_NAMES)


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEWACT_SPLITS", raising=False)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("{label}/{video}", "{split}list03.txt"),
        ("{label}/{video}", "{split}list07.txt"),
        ("{split}{number}/{video}", "{split}_few_shot.txt"),
        ("{split}{number}//videos/anything/{video}.WebM", "{split}_few_shot.txt"),
        ("{label}/{video}", "{split}.list"),
        ("{label}/{video}", "{split}list03.txt.old"),
    ],
)
def test_forms_of_text_files(tmp_path: Path, form: str, name: str) -> None:
    table = find_list(BENCH, write_table(tmp_path / "list.csv", SSV2))
    texts = find_list(BENCH, write_texts(tmp_path / "texts", SSV2, form, name))
    assert table is not None
    assert texts == table
    assert texts.flags == ()
    assert sorted((v.split, v.label, v.id) for v in texts.videos) == sorted(SSV2)


def test_numbers_of_classes(tmp_path: Path) -> None:
    lines: Lines = [("train", "7", "a_00001"), ("train", "7", "A_00001"), ("val", "1", "b_00002")]
    lines += [("test", "10", "c_00003")]
    bench = make_benchmark(lines, "diving48")
    table = find_list(bench, write_table(tmp_path / "list.csv", lines))
    assert table is not None
    assert table.flags == ()
    for name, form in (
        ("{split}_split.txt", "{label}/{video} 26 {label}"),
        ("{split}.txt", "33/{video}.mp4 {label}"),
        ("meta_{split}.txt", "{label}/{video}"),
    ):
        assert find_list(bench, write_texts(tmp_path / name, lines, form, name)) == table
    for name, split in (("base", "train"), ("val", "val"), ("novel", "test")):
        rows = [(f"/somewhere/{v}.mp4", int(c)) for s, c, v in lines if s == split]
        names, labels = zip(*rows, strict=True)
        document = {"image_names": names, "image_labels": labels}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    assert find_list(bench, tmp_path) == table
    (tmp_path / "novel.json").write_text('{"image_names": ["a"], "image_labels": []}')
    with refused(DataError, where="novel.json", got="1 names, 0 labels"):
        find_list(bench, tmp_path)


def test_classes_by_name(tmp_path: Path) -> None:
    named = [(split, SSV2_NAMES[label].upper(), video) for split, label, video in SSV2]
    folder = write_texts(tmp_path, named, "{label}/{video}", "{split}.list")
    assert find_list(BENCH, folder) == find_list(BENCH, write_table(tmp_path / "list.csv", SSV2))


def test_numbers_that_are_also_keys(tmp_path: Path) -> None:
    """Key train1 is the class of number 0: only the hash decides which of the two it is."""
    lines = [("train", "train1", "a"), ("train", "train2", "b"), ("train", "train0", "c")]
    lines += [("val", "val0", "d"), ("test", "test0", "e")]
    bench = make_benchmark(lines, "ssv2")
    forms = {"keys": "{label}/{video}", "numbers": "{split}{number}/{video}"}
    for name, form in forms.items():
        folder = write_texts(tmp_path / name, lines, form, "{split}list.txt")
        listed = find_list(bench, folder)
        assert listed is not None
        assert listed.flags == ()
        assert {v.id: v.label for v in listed.videos} == {v: c for _, c, v in lines}


def test_order_of_lines_does_not_matter(tmp_path: Path) -> None:
    shuffled = list(SSV2)
    random.Random(0).shuffle(shuffled)
    assert shuffled != SSV2
    first = find_list(BENCH, write_table(tmp_path / "a.csv", SSV2))
    second = find_list(BENCH, write_table(tmp_path / "b.csv", shuffled))
    assert first is not None
    assert second is not None
    assert first.digest == second.digest


def test_time_stamps_do_not_matter(tmp_path: Path) -> None:
    bench = make_benchmark(KINETICS, "kinetics")
    plain = find_list(bench, write_table(tmp_path / "a.csv", KINETICS))
    stamped = [(s, c, f"val_256/{c}/{v}_000012_000022.mkv") for s, c, v in KINETICS]
    assert find_list(bench, write_table(tmp_path / "b.csv", stamped)) == plain
    assert plain is not None
    assert plain.flags == ()
    assert len(plain.videos) == len(KINETICS)  # ids that differ in case only are two videos


def test_groups_from_file_names(tmp_path: Path) -> None:
    bench = make_benchmark(UCF, "ucf101", groups="within-class")
    listed = find_list(bench, write_table(tmp_path / "a.csv", UCF))
    assert listed is not None
    assert listed.groups == "within-class"
    assert {v.id: v.group for v in listed.of("test").videos} == {
        "v_Archery_g11_c01": "g11",
        "v_Archery_g25_c07": "g25",
    }


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        (lambda rows: rows[1:], "modified list (train)"),
        (lambda rows: rows[:-1], "modified list (test)"),
        (lambda rows: [*rows, ("val", "val9", "99")], "modified list (val)"),
        (lambda rows: [*rows[2:], ("test", "train7", "31")], "modified list (train, test)"),
    ],
)
def test_changed_lists_get_a_flag(tmp_path: Path, change: object, flag: str) -> None:
    listed = find_list(BENCH, write_table(tmp_path / "list.csv", change(SSV2)))
    assert listed is not None
    assert listed.flags == (flag,)


def test_a_list_of_one_split(tmp_path: Path) -> None:
    write_texts(tmp_path, SSV2, "{label}/{video}", "{split}list03.txt")
    (tmp_path / "trainlist03.txt").unlink()
    (tmp_path / "vallist03.txt").unlink()
    listed = find_list(BENCH, tmp_path)
    assert listed is not None
    assert {v.split for v in listed.videos} == {"test"}
    assert listed.flags == ()


def test_the_canonical_list_of_several_files_is_used(tmp_path: Path) -> None:
    other = [(s, c, f"9{v}") for s, c, v in SSV2]
    write_texts(tmp_path, other, "{label}/{video}", "{split}list03.txt")
    with refused(DataError, where="published_here", got="no such file or folder"):
        find_list(BENCH, tmp_path / "published_here")
    only_other = find_list(BENCH, tmp_path)
    assert only_other is not None
    assert only_other.flags == ("modified list (train, val, test)",)
    write_texts(tmp_path, SSV2, "{label}/{video}", "{split}list03.txt.old")
    both = find_list(BENCH, tmp_path)
    assert both is not None
    assert both.flags == ()
    write_texts(tmp_path, SSV2[1:], "{label}/{video}", "{split}list03.txt.old")
    with refused(DataError, got="trainlist03.txt, trainlist03.txt.old"):
        find_list(BENCH, tmp_path)


def test_where_lists_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_list(BENCH) is None
    monkeypatch.setenv("FEWACT_SPLITS", str(tmp_path))
    assert find_list(BENCH) is None  # a folder of the variable need not have the list
    with refused(DataError, hint="nowhere"):  # the message says where it is published
        find_list(BENCH, tmp_path)
    with refused(DataError, where="absent", got="no such file or folder"):
        find_list(BENCH, tmp_path / "absent")
    write_texts(tmp_path / "published_here", SSV2, "{label}/{video}", "{split}list03.txt")
    assert find_list(BENCH) == find_list(BENCH, tmp_path) is not None
    write_texts(tmp_path, UCF, "{label}/{video}", "{split}list03.txt")  # list of another benchmark
    assert find_list(BENCH) == find_list(BENCH, tmp_path / "published_here")
    packed = tmp_path / f"{BENCH.id}.csv.gz"
    packed.write_bytes(gzip.compress(write_table(tmp_path / "list.csv", SSV2[1:]).read_bytes()))
    table = find_list(BENCH)
    assert table is not None
    assert table.flags  # a table takes precedence over text files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("split,class\ntrain,train7\n", 'no column "video"'),
        ("split,class,video\ntrain,train7\n", "line 2"),
        ("split,class,video\ntraining,train7,1\n", "training, train7, 1"),
        (
            "split,class,video\ntrain,flying,1\n",
            "does not have these classes.*flying",
        ),
        ("split,class,video\ntrain,train7,1\ntrain,train8,1\n", "same video twice.*1"),
        ("split,class,video\nval,val9,1\ntest,val9,1\n", "same video twice"),
        ("split,class,video\ntrain,train7,a\ntrain,train7,A\n", "same video twice"),
    ],
)
def test_invalid_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "list.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=message):
        find_list(BENCH, table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train7/1\n7\n", "entry 2.*invalid line"),
        ("train7/\n", "invalid line"),
        ("flying/1\n", "flying.*train7"),
        ("", "the list is empty"),
    ],
)
def test_invalid_text_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "trainlist.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        find_list(BENCH, tmp_path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / f"{BENCH.id}.csv.gz"
    file.write_bytes(gzip.compress(b"split,class,video\n" * 99)[:-9])
    with refused(DataError, where="small_made-up.csv.gz"):
        find_list(BENCH, tmp_path)
    file.write_bytes(b"no gzip")
    with refused(DataError, where="small_made-up.csv.gz"):
        find_list(BENCH, tmp_path)


@pytest.mark.assets
@pytest.mark.parametrize("name", benchmark_names())
def test_real_lists_are_canonical(assets: Path, name: str) -> None:
    file = assets.parent / "splits" / f"{name}.csv.gz"
    if not file.is_file():
        pytest.skip(f"{file} is missing")
    bench = benchmark(name)
    listed = find_list(bench, file.parent)
    assert listed is not None
    assert listed.flags == ()
    assert len(listed.videos) == sum(sum(counts.values()) for counts in bench.counts.values())
    if bench.groups == "within-class":
        assert {v.group for v in listed.videos} == {f"g{g:02}" for g in range(1, 26)}


@pytest.mark.parametrize("form", ["table", "texts"])
def test_the_list_of_another_variant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Numbered classes of another list would get the names of this one."""
    less = [row for row in SSV2 if row != SSV2[0]]
    other = make_benchmark(less, "ssv2", SSV2_NAMES).model_copy(update={"id": "other"})
    monkeypatch.setattr(lists, "BENCHMARK_NAMES", ("made up", "other"))
    known = {"made up": BENCH, "other": other}
    monkeypatch.setattr(lists, "benchmark", known.__getitem__)
    if form == "table":
        path = write_table(tmp_path / "list.csv", less)
    else:
        path = write_texts(tmp_path, less, "{label}/{video}", "{split}.list")
    with pytest.raises(DataError, match=rf"the {SSV2[0][0]} list is that of other; expected"):
        find_list(BENCH, path)
    modified = find_list(BENCH, write_table(tmp_path / "fewer.csv", less[1:]))
    assert modified is not None
    assert modified.flags
