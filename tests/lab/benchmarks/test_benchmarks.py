"""Facts about the benchmarks, and spellings of their names."""

import csv
import gzip
import hashlib
import io
import itertools
import re
from collections import Counter
from pathlib import Path

import pytest

from fewact.core.errors import UnknownNameError
from fewact.lab.benchmarks import benchmark, benchmark_names, variants
from fewact.lab.benchmarks.benchmarks import SPLITS


@pytest.mark.parametrize("name", benchmark_names())
def test_facts_are_consistent(name: str) -> None:
    one = benchmark(name)
    assert one.id == name
    keys = [c.key for split in SPLITS for c in one.classes[split]]
    names = [c.name for split in SPLITS for c in one.classes[split]]
    assert len(set(keys)) == len(keys), "a class in two splits"
    assert len(set(names)) == len(names), "a class in two splits under two keys"
    assert all(c.videos > 0 for split in SPLITS for c in one.classes[split])
    assert all(c.published_prompt for split in ("train", "test") for c in one.classes[split]) or (
        one.family not in ("hmdb51", "kinetics", "ucf101")
    )
    assert all(one.prompts.values())
    assert one.caveats
    assert {one.find_class(c.name) for split in SPLITS for c in one.classes[split]} == set(keys)
    with pytest.raises(ValueError, match="frozen"):
        one.id = "other"


@pytest.mark.parametrize(
    ("name", "classes", "videos"),
    [
        ("hmdb51_arn", (31, 10, 10), (4280, 1194, 1292)),
        ("ucf101_arn", (70, 10, 21), (9154, 1421, 2745)),
        ("kinetics100_cmn_clip-spm", (64, 12, 24), (6400, 1200, 2400)),
        ("kinetics100_cmn_ta2n-9984", (64, 12, 24), (6387, 1200, 2397)),
        ("kinetics100_alibaba", (64, 12, 24), (6400, 1200, 2400)),
        ("ssv2-small_cmn", (64, 12, 24), (6400, 1200, 2400)),
        ("ssv2-full_otam", (64, 12, 24), (77500, 1926, 2857)),
        ("ssv2-full_trx", (64, 12, 24), (67013, 1926, 2857)),
        ("diving48_vba", (27, 10, 10), (10789, 2714, 3494)),
        ("diving48_knowledge", (35, 6, 6), (10919, 857, 2798)),
        ("diving48_tamt", (36, 6, 6), (13478, 1632, 2929)),
        ("epic_hyrsm", (60, 0, 20), (66056, 0, 10646)),
        ("finegym99_fsfg", (79, 0, 20), (27691, 0, 7150)),
        ("finegym99_knowledge", (73, 13, 13), (15571, 2490, 4430)),
        ("ntu120_one-shot", (100, 0, 20), (95400, 0, 19080)),
    ],
)
def test_sizes_are_as_published(
    name: str, classes: tuple[int, ...], videos: tuple[int, ...]
) -> None:
    counts = benchmark(name).counts
    assert tuple(len(counts[split]) for split in SPLITS) == classes
    assert tuple(sum(counts[split].values()) for split in SPLITS) == videos


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("ucf101_arn", "ucf101_arn"),
        ("UCF-101", "ucf101_arn"),
        ("hmdb51", "hmdb51_arn"),
        ("ssv2-small", "ssv2-small_cmn"),
        ("SSv2 Small", "ssv2-small_cmn"),
        ("smsm-100", "ssv2-small_cmn"),
        ("kinetics100_cmn (TRX list)", "kinetics100_cmn_clip-spm"),
        ("NTU RGB+D 120", "ntu120_one-shot"),
        ("EPIC-KITCHENS-100", "epic_hyrsm"),
    ],
)
def test_other_spellings_are_known(spelling: str, name: str) -> None:
    assert benchmark(spelling).id == name


