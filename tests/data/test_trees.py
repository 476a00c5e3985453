"""Names and trees that are unusual: each clip is found once, or the message names it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.classifier.inputs import labelled
from fewact.core.atomic import write_text
from fewact.data import expand_paths
from fewact.data.files import legible
from fewact.lab.benchmarks import list_folder
from fewact.lab.benchmarks.videos import find_videos
from fewact.video import write_video

DEPTH = 1200


def test_a_tree_deeper_than_the_stack_is_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(DEPTH):
        os.mkdir("d")
        os.chdir("d")
    Path("clip.mp4").touch()
    os.chdir(tmp_path)
    try:
        assert len(expand_paths([tmp_path])) == 1
        assert len(list(find_videos(tmp_path))) == 1
        (tmp_path / "other").mkdir()
        assert len(expand_paths([f"{tmp_path}/*/d/d"])) == 1
    finally:
        for _ in range(DEPTH):  # pytest's own removal is recursive
            os.chdir("d")
        os.remove("clip.mp4")
        for _ in range(DEPTH):
            os.chdir("..")
            os.rmdir("d")


def test_a_mesh_of_links_is_walked_once(tmp_path: Path) -> None:
    folders = [tmp_path / f"f{i}" for i in range(9)]
    for folder in folders:
        folder.mkdir()
        (folder / f"{folder.name}.mp4").touch()
    for folder in folders:
        for other in folders:
            if other != folder:
                (folder / f"to {other.name}").symlink_to(other)
    expected = sorted(folder / f"{folder.name}.mp4" for folder in folders)
    for found in (expand_paths([tmp_path]), expand_paths([f"{tmp_path}/**/*.mp4"])):
        assert sorted(path.resolve() for path in found) == expected
    # Under its own name, not under that of a link.
    assert sorted(map(Path, find_videos(tmp_path))) == expected


def test_patterns_find_what_glob_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.mp4", "a/b/2.mp4", "a/b/c/3.mp4", "d [x]/4.mp4", "5.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    for pattern, expected in (
        ("**/*.mp4", "1 2 3 4 5"),
        ("a/**", "1 2 3"),
        ("a/**/b/*.mp4", "2"),
        ("**/b/**/*.mp4", "2 3"),
        ("*/*.mp4", "1 4"),
        ("a**", "1 2 3"),
    ):
        found = sorted(path.stem for path in expand_paths([pattern]))
        assert found == expected.split(), pattern


def test_names_that_are_not_utf8_are_kept_apart_and_stored(tmp_path: Path) -> None:
    for label in ("clap", "Clap"):
        folder = os.fsencode(tmp_path / label)
        os.mkdir(folder)
        for name in (b"a\xff.mp4", b"a\xfe.mp4", "line\nbreak \U0001f600.mp4".encode()):
            with open(os.path.join(folder, name), "w"):
                pass
    videos = list_folder(tmp_path)
    assert len({video.id for video in videos.videos}) == 6
    assert set(videos.classes) == {"clap", "Clap"}
    assert len(videos.digest) == 64
    clips, names = zip(*labelled(tmp_path, None), strict=True)
    assert sorted(names)[:2] == ["Clap/a\\xfe.mp4", "Clap/a\\xff.mp4"]
    assert all(name == legible(name) and name.encode() for name in names)
    file = write_text(tmp_path / "x.json", json.dumps(str(clips[0].path), ensure_ascii=False))
    assert Path(json.loads(file.read_text())) == clips[0].path


def test_classes_whose_folders_have_odd_names_are_taught(tmp_path: Path) -> None:
    odd = {b"caf\xe9": "caf\\xe9", b"line\nbreak": "line\\nbreak", b"wave": "wave"}
    odd["a\N{NO-BREAK SPACE}b \U0001f600".encode()] = "a\\xa0b \U0001f600"
    draw = np.random.default_rng(0)
    for name in odd:
        folder = tmp_path / "clips" / os.fsdecode(name)
        folder.mkdir(parents=True)
        write_video(tmp_path / "a.mp4", draw.integers(0, 255, (8, 48, 64, 3), np.uint8), 8)
        (tmp_path / "a.mp4").rename(folder / "1.mp4")
    assert list_folder(tmp_path / "clips").classes == tuple(sorted(odd.values()))
    classifier = FewShotClassifier(method="pixels").fit(tmp_path / "clips")
    saved = FewShotClassifier.load(classifier.save(tmp_path / "model"))
    assert tuple(saved.classes_) == tuple(sorted(odd.values()))
    clip = tmp_path / "clips" / os.fsdecode(b"caf\xe9") / "1.mp4"
    assert saved.predict(clip).best == "caf\\xe9"
