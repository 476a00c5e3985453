"""Videos with events on them: of a file read again, and of a recording that is read once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import VideoError
from fewact.recordings import annotated
from fewact.recordings.annotated import check_drawable, delayed_video, draw_again
from fewact.recordings.formats import Event
from fewact.report import svg
from fewact.video import EveryNth, probe, read_frames, write_video

SHADES = np.broadcast_to(np.arange(60, dtype=np.uint8)[:, None, None, None], (60, 90, 160, 3))
EVENT = Event("wave", 1.0, 3.0, 0.9)


def shown(file: Path, time: float, fps: float) -> bool:
    """Return whether the label's ground is drawn on the frame of a time."""
    frame = read_frames(file, EveryNth(1))[round(time * fps)]
    colour = [int(svg.COLOURS[0][i : i + 2], 16) for i in (1, 3, 5)]
    return bool(np.abs(frame[10, 12].astype(int) - colour).max() < 60)


def test_a_file_is_drawn_up_to_where_it_was_watched(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", SHADES, 10)
    check_drawable(tmp_path / "drawn.mp4", str(source))
    times: list[float] = []
    draw_again(tmp_path / "drawn.mp4", str(source), [EVENT], ["wave"], 4.0, times.append)
    assert times == pytest.approx(np.arange(41) / 10)
    assert probe(tmp_path / "drawn.mp4").frames == 41
    drawn = [shown(tmp_path / "drawn.mp4", time, 10) for time in (0.5, 1.5, 2.9, 3.5)]
    assert drawn == [False, True, True, False]


def test_frames_of_a_camera_wait_for_their_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream: Any = SimpleNamespace(rate=10.0, delay=1.0, decided=0.0, going_on=[])
    with delayed_video(tmp_path / "late.mp4", stream, ["wave"]) as video:
        for i, frame in enumerate(SHADES):
            stream.decided = max(0.0, i / 10 - 0.8)
            video.add(i / 10, frame, [EVENT] if i == 17 else [])
            assert len(video._waiting) <= 12
        video.close([])
    assert probe(tmp_path / "late.mp4").frames == 60
    drawn = [shown(tmp_path / "late.mp4", time, 10) for time in (0.5, 1.5, 2.9, 3.5)]
    assert drawn == [False, True, True, False]
    # Frames that wait are made smaller where memory is short.
    stream.decided = 0.0
    monkeypatch.setattr(annotated, "HELD_BYTES", 12 * SHADES[0].nbytes // 4)
    with delayed_video(tmp_path / "small.mp4", stream, ["wave"]) as video:
        video.add(0.0, SHADES[0], [])
        assert video._waiting[0][1].shape == (45, 80, 3)
        video.close([])


def test_frames_that_no_encoder_takes_are_refused(tmp_path: Path) -> None:
    wide = write_video(tmp_path / "wide.mkv", np.zeros((2, 16, 17_000, 3), np.uint8), 10, "ffv1")
    with pytest.raises(VideoError):
        check_drawable(tmp_path / "drawn.mp4", str(wide))
