import unicodedata
from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data import expand_paths, list_background, list_clips
from tests.lab.benchmarks.small import create
from tests.refused import refused


def relative(root: Path, clips: list) -> list[tuple[str, str | None]]:
    return [(clip.path.relative_to(root).as_posix(), clip.label) for clip in clips]


def test_classes_and_clips_in_natural_order(tmp_path: Path) -> None:
    create(tmp_path, "b/x.MP4", "a10/x.mov", "a9/clip 10.mp4", "a9/Clip 2.webm", "a9/clip 1.avi")
    assert relative(tmp_path, list_clips(tmp_path)) == [
        ("a9/clip 1.avi", "a9"),
        ("a9/Clip 2.webm", "a9"),
        ("a9/clip 10.mp4", "a9"),
        ("a10/x.mov", "a10"),
        ("b/x.MP4", "b"),
    ]


def test_folders_of_numbered_images_are_clips(tmp_path: Path) -> None:
    create(tmp_path, "a/one/001.jpg", "a/one/002.jpg", "a/notes/readme.txt", "b/x.mp4")
    assert relative(tmp_path, list_clips(tmp_path)) == [("a/one", "a"), ("b/x.mp4", "b")]


def test_a_photo_beside_videos_does_not_hide_them(tmp_path: Path) -> None:
    create(tmp_path, "a/x.mp4", "a/IMG_1.jpg", "b/y.mp4", "none/1.mp4", "none/IMG_2.jpg")
    create(tmp_path, "none/anna/IMG_3.jpg", "none/anna/2.mp4", "a/photo.PNG", "b/photo.jpg")
    ignored = r"ignored, images .*a/IMG_1\.jpg, .*a/photo\.PNG, .*b/photo\.jpg$"
    with pytest.warns(UserWarning, match=ignored) as warned:
        assert relative(tmp_path, list_clips(tmp_path)) == [("a/x.mp4", "a"), ("b/y.mp4", "b")]
    assert len(warned) == 1
    with pytest.warns(UserWarning, match=r"none/anna/IMG_3\.jpg, .*none/IMG_2\.jpg$"):
        found = list_background(tmp_path)
    assert [(clip.path.name, clip.group) for clip in found] == [("1.mp4", None), ("2.mp4", "anna")]


def test_hidden_and_other_files_are_ignored(tmp_path: Path) -> None:
    create(tmp_path, "a/x.mp4", "b/y.mp4", ".git/z.mp4", "a/.x.mp4", "a/._x.mp4", "a/x.txt")
    create(tmp_path, "__MACOSX/x.mp4", "@eaDir/x.mp4", "labels.csv")
    assert relative(tmp_path, list_clips(tmp_path)) == [("a/x.mp4", "a"), ("b/y.mp4", "b")]


def test_background_is_not_a_class(tmp_path: Path) -> None:
    create(tmp_path, "a/x.mp4", "b/y.mp4", "None/2.mp4", "None/1.mp4", "None/x.txt")
    assert {clip.label for clip in list_clips(tmp_path)} == {"a", "b"}
    assert relative(tmp_path, list_background(tmp_path)) == [
        ("None/1.mp4", None),
        ("None/2.mp4", None),
    ]
    assert list_background(create(tmp_path / "other", "a/x.mp4")) == []


def test_a_folder_of_clips_of_no_class_is_a_group(tmp_path: Path) -> None:
    create(tmp_path, "a/x.mp4", "b/y.mp4", "none/anna/1.mp4", "none/ben/1.mp4", "none/2.mp4")
    create(tmp_path, "none/frames/001.jpg", "none/notes/readme.txt")
    assert [(clip.path.name, clip.group) for clip in list_background(tmp_path)] == [
        ("2.mp4", None),
        ("1.mp4", "anna"),
        ("1.mp4", "ben"),
        ("frames", None),
    ]


def test_videos_outside_the_class_folders_are_ignored_with_a_warning(tmp_path: Path) -> None:
    create(tmp_path, "a/x.mp4", "b/y.mp4", "stray 1.mp4", "stray 2.mov", "notes.txt")
    with pytest.warns(UserWarning, match=r"stray 1\.mp4, stray 2\.mov$"):
        clips = list_clips(tmp_path)
    assert len(clips) == 2


