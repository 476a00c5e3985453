"""``fewact data``: list, show and check benchmarks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import synthetic as motions
from fewact.lab import benchmarks
from fewact.lab.benchmarks import Availability, videos
from fewact.video import write_video
from tests.lab.benchmarks.small import SSV2, SSV2_NAMES, make_benchmark, write_table

Run = Callable[..., Any]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working folder with an artificial benchmark, its list and small videos."""
    bench = make_benchmark(SSV2, "ssv2", SSV2_NAMES)
    monkeypatch.setattr(benchmarks, "benchmark", lambda name: bench)
    monkeypatch.setattr(videos, "benchmark", lambda name: bench)
    monkeypatch.delenv("FEWACT_SPLITS", raising=False)
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "list.csv", SSV2)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    (tmp_path / "root").mkdir()
    for _, _, video in SSV2:
        write_video(tmp_path / "root" / f"{video}.mp4", pixels, 4)
    return tmp_path


@pytest.mark.slow
def test_list(run: Run) -> None:
    everything = json.loads(run("data", "list", "--format", "json").out)
    listed = everything[: len(benchmarks.benchmark_names())]
    assert tuple(one["name"] for one in listed) == benchmarks.benchmark_names()
    presets = everything[len(listed) :]
    assert [one["name"] for one in presets] == [f"motions:{preset}" for preset in motions.PRESETS]
    assert presets[0]["videos"] == {"train": 2560, "val": 480, "test": 960}
    for one in listed:
        facts = benchmarks.benchmark(one["name"])
        assert one["sha256"] == facts.sha256
        assert one["videos"]["test"] == sum(facts.counts["test"].values())
    shown = run("data", "list").out
    for one in everything:
        assert f"{one['name']} " in shown
        assert "/".join(map(str, one["videos"].values())) in shown


def test_show(run: Run) -> None:
    facts = benchmarks.benchmark("ucf101")
    shown = run("data", "show", "UCF-101").out
    for text in (facts.title, facts.published, *facts.caveats, *facts.sha256.values(), "109-166"):
        assert text in shown
    assert "HandstandPushups" not in shown.partition("Caveats")[0]
    classes = run("data", "show", "UCF-101", "--classes").out
    assert all(key in classes for key in facts.split_of)
    document = json.loads(run("data", "show", "UCF-101", "--format", "json").out)
    assert len(document["all_classes"]) == 101
    assert document["all_classes"][0]["prompt"] == "Apply Eye Makeup"


def test_show_of_the_synthetic_benchmark(run: Run) -> None:
    shown = run("data", "show", "motions:long", "--classes").out
    assert "motions-1-long" in shown
    videos = motions.motions("long").videos
    assert all(label in shown for label in videos.classes)
    document = json.loads(run("data", "show", "motions", "--format", "json").out)
    assert document["version"] == "motions-1-plain"
    assert document["all_classes"]["test"] == list(videos.of("test").classes)
    assert run("data", "show", "motions:lang").code == 2


def test_unknown_names(run: Run) -> None:
    ran = run("data", "show", "ucf101_anr")
    assert ran.code == 2
    assert 'Did you mean "ucf101_arn"' in ran.err
    ran = run("data", "check", "ssv2-full", ".")
    assert ran.code == 2
    assert "ssv2-full_otam, ssv2-full_trx" in ran.err


def test_check_of_a_complete_set(run: Run, here: Path) -> None:
    ran = run("data", "check", "any", "root", "--splits", "list.csv")
    assert ran.code == 0
    assert "All videos are available." in ran.out
    assert "train7  Pushing something" in ran.out
    file = here / "small_made-up.availability.json"
    assert Availability.read(file).digest[:12] in ran.out
    before = file.read_bytes()
    again = run("data", "check", "any", "root", "--splits", "list.csv")
    assert (again.code, "the file exists already" in again.err) == (2, True)
    assert file.read_bytes() == before


def test_check_of_an_incomplete_set(run: Run, here: Path) -> None:
    (here / "root" / "31.mp4").unlink()
    (here / "root" / "5.mp4").write_bytes(b"no video" * 99)
    call = ("data", "check", "any", "root", "--splits", "list.csv", "-o", "there.json")
    ran = run(*call)
    assert ran.code == 3
    assert "Missing: 31" in ran.out
    assert "Not available: train 1 of 4\n" in ran.out
    call = (*call, "--overwrite")
    ran = run(*call, "--deep", "--format", "json")
    assert ran.code == 3
    document = json.loads(ran.out)
    assert not document["complete"]
    assert document["missing"] == ["31"]
    assert list(document["unreadable"]) == ["5"]
    assert "Unreadable: 5: " in ran.err
    found = Availability.read(here / "there.json")
    assert found.digest == document["sha256"]
    assert found.gap() == "train 1 of 4, test 1 of 3"
    row = next(c for c in found.classes if c.label == "test1")
    assert (row.listed, row.available, row.missing, row.unreadable) == (2, 1, 0, 1)
    assert run(*call, "--deep").out.count("unreadable") == 1
    draw = ("episodes", "ssv2-small", "--root", "root", "--splits", "list.csv", "-o", "e.json")
    assert "too few" in run(*draw).err  # though all files of the test are there
    ran = run(*draw, "--availability", "there.json")
    assert ran.code == 2
    assert "videos of small_made-up are missing: test 1 of 3" in ran.err


