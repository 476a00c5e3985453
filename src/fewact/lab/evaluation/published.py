"""Leaderboard: published accuracies together with your results.

``published.csv`` has accuracies as their sources print them; second-hand ones are marked. Rows with
another experimental setting are listed separately, each with the reason, because their videos,
episodes or features may differ.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from fewact.core.errors import ResultError
from fewact.lab.benchmarks.benchmarks import benchmark, variants
from fewact.lab.evaluation.result import Result

ANOTHER_SETTING = {
    "own setting": "re-implemented in another setting",
    "NOT ARN": "on other classes",
    "MetaUCF-101": "on other classes",
    "SS-100": "on a list of another name",
    "multimodal block": "with a further modality",
    "zero-shot": "zero-shot",
    "Something-Something-100": "on a list of another name",
}
"""Texts in the list or note of a row that reveal another setting, and the reason to show."""

SECOND_HAND = ("second-hand", "aggregator", "as compared by", "as listed in")
"""Texts in the note of a row whose source are not the authors of the method."""

SELECTED_ON_TEST = ("CLIP-SPM", "CLIP-MEI", "TEAM", "TS-FSAR")
"""Methods whose released code selects the checkpoint by its accuracy on the test classes."""

UNKNOWN_LIST = "on an unknown list"


@dataclass(frozen=True)
class Row:
    """An accuracy, published or yours.

    Args:
        method: Name of the method.
        year: Year of publication; empty for your result.
        backbone: Backbone and the data it was trained on.
        ways: Number of classes of an episode.
        shots: Number of support videos of a class.
        accuracy: Accuracy in per cent.
        ci95: Half-width of the 95 % interval; None if the source prints none.
        list: List of videos, as the source states it.
        flags: Remarks needed to interpret the accuracy.
        source: Publication, or file of your result.
        own: Whether it is your result.
        not_comparable: Reason why it cannot be compared with the other rows; empty if it can.
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
    not_comparable: str = ""


def leaderboard(
    name: str,
    results: Sequence[Result] = (),
    sources: Sequence[str] = (),
    *,
    shots: int | None = None,
) -> list[Row]:
    """Return all rows of a benchmark by ways, shots and accuracy; incomparable rows come last.

    Args:
        name: Name of a benchmark in any spelling; it may cover several lists.
        results: Your results.
        sources: Files of your results.
        shots: Number of shots of the returned rows (default: any).

    Raises:
        UnknownNameError: The benchmark is unknown.
        ResultError: A result is of another benchmark.
    """
    ids = variants(name) or (benchmark(name).id,)
    rows = [row for row in _published(ids) if shots in (None, row.shots)]
    for result, source in zip(results, sources, strict=True):
        measured = _own(result, source, ids)
        if shots in (None, measured.shots):
            rows.append(measured)
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple[bool, int, int, float]:
    return bool(row.not_comparable), row.ways, row.shots, -row.accuracy


def _published(ids: tuple[str, ...]) -> list[Row]:
    text = files("fewact.lab.evaluation").joinpath("published.csv").read_text(encoding="utf-8")
    return [
        _row(line, ids)
        for line in csv.DictReader(text.splitlines())
        if set(variants(line["dataset"])) & set(ids)
    ]


def _row(line: dict[str, str], ids: tuple[str, ...]) -> Row:
    flags = [
        ("text" in line["modality"], "uses text"),
        ("transductive" in line["note"].split("; "), "transductive"),
        (line["method"] in SELECTED_ON_TEST, "its code selects the checkpoint on test classes"),
        ("val lists equal" in line["note"], "its val list is its test list on most benchmarks"),
        (any(text in _notes(line) for text in SECOND_HAND), "second-hand"),
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
        flags=tuple(text for applies, text in flags if applies),
        source="; ".join(filter(None, (line["source"], line["note"]))),
        not_comparable=_not_comparable(line, ids),
    )


def _notes(line: dict[str, str]) -> str:
    return f"{line['variant_of_split']}; {line['venue']}; {line['note']}"


def _not_comparable(line: dict[str, str], ids: tuple[str, ...]) -> str:
    for text, reason in ANOTHER_SETTING.items():
        if text in _notes(line):
            return reason
    if line["method"] == "Otter":
        return "in the setting of its authors, where other methods are far better"
    stated = variants(line["variant_of_split"].split(" (TSL")[0])
    if stated and not _same_test_videos(stated, ids):
        return "on another list of videos"
    if not stated and not _same_test_videos(variants(line["dataset"]), ids):
        return UNKNOWN_LIST
    return ""


def _same_test_videos(lists: tuple[str, ...], ids: tuple[str, ...]) -> bool:
    requested = {benchmark(name).sha256["test"] for name in ids}
    return {benchmark(name).sha256["test"] for name in lists} <= requested


def _own(result: Result, source: str, ids: tuple[str, ...]) -> Row:
    setup = result.setup
    protocol = setup.episodes.protocol
    if not set(variants(setup.videos.name)) & set(ids):
        raise ResultError(
            "result of another benchmark",
            where=source,
            got=setup.videos.name,
            expected=", ".join(ids),
        )
    return Row(
        method=setup.method.label,
        year="",
        backbone=", ".join((setup.features.name, *setup.features.trained_on)),
        ways=protocol.ways,
        shots=protocol.shots,
        accuracy=result.accuracy,
        ci95=result.ci95,
        list=setup.videos.name,
        flags=result.flags,
        source=source,
        own=True,
        not_comparable=_own_not_comparable(result),
    )


def _own_not_comparable(result: Result) -> str:
    setup = result.setup
    protocol = setup.episodes.protocol
    reasons = (
        (setup.videos.split != "test", "not on the test classes"),
        (bool(setup.videos.missing) or _flagged(result, "missing"), "with missing videos"),
        (_flagged(result, "modified list"), "on a modified list"),
        (_flagged(result, "leak"), "trained on test data"),
        (_flagged(result, "camera: ", "condition: "), "with changed videos"),
        (protocol.groups != "none", "with separated groups"),
        (setup.features.modalities > 1, "with a further modality"),
    )
    return "; ".join(text for applies, text in reasons if applies)


def _flagged(result: Result, *words: str) -> bool:
    return any(word in flag for flag in result.flags for word in words)
