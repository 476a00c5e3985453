"""The synthetic benchmark as files: all there, nothing written over, and read back rightly."""

import json
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.lab.benchmarks import list_folder, list_table
from fewact.lab.synthetic.folder import read_folder, write_folder
from fewact.synthetic import MotionsBenchmark, motions
from fewact.video import Segments, read_frames
from tests.refused import refused

SMALL = motions(videos=1, size=32, frames=(12, 16))


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rendered") / "motions"
    write_folder(SMALL, root, split="val")
    return root


def test_files_hold_the_frames_of_the_videos(folder: Path) -> None:
    benchmark, videos = read_folder(folder)
    assert videos == write_folder(SMALL, folder, split="val")
    assert benchmark == SMALL
    assert videos.digest == SMALL.videos.of("val").digest
    for video in videos.videos[::4]:
        assert video.clip is not None
        assert video.clip.label == video.clip.path.parent.name == video.label
        expected = benchmark.render(video.id)
        frames = read_frames(video.clip.path, Segments(len(expected)))
        assert frames.shape == expected.shape
        assert np.abs(frames.astype(int) - expected).mean() < 8


def test_the_index_holds_the_truth(folder: Path) -> None:
    document = json.loads((folder / "motions.json").read_text())
    assert document["format"] == "motions-1"
    assert set(document["videos"]) == {video.id for video in SMALL.videos.of("val").videos}
    for id, entry in document["videos"].items():
        truth = SMALL.truth(id)
        assert entry["part"] == truth.part.tolist()
        assert entry["pause"] == truth.pause.tolist()
        np.testing.assert_allclose(entry["phase"], truth.phase, atol=1e-4)
        assert (folder / entry["path"]).is_file()


@pytest.mark.filterwarnings("ignore:.*columns that are ignored")  # its id
def test_it_is_a_folder_and_a_table_of_clips_for_others(folder: Path) -> None:
    expected = [(video.label, video.split) for video in SMALL.videos.of("val").videos]
    for found in (list_folder(folder), list_table(folder / "motions.csv")):
        assert sorted((v.label, v.split) for v in found.videos) == sorted(expected)


def test_what_was_interrupted_goes_on_and_what_is_there_is_kept(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(SMALL, tmp_path, split="val", progress=stop)
    before = contents(tmp_path)
    steps: list[tuple[int, int]] = []
    videos = write_folder(SMALL, tmp_path, split="val", progress=lambda *at: steps.append(at))
    after = contents(tmp_path)
    mp4 = [path for path in before if path.suffix == ".mp4"]
    assert len(mp4) == 3
    assert all(after[path] == before[path] for path in mp4)
    assert steps == [(done, 12) for done in range(1, 13)]
    assert len(videos.videos) == 12


def test_more_videos_and_another_split_are_added(tmp_path: Path) -> None:
    few, more = (motions(videos=count, size=32, frames=12) for count in (1, 2))
    write_folder(few, tmp_path, split="val")
    before = contents(tmp_path)
    write_folder(more, tmp_path, split="val")
    write_folder(few, tmp_path, split="test")
    after = contents(tmp_path)
    assert all(after[path] == before[path] for path in before if path.suffix == ".mp4")
    benchmark, videos = read_folder(tmp_path)
    assert benchmark == more
    assert len(videos.of("val").videos) == 24
    assert len(videos.of("test").videos) == 24
    assert len((tmp_path / "motions.csv").read_text().splitlines()) == 49


@pytest.mark.parametrize(
    "other", [motions("long", videos=1, size=32), motions(videos=1, size=32, seed=1)]
)
def test_another_benchmark_is_refused(folder: Path, other: MotionsBenchmark) -> None:
    before = contents(folder)
    with refused(DataError, where="motions", got="motions-1-plain-size32-frames12to16"):
        write_folder(other, folder)
    assert contents(folder) == before


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="something else"):
        write_folder(SMALL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with refused(DataError, where="thesis.txt"):
        write_folder(SMALL, tmp_path / "thesis.txt")


def test_files_that_are_not_its_own_are_not_written_over(tmp_path: Path) -> None:
    few, more = (motions(videos=count, size=32, frames=12) for count in (1, 2))
    first = write_folder(few, tmp_path, split="val").videos[0]
    assert first.clip is not None
    foreign = first.clip.path.with_name(first.clip.path.name.replace("-000", "-001"))
    foreign.write_text("mine")
    before = contents(tmp_path)
    with refused(DataError, where="064-001.mp4"):
        write_folder(more, tmp_path, split="val")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", [b"mine", b""])
def test_a_video_that_was_changed_is_told_and_kept(tmp_path: Path, content: bytes) -> None:
    first = write_folder(SMALL, tmp_path, split="val").videos[0]
    assert first.clip is not None
    first.clip.path.write_bytes(content)
    with pytest.raises(DataError, match="changed"):
        write_folder(SMALL, tmp_path, split="val")
    assert first.clip.path.read_bytes() == content


@pytest.mark.parametrize("text", ["{}", "no json", '{"format": "motions-2", "videos": {}}'])
def test_an_index_that_cannot_be_read_is_told_and_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / "motions.json").write_text(text)
    for use in (read_folder, lambda root: write_folder(SMALL, root)):
        with pytest.raises(DataError, match=r"motions\.json"):
            use(tmp_path)
    assert (tmp_path / "motions.json").read_text() == text


def test_a_folder_without_an_index_cannot_be_read(tmp_path: Path) -> None:
    with refused(DataError, where="motions.json"):
        read_folder(tmp_path / "nowhere")
