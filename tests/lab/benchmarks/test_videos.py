"""Videos of a benchmark in a folder: available ones, missing ones, and flags for results."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fewact.core.errors import DataError, UnknownNameError
from fewact.lab.benchmarks import Availability, benchmark, check_benchmark, load_benchmark, videos
from fewact.lab.benchmarks.benchmarks import Benchmark, Family
from fewact.lab.benchmarks.lists import find_list
from fewact.lab.benchmarks.videos import class_of_file
from fewact.video import EveryNth, read_frames, write_video
from tests.lab.benchmarks.small import (
    HMDB,
    NTU,
    SSV2,
    UCF,
    Lines,
    make_benchmark,
    write_table,
    write_videos,
)
from tests.refused import refused

Use = Callable[[Benchmark], None]


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEWACT_SPLITS", raising=False)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Return a function that replaces all benchmarks by an invented one."""
    return lambda bench: monkeypatch.setattr(videos, "benchmark", lambda name: bench)


@pytest.fixture
def listed(tmp_path: Path, use: Use) -> tuple[Path, Path]:
    """Return the folder of a complete benchmark, and its list."""
    use(make_benchmark(SSV2, "ssv2"))
    table = write_table(tmp_path / "list.csv", SSV2)
    return write_videos(tmp_path / "root", SSV2, "{video}.webm"), table


def test_complete_benchmark(listed: tuple[Path, Path]) -> None:
    root, table = listed
    videos = load_benchmark("any", root, splits=table)
    assert videos.flags == ()
    assert {(v.split, v.label, v.id) for v in videos.videos} == set(SSV2)
    for video in videos.videos:
        assert video.clip is not None
        assert (video.clip.path, video.clip.label) == (root / f"{video.id}.webm", video.label)
    found = check_benchmark("any", root, splits=table)
    assert found.gap() == ""
    assert found.missing == ()
    assert [(c.split, c.label, c.listed, c.available, c.missing) for c in found.classes] == [
        ("train", "train7", 2, 2, 0),
        ("train", "train8", 2, 2, 0),
        ("val", "val9", 1, 1, 0),
        ("test", "test0", 1, 1, 0),
        ("test", "test1", 2, 2, 0),
    ]


def test_list_without_videos(listed: tuple[Path, Path]) -> None:
    root, table = listed
    alone = load_benchmark("any", None, splits=table)
    assert alone.digest == load_benchmark("any", root, splits=table).digest
    assert all(video.clip is None for video in alone.videos)
    test = load_benchmark("any", None, splits=table, split="test")
    assert {video.split for video in test.videos} == {"test"}


def test_missing_videos(listed: tuple[Path, Path]) -> None:
    root, table = listed
    (root / "31.webm").unlink()
    (root / "5.webm").unlink()
    with pytest.raises(DataError) as caught:
        load_benchmark("any", root, splits=table)
    for part in ("train 1 of 4, test 1 of 3", "1 of 2 of train7", "1 of 2 of test1", "allow"):
        assert part in str(caught.value)
    found = check_benchmark("any", root, splits=table)
    assert set(found.missing) == {"31", "5"}
    assert found.gap() == "train 1 of 4, test 1 of 3"
    available = load_benchmark("any", root, splits=table, allow_missing=True)
    assert {v.id for v in available.videos} == {line[2] for line in SSV2} - {"31", "5"}
    assert len(available.flags) == 1
    assert "train 1 of 4, test 1 of 3" in available.flags[0]
    assert found.digest[:12] in available.flags[0]
    # Only missing videos of the requested split matter.
    assert load_benchmark("any", root, splits=table, split="val").flags == ()
    test = load_benchmark("any", root, splits=table, split="test", allow_missing=True)
    assert "train" not in test.flags[0]
    assert found.digest[:12] in test.flags[0]


def test_a_folder_without_videos_is_refused(tmp_path: Path, listed: tuple[Path, Path]) -> None:
    _, table = listed
    (tmp_path / "bare").mkdir()
    with refused(DataError, where="bare"):
        load_benchmark("any", tmp_path / "bare", splits=table, allow_missing=True)


def test_modified_lists_get_a_flag(listed: tuple[Path, Path], tmp_path: Path) -> None:
    root, _ = listed
    table = write_table(tmp_path / "short.csv", SSV2[:-1])
    assert load_benchmark("any", root, splits=table).flags == ("modified list (test)",)
    assert check_benchmark("any", root, splits=table).flags == ("modified list (test)",)


