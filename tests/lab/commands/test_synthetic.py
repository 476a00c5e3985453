"""``fewact data render``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact.lab.synthetic.folder import read_folder

Run = Callable[..., Any]


def test_a_split_is_rendered_and_can_be_rendered_again(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "motions"
    command = ("data", "render", "motions:misaligned", "-o", folder, "--videos", 1)
    command = (*command, "--size", 32, "--split", "val", "--seed", 5)
    for _ in range(2):
        ran = run(*command)
        assert ran.code == 0, ran.err
        assert "12 videos of 12 classes" in ran.out
    benchmark, videos = read_folder(folder)
    assert benchmark.name == "motions-1-misaligned-seed5-size32"
    assert len(videos.videos) == 12


@pytest.mark.parametrize(
    ("name", "message"), [("motion", "motions:plain"), ("motions:lnog", 'Did you mean "long"?')]
)
def test_an_unknown_name_is_refused(tmp_path: Path, run: Run, name: str, message: str) -> None:
    ran = run("data", "render", name, "-o", tmp_path / "new")
    assert ran.code == 2
    assert message in ran.err
    assert not (tmp_path / "new").exists()


def test_a_folder_with_other_files_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ran = run("data", "render", "motions", "-o", tmp_path)
    assert ran.code == 2
    assert str(tmp_path) in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
