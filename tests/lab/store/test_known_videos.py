"""What is remembered of a list: by file where there is one, by id where there is none."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fewact.data.clips import Clip
from fewact.data.videos import Video
from fewact.features.store import Store
from fewact.features.store.store import KnownVideo, stamp


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"video")
    return Clip(path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def test_a_file_is_known_until_it_changes(clip: Clip, store: Store) -> None:
    video = Video("a", "x", source=clip)
    assert store.known("mine").fingerprint(video, stamp(clip)) is None
    store.known("mine").write({"a": KnownVideo(fingerprint="f", stamp=stamp(clip))})
    mine = store.known("mine")
    assert mine.fingerprint(video, stamp(clip)) == "f"
    assert store.known("another").fingerprint(video, stamp(clip)) is None
    then = clip.path.stat().st_mtime_ns
    os.utime(clip.path, ns=(then, then + 1))
    assert mine.fingerprint(video, stamp(clip)) is None
    os.utime(clip.path, ns=(then, then))
    assert mine.fingerprint(video, stamp(clip)) == "f"
    clip.path.write_bytes(b"longer video")
    os.utime(clip.path, ns=(then, then))
    assert mine.fingerprint(video, stamp(clip)) is None


def test_a_stamp_depends_on_segment_and_path(clip: Clip, tmp_path: Path) -> None:
    moved = tmp_path / "b.mp4"
    os.link(clip.path, moved)
    found = {stamp(clip), stamp(replace(clip, start=1.0)), stamp(Clip(moved))}
    assert len(found) == 3
    assert None not in found
    assert stamp(Clip(tmp_path / "missing.mp4")) is None
    assert stamp(None) is None


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_stamp_follows_links(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link.mp4").symlink_to(clip.path)
    (tmp_path / "folder").symlink_to(tmp_path)
    expected = stamp(clip)
    assert stamp(Clip(tmp_path / "link.mp4")) != expected, "another file name"
    assert stamp(Clip(tmp_path / "folder" / "a.mp4")) == expected
    assert stamp(Clip(tmp_path / "folder" / ".." / tmp_path.name / "a.mp4")) == expected
    for folder in (tmp_path, tmp_path / "other"):
        folder.mkdir(exist_ok=True)
        (folder / "a.mp4").write_bytes(b"video")
        monkeypatch.chdir(folder)
        relative = stamp(Clip(Path("a.mp4")))
        assert relative == stamp(Clip(folder / "a.mp4"))


def test_the_stamp_of_a_folder_of_images(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"one")
    first = stamp(Clip(folder))
    (folder / "2.png").write_bytes(b"two")
    assert first is not None
    assert stamp(Clip(folder)) not in (None, first)


def test_without_files_the_id_decides(store: Store) -> None:
    video = Video("a", "x")
    store.known("mine").write({"a": KnownVideo(fingerprint="f", stamp="s")})
    store.known("mine").write(
        {"a": KnownVideo(fingerprint="f", stamp="t"), "b": KnownVideo(error="broken")}
    )
    mine = store.known("mine")
    assert mine.fingerprint(video, None) == "f"
    assert mine.fingerprint(Video("a", "x", source=Clip(Path("gone.mp4"))), None) == "f"
    assert mine.fingerprint(Video("b", "x"), None) is None
    assert mine.error(Video("b", "x")) == "broken"
    assert mine.error(video) is None
    store.known("mine").write({"a": KnownVideo(fingerprint="g"), "c": KnownVideo(fingerprint="h")})
    assert store.known("mine").fingerprint(video, None) is None, "two videos were called so"


def test_names_that_are_not_unicode(store: Store) -> None:
    odd = os.fsdecode(b"clip\xff")
    store.known(odd).write({odd: KnownVideo(fingerprint="f")})
    assert store.known(odd).fingerprint(Video(odd, "x"), None) == "f"
    store.known("../up").write({"a": KnownVideo(fingerprint="g")})
    assert store.known("../up").fingerprint(Video("a", "x"), None) == "g"
