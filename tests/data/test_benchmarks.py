"""Facts about the benchmarks, and spellings of their names."""

import csv
import gzip
import hashlib
import io
import re
from collections import Counter
from pathlib import Path

import pytest

from fewact.core.errors import UnknownNameError
from fewact.data import benchmark, benchmark_names, variants
from fewact.data.benchmarks import SPLITS


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
        one.family == "ssv2"
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
