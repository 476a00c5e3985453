"""What is remembered of a list: by file where there is one, by id where there is none."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fewact.data.clips import Clip
from fewact.data.videos import Video
from fewact.store.seen import Seen, SeenVideos, stamp


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"video")
    return Clip(path)


@pytest.fixture
def seen(tmp_path: Path) -> SeenVideos:
    return SeenVideos(tmp_path / "lists")


def test_a_file_is_known_until_it_changes(clip: Clip, seen: SeenVideos) -> None:
    video = Video("a", "x", footage=clip)
    assert seen.read("mine").fingerprint(video, stamp(clip)) is None
    seen.write("mine", {"a": Seen(fingerprint="f", stamp=stamp(clip))})
    known = seen.read("mine")
    assert known.fingerprint(video, stamp(clip)) == "f"
    assert seen.read("another").fingerprint(video, stamp(clip)) is None
    then = clip.path.stat().st_mtime_ns
    os.utime(clip.path, ns=(then, then + 1))
    assert known.fingerprint(video, stamp(clip)) is None
    os.utime(clip.path, ns=(then, then))
    assert known.fingerprint(video, stamp(clip)) == "f"
    clip.path.write_bytes(b"longer video")
    os.utime(clip.path, ns=(then, then))
    assert known.fingerprint(video, stamp(clip)) is None


def test_a_stamp_tells_stretches_and_places_apart(clip: Clip, tmp_path: Path) -> None:
    moved = tmp_path / "b.mp4"
    os.link(clip.path, moved)
    found = {stamp(clip), stamp(replace(clip, start=1.0)), stamp(Clip(moved))}
    assert len(found) == 3
    assert None not in found
    assert stamp(Clip(tmp_path / "missing.mp4")) is None
    assert stamp(None) is None


def test_the_stamp_of_a_folder_of_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"one")
    first = stamp(Clip(folder))
    (folder / "2.png").write_bytes(b"two")
    assert first is not None
    assert stamp(Clip(folder)) not in (None, first)


def test_without_files_the_id_decides(seen: SeenVideos) -> None:
    video = Video("a", "x")
    seen.write("mine", {"a": Seen(fingerprint="f", stamp="s")})
    seen.write("mine", {"a": Seen(fingerprint="f", stamp="t"), "b": Seen(error="broken")})
    known = seen.read("mine")
    assert known.fingerprint(video, None) == "f"
    assert known.fingerprint(Video("a", "x", footage=Clip(Path("gone.mp4"))), None) == "f"
    assert known.fingerprint(Video("b", "x"), None) is None
    assert known.error(Video("b", "x")) == "broken"
    assert known.error(video) is None
    seen.write("mine", {"a": Seen(fingerprint="g"), "c": Seen(fingerprint="h")})
    assert seen.read("mine").fingerprint(video, None) is None, "two videos were called so"


def test_a_page_that_is_damaged_tells_nothing(seen: SeenVideos, tmp_path: Path) -> None:
    seen.write("mine", {"a": Seen(fingerprint="f")})
    (page,) = tmp_path.glob("lists/*/*.json")
    page.write_text(page.read_text()[:-5])
    assert seen.read("mine").fingerprint(Video("a", "x"), None) is None
    seen.write("mine", {"a": Seen(fingerprint="f")})
    assert seen.read("mine").fingerprint(Video("a", "x"), None) == "f"


def test_names_that_are_no_unicode(seen: SeenVideos) -> None:
    odd = os.fsdecode(b"clip\xff")
    seen.write(odd, {odd: Seen(fingerprint="f")})
    assert seen.read(odd).fingerprint(Video(odd, "x"), None) == "f"
    seen.write("../up", {"a": Seen(fingerprint="g")})
    assert seen.read("../up").fingerprint(Video("a", "x"), None) == "g"
