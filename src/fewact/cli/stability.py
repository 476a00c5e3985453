"""``fewact stability``: accuracy as a function of the number of episodes."""

from dataclasses import asdict

from fewact.cli import early_outputs
from fewact.cli.options import Chart, Overwrite, Results
from fewact.cli.output import OutputFormat, print_json, print_result_tables
from fewact.cli.run import say


def stability(
    results: Results,
    output: Chart = None,
    overwrite: Overwrite = False,
    format: OutputFormat = "table",
) -> None:
    """Show the accuracy as a function of the number of episodes.

    The table has the accuracy over the first 10, 20, 50 ... episodes, with 95 % intervals.
    """
    early_outputs.output_files(output, overwrite=overwrite, inputs=results)
    from fewact import evaluation
    from fewact.core.atomic import write_text
    from fewact.report import named, stability_chart, stability_table

    loaded = {path: evaluation.load(path) for path in results}
    found = {named(str(path), one): evaluation.stability(one) for path, one in loaded.items()}
    if output is not None:
        write_text(output, stability_chart(found))
        say(f"Chart written to {output}")
    if format == "json":
        print_json({name: [asdict(point) for point in points] for name, points in found.items()})
        return
    print_result_tables([stability_table(found)], format)
