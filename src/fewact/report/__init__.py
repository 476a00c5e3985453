"""Results, comparisons and leaderboards as text, CSV, Markdown, LaTeX and charts."""

from fewact.report.confusion import confusion_chart, confusion_tables, pair_accuracy_table
from fewact.report.leaderboard import leaderboard_tables, short_tables
from fewact.report.results import comparison_table, interval_notes, named, result_table
from fewact.report.stability import stability_chart, stability_table
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
    "pair_accuracy_table",
    "render",
    "result_table",
    "short_tables",
    "stability_chart",
    "stability_table",
]
