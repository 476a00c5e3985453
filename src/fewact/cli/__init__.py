"""The command line: commands, tables and exit codes; the other subpackages do the work."""

from fewact.cli.app import entry_point, main

__all__ = ["entry_point", "main"]
