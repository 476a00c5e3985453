"""``fewact report``: a model, results or events as one file."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewact.cli.options import (
    Imports,
    Overwrite,
    check_model,
    check_output_files,
    missing_file,
    output_option,
)
from fewact.cli.run import exit_skipped
from fewact.core.errors import DataError, ModelError, ResultError
from fewact.core.extras import check_extra, import_lab

if TYPE_CHECKING:
    from fewact.report.document import Page

EVENT_TABLES = (".csv", ".tsv")
"""Suffixes of tables, which are events and never results."""


def _check_model_or_results(context: typer.Context, paths: list[Path]) -> list[Path]:
    suffix, is_file = paths[0].suffix.lower(), paths[0].is_file()
    if suffix in EVENT_TABLES and not is_file:
        raise missing_file(paths[0], DataError, "fewact watch -o FILE")
    if len(paths) == 1 and not is_file and suffix != ".json":
        return [check_model(context, paths[0])]
    if folder := next((path for path in paths if path.is_dir()), None):
        raise ModelError(
            "a model gets a report of its own",
            where=str(folder),
            expected="one model, or files of results",
        )
    for path in paths:
        if not path.exists():
            raise missing_file(path, ResultError, "fewact evaluate -o FILE")
    return paths


def report(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL|RESULT...|EVENTS",
            help="Folder of a model, result files written by `fewact evaluate`, or a file of "
            "events: written by `fewact watch -o`, or by a person.",
            callback=_check_model_or_results,
        ),
    ],
    output: Annotated[
        Path,
        output_option(
            "FILE",
            "File to write: .html, .pdf, or .md without images.",
            "a report",
            *(".html", ".md", ".pdf"),
        ),
    ],
    overwrite: Overwrite = False,
    imports: Imports = None,
) -> None:
    """Write a report of a model, results or events, as one file that needs nothing else.

    The report of a model has its classes, held-out accuracy, confusions, advice, how it was made,
    and its thumbnails. The report of results has accuracies with intervals, settings, classes, and
    paired comparisons of results on the same episodes. The report of events has their ethogram, how
    often and how long each class was performed, and all of them.
    """
    if output.suffix.lower() == ".pdf":
        check_extra("a PDF", "pdf", "weasyprint")
    check_output_files(output, overwrite=overwrite, inputs=paths)
    from fewact.core.atomic import write_bytes, write_text

    page, skipped = _page_of(paths)
    match output.suffix.lower():
        case ".pdf":
            write_bytes(output, page.pdf())
        case ".html":
            write_text(output, page.html())
        case _:
            write_text(output, page.markdown())
    print(f"Saved to {output}")
    exit_skipped(skipped)


def _page_of(paths: list[Path]) -> "tuple[Page, int]":
    """Return the report, and how many of the rows of a file of events are skipped."""
    if not paths[0].is_file():
        return _model_page(paths[0]), 0
    from fewact.data import is_event_file

    if len(paths) == 1 and (paths[0].suffix.lower() in EVENT_TABLES or is_event_file(paths[0])):
        events: Any = importlib.import_module("fewact.recordings.event_page")
        page, skipped = events.event_page(paths[0])
        return page, skipped
    return import_lab("a report of results", "fewact.lab.evaluation.report").results_page(paths), 0


def _model_page(folder: Path) -> "Page":
    from fewact import FewShotClassifier
    from fewact.classifier.info import model_info, thumbnails
    from fewact.classifier.review import review
    from fewact.report.model_page import model_page

    info = model_info(folder)
    classifier = FewShotClassifier.load(folder, lazy=True)
    return model_page(info, review(classifier), thumbnails(classifier))
