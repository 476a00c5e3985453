"""The command line: commands, tables and exit codes; the other subpackages do the work."""

from fewact.cli.app import main

__all__ = ["main"]
