"""Results, comparisons and leaderboards as text, CSV, Markdown and LaTeX."""

from fewact.report.results import comparison_table, leaderboard_tables, result_table
from fewact.report.table import Table, TableFormat, render

__all__ = [
    "Table",
    "TableFormat",
    "comparison_table",
    "leaderboard_tables",
    "render",
    "result_table",
]
