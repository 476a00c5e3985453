"""Results, comparisons and leaderboards as text, CSV, Markdown, LaTeX and charts."""

from fewact.report.results import (
    comparison_table,
    confusion_chart,
    confusion_tables,
    interval_notes,
    leaderboard_tables,
    named,
    open_set_differences,
    open_set_table,
    pair_accuracy_table,
    result_table,
    short_tables,
    stability_chart,
    stability_table,
    validation_table,
)
from fewact.report.table import Table, TableFormat, latex_notes, render

__all__ = [
    "Table",
    "TableFormat",
    "comparison_table",
    "confusion_chart",
    "confusion_tables",
    "interval_notes",
    "latex_notes",
    "leaderboard_tables",
    "named",
    "open_set_differences",
    "open_set_table",
    "pair_accuracy_table",
    "render",
    "result_table",
    "short_tables",
    "stability_chart",
    "stability_table",
    "validation_table",
]