def test_saved_models_are_no_class_and_no_clip(tmp_path: Path) -> None:
    create(tmp_path, "a/x.mp4", "b/y.mp4", "none/z.mp4")
    for place in ("m", "a/m", "none/m"):
        create(tmp_path / place, "config.json", "model.safetensors", "history/000001.safetensors")
        create(tmp_path / place, "page/0123456789abcdef.mp4")
    with pytest.warns(UserWarning, match="ignored") as warnings:
        found = relative(tmp_path, list_clips(tmp_path))
    assert found == [("a/x.mp4", "a"), ("b/y.mp4", "b")]
    assert [str(one.message) for one in warnings] == [
        f"{tmp_path}: ignored, saved models beside the class folders: m"
    ]
    assert relative(tmp_path, list_background(tmp_path)) == [("none/z.mp4", None)]
    clips = [tmp_path / one for one in ("a/x.mp4", "b/y.mp4", "none/z.mp4")]
    assert expand_paths([tmp_path]) == clips
    assert expand_paths([tmp_path / "*"]) == clips
    assert expand_paths([tmp_path / "m"]) == [tmp_path / "m/page/0123456789abcdef.mp4"]


def test_folders_beside_the_clips_of_a_class_are_ignored_with_a_warning(tmp_path: Path) -> None:
    create(tmp_path, "a/x.mp4", "a/old/z.mp4", "a/notes/n.txt", "a/frames/1.jpg", "b/y.mp4")
    with pytest.warns(UserWarning, match=r"beside the clips of a class: a/old; move"):
        clips = list_clips(tmp_path)
    assert [clip.path.name for clip in clips] == ["frames", "x.mp4", "y.mp4"]


def test_spaces_around_the_name_of_a_folder_do_not_count(tmp_path: Path) -> None:
    create(tmp_path, "wave /x.mp4", " clap/y.mp4", "two words/z.mp4")
    labels = {clip.label for clip in list_clips(tmp_path)}
    assert labels == {"wave", "clap", "two words"}


def test_labels_are_normalised_unicode(tmp_path: Path) -> None:
    create(tmp_path, unicodedata.normalize("NFD", "höhe") + "/x.mp4", "跳 跃/y.mp4")
    assert [clip.label for clip in list_clips(tmp_path)] == ["höhe", "跳 跃"]
    assert all(clip.path.exists() for clip in list_clips(tmp_path))


def test_a_broken_link_is_listed(tmp_path: Path) -> None:
    create(tmp_path, "a/x.mp4", "b/y.mp4")
    (tmp_path / "a" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert ("a/gone.mp4", "a") in relative(tmp_path, list_clips(tmp_path))


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        ([], ["no class folder", "Arrange the clips like this", "wave/"]),
        (["x.mp4", "y.mp4"], ["2 clips and no folder", "Arrange the clips like this"]),
        (["None/x.mp4"], ["no class folder"]),
        (["a/x.mp4"], ["only one class", "got a", "other/  third.mp4"]),
        (["a/x.mp4", "b/x.txt"], ['class "b" has no clips', "no video: x.txt"]),
        (["a/x.mp4", "b/c/x.mp4"], ['class "b" has no clips', "only folders: c", "use "]),
        (["a/x.mp4", "b/1.jpg", "b/2.jpg"], ["single images", "separate folder"]),
    ],
)
def test_invalid_folders_are_refused(tmp_path: Path, files: list[str], parts: list[str]) -> None:
    create(tmp_path, *files)
    with pytest.raises(DataError) as caught:
        list_clips(tmp_path)
    assert all(part in str(caught.value) for part in [str(tmp_path), *parts])


def test_an_empty_class_folder_is_refused(tmp_path: Path) -> None:
    (create(tmp_path, "a/x.mp4") / "b").mkdir()
    with refused(DataError, got="an empty folder"):
        list_clips(tmp_path)


def test_a_missing_folder_or_a_file_is_refused(tmp_path: Path) -> None:
    file = create(tmp_path, "x.mp4") / "x.mp4"
    for path in (tmp_path / "missing", file):
        for listed in (list_clips, list_background):
            with refused(DataError, where=str(path)):
                listed(path)


@pytest.mark.assets
def test_real_folder(assets: Path) -> None:
    clips = list_clips(assets / "clips" / "utd5_rgb")
    assert len(clips) == 160
    assert [*dict.fromkeys(clip.label for clip in clips)] == [
        "a01_swipe_left",
        "a02_swipe_right",
        "a03_wave",
        "a04_clap",
        "a05_throw",
    ]
