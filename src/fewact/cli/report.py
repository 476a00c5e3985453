"""``fewact report``: a model or results as one HTML, PDF or Markdown file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli import early, early_outputs
from fewact.cli.options import Imports, Overwrite

if TYPE_CHECKING:
    from fewact.report.document import Page


def report(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL|RESULT...",
            help="Folder of a model, or result files written by `fewact evaluate`.",
            callback=early.model_or_results,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write: .html, .pdf, or .md without images.",
            callback=early_outputs.report_file,
        ),
    ],
    overwrite: Overwrite = False,
    imports: Imports = None,
) -> None:
    """Write a report of a model, or of results, as one file that needs nothing else.

    The report of a model has its classes, held-out accuracy, confusions, advice, how it was made,
    and its thumbnails. The report of results has accuracies with intervals, settings, classes, and
    paired comparisons of results on the same episodes.
    """
    early_outputs.output_files(output, overwrite=overwrite, inputs=paths)
    from fewact.core.atomic import write_bytes, write_text

    page = _of_results(paths) if paths[0].is_file() else _of_model(paths[0])
    match output.suffix.lower():
        case ".pdf":
            write_bytes(output, page.pdf())
        case ".html":
            write_text(output, page.html())
        case _:
            write_text(output, page.markdown())
    print(f"Saved to {output}")


def _of_model(folder: Path) -> "Page":
    from fewact.classifier.analysis.review import review
    from fewact.classifier.saved.change_model import load_stored
    from fewact.classifier.saved.info import model_info, thumbnails
    from fewact.report.model_page import model_page

    found = model_info(folder)
    classifier = load_stored(folder)
    return model_page(found, review(classifier), thumbnails(classifier))


def _of_results(paths: list[Path]) -> "Page":
    from fewact import evaluation
    from fewact.report.result_page import result_page

    names = [str(path) for path in paths]
    results = [evaluation.load(path) for path in paths]
    same: dict[str, list[int]] = {}
    for i, one in enumerate(results):
        same.setdefault(one.setup.episodes.sha256, []).append(i)
    comparisons = []
    for group in same.values():
        if len(group) > 1:
            of = [names[i] for i in group]
            comparisons.append((of, evaluation.compare([results[i] for i in group], of)))
    return result_page(results, names, comparisons)
