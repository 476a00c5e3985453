"""Files of one camera are one recording."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import OptionError
from fewact.recordings.joins import JoinedFiles, joined_sources, joined_text, named_file
from fewact.video import write_video

FPS = 10


@pytest.mark.parametrize(
    ("path", "program", "camera", "number", "begun"),
    [
        ("a/GX010042.MP4", "GoPro", "", 1, None),
        ("a/GH030042.mp4", "GoPro", "", 3, None),
        ("a/GOPR0042.MP4", "GoPro", "", 0, None),
        ("a/GP020042.MP4", "GoPro", "", 2, None),
        ("DJI_20260502090000_0003_D.MP4", "DJI", "", 3, datetime(2026, 5, 2, 9)),
        ("DJI_0003.MOV", "DJI", "", 3, None),
        ("C0007.MP4", "Sony", "", 7, None),
        ("STREAM/00012.MTS", "AVCHD", "", 12, None),
        ("PXL_20260502_090001234.mp4", "phone", "PXL", 0, datetime(2026, 5, 2, 9, 0, 1)),
        ("VID_20260502_090001.mp4", "phone", "VID", 0, datetime(2026, 5, 2, 9, 0, 1)),
        ("20260502_090001.mp4", "phone", "", 0, datetime(2026, 5, 2, 9, 0, 1)),
        (
            "recordings/2026-05-02/14/porch/05.10.mp4",
            "Frigate",
            "porch",
            0,
            datetime(2026, 5, 2, 14, 5, 10, tzinfo=UTC),
        ),
        (
            "2026-05-02/001/dav/14/14.05.10-14.10.10[R][0@0][0].dav",
            "Dahua",
            "001/dav/14",
            0,
            datetime(2026, 5, 2, 14, 5, 10),
        ),
        (
            "RecM01_20260502_140510_141010_6D28808_1CA6E5.mp4",
            "Reolink",
            "M01",
            0,
            datetime(2026, 5, 2, 14, 5, 10),
        ),
        ("Door_00_20260502140510.mp4", "Reolink", "Door", 0, datetime(2026, 5, 2, 14, 5, 10)),
        (
            "NVR_ch1_main_20260502140510_20260502141010.mp4",
            "Hikvision",
            "NVR_ch1_main",
            0,
            datetime(2026, 5, 2, 14, 5, 10),
        ),
        ("Yard.20260502_140510.mp4", "Blue Iris", "Yard", 0, datetime(2026, 5, 2, 14, 5, 10)),
        (
            "Hall-20260502-140510-1777730710.mp4",
            "Synology",
            "Hall",
            0,
            datetime(2026, 5, 2, 14, 5, 10),
        ),
    ],
)
def test_names_of_cameras_and_recorders(
    path: str, program: str, camera: str, number: int, begun: datetime | None
) -> None:
    file = named_file(Path(path))
    assert file is not None
    assert (file.names.program, file.camera[0], file.number) == (program, camera, number)
    assert file.begun == begun


@pytest.mark.parametrize(
    "path", ["monday.mp4", "clip 1.mp4", "GX99.mp4", "VID_20269902_250000.mp4"]
)
def test_other_names_say_nothing(path: str) -> None:
    assert named_file(Path(path)) is None


def files(
    folder: Path, seconds_of: dict[str, float], size: tuple[int, int] = (32, 24)
) -> list[Path]:
    """Write videos of names and durations."""
    paths = []
    for name, seconds in seconds_of.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = np.zeros((round(FPS * seconds), size[1], size[0], 3), np.uint8)
        paths.append(write_video(path, frames, FPS))
    return paths


def spans(source: object) -> list[tuple[str, float, bool]]:
    assert isinstance(source, JoinedFiles)
    return [(part.path.name, round(part.start, 3), part.after_gap) for part in source.parts]


def test_chapters_of_a_take_are_one_recording(tmp_path: Path) -> None:
    paths = files(tmp_path, {"GX010001.MP4": 2, "GX010002.MP4": 1, "GX020001.MP4": 3})
    first, other = joined_sources(paths, "auto")
    assert spans(first) == [("GX010001.MP4", 0, False), ("GX020001.MP4", 2, False)]
    assert other == paths[1]
    assert isinstance(first, JoinedFiles)
    assert joined_text(first).startswith("Joined 2 files, without a gap")


def test_a_missing_chapter_begins_another_recording(tmp_path: Path) -> None:
    paths = files(tmp_path, {"GX010001.MP4": 1, "GX030001.MP4": 1})
    assert joined_sources(paths, "auto") == paths


def test_segments_of_a_recorder_have_the_gaps_of_their_names(tmp_path: Path) -> None:
    folder = "2026-05-02/14/porch"
    seconds = {"00.00": 1.2, "00.02": 1.6, "00.04": 2.2, "00.06": 1.9, "00.30": 2.0, "00.32": 1.0}
    paths = files(tmp_path, {f"{folder}/{name}.mp4": long for name, long in seconds.items()})
    (source,) = joined_sources(paths, "auto")
    assert spans(source) == [
        ("00.00.mp4", 0.0, False),
        ("00.02.mp4", 1.2, False),
        ("00.04.mp4", 2.8, False),
        ("00.06.mp4", 5.0, False),
        ("00.30.mp4", 29.0, True),
        ("00.32.mp4", 31.0, False),
    ]
    assert isinstance(source, JoinedFiles)
    assert source.clock(29.5) == datetime(2026, 5, 2, 14, 0, 30, 500_000, tzinfo=UTC)
    assert source.clock(1.3) == datetime(2026, 5, 2, 14, 0, 2, 100_000, tzinfo=UTC)


def test_cameras_and_hours_apart_are_recordings_of_their_own(tmp_path: Path) -> None:
    names = ["2026-05-02/14/porch/00.00.mp4", "2026-05-02/14/yard/00.01.mp4"]
    paths = files(tmp_path, dict.fromkeys([*names, "2026-05-02/17/porch/00.00.mp4"], 1.0))
    assert joined_sources(paths, "auto") == paths


def test_takes_of_a_phone_are_joined_only_where_one_follows_the_other(tmp_path: Path) -> None:
    seconds = {"20260502_090000.mp4": 2.0, "20260502_090002.mp4": 2.0, "20260502_090030.mp4": 2.0}
    paths = files(tmp_path, seconds)
    first, other = joined_sources(paths, "auto")
    assert spans(first) == [("20260502_090000.mp4", 0, False), ("20260502_090002.mp4", 2, False)]
    assert other == paths[2]


def test_files_of_other_sizes_are_not_joined(tmp_path: Path) -> None:
    paths = files(tmp_path, {"GX010001.MP4": 1})
    paths += files(tmp_path, {"GX020001.MP4": 1}, size=(48, 32))
    assert joined_sources(paths, "auto") == paths
    with pytest.raises(OptionError) as refused:
        joined_sources(paths, "on")
    assert (refused.value.got, refused.value.expected) == ("48x32", "videos of one size")


def test_all_files_are_joined_on_request_and_none_if_off(tmp_path: Path) -> None:
    paths = files(tmp_path, {"b.mp4": 1, "a.mp4": 2})
    (source,) = joined_sources(paths, "on")
    assert spans(source) == [("b.mp4", 0, False), ("a.mp4", 1, False)]
    chapters = files(tmp_path, {"GX010001.MP4": 1, "GX020001.MP4": 1})
    assert joined_sources(chapters, "off") == chapters
