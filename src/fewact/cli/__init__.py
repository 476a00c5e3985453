"""The command line: commands, tables and exit codes; the other subpackages do the work."""

try:
    from fewact.cli.app import entry_point, main
except KeyboardInterrupt:  # Ctrl-C right after the start, before a command can answer it
    raise SystemExit(130) from None

__all__ = ["entry_point", "main"]
