"""An index of recordings: killed and resumed, moved, damaged, or of another network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import ModelError, StoreError, VideoError
from fewact.data import Clip
from fewact.features.store import Store
from fewact.networks import Backbone
from fewact.recordings import index as module
from fewact.recordings.index import Archive
from fewact.recordings.small_vectors import INDEX_TRACKS


@pytest.mark.slow
def test_a_killed_index_goes_on_and_is_the_same(
    long_recording: Path, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENTRY_SECONDS", 3)
    monkeypatch.setattr(module, "SHARD_ENTRIES", 1)
    whole, killed = (
        Archive(Store.create(tmp_path / name), backbone.card, create=True)
        for name in ("whole", "killed")
    )
    whole.add(long_recording, backbone)
    key = Clip(long_recording).fingerprint()
    read: list[float] = []

    def kill(time: float) -> None:
        read.append(time)
        if time >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed.add(long_recording, backbone, kill)
    assert 0 < killed.blocks(key) < whole.blocks(key) == 3
    assert not killed.recordings()
    read.clear()
    assert killed.add(long_recording, backbone, read.append)
    assert min(read) > 3, "minutes that are stored were read again"
    for name, values in whole.rows(key, 0, 3).items():
        assert np.abs(values).max() > 20
        np.testing.assert_array_equal(killed.rows(key, 0, 3)[name], values)


def test_an_index_killed_before_a_recording_is_known_goes_on(
    long_recording: Path, backbone: Backbone, tmp_path: Path
) -> None:
    archive = Archive(Store.create(tmp_path / "index"), backbone.card, create=True)
    archive.add(long_recording, backbone)
    with archive.entries._index.transaction() as tables:
        tables.execute("DELETE FROM videos")
    assert not archive.recordings()
    archive.add(long_recording, backbone)
    assert archive.blocks(archive.recordings()[0].fingerprint) == 1


@pytest.mark.slow
def test_what_a_damaged_shard_had_is_read_again(
    long_recording: Path, backbone: Backbone, tmp_path: Path
) -> None:
    store = Store.create(tmp_path / "index")
    archive = Archive(store, backbone.card, create=True)
    archive.add(long_recording, backbone)
    (shard,) = archive.entries.folder.iterdir()
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="damaged"):
        assert not Archive(Store(store.folder), backbone.card).recordings()
    again = Archive(Store(store.folder), backbone.card, create=True)
    assert again.add(long_recording, backbone)
    assert not again.add(long_recording, backbone)
    assert len(Archive(Store(store.folder), backbone.card).recordings()) == 1


@pytest.mark.slow
def test_a_second_backbone_reads_again(
    long_recording: Path, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.create(tmp_path / "index")
    Archive(store, backbone.card, create=True).add(long_recording, backbone)
    other = Archive(store, replace(backbone.card, mean=(0.1, 0.2, 0.3)), create=True)
    assert not other.recordings()
    assert other.add(long_recording, backbone)
    assert len(other.recordings()) == 1


def test_a_gap_has_no_vectors(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (64, 48, 64, 3), np.uint8)
    times = [k / 10 for k in range(120) if not 35 <= k < 80]
    monkeypatch.setattr(
        module, "_sampled", lambda path, begin: ((t, images[int(10 * t) % 64]) for t in times)
    )
    ((number, minute),) = module._minutes(Path("gap"), backbone, 0, lambda time: None)
    assert number == 0
    for name, track in INDEX_TRACKS.items():
        shown = minute[name].any(1)
        assert len(shown) == 60 * track.rate
        assert shown[: 2 * track.rate].all()
        assert not shown[4 * track.rate : 7 * track.rate].any()
        assert shown[9 * track.rate : 11 * track.rate].all()
        assert not shown[13 * track.rate :].any()


def test_minutes_without_frames_are_not_stored(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.zeros((48, 64, 3), np.uint8)

    def numbers(*starts: float) -> list[int]:
        times = [start + k / 10 for start in starts for k in range(30)]
        monkeypatch.setattr(module, "_sampled", lambda path, begin: ((t, image) for t in times))
        minutes = module._minutes(Path("gap"), backbone, 0, lambda time: None)
        return [number for number, _ in minutes]

    assert numbers(0.0, 610.0, 36_010.0) == [0, 10, 600]
    assert numbers(130.0) == [0, 2]
    assert numbers(0.0, 100.0) == [0, 1]
    with pytest.raises(VideoError, match="days"):
        numbers(0.0, 1e9)


def test_only_what_is_new_is_read(
    archive: Archive, long_recording: Path, backbone: Backbone, tmp_path: Path
) -> None:
    other: Backbone = None  # type: ignore[assignment]  # it would fail if it were needed
    assert not archive.add(long_recording, other)
    moved = tmp_path / "moved.mkv"
    moved.write_bytes(long_recording.read_bytes())
    assert not archive.add(moved, other)
    assert len(archive.recordings()) == 1
    assert all(one.is_there for one in archive.recordings())
    changed = tmp_path / "changed.mkv"
    changed.write_bytes(long_recording.read_bytes())
    archive.add(changed, other)
    changed.write_bytes(long_recording.read_bytes()[:-100])
    assert [str(one.path) for one in archive.recordings() if one.is_there] == [str(long_recording)]
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    with pytest.raises(VideoError):
        archive.add(bad, backbone)
    assert len(archive.recordings()) == 1


def test_a_recording_is_where_its_file_is(
    archive: Archive, long_recording: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.mkv"
    moved.write_bytes(long_recording.read_bytes())
    long_recording.rename(long_recording.with_suffix(".away"))
    try:
        archive.add(moved, None)  # type: ignore[arg-type]
        assert [one.path for one in archive.recordings()] == [moved]
    finally:
        long_recording.with_suffix(".away").rename(long_recording)


def test_an_index_of_another_backbone_is_refused(
    archive: Archive, backbone: Backbone, tmp_path: Path
) -> None:
    card = backbone.card
    with pytest.raises(StoreError):
        Archive(Store(archive.entries.folder.parents[1]), replace(card, mean=(0.1, 0.2, 0.3)))
    with pytest.raises(ModelError):
        Archive(Store.create(tmp_path / "new"), replace(card, middle=None), create=True)


def test_an_index_of_other_weights_of_learned_motion_is_refused(
    archive: Archive, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(StoreError):
        Archive(Store(archive.entries.folder.parents[1]), backbone.card)