def test_a_list_is_needed(listed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root, table = listed
    for act in (load_benchmark, check_benchmark):
        with refused(DataError, hint="published at nowhere", expected="FEWACT_SPLITS"):
            act("any", root)
    monkeypatch.setenv("FEWACT_SPLITS", str(table))
    assert len(load_benchmark("any", root).videos) == len(SSV2)


def test_availability_does_not_depend_on_the_layout(
    listed: tuple[Path, Path], tmp_path: Path
) -> None:
    root, table = listed
    other = write_videos(tmp_path / "other", SSV2, "{split}/{label}/{video}/")
    for folder, name in ((root, "6.webm"), (other / "test" / "test1", "6")):
        (folder / name).rename(tmp_path / f"away_{folder.name}")
    first, second = (check_benchmark("any", folder, splits=table) for folder in (root, other))
    assert first.digest == second.digest
    (root / "5.webm").unlink()
    assert check_benchmark("any", root, splits=table).digest != first.digest


@pytest.fixture
def readable(tmp_path: Path, use: Use) -> tuple[Path, Path]:
    """Return the folder and the list of a benchmark of real small videos, one of them damaged."""
    use(make_benchmark(SSV2, "ssv2"))
    root = tmp_path / "root"
    root.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    for _, _, video in SSV2:
        write_video(root / f"{video}.mp4", pixels, 6)
    (root / "88.mp4").write_bytes(b"no video" * 99)
    return root, write_table(tmp_path / "list.csv", SSV2)


def test_deep_check(readable: tuple[Path, Path], tmp_path: Path) -> None:
    root, table = readable
    assert check_benchmark("any", root, splits=table).gap() == ""
    steps: list[tuple[int, int]] = []
    found = check_benchmark(
        "any", root, splits=table, deep=True, progress=lambda *step: steps.append(step)
    )
    assert steps == [(n, len(SSV2)) for n in range(1, len(SSV2) + 1)]
    assert list(found.unreadable) == ["88"]
    assert found.unreadable["88"]
    assert found.gap() == "val 1 of 1"
    (row,) = (c for c in found.classes if c.split == "val")
    assert (row.listed, row.available, row.missing, row.unreadable) == (1, 0, 0, 1)
    file = found.write(tmp_path / "availability.json")
    assert Availability.read(file) == found
    with refused(DataError, where="root", got="0 of 1 of val9"):
        load_benchmark("any", root, splits=table, availability=file)
    available = load_benchmark("any", root, splits=table, availability=file, allow_missing=True)
    assert "88" not in {v.id for v in available.videos}
    assert found.digest[:12] in available.flags[0]


def test_a_deep_check_uses_the_cores_that_the_process_may_use(
    readable: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def pool(count: int) -> ThreadPoolExecutor:
        counts.append(count)
        return ThreadPoolExecutor(count)

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
    monkeypatch.setattr(videos, "ThreadPoolExecutor", pool)
    root, table = readable
    check_benchmark("any", root, splits=table, deep=True)
    assert counts == [1]


def test_a_file_of_no_bytes_is_not_available(readable: tuple[Path, Path], tmp_path: Path) -> None:
    """It is what an interrupted copy left; a folder of frames has no size to compare."""
    root, table = readable
    (root / "31.mp4").write_bytes(b"")
    for deep in (False, True):
        found = check_benchmark("any", root, splits=table, deep=deep)
        assert found.unreadable["31"] == "the file has 0 bytes"
        assert "train 1 of 4" in found.gap()
    with refused(DataError, where="root", got="1 of 2 of train7"):
        load_benchmark("any", root, splits=table)
    assert "31" not in {
        video.id for video in load_benchmark("any", root, splits=table, allow_missing=True).videos
    }


def test_availability_of_another_state_is_refused(
    readable: tuple[Path, Path], tmp_path: Path
) -> None:
    root, table = readable
    file = check_benchmark("any", root, splits=table).write(tmp_path / "availability.json")
    assert load_benchmark("any", root, splits=table, availability=file).flags == ()
    (root / "4.mp4").unlink()
    with refused(DataError, where="availability.json"):
        load_benchmark("any", root, splits=table, availability=file, allow_missing=True)


def test_files_that_are_not_availability_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "availability.json"
    with refused(DataError, where="availability.json"):
        Availability.read(file)
    for text in ("{", "{}", '{"format": 2}', "[1]"):
        file.write_text(text)
        with refused(DataError, where="availability.json"):
            Availability.read(file)


@pytest.mark.parametrize(("lines", "family"), [(UCF, "ucf101"), (HMDB, "hmdb51"), (NTU, "ntu120")])
@pytest.mark.parametrize("form", ["{label}/{video}.avi", "{video}.AVI", "frames/{video}/"])
def test_list_from_file_names(
    tmp_path: Path, use: Use, lines: Lines, family: Family, form: str
) -> None:
    use(make_benchmark(lines, family, includes_all_videos=True))
    root = write_videos(tmp_path / "root", lines, form)
    write_videos(root, [("train", "", "readme"), ("train", "", "v_Flying_g01_c01")], "{video}.avi")
    videos = load_benchmark("any", root)
    assert videos.flags == ()
    assert {(v.split, v.label, v.id) for v in videos.videos} == set(lines)
    # A list takes precedence, and gives the same videos.
    assert load_benchmark("any", root, splits=write_table(tmp_path / "list.csv", lines)) == videos


def test_colour_videos_of_ntu(tmp_path: Path, use: Use) -> None:
    """Infrared videos of the same names are none of the list."""
    use(make_benchmark(NTU, "ntu120", includes_all_videos=True))
    root = write_videos(write_videos(tmp_path, NTU, "{video}_ir.avi"), NTU, "{video}_rgb.avi")
    videos = load_benchmark("any", root)
    assert videos.flags == ()
    assert {v.id for v in videos.videos} == {line[2] for line in NTU}
    assert all(v.clip and v.clip.path.name == f"{v.id}_rgb.avi" for v in videos.videos)


EPIC: Lines = [("train", "take", "P01_11_0"), ("test", "wash", "P01_11_1")]
EPIC_TIMES = """narration_id,participant_id,video_id,start_timestamp,stop_timestamp
P01_11_0,P01,P01_11,00:00:00.00,00:00:01.50
P01_11_1,P01,P01_11,00:00:02.00,00:01:00.00
"""
GYM: Lines = [
    ("train", "3", "abcdefghijk_E_000001_000004_A_0000_0001"),
    ("test", "19", "abcdefghijk_E_000001_000004_A_0002_0004"),
]
GYM_TIMES = {
    "E_000001_000004": {
        "event": 1,
        "timestamps": [[0.5, 3.5]],
        "segments": {
            "A_0000_0001": {"stages": 1, "timestamps": [[0.0, 1.25]]},
            "A_0002_0004": {"stages": 2, "timestamps": [[1.5, 2.0], [2.0, 2.75]]},
        },
    },
    "E_000007_000009": {"event": 4, "timestamps": [[7, 9]], "segments": None},
}


@pytest.mark.parametrize("where", ["lists", "root"])
@pytest.mark.parametrize(
    ("lines", "family", "recording", "file", "times", "expected"),
    [
        (EPIC, "epic", "P01_11", "EPIC_100_train.csv", EPIC_TIMES, [(0, 1.5), (2, 60)]),
        (
            *(GYM, "finegym", "abcdefghijk", "finegym_annotation_info_v1.1.json"),
            json.dumps({"abcdefghijk": GYM_TIMES}),
            [(0.5, 1.75), (2, 3.25)],
        ),
    ],
)
def test_segments_of_recordings(
    tmp_path: Path, use: Use, where: str, lines: Lines, family: Family, recording: str, file: str,
    times: str, expected: list[tuple[float, float]],
) -> None:  # fmt: skip
    use(make_benchmark(lines, family))
    root, lists = tmp_path / "root", tmp_path / "lists"
    lists.mkdir()
    table = write_table(lists / "list.csv", lines)
    (root / recording).mkdir(parents=True)
    (root / recording / "img_00001.jpg").touch()  # images have no times
    with pytest.raises(DataError, match=rf"are missing: train 1 of 1.*recordings need {file}"):
        load_benchmark("any", root, splits=table)
    (tmp_path / where / file).write_text(times)
    assert len(check_benchmark("any", root, splits=table).missing) == 2
    frames = np.arange(32, dtype=np.uint8)[:, None, None, None] * np.full((1, 32, 32, 3), 8, "u1")
    write_video(root / f"{recording}.mp4", frames, 8)
    videos = load_benchmark("any", root, splits=table)
    assert videos.flags == ()
    clips = [v.clip for v in videos.videos if v.clip]
    assert [(clip.start, clip.end) for clip in clips] == expected
    shown = [read_frames(c.path, EveryNth(1), start=c.start, end=c.end).mean() / 8 for c in clips]
    for mean, (start, end) in zip(shown, expected, strict=True):
        assert mean == pytest.approx((8 * start + min(8 * end, 32) - 1) / 2, abs=0.5)
    assert check_benchmark("any", root, splits=table, deep=True).gap() == ""
    whole = write_videos(root, lines[:1], "{video}.mp4")  # a file of the segment comes first
    clip = load_benchmark("any", whole, splits=table, split="train").videos[0].clip
    assert clip is not None
    assert (clip.path.stem, clip.start) == (lines[0][2], None)


@pytest.mark.parametrize(
    ("family", "file", "text", "message"),
    [
        ("epic", "EPIC_100_train.csv", EPIC_TIMES.replace("stop_", "end_"), 'no column "stop_ti'),
        ("epic", "EPIC_100_train.csv", EPIC_TIMES.replace("00:00:01.50", "now"), "line 2.*to now"),
        ("epic", "EPIC_100_validation.csv", EPIC_TIMES.replace("00:01:00.00", "0"), "line 3"),
        ("finegym", "finegym_annotation_info_v1.1.json", '{"a": {"b": {}}}', "not a list.*times"),
    ],
)
def test_invalid_times_are_refused(
    tmp_path: Path, use: Use, family: Family, file: str, text: str, message: str
) -> None:
    use(make_benchmark(EPIC, family))
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=message):
        load_benchmark("any", tmp_path, splits=write_table(tmp_path / "list.csv", EPIC))


def test_list_from_file_names_with_missing_videos(tmp_path: Path, use: Use) -> None:
    use(make_benchmark(UCF, "ucf101", includes_all_videos=True, groups="within-class"))
    root = write_videos(tmp_path / "root", UCF[1:-2], "{label}/{video}.avi")
    found = check_benchmark("any", root)
    assert found.gap() == "train 1 of 4, test 2 of 2"
    assert found.missing == ()  # without a list it is not known which ones
    assert found.flags == ()  # missing videos do not modify a list
    videos = load_benchmark("any", root, allow_missing=True)
    assert videos.groups == "within-class"
    assert {v.group for v in videos.of("train").videos} == {"g01", "g02"}
    named = check_benchmark("any", root, splits=write_table(tmp_path / "list.csv", UCF))
    assert set(named.missing) == {UCF[0][2], *(line[2] for line in UCF[-2:])}


@pytest.mark.parametrize("less", [None, UCF[0]])
def test_list_from_file_names_with_additional_videos(
    tmp_path: Path, use: Use, less: tuple[str, str, str] | None
) -> None:
    use(make_benchmark(UCF, "ucf101", includes_all_videos=True))
    more = ("train", "BabyCrawling", "v_BabyCrawling_g03_c01")
    root = write_videos(
        tmp_path, [*(line for line in UCF if line != less), more], "{label}/{video}.avi"
    )
    assert load_benchmark("any", root).flags == ("modified list (train)",)


def test_unknown_benchmarks_are_refused(tmp_path: Path) -> None:
    for act in (load_benchmark, check_benchmark):
        with refused(UnknownNameError, got="'ucf101_anr'", hint="Did you mean"):
            act("ucf101_anr", tmp_path)


@pytest.mark.assets
@pytest.mark.parametrize("name", ["ucf101_arn", "hmdb51_arn"])
def test_real_file_names_contain_the_class(assets: Path, name: str, tmp_path: Path) -> None:
    """Check all 13,320 and 6,766 names; files with these names give the canonical list."""
    folder = assets.parent / "splits"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    listed = find_list(benchmark(name), folder)
    assert listed is not None
    assert [v.id for v in listed.videos if class_of_file(benchmark(name), v.id) != v.label] == []
    lines: Lines = [(v.split or "train", v.label, v.id) for v in listed.videos]
    root = write_videos(tmp_path, lines, "{video}.avi")
    assert load_benchmark(name, root, splits=None).digest == listed.digest


@pytest.mark.assets
def test_real_clips(assets: Path) -> None:
    """Check 350 clips of seven classes of UCF-101 with their original names."""
    found = check_benchmark("ucf101", assets / "clips" / "ucf7")
    available = {c.label: c.available for c in found.classes if c.available}
    folders = (assets / "clips" / "ucf7").iterdir()
    assert available == {path.name: len(list(path.iterdir())) for path in folders}
    with pytest.raises(DataError, match="missing"):
        load_benchmark("ucf101", assets / "clips" / "ucf7")
