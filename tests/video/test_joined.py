"""Files of one recording are read on one timeline."""

from pathlib import Path

import numpy as np
import pytest

from fewact.video import VideoWarning, write_video
from fewact.video.joined import JoinedFiles, JoinedPart, open_joined

FPS = 10


def written(folder: Path, *seconds: float) -> list[Path]:
    return [
        write_video(
            folder / f"{i}.mkv", np.full((round(FPS * s), 24, 32, 3), 40 * i, np.uint8), FPS
        )
        for i, s in enumerate(seconds)
    ]


def times_and_gaps(joined: JoinedFiles) -> list[tuple[float, bool]]:
    with open_joined(joined) as recording:
        return [(round(time, 3), recording.after_gap) for time, _ in recording.frames()]


def test_frames_of_files_follow_each_other(tmp_path: Path) -> None:
    paths = written(tmp_path, 1.0, 0.5, 0.5)
    starts = [(0.0, False), (1.0, False), (9.0, True)]
    joined = JoinedFiles(
        tuple(
            JoinedPart(path, start, 1.0, after_gap=gap)
            for path, (start, gap) in zip(paths, starts, strict=True)
        )
    )
    frames = times_and_gaps(joined)
    expected = [*np.arange(15) / FPS, *(9 + np.arange(5) / FPS)]
    assert [time for time, _ in frames] == pytest.approx(expected)
    assert [time for time, gap in frames if gap] == [9.0]


def test_a_file_that_cannot_be_read_leaves_a_gap(tmp_path: Path) -> None:
    first, second, third = written(tmp_path, 1.0, 1.0, 1.0)
    second.write_bytes(b"no video")
    parts = [JoinedPart(path, float(i), 1.0) for i, path in enumerate((first, second, third))]
    with pytest.warns(VideoWarning, match="1.mkv"):
        frames = times_and_gaps(JoinedFiles(tuple(parts)))
    assert [time for time, gap in frames if gap] == [2.0]
    assert len(frames) == 20
