"""Tracks of CVAT: each is an event while it is in view."""

from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import Event, read_events
from fewact.video import write_video

BOX = '<box frame="{}" outside="{}" keyframe="1" xtl="{}" ytl="1" xbr="{}" ybr="9"/>'


def document(path: Path, *shapes: str, more: str = "", filter_: str = "") -> Path:
    meta = f"<meta><task><frame_filter>{filter_}</frame_filter></task><source>a.mp4</source></meta>"
    track = f'<track id="0" label="wave">{"".join(shapes)}</track>'
    path.write_text(f"<annotations><version>1.1</version>{meta}{track}{more}</annotations>")
    return path


def test_a_track_is_an_event_for_each_part_in_view(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((40, 48, 64, 3), np.uint8), 8)
    shapes = [BOX.format(*row) for row in ((8, 0, 1, 5), (12, 0, 3, 9), (16, 1, 3, 9))]
    shapes += [BOX.format(24, 0, 1, 5)]
    path = document(tmp_path / "c.xml", *shapes, filter_="step=4")
    assert read_events(path).events == [
        Event("wave", 1.0, 2.0, recording="a.mp4", box=(1.0, 1.0, 8.0, 8.0)),
        Event("wave", 3.0, 3.5, recording="a.mp4", box=(1.0, 1.0, 4.0, 8.0)),
    ]


def test_without_the_video_the_rate_is_needed(tmp_path: Path) -> None:
    path = document(tmp_path / "c.xml", BOX.format(8, 0, 1, 5), BOX.format(16, 1, 1, 5))
    assert "times are in frames" in read_events(path).skipped[0]
    assert read_events(path, EventOptions(fps=8)).events[0].end == 2.0


def test_a_frame_after_the_end_is_named(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((8, 48, 64, 3), np.uint8), 8)
    path = document(tmp_path / "c.xml", BOX.format(2, 0, 1, 5), BOX.format(16, 1, 1, 5))
    assert "frame 16 is after the end" in read_events(path).skipped[0]


@pytest.mark.parametrize(
    ("shapes", "more", "match"),
    [
        (BOX.format(2, 0, 1, 5), '<image id="0"/>', "images, not tracks"),
        ("<sphere frame='1'/>", "", "is not understood"),
        ("", "<timeline/>", "is not understood"),
    ],
)
def test_other_documents_are_refused(tmp_path: Path, shapes: str, more: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read_events(document(tmp_path / "c.xml", shapes, more=more))
