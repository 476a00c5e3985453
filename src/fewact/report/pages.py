"""The reports of a model, of results and of events."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fewact.classifier.info import ModelInfo, clip_rows
from fewact.classifier.review import Review
from fewact.core.version import __version__
from fewact.data.events import Event
from fewact.evaluation.comparison import Comparison
from fewact.evaluation.result import Result
from fewact.evaluation.time_budget import Budget
from fewact.report.document import Bar, Page, Section
from fewact.report.events import budget_table, ethogram, event_table
from fewact.report.results import (
    comparison_table,
    confusion_tables,
    episodes,
    interval_notes,
    open_set_differences,
    open_set_table,
    result_table,
)
from fewact.report.table import Table

MOST_IMAGES = 24
"""Largest number of thumbnails of a class."""

Thumbnails = Mapping[str, Sequence[tuple[str, bytes]]]


def model_page(info: ModelInfo, review: Review, thumbnails: Thumbnails) -> Page:
    """Return the report of a model; thumbnails are those of ``classifier.info``."""
    return Page(
        Path(info.folder).resolve().name or "Model",
        (info.in_short,),
        (
            _model_accuracy(info),
            _model_classes(info, thumbnails),
            _confusions(review),
            Section("What to do next", items=tuple(advice.text for advice in review.advice)),
            Section("Actions outside of the classes", info.none_of_these),
            _origin(info),
            _clips(info),
        ),
        f"Written by fewact {__version__}.",
    )


def _model_accuracy(info: ModelInfo) -> Section:
    bars: tuple[Bar, ...] = ()
    checked = "No training clip was held out."
    if info.accuracy is not None and info.interval is not None:
        low, high = info.interval
        text = f"{info.right} of {info.held_out}; {low} to {high} % with other clips"
        bars = (Bar("Held-out training clips", text, info.accuracy, low, high),)
        checked = (
            "Each training clip was predicted by a model that had not seen it. The line is the "
            "accuracy to expect with other clips."
        )
    how = "fitted on held-out clips" if info.calibrated else "not calibrated: too few clips"
    return Section(
        "Accuracy",
        (
            *info.held_out_accuracy,
            checked,
            f"Probabilities: {how} (temperature {info.temperature:.4g}).",
        ),
        bars,
    )


def _model_classes(info: ModelInfo, thumbnails: Thumbnails) -> Section:
    rows = tuple((name, str(count)) for name, count in info.classes.items())
    images = {name: thumbnails[name][:MOST_IMAGES] for name in info.classes if thumbnails.get(name)}
    return Section("Classes", tables=(Table(("class", "training clips"), rows),), galleries=images)


def _confusions(review: Review) -> Section:
    lines = [review.accuracy_line]
    if review.reviewed < review.clips:
        lines.append(
            f"Compared: {review.reviewed} of {review.clips} clips, spread over the classes."
        )
    if review.scored and not review.confusions:
        lines.append("No class is mistaken for another.")
    tables = []
    if review.confusions:
        rows = tuple(
            (
                confusion.label,
                confusion.mistaken_for,
                f"{len(confusion.clips)} of {confusion.of}",
                confusion.cause,
                ", ".join(confusion.clips),
            )
            for confusion in review.confusions
        )
        header = ("class", "mistaken for", "clips", "they share", "which")
        tables.append(Table(header, rows, "Confusions"))
    if review.suspects:
        suspects = tuple(
            (suspect.clip, suspect.label, suspect.likely) for suspect in review.suspects
        )
        tables.append(Table(("clip", "label", "looks like"), suspects, review.suspects_title))
    if review.duplicates:
        copies = tuple(
            (
                duplicate.clips[0],
                ", ".join(duplicate.clips[1:]),
                " / ".join(dict.fromkeys(duplicate.labels)),
            )
            for duplicate in review.duplicates
        )
        tables.append(Table(("clip", "nearly the same", "labels"), copies, "Duplicates"))
    return Section("What is confused", tuple(lines), tables=tuple(tables))


def _origin(info: ModelInfo) -> Section:
    options = ", ".join(f"{name} {value}" for name, value in info.options.items())
    rows = (
        ("Method", info.method),
        ("Options", options or "–"),
        ("Backbone", info.backbone),
        ("Weights", info.weights),
        ("Precision", info.precision),
        ("Former versions", str(info.versions)),
        ("Saved with", f"fewact {info.fewact}"),
    )
    return Section("How it was made", tables=(Table(("fact", "value"), rows),))


def _clips(info: ModelInfo) -> Section:
    header, *rows = clip_rows(info.clips)
    return Section("All clips", tables=(Table(header, tuple(rows)),), folded=True)


ABOUT_P = (
    "Difference first − second in percentage points, over the same episodes, with its 95 % "
    "interval. p is that of the exact sign-flip test over episodes; Holm's correction is for the "
    "number of pairs. The class interval is the range to expect on other classes."
)


def result_page(
    results: Sequence[Result],
    names: Sequence[str],
    comparisons: Sequence[tuple[Sequence[str], Sequence[Comparison]]] = (),
) -> Page:
    """Return the report of results with their names, such as those of their files.

    Args:
        results: One or more results.
        names: Name of each result.
        comparisons: Paired comparisons of results on the same episodes, each with the names of its
            results by position; see ``evaluation.compare``.
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


def event_page(
    name: str, rows: Sequence[Budget], events: Sequence[Event], durations: Mapping[str, float]
) -> Page:
    """Return the report of events: their ethogram, the numbers of each class, and all of them.

    Args:
        name: Title, such as the name of their file.
        rows: Time budgets.
        events: Events.
        durations: Duration of each recording, in seconds.
    """
    classes = sorted({row.label for row in rows})
    return Page(
        name,
        (f"Events: {len(events)}, classes: {len(classes)}, recordings: {len(durations)}.",),
        (
            Section("Ethogram", drawing=ethogram(events, durations, classes)),
            Section("Numbers", tables=(budget_table(rows, binned=False),)),
            Section("All events", tables=(event_table(events),), folded=True),
        ),
        f"Written by fewact {__version__}.",
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
