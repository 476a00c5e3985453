"""The index of a store's files: it finds what they hold, and may be missing, behind or wrong."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.core.errors import OutputError, StoreError
from fewact.data.videos import Video
from fewact.features.store import Store
from fewact.features.store.index import FILE, Index, read_index, write_index
from fewact.features.store.known_videos import KnownVideo
from fewact.features.store.shard import Shape

FACTS, LAYOUT = {"made": "up"}, {"features": Shape("int64", ())}

KEYS = st.binary(min_size=32, max_size=32)


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def entry(number: int) -> dict[str, Any]:
    return {"features": np.array(number)}


@pytest.fixture(autouse=True)
def few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("entries", "known_videos"):
        monkeypatch.setattr(f"fewact.features.store.{module}.NEW_FILES", 4)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def filled(store: Store, blocks: int, first: int = 0) -> Any:
    made = store.make(FACTS, LAYOUT)
    for block in range(first, first + blocks):
        made.write({key(i): entry(i) for i in range(3 * block, 3 * block + 3)})
    return made


def opened(store: Store) -> Any:
    found = Store(store.folder).find(FACTS)
    assert found is not None
    return found


@given(st.dictionaries(st.text(max_size=3), st.lists(KEYS, max_size=4), max_size=5))
def test_an_index_finds_every_entry(entries: dict[str, list[bytes]]) -> None:
    made = Index()
    for name, keys in entries.items():  # one file after the other
        made = made.with_files({name: keys})
    at_once = Index().with_files(entries)
    for one in (made, at_once):
        for wanted in {k for keys in entries.values() for k in keys}:
            expected = [
                (name, row)
                for name, keys in entries.items()
                for row, k in enumerate(keys)
                if k == wanted
            ]
            assert one.find(wanted) == expected
            assert one.unique().find(wanted) == expected[:1]
        assert one.find(bytes(range(32))) == []


def test_keys_that_end_in_zeros(tmp_path: Path) -> None:
    keys = [b"a".ljust(32, b"\0"), b"a".ljust(31, b"\0") + b"b", bytes(32)]
    write_index(tmp_path / FILE, "x", Index().with_files({"f": keys}))
    mapped = read_index(tmp_path / FILE, "x", {"f"})
    assert [mapped.find(one) for one in keys] == [[("f", i)] for i in range(3)]


def test_a_set_with_an_index_has_what_was_written(store: Store) -> None:
    made = filled(store, 10)
    assert (made.folder / FILE).exists() is False, "the writer itself needs none"
    made.refresh()
    assert (made.folder / FILE).exists()
    filled(store, 2, first=10)  # more than the index lists
    for one in (made, opened(store), opened(store)):
        one.refresh()
        assert len(one) == 36
        assert set(one) == {key(i) for i in range(36)}
        assert [int(one.read(key(i))["features"]) for i in range(36)] == list(range(36))
        assert key(36) not in one
        assert "v" not in one
        assert None not in one
        with pytest.raises(KeyError):
            one.read(key(36))


def test_shards_in_the_index_are_not_opened(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store, 10).refresh()
    read: list[str] = []
    shard = "fewact.features.store.entries.Shard"
    from fewact.features.store.shard import Shard

    monkeypatch.setattr(shard, lambda path, *rest: read.append(path.name) or Shard(path, *rest))
    one = opened(store)
    assert all(key(i) in one for i in range(30))
    assert read == []
    one.read(key(0))
    assert len(read) == 1


def test_another_process_writes_the_index(store: Store) -> None:
    one, other = store.make(FACTS, LAYOUT), store.make(FACTS, LAYOUT)
    filled(store, 5).refresh()
    for made in (one, other):
        made.refresh()
        assert len(made) == 15
    at = (one.folder / FILE).stat().st_mtime_ns
    filled(store, 5, first=5)
    one.refresh()
    assert (one.folder / FILE).stat().st_mtime_ns > at
    other.refresh()
    assert set(one) == set(other) == {key(i) for i in range(30)}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content.replace(b'"version": 1', b'"version": 9'),
        lambda content: b"{" + content,
        lambda content: content.replace(b'"of": "', b'"of": "f'),
    ],
)
def test_a_damaged_index_is_made_again(store: Store, damage: Any) -> None:
    folder = filled(store, 10).folder
    opened(store)
    file = folder / FILE
    right = file.read_bytes()
    file.write_bytes(damage(right))
    one = opened(store)
    assert set(one) == {key(i) for i in range(30)}
    assert file.read_bytes() == right


def test_an_index_that_points_elsewhere_is_found_out(store: Store) -> None:
    folder = filled(store, 10).folder
    opened(store)
    content = bytearray((folder / FILE).read_bytes())
    content[-8 * 30 :] = content[-8:] * 30  # all videos in one place
    (folder / FILE).write_bytes(content)
    one = opened(store)
    wrong = 0
    for i in range(30):
        try:
            assert int(one.read(key(i))["features"]) == i
        except StoreError:
            wrong += 1
            with pytest.raises(StoreError, match=rf"{FILE}: does not fit the shards .* made again"):
                one.read(key(i))
    assert wrong == 29


def test_an_index_that_points_to_no_file_finds_nothing(store: Store) -> None:
    folder = filled(store, 10).folder
    opened(store)
    content = bytearray((folder / FILE).read_bytes())
    content[-8 * 30 :: 8] = b"\xff" * 30
    (folder / FILE).write_bytes(content)
    one = opened(store)
    assert not any(key(i) in one for i in range(30))


def test_a_shard_that_is_gone_is_missing(store: Store) -> None:
    made = filled(store, 10)
    opened(store)
    gone = next(made.folder.glob("*.safetensors"))
    gone.rename(store.folder / "elsewhere")
    one = opened(store)
    assert len(one) == 27
    assert gone.name not in (made.folder / FILE).read_text(errors="replace")
    for block in range(10):
        made.write({key(i): entry(i) for i in range(3 * block, 3 * block + 3)})
    assert len(opened(store)) == 30


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="needs POSIX")
def test_a_store_that_cannot_be_written_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, 10)

    def refuse(*_: object) -> None:
        raise OutputError("cannot be written")

    monkeypatch.setattr("fewact.features.store.entries.write_index", refuse)
    one = opened(store)
    assert set(one) == {key(i) for i in range(30)}
    filled(store, 6, first=10)
    one.refresh()
    assert set(one) == {key(i) for i in range(48)}
    assert int(one.read(key(47))["features"]) == 47
    assert not (one.folder / FILE).exists()


def test_names_that_are_no_sha256_are_kept_in_memory(store: Store) -> None:
    made = store.make(FACTS, LAYOUT)
    for i in range(8):
        made.write({f"v{i}": entry(i)})
    one = opened(store)
    assert set(one) == {f"v{i}" for i in range(8)}
    assert not (one.folder / FILE).exists()


def test_a_video_in_two_shards_counts_once(store: Store) -> None:
    made = filled(store, 8)
    made.write({key(i): entry(i) for i in (0, 3, 100)})
    one = opened(store)
    assert len(one) == len(list(one)) == 25
    filled(store, 1, first=8)
    other = opened(store)
    other.write({key(i): entry(i) for i in (1, 24)})
    assert len(other) == len(list(other)) == 28


def test_known_videos_of_many_pages(store: Store, tmp_path: Path) -> None:
    facts = {f"v{i}": KnownVideo(fingerprint=key(i)) for i in range(30)}
    facts["v7"] = KnownVideo(error="broken")
    ids = list(facts)
    for first in range(0, 30, 3):
        store.known.write("mine", {id: facts[id] for id in ids[first : first + 3]})
    for known in (store.known.read("mine"), store.known.read("mine")):
        found = [known.fingerprint(Video(id, "x"), None) for id in ids]
        assert found == [facts[id].fingerprint for id in ids]
        assert known.error(Video("v7", "x")) == "broken"
        assert known.fingerprint(Video("v30", "x"), None) is None
    assert len(list(store.folder.glob(f"lists/*/{FILE}"))) == 1
    # A page that changes stays under its name.
    store.known.write("mine", {id: KnownVideo(fingerprint=key(99)) for id in ids[:3]})
    assert store.known.read("mine").fingerprint(Video("v1", "x"), None) == key(99)
    # Several videos had this id.
    store.known.write("mine", {"v4": KnownVideo(fingerprint=key(5))})
    assert store.known.read("mine").fingerprint(Video("v4", "x"), None) is None
    page = next(store.folder.glob("lists/*/*.json"))
    page.write_text("damaged")
    known = store.known.read("mine")
    lost = [id for id in ids if known.fingerprint(Video(id, "x"), None) is None]
    assert 1 <= len(lost) <= 5
