"""Published figures, and a result of one's own among them.

``published.csv`` holds figures as their sources print them, second-hand ones marked as such. What
was found under another setting is kept apart, with the reason: no two of its rows need have the
same videos, episodes or features.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from fewact.data.benchmarks import benchmark, variants
from fewact.errors import ResultError
from fewact.evaluation.result import Result

ANOTHER_SETTING = {
    "own setting": "under the re-implementing authors' own setting",
    "NOT ARN": "on other classes",
    "MetaUCF-101": "on other classes",
    "SS-100": "on a list of another name",
    "multimodal block": "with a further modality",
    "zero-shot": "zero-shot",
    "Something-Something-100": "on a list of another name",
}
"""What in a row's list or note says that its setting is another."""

NOT_FIRST_HAND = ("second-hand", "aggregator", "as compared by", "as listed in")
"""What in a row's note says that its source is not the authors."""

CHOSEN_ON_TEST = ("CLIP-SPM", "CLIP-MEI", "TEAM", "TS-FSAR")
"""Methods whose released code keeps the checkpoint that is best on the test classes."""

STRANGE_LIST = "on a list that is not stated"


@dataclass(frozen=True)
class Row:
    """A figure, published or one's own.

    Args:
        method: Its name.
        year: Of publication; empty for one's own.
        backbone: And what it was trained on.
        ways: Classes of an episode.
        shots: Of each class.
        accuracy: In per cent.
        ci95: Half the 95 % interval; None where none is printed.
        list: Of the videos, as the source states it.
        flags: What must be known to read the figure.
        source: Where it is printed, or the result's file.
        own: Whether it is one's own.
        apart: Why it cannot be compared with the others; empty where it can.
    """

    method: str
    year: str
    backbone: str
    ways: int
    shots: int
    accuracy: float
    ci95: float | None
    list: str
    flags: tuple[str, ...]
    source: str
    own: bool = False
    apart: str = ""


def leaderboard(
    name: str,
    results: Sequence[Result] = (),
    sources: Sequence[str] = (),
    *,
    shots: int | None = None,
) -> list[Row]:
    """All rows of a benchmark, by ways and shots, the best first; those kept apart come last.

    Args:
        name: Of a benchmark, in any spelling; it may stand for several lists.
        results: One's own.
        sources: Their files.
        shots: Only rows of so many.

    Raises:
        UnknownNameError: There is no such benchmark.
        ResultError: A result is of another benchmark.
    """
    ids = variants(name) or (benchmark(name).id,)
    rows = [row for row in _published(ids) if shots in (None, row.shots)]
    for result, source in zip(results, sources, strict=True):
        own = _own(result, source, ids)
        if shots in (None, own.shots):
            rows.append(own)
    return sorted(rows, key=lambda row: (bool(row.apart), row.ways, row.shots, -row.accuracy))


def _published(ids: tuple[str, ...]) -> list[Row]:
    text = files("fewact.evaluation").joinpath("published.csv").read_text(encoding="utf-8")
    return [
        _row(line, ids)
        for line in csv.DictReader(text.splitlines())
        if set(variants(line["dataset"])) & set(ids)
    ]


def _row(line: dict[str, str], ids: tuple[str, ...]) -> Row:
    flags = [
        ("text" in line["modality"], "uses text"),
        ("transductive" in line["note"].split("; "), "transductive"),
        (line["method"] in CHOSEN_ON_TEST, "its code chooses the checkpoint on test classes"),
        ("val lists equal" in line["note"], "its val list is its test list on most benchmarks"),
        (any(mark in _said(line) for mark in NOT_FIRST_HAND), "not first-hand"),
    ]
    return Row(
        method=line["method"],
        year=line["year"],
        backbone=f"{line['backbone']}, {line['pretraining']}",
        ways=int(line["ways"]),
        shots=int(line["shots"]),
        accuracy=float(line["accuracy"]),
        ci95=float(line["ci95"]) if line["ci95"] else None,
        list=line["variant_of_split"],
        flags=tuple(text for holds, text in flags if holds),
        source="; ".join(filter(None, (line["source"], line["note"]))),
        apart=_apart(line, ids),
    )


def _said(line: dict[str, str]) -> str:
    return f"{line['variant_of_split']}; {line['venue']}; {line['note']}"


def _apart(line: dict[str, str], ids: tuple[str, ...]) -> str:
    """Why a published row cannot be compared with results on these lists."""
    for mark, why in ANOTHER_SETTING.items():
        if mark in _said(line):
            return why
    if line["method"] == "Otter":
        return "under its authors' own setting, in which other methods come out far higher"
    stated = variants(line["variant_of_split"].split(" (TSL")[0])
    if stated and not _same_test_videos(stated, ids):
        return "on another list of videos"
    if not stated and not _same_test_videos(variants(line["dataset"]), ids):
        return STRANGE_LIST
    return ""


def _same_test_videos(lists: tuple[str, ...], ids: tuple[str, ...]) -> bool:
    """Whether all these lists have the test videos of one of those that were asked for."""
    asked = {benchmark(one).sha256["test"] for one in ids}
    return {benchmark(one).sha256["test"] for one in lists} <= asked


def _own(result: Result, source: str, ids: tuple[str, ...]) -> Row:
    asked = result.asked
    protocol = asked.episodes.protocol
    if not set(variants(asked.videos.name)) & set(ids):
        raise ResultError(
            "a result of another benchmark",
            where=source,
            got=asked.videos.name,
            expected=", ".join(ids),
        )
    return Row(
        method=asked.method.label,
        year="",
        backbone=", ".join((asked.features.name, *asked.features.trained_on)),
        ways=protocol.ways,
        shots=protocol.shots,
        accuracy=result.accuracy,
        ci95=result.ci95,
        list=asked.videos.name,
        flags=result.flags,
        source=source,
        own=True,
        apart=_own_apart(result),
    )


def _own_apart(result: Result) -> str:
    """Why a result of one's own cannot be compared with published ones."""
    asked = result.asked
    protocol = asked.episodes.protocol
    reasons = (
        (asked.videos.split != "test", "not on the test classes"),
        (bool(asked.videos.missing) or _said_of_list(result, "missing"), "with videos missing"),
        (_said_of_list(result, "modified list"), "on a modified list"),
        (_said_of_list(result, "leak"), "trained on what is tested"),
        (protocol.groups != "none", "with groups kept apart"),
    )
    return "; ".join(text for holds, text in reasons if holds)


def _said_of_list(result: Result, word: str) -> bool:
    return any(word in flag for flag in result.flags)
