"""The video of windows to check: each after its title, at its time."""

from pathlib import Path

import numpy as np
import pytest

from fewact.recordings.check_video import TITLE_SECONDS, Excerpt, starts, write_check_video
from fewact.video import EveryNth, probe, read_frames, write_video


def test_each_window_is_shown_at_its_time(tmp_path: Path) -> None:
    """Frames are as light as their time; two recordings differ in size."""
    shades = np.arange(200, dtype=np.uint8)[:, None, None, None]
    wide = write_video(tmp_path / "a.mp4", np.broadcast_to(shades, (200, 40, 64, 3)), 10)
    high = write_video(tmp_path / "b.mp4", np.broadcast_to(shades, (200, 64, 40, 3)), 10)
    windows = [(wide, 3.0, 5.0), (high, 12.0, 13.5), (wide, 0.0, 2.0)]
    shown = starts([end - start for _, start, end in windows])
    excerpts = [
        Excerpt(path, start, end, at) for (path, start, end), at in zip(windows, shown, strict=True)
    ]
    done: list[tuple[int, int]] = []
    file = tmp_path / "check.mp4"
    write_check_video(file, excerpts, lambda number, count: done.append((number, count)))
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert probe(file).duration == pytest.approx(3 * TITLE_SECONDS + 5.5, abs=0.15)
    for one in excerpts:
        for after in (0.0, 1.0):
            at = one.shown + after
            (frame, *_) = read_frames(file, EveryNth(1), start=at, end=at + 0.15)
            middle = frame[frame.shape[0] // 3, frame.shape[1] // 2].mean()
            assert middle == pytest.approx(10 * (one.start + after), abs=4)
