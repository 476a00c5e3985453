"""Tables, charts and pages: text, CSV, Markdown, LaTeX and HTML."""

from fewact.report.table import Table, TableFormat, latex_notes, render

__all__ = ["Table", "TableFormat", "latex_notes", "render"]
