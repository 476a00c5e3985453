"""Names of recordings in files of events."""

import os
from pathlib import Path

import pytest

from fewact.recordings.formats import find_recording
from fewact.recordings.outputs import recording_name


def test_recordings_are_named_from_the_real_folder_of_the_file_or_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real" / "results").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "results")
    video = tmp_path / "a.mp4"
    video.touch()
    name = recording_name(video, tmp_path / "link" / "e.csv")
    assert find_recording(tmp_path / "link", name).samefile(video)

    def another_drive(*_: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", another_drive)
    assert recording_name(video, tmp_path / "e.csv") == str(video.resolve())
