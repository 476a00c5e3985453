"""Results, comparisons and leaderboards as text, CSV, Markdown, LaTeX and charts."""

from fewact.chart import Line, Panel, line_chart
from fewact.report.confusion import confusion_chart, confusion_tables, pair_accuracy_table
from fewact.report.results import (
    comparison_table,
    leaderboard_tables,
    named,
    result_table,
    with_notes,
)
from fewact.report.stability import stability_chart, stability_table
from fewact.report.table import Table, TableFormat, render

__all__ = [
    "Line",
    "Panel",
    "Table",
    "TableFormat",
    "comparison_table",
    "confusion_chart",
    "confusion_tables",
    "leaderboard_tables",
    "line_chart",
    "named",
    "pair_accuracy_table",
    "render",
    "result_table",
    "stability_chart",
    "stability_table",
    "with_notes",
]
