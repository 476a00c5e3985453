"""The command line: commands, tables and exit codes; the other rooms do the work."""

from fewact.cli.run import main

__all__ = ["main"]
