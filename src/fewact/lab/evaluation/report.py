"""The report of results."""

from collections.abc import Sequence
from pathlib import Path

from fewact.core.version import __version__
from fewact.lab.evaluation.comparison import Comparison, compare
from fewact.lab.evaluation.pages import (
    comparison_table,
    confusion_tables,
    episodes,
    interval_notes,
    open_set_differences,
    open_set_table,
    result_table,
)
from fewact.lab.evaluation.result import Result, load
from fewact.report.document import Bar, Page, Section
from fewact.report.table import Table

ABOUT_P = (
    "Difference first − second in percentage points, over the same episodes, with its 95 % "
    "interval. p is from the exact sign-flip test over episodes; Holm's correction is for the "
    "number of pairs. The class interval is the range to expect on other classes."
)


def results_page(paths: Sequence[Path]) -> Page:
    """Return the report of files of results, with comparisons of those on the same episodes."""
    names = [str(path) for path in paths]
    results = [load(path) for path in paths]
    by_episodes: dict[str, list[int]] = {}
    for i, result in enumerate(results):
        by_episodes.setdefault(result.setup.episodes.sha256, []).append(i)
    comparisons = []
    for group in by_episodes.values():
        if len(group) > 1:
            of = [names[i] for i in group]
            comparisons.append((of, compare([results[i] for i in group], of)))
    return result_page(results, names, comparisons)


def result_page(
    results: Sequence[Result],
    names: Sequence[str],
    comparisons: Sequence[tuple[Sequence[str], Sequence[Comparison]]] = (),
) -> Page:
    """Return the report of results with their names, such as the names of files.

    Each of the ``comparisons`` has the names of its results, by position.
    """
    table = result_table(results)
    rows = tuple((name, *row) for name, row in zip(names, table.rows, strict=True))
    bars = tuple(
        Bar(
            name,
            f"{row[1]} %",
            result.accuracy,
            result.accuracy - (result.ci95 or 0),
            result.accuracy + (result.ci95 or 0),
        )
        for name, row, result in zip(names, table.rows, results, strict=True)
    )
    paired = tuple(comparison_table(compared, of) for of, compared in comparisons)
    tables = [Table(("result", *table.header), rows)]
    if any(result.open_set for result in results):
        tables.append(open_set_table(results, names))
        paired += tuple(
            open_set_differences(compared, of)
            for of, compared in comparisons
            if any(pair.open_set for pair in compared)
        )
    sections = [Section("Accuracy", bars=bars, tables=tuple(tables))]
    if paired:
        sections.append(Section("Comparisons", (ABOUT_P,), tables=paired))
    for name, result in zip(names, results, strict=True):
        sections += [_result_settings(name, result), _result_classes(name, result)]
    title = names[0] if len(names) == 1 else f"{len(names)} results"
    return Page(
        title, interval_notes(results), tuple(sections), f"Written by fewact {__version__}."
    )


def _result_settings(name: str, result: Result) -> Section:
    setup = result.setup
    method, videos, features = setup.method, setup.videos, setup.features
    protocol = setup.episodes.protocol
    rows = [
        ("Method", " ".join(filter(None, (method.name, method.package)))),
        ("Options", _listed(method.options)),
        ("Weights of the method", method.weights_sha256 or "none"),
        ("Episodes", f"{episodes(protocol)}; SHA-256 {setup.episodes.sha256}"),
        ("Protocol", _listed(protocol.model_dump())),
        ("Videos", f"{videos.name}, {videos.split or 'no split'}; SHA-256 {videos.sha256}"),
        ("Classes and videos", f"{videos.classes} classes, {videos.videos} videos"),
        ("Missing videos", _listed(videos.missing)),
        ("Features", f"{features.name}; SHA-256 {features.sha256}"),
        ("Backbone trained on", ", ".join(features.trained_on) or "–"),
        *((("Features of queries", setup.query_features.name),) if setup.query_features else ()),
        *((("Class names", setup.text.encoder),) if setup.text else ()),
        ("Remarks", "; ".join(result.flags) or "–"),
        ("Test classes", "yes: no choice may depend on this result" if result.final else "no"),
        ("Versions", _listed(setup.versions)),
        ("Command", result.command or "–"),
    ]
    return Section(f"Settings: {name}", tables=(Table(("setting", "value"), tuple(rows)),))


def _result_classes(name: str, result: Result) -> Section:
    return Section(f"Classes: {name}", tables=tuple(confusion_tables(result)), folded=True)


def _listed(values: object) -> str:
    if not isinstance(values, dict) or not values:
        return "–"
    return ", ".join(f"{name} {value}" for name, value in values.items())
