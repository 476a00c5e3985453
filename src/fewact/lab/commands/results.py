"""Commands on results: ``compare``, ``confusion``, ``stability``, ``leaderboard``."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewact.cli.options import (
    Overwrite,
    check_output_files,
    missing_file,
    output_option,
)
from fewact.cli.output import (
    OutputFormat,
    print_json,
    print_result_tables,
    text_width,
)
from fewact.cli.run import say
from fewact.core.errors import ResultError
from fewact.lab.commands.options import complete_benchmarks

if TYPE_CHECKING:
    from fewact.lab.evaluation import Result


def _check_results(paths: list[Path] | None) -> list[Path]:
    for path in paths or ():
        if not path.exists():
            raise missing_file(path, ResultError, "fewact evaluate -o FILE")
    return paths or []


Results = Annotated[
    list[Path],
    typer.Argument(
        metavar="RESULT...",
        help="Result files written by `fewact evaluate`.",
        callback=_check_results,
    ),
]
Chart = Annotated[
    Path | None, output_option("FILE", "SVG file to write: a chart.", "a chart", ".svg")
]


def _loaded(paths: Sequence[Path]) -> "tuple[list[str], list[Result]]":
    """Return the results with their names in tables."""
    from fewact.lab import evaluation
    from fewact.lab.evaluation.pages import named

    results = [evaluation.load(path) for path in paths]
    return [named(str(p), result) for p, result in zip(paths, results, strict=True)], results


def compare(
    results: Results,
    format: OutputFormat = "table",
) -> None:
    """Compare each pair of results on the same episodes.

    The table has the mean difference with its 95 % interval, and the p-value of the exact sign-flip
    test over episodes, also corrected for the number of pairs (Holm). Results on different episodes
    are refused. Further tables have the validation accuracies of trained methods, and differences
    in the rejection of queries of other classes (--open-set).
    """
    from fewact.lab import evaluation
    from fewact.lab.evaluation.pages import comparison_table, open_set_differences, validation_table

    names, loaded = _loaded(results)
    comparisons = evaluation.compare(loaded, names)
    if format == "json":
        named = ({"first": names[pair.first], "second": names[pair.second]} for pair in comparisons)
        validated = [result.setup.method.validation for result in loaded]
        print_json(
            [
                asdict(pair) | of | {"validation": [validated[pair.first], validated[pair.second]]}
                for pair, of in zip(comparisons, named, strict=True)
            ]
        )
        return
    tables = [comparison_table(comparisons, names)]
    if any(result.setup.method.validation is not None for result in loaded):
        tables.append(validation_table(loaded, names))
    if any(pair.open_set for pair in comparisons):
        tables.append(open_set_differences(comparisons, names))
    print_result_tables(tables, format)


def confusion(
    results: Results,
    output: Chart = None,
    overwrite: Overwrite = False,
    pairs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Largest number of confused pairs.")
    ] = 10,
    format: OutputFormat = "table",
) -> None:
    """Show the accuracy of each class and the pairs of classes confused most often.

    Tables and chart are of the first result. Several results, on the same episodes, are compared on
    the pairs of classes that the first result confuses most. The pairs are chosen on the first half
    of the episodes; the accuracies are computed on the second half.
    """
    check_output_files(output, overwrite=overwrite, inputs=results)
    from fewact.core.atomic import write_text
    from fewact.lab import evaluation
    from fewact.lab.evaluation.pages import (
        confusion_chart,
        confusion_tables,
        named,
        pair_accuracy_table,
    )

    names, loaded = _loaded(results)
    first = evaluation.confusion(loaded[0])
    half = len(loaded[0].per_episode) // 2
    confused = evaluation.confusion(loaded[0], slice(half)).most_confused(pairs)
    on_pairs = []
    if len(loaded) > 1 and not confused:
        say(
            f"{names[0]} confuses no classes in the first half of the episodes: no pairs to compare"
        )
    elif len(loaded) > 1:
        on_pairs = evaluation.pair_accuracies(loaded, confused, slice(half, None), names)
    if output is not None:
        write_text(output, confusion_chart(first, named(loaded[0].setup.method.label, loaded[0])))
        say(f"Chart written to {output}")
    if format == "json":
        print_json(
            {
                "classes": first.classes,
                "predicted": first.predicted.tolist(),
                "offered": first.offered.tolist(),
                "pairs": [asdict(pair) for pair in first.most_confused(pairs)],
                "on_pairs": dict(zip(names, map(asdict, on_pairs), strict=False)),
            }
        )
        return
    tables = confusion_tables(loaded[0], pairs)
    if on_pairs:
        tables += [pair_accuracy_table(names, on_pairs)]
    print_result_tables(tables, format)


def stability(
    results: Results,
    output: Chart = None,
    overwrite: Overwrite = False,
    format: OutputFormat = "table",
) -> None:
    """Show the accuracy as a function of the number of episodes.

    The table has the accuracy over the first 10, 20, 50 ... episodes, with 95 % intervals.
    """
    check_output_files(output, overwrite=overwrite, inputs=results)
    from fewact.core.atomic import write_text
    from fewact.lab import evaluation
    from fewact.lab.evaluation.pages import stability_chart, stability_table

    curves = {
        name: evaluation.stability(result) for name, result in zip(*_loaded(results), strict=True)
    }
    if output is not None:
        write_text(output, stability_chart(curves))
        say(f"Chart written to {output}")
    if format == "json":
        print_json({name: [asdict(point) for point in points] for name, points in curves.items()})
        return
    print_result_tables([stability_table(curves)], format)


def leaderboard(
    benchmark: Annotated[
        str,
        typer.Argument(
            help="Name of a benchmark, in any spelling; see `fewact data list`.",
            autocompletion=complete_benchmarks,
        ),
    ],
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RESULT...",
            help="Result files written by `fewact evaluate` on the test classes.",
            callback=_check_results,
        ),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of shots of the listed rows (default: any)."),
    ] = None,
    show_all: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Also list published rows of other settings, which tables as text and in LaTeX "
            "leave out.",
        ),
    ] = False,
    format: OutputFormat = "table",
) -> None:
    """List published accuracies together with your results.

    Every row has its source. Rows with another experimental setting are in a separate table, each
    with the reason. Your results are always listed. A table as text or in LaTeX has one line for
    each method, and numbered notes.
    """
    from fewact.lab import evaluation
    from fewact.lab.evaluation.pages import leaderboard_tables, short_tables
    from fewact.report import latex_notes

    paths = results or []
    rows = evaluation.leaderboard(
        benchmark,
        [evaluation.load(path) for path in paths],
        [str(path) for path in paths],
        shots=shots,
    )
    if format == "json":
        print_json([asdict(row) for row in rows])
        return
    if format not in ("table", "latex"):
        print_result_tables(leaderboard_tables(rows), format)
        return
    tables, notes = short_tables(rows, all_rows=show_all)
    print_result_tables(tables, format)
    print()
    if format == "latex":
        print(latex_notes(notes), end="")
        return
    for note in notes:
        print(textwrap.fill(note, text_width(), subsequent_indent="    ", break_on_hyphens=False))
