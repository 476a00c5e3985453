"""``fewact confusion``: the classes that a method confuses, from result files."""

from dataclasses import asdict
from typing import Annotated

import typer

from fewact.cli import early_outputs
from fewact.cli.options import Chart, Overwrite, Results
from fewact.cli.output import OutputFormat, print_json, print_result_tables
from fewact.cli.run import say


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
    the pairs that the first one confuses most: the pairs are chosen on the first half of the
    episodes, and the accuracies are those of the second half.
    """
    early_outputs.output_files(output, overwrite=overwrite, inputs=results)
    from fewact import evaluation
    from fewact.core.atomic import write_text
    from fewact.report import confusion_chart, confusion_tables, named, pair_accuracy_table

    loaded = [evaluation.load(path) for path in results]
    names = [named(str(path), one) for path, one in zip(results, loaded, strict=True)]
    first = evaluation.confusion(loaded[0])
    half = len(loaded[0].per_episode) // 2
    chosen = evaluation.confusion(loaded[0], slice(half)).most_confused(pairs)
    on_pairs = []
    if len(loaded) > 1 and not chosen:
        say(
            f"{names[0]} confuses no classes in the first half of the episodes: no pairs to compare"
        )
    elif len(loaded) > 1:
        on_pairs = evaluation.pair_accuracies(loaded, chosen, slice(half, None), names)
    if output is not None:
        write_text(output, confusion_chart(first, named(loaded[0].setup.method.label, loaded[0])))
        say(f"Chart written to {output}")
    if format == "json":
        print_json(
            {
                "classes": first.classes,
                "predicted": first.predicted.tolist(),
                "offered": first.offered.tolist(),
                "pairs": [asdict(one) for one in first.most_confused(pairs)],
                "on_pairs": dict(zip(names, map(asdict, on_pairs), strict=False)),
            }
        )
        return
    tables = confusion_tables(loaded[0], pairs)
    if on_pairs:
        tables += [pair_accuracy_table(names, on_pairs)]
    print_result_tables(tables, format)