def test_check_of_a_modified_list(run: Run, here: Path) -> None:
    write_table(here / "list.csv", SSV2[1:])
    ran = run("data", "check", "any", "root", "--splits", "list.csv")
    assert ran.code == 0
    assert "modified list (train)" in ran.out


def test_check_without_folder_or_list(run: Run, here: Path) -> None:
    ran = run("data", "check", "any", "absent", "--splits", "list.csv")
    assert ran.code == 2
    assert "no such folder" in ran.err
    ran = run("data", "check", "any", "root")
    assert ran.code == 2
    assert "FEWACT_SPLITS" in ran.err
    assert not list(here.glob("*.availability.json"))


VERBS = ("break", "check", "drink", "wash", "wrap")
KITCHEN = {
    "epic_hyrsm.csv": "split,class,video\n"
    + "".join(f"test,{VERBS[i % 5]},P01_11_{i}\n" for i in range(10)),
    "EPIC_100_validation.csv": "narration_id,video_id,start_timestamp,stop_timestamp\n"
    + "".join(f"P01_11_{i},P01_11,00:00:0{i},00:00:{i + 1:02}\n" for i in range(10)),
}
DIVES = {
    "novel.json": json.dumps(
        {
            "image_names": [f"rgb/abcdefghijk_0000{i}.mp4" for i in range(10)],
            "image_labels": [(7, 15, 23, 31, 39)[i // 2] for i in range(10)],
        }
    )
}
GYM = {
    "test_split.txt": "".join(
        f"{c}/abcdefghijk_E_000000_000010_A_000{i}_000{i + 1} 4 {c}\n"
        for i, c in enumerate((19, 21, 24, 25, 30) * 2)
    ),
    "finegym_annotation_info_v1.1.json": json.dumps(
        {
            "abcdefghijk": {
                "E_000000_000010": {
                    "timestamps": [[0, 10]],
                    "segments": {
                        f"A_000{i}_000{i + 1}": {"timestamps": [[i, i + 1]]} for i in range(10)
                    },
                }
            }
        }
    ),
}


@pytest.mark.parametrize(
    ("name", "files", "videos", "seconds"),
    [
        ("epic_hyrsm", KITCHEN, ["P01_11"], 10),
        ("finegym99_fsfg", GYM, ["abcdefghijk"], 10),
        ("diving48_tamt", DIVES, [f"abcdefghijk_0000{i}" for i in range(10)], 1),
        (
            "ntu120_one-shot",
            {},
            [f"S001C00{c}P008R001A{a:03}_rgb" for c in (1, 3) for a in range(1, 31, 6)],
            1,
        ),
    ],
)
def test_checked_drawn_and_evaluated(
    run: Run, tmp_path: Path, name: str, files: dict[str, str], videos: list[str], seconds: int
) -> None:
    """Ten videos of five test classes of a real list, in the layout in which it is published."""
    lists, root = tmp_path / "lists", tmp_path / "root"
    root.mkdir()
    lists.mkdir()
    for file, text in files.items():
        (lists / file).write_text(text)
    random = np.random.default_rng(0)
    for video in videos:
        pixels = random.integers(0, 255, (4 * seconds, 32, 32, 3), dtype=np.uint8)
        write_video(root / f"{video}.mp4", pixels, 4)
    where = ("--splits", lists) if files else ()
    allowed = () if files else ("--allow-missing",)
    checked = run("data", "check", name, root, *where, "--deep", "-o", tmp_path / "there.json")
    found = Availability.read(tmp_path / "there.json")
    assert (sum(c.available for c in found.classes), found.unreadable) == (10, {})
    assert checked.code == (0 if files else 3)
    saved = tmp_path / "episodes.json"
    source = ("--root", root, *where, *allowed)
    assert run("episodes", name, *source, "--count", 4, "-o", saved).code == 0
    ran = run(
        *("evaluate", "protonet", "--data", name, *source, "--episodes", saved),
        *("--option", "frames=2", "--precision", "float32", "--format", "json"),
    )
    result = json.loads(ran.out)
    assert len(result["per_episode"]) == 4
    assert result["flags"][0].startswith("modified list (test)" if files else "videos missing: ")
