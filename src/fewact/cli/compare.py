"""``fewact compare``: paired differences of results on the same episodes."""

from dataclasses import asdict

from fewact.cli.options import Results
from fewact.cli.output import OutputFormat, print_json, print_result_tables


def compare(
    results: Results,
    format: OutputFormat = "table",
) -> None:
    """Compare each pair of results on the same episodes.

    The table has the mean difference with its 95 % interval, and the p-value of the exact sign-flip
    test over episodes, also corrected for the number of pairs (Holm). Results on different episodes
    are refused.
    """
    from fewact import evaluation
    from fewact.report import comparison_table, named

    loaded = [evaluation.load(path) for path in results]
    names = [named(str(path), one) for path, one in zip(results, loaded, strict=True)]
    found = evaluation.compare(loaded, names)
    if format == "json":
        print_json(
            [
                {**asdict(one), "first": names[one.first], "second": names[one.second]}
                for one in found
            ]
        )
        return
    print_result_tables([comparison_table(found, names)], format)