@pytest.mark.parametrize(
    ("spelling", "ids"),
    [
        ("SSv2-Full", ("ssv2-full_otam", "ssv2-full_trx")),
        ("OTAM classes", ("ssv2-full_otam", "ssv2-full_trx")),
        (
            "Kinetics-100",
            ("kinetics100_cmn_clip-spm", "kinetics100_cmn_ta2n-9984", "kinetics100_alibaba"),
        ),
        ("not stated", ()),
    ],
)
def test_ambiguous_spellings_are_refused(spelling: str, ids: tuple[str, ...]) -> None:
    assert variants(spelling) == ids
    with pytest.raises(UnknownNameError) as caught:
        benchmark(spelling)
    assert all(id in str(caught.value) for id in ids or benchmark_names())


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("ucf101_anr", "ucf101_arn"), ("hmbd51", "hmdb51_arn"), ("ssv2 smal", "ssv2-small_cmn")],
)
def test_misspelt_names_get_a_suggestion(wrong: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean.*{meant}"):
        benchmark(wrong)


NTU_PEOPLE = """1-8;3,7-14;1-2,7-8,15-19;3,7-8,20;4,10,13,15-18,21;1,7-8,15-17,19,22-24;
1,7-8,15-19,25-28;1,7-8,15,19,25,29-36;7-8,15-17,19,25;7-8,13,15-19,21,25;1-2,7-8,15-19,25,27-28,38;
7-8,15-19,25,27-28,37;7-8,15-19,25,27-28,37;7-8,15,17,19,25,27,37,39;7-8,15-17,19,25,37;
7-8,19,21,25,39-40;3,7-9,15-17,20;8,41-45;8,41-42,46-51;8,41,43-44,52-54;55-60;61-67;55-68;
57,60-64,67;55-56,58-59,65-66,68;8,41,44,49-51,69-72,74-77;6,8,11,41,43-44,78-86;
8,41-43,46,48,70,73,87;6,8,41,43-44,48-49,51,67,74-75,80,88-90;
8,11,41,43-44,48,67,75-76,81,85,88,91-96;6,8,41-44,51,67,82,85,96-101;8,41,43-44,67,102-106"""
"""The people of each of the 32 setups of NTU RGB+D 120, who do every action of it twice."""


def test_the_list_of_ntu() -> None:
    """The 114,480 names follow from the people of each setup: counts and hashes are of these."""
    bench = benchmark("NTU-120")
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for setup, people in enumerate(NTU_PEOPLE.split(";"), 1):
        ends = [[int(end) for end in part.split("-")] for part in people.split(",")]
        persons = [p for part in ends for p in range(part[0], part[-1] + 1)]
        for a, c, p, r in itertools.product(
            range(1, 61) if setup < 18 else range(61, 121), (1, 2, 3), persons, (1, 2)
        ):
            split = "test" if a % 6 == 1 else "train"
            name = f"s{setup:03}c{c:03}p{p:03}r{r:03}a{a:03}"
            lines[split].append(f"{split}/A{a:03}/{name}\n")
    for split, listed in lines.items():
        assert Counter(line.split("/")[1] for line in listed) == bench.counts[split]
        assert hashlib.sha256("".join(sorted(listed)).encode()).hexdigest() == bench.sha256[split]
    names = {line.split("/")[2].strip().upper() for line in lines["test"]}
    assert set(bench.exemplars) <= names
    assert [name[-4:] for name in bench.exemplars] == [*bench.counts["test"]]


@pytest.mark.assets
@pytest.mark.parametrize("name", benchmark_names())
def test_facts_match_the_real_lists(assets: Path, name: str) -> None:
    """Compute counts and hashes from the published lists without fewact's reader."""
    file = assets.parent / "splits" / f"{name}.csv.gz"
    if not file.exists():
        pytest.skip(f"{file} is missing")
    text = gzip.decompress(file.read_bytes()).decode()
    rows = [tuple(row.values()) for row in csv.DictReader(io.StringIO(text))]
    one = benchmark(name)
    for split in SPLITS:
        lines = []
        for _, label, video in (row for row in rows if row[0] == split):
            id = re.sub(r"\.(mp4|mkv)$", "", video.split("/")[-1])
            if "kinetics" in name:
                id = id[:11]
            lines.append(f"{split}/{label}/{id if 'kinetics' in name else id.lower()}\n")
        assert dict(Counter(line.split("/")[1] for line in lines)) == one.counts[split]
        text = "".join(sorted(lines))
        assert hashlib.sha256(text.encode()).hexdigest() == one.sha256[split]


@pytest.mark.assets
def test_classes_are_as_published(assets: Path) -> None:
    file = assets.parent / "splits" / "classes.csv"
    if not file.exists():
        pytest.skip(f"{file} is missing")
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    for name in benchmark_names():
        one = benchmark(name)
        if not any(name.startswith(row["dataset"]) for row in rows):
            continue
        for split in SPLITS:
            ours = [(c.name, c.published_prompt) for c in one.classes[split]]
            published = [
                (row["class_name"], row["prompt_name_clip_fsar"])
                for row in rows
                if name.startswith(row["dataset"]) and row["split"] == split
            ]
            assert ours == published


@pytest.mark.assets
def test_spellings_of_the_leaderboard(assets: Path) -> None:
    """Check that each row of the leaderboard names one of our lists."""
    file = assets.parent / "leaderboard.csv"
    if not file.exists():
        pytest.skip(f"{file} is missing")
    for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
        assert variants(row["dataset"]), row["dataset"]
        known = variants(row["variant_of_split"])
        assert set(known) <= set(variants(row["dataset"])), row
        assert known or row["variant_of_split"].startswith(
            ("not stated", "as compared by", "named", "TSL split")
        )
