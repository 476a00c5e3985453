"""Classes that a method confuses, as tables and as a chart."""

from collections.abc import Sequence

from fewact.core import svg
from fewact.evaluation.comparison import Confusion, Pair, PairAccuracy, confusion
from fewact.evaluation.result import Result
from fewact.report.results import with_half_width
from fewact.report.table import Table

PAIRS = 10
"""Default number of confused pairs."""

LETTERS, SIDE, TOP, GAP = 40, 560.0, 56.0, 8.0
"""Largest number of letters of a class name in the chart; its side, top and gap in pixels."""

SMALLEST, LARGEST = 7.0, 26.0
"""Smallest and largest height of a row of the chart in pixels."""


def confusion_tables(result: Result, pairs: int = PAIRS) -> list[Table]:
    """Return the accuracy of each class, and the pairs of classes that are confused most often.

    Args:
        result: Result.
        pairs: Largest number of pairs.
    """
    confusions = confusion(result)
    return [class_table(result, confusions), pair_table(confusions.most_confused(pairs))]


def class_table(result: Result, confusions: Confusion) -> Table:
    """Return the accuracy of each class, the lowest first, and what it was confused with.

    Args:
        result: Result.
        confusions: Its confusions.
    """
    taken_for = {label: _most(row, confusions) for row, label in enumerate(confusions.classes)}
    ordered = sorted(result.per_class.items(), key=lambda item: item[1].accuracy)
    rows = (
        (label, f"{of_class.accuracy:.1f}", str(of_class.queries), taken_for[label])
        for label, of_class in ordered
    )
    header = ("class", "accuracy", "queries", "most often taken for")
    return Table(header, tuple(rows), f"Classes: {result.setup.method.label}")


def pair_table(pairs: Sequence[Pair]) -> Table:
    """Return a table of confused pairs."""
    rows = tuple(
        (pair.first, pair.second, f"{pair.confused:.1f}", str(pair.queries)) for pair in pairs
    )
    return Table(("class", "class", "confused, %", "queries"), rows, "Most confused pairs")


def pair_accuracy_table(names: Sequence[str], accuracies: Sequence[PairAccuracy]) -> Table:
    """Return a table of accuracies on the pairs that the first result confuses, a row for each."""
    rows = tuple(
        (name, with_half_width(accuracy.accuracy, accuracy.ci95), str(accuracy.queries))
        for name, accuracy in zip(names, accuracies, strict=True)
    )
    title = f"Accuracy on the pairs that {names[0]} confuses most in the other half of the episodes"
    return Table(("result", "accuracy", "queries"), rows, title)


def confusion_chart(confusions: Confusion, title: str) -> str:
    """Draw the rates as a table of colours: an SVG file for light and dark pages.

    A row is a true class, a column a predicted class. The colour is the fraction of the queries of
    the row, in episodes with both classes, that got the class of the column.

    Args:
        confusions: Confusions.
        title: Title above the chart.
    """
    n, rates = len(confusions.classes), confusions.rates
    cell = min(max(SIDE / n, SMALLEST), LARGEST)
    size = min(13.0, 0.8 * cell)
    short = [name if len(name) <= LETTERS else f"{name[:LETTERS]}…" for name in confusions.classes]
    left = 0.56 * size * max(len(f"{i}  {name}") for i, name in enumerate(short, 1)) + 2 * GAP
    parts = [svg.text(GAP, 24, title, colour=None, size=16, weight=600)]
    squares, colours = [], []
    for i, name in enumerate(short):
        middle = TOP + (i + 0.5) * cell
        across = left + (i + 0.5) * cell
        for x, y, words, height, anchor in (
            (left - GAP, middle + 0.35 * size, f"{name}  {i + 1}", size, "end"),
            (across, TOP - GAP, str(i + 1), 0.7 * size, "middle"),
        ):
            parts.append(svg.text(x, y, words, colour=None, size=height, anchor=anchor))
        for j, rate in enumerate(rates[i].tolist()):
            colour = svg.COLOURS[0] if i == j else svg.COLOURS[1]
            square = (left + j * cell + 0.5, TOP + i * cell + 0.5, cell - 1, cell - 1)
            squares.append(svg.rectangle(*square, None))
            if rate > 0:
                colours.append(svg.rectangle(*square, colour, fill_opacity=min(rate, 1.0)))
    for drawn, of in ((squares, "pale"), (colours, "series")):
        parts.append(svg.element("g", *drawn, class_=of))
    bottom = TOP + n * cell
    legend = "rows: true class; columns: predicted class; full colour: every query"
    parts.append(svg.text(GAP, bottom + 24, legend, colour=None, size=12, class_="label"))
    width = max(left + n * cell + GAP, 480.0)
    return svg.document(round(width), round(bottom + 40), parts, title=title, style=svg.STYLE)


def _most(row: int, confusions: Confusion) -> str:
    """Return the class that the queries of a class got most often, instead of their own."""
    rates = confusions.rates[row].copy()
    rates[row] = 0
    column = int(rates.argmax())
    return (
        f"{confusions.classes[column]}, {100 * rates[column]:.1f} %" if rates[column] > 0 else "–"
    )
