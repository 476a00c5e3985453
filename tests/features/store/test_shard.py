"""Shards and sets: complete or missing, checked, equal bytes for equal videos."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fewact.core.errors import OutputError, StoreError
from fewact.features.store import Store
from fewact.features.store.shard import Shape, Shard, digest, write_shard
from tests.refused import refused

LAYOUT = {"a": Shape("float16", (2, 3)), "b": Shape("int64", ())}
FACTS = {"kind": "made up", "sizes": [2, 3], "rate": 0.5}


def entry(number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    return {
        "a": rng.standard_normal((2, 3)).astype(np.float16),
        "b": np.array(number, dtype=np.int64),
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name])
        for name in one
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def test_a_written_store_can_be_read(store: Store) -> None:
    made = store.make(FACTS, LAYOUT)
    assert len(made) == 0
    made.write({f"v{i}": entry(i) for i in range(5)})
    made.write({f"v{i}": entry(i) for i in range(5, 7)})
    for one in (made, Store(store.folder).find(FACTS)):
        assert one is not None
        assert set(one) == {f"v{i}" for i in range(7)}
        for i in range(7):
            assert same(one.read(f"v{i}"), entry(i))
        assert "v7" not in one
        assert one.bytes_a_video == 12 + 8
    assert store.find({**FACTS, "rate": 0.25}) is None
    assert [one.digest for one in store.sets()] == [made.digest]


def test_facts_in_another_order_are_the_same_set(store: Store) -> None:
    store.make(FACTS, LAYOUT).write({"v": entry(0)})
    again = store.find(dict(reversed(FACTS.items())))
    assert again is not None
    assert "v" in again


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_arrays_come_back_bit_by_bit(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kinds = [np.float16, np.float32, np.float64, np.uint8, np.int32, np.int64, np.bool_]
    dtype = np.dtype(data.draw(st.sampled_from(kinds)))
    sizes = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, max_side=4))
    arrays = data.draw(st.lists(hnp.arrays(dtype, sizes), min_size=1, max_size=4))
    folder = tmp_path_factory.mktemp("shard")
    path = write_shard(folder, FACTS, {str(i): {"x": one} for i, one in enumerate(arrays)})
    shard = Shard(path, digest(FACTS), {"x": Shape(dtype.name, sizes)})
    for row, array in enumerate(arrays):
        assert shard.read(row)["x"].tobytes() == array.tobytes()
        assert shard.read(row)["x"].dtype == dtype


def test_the_same_videos_are_the_same_file(tmp_path: Path) -> None:
    entries = {f"v{i}": entry(i) for i in range(3)}
    one, other = (write_shard(tmp_path / name, FACTS, entries) for name in ("one", "other"))
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()
    less = write_shard(tmp_path / "one", FACTS, {"v0": entry(0)})
    assert write_shard(tmp_path / "one", {"another": "set"}, {"v0": entry(0)}).name != less.name
    assert len(list((tmp_path / "one").glob("*.safetensors"))) == 3


def test_a_write_that_fails_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = store.make(FACTS, LAYOUT)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refused(OutputError, what="no space"):
        made.write({"v": entry(0)})
    assert not list(made.folder.glob("*"))
    assert "v" not in made


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[:-1]
    elif how == "empty":
        content = bytearray()
    elif how == "header":
        content[20] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "empty", "header"])
def test_a_damaged_shard_is_named_and_counts_as_missing(store: Store, how: str) -> None:
    made = store.make(FACTS, LAYOUT)
    made.write({"v0": entry(0), "v1": entry(1)})
    (path,) = made.folder.glob("*.safetensors")
    made.write({"v2": entry(2)})
    damage(path, how)
    again = store.find(FACTS)
    assert again is not None
    assert set(again) == {"v2"}
    assert list(again.damaged) == [path]
    assert str(path) in again.damaged[path]
    assert path.exists()
    again.write({"v0": entry(0), "v1": entry(1)})
    assert not again.damaged
    assert set(store.find(FACTS) or ()) == {"v0", "v1", "v2"}


def test_a_shard_that_is_a_loop_of_links_is_missing(store: Store) -> None:
    made = store.make(FACTS, LAYOUT)
    made.write({"v0": entry(0)})
    (path,) = made.folder.glob("*.safetensors")
    made.write({"v1": entry(1)})
    path.unlink()
    path.symlink_to(path.name)
    again = store.find(FACTS)
    assert again is not None
    assert set(again) == {"v1"}
    assert list(again.damaged) == [path]
    with refused(OutputError, where=path.name):  # nothing of the user's is replaced
        again.write({"v0": entry(0)})


def test_a_number_that_has_changed_is_noticed_when_it_is_read(store: Store) -> None:
    made = store.make(FACTS, LAYOUT)
    made.write({"v0": entry(0), "v1": entry(1)})
    (path,) = made.folder.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # of b of v1, the last array's last row
    path.write_bytes(content)
    again = store.find(FACTS)
    assert again is not None
    assert same(again.read("v0"), entry(0))
    with refused(StoreError, where=".safetensors"):
        again.read("v1")


def test_a_shard_of_another_set_is_damaged(store: Store) -> None:
    made = store.make(FACTS, LAYOUT)
    other = store.make({**FACTS, "rate": 1.0}, LAYOUT)
    other.write({"v": entry(0)})
    made.write({"v": entry(0)})
    (path,) = made.folder.glob("*.safetensors")
    shutil.copy(next(other.folder.glob("*.safetensors")), path)
    again = store.find(FACTS)
    assert again is not None
    assert "v" not in again
    assert "another set" in again.damaged[path]


def test_shards_of_other_processes_are_found(store: Store) -> None:
    made, other = store.make(FACTS, LAYOUT), Store(store.folder).make(FACTS, LAYOUT)
    other.write({"v": entry(0)})
    assert same(made.read("v"), entry(0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"a": np.zeros((2, 3), np.float16)},
        {"a": np.zeros((2, 4), np.float16), "b": np.array(0)},
        {"a": np.zeros((2, 3), np.float32), "b": np.array(0)},
    ],
)
def test_another_layout_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    made = store.make(FACTS, LAYOUT)
    with refused(StoreError, where="video w"):
        made.write({"v": entry(0), "w": wrong})
    assert len(made) == 0
    with refused(StoreError, where=str(store.folder)):
        store.make(FACTS, {"a": Shape("float16", (2, 3))})


def test_a_folder_with_other_files_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with refused(StoreError, expected="empty folder"):
        Store.create(tmp_path)
    with refused(StoreError, got="store.sqlite"):
        Store(tmp_path)
    with refused(StoreError, where="notes.txt"):
        Store.create(tmp_path / "notes.txt")
