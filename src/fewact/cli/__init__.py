"""The command line: commands, tables and exit codes; the other subpackages do the work."""

import os

# Each piece of work has a core of its own, and BLAS's threads would wait for each other. BLAS reads
# this once, when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

try:
    from fewact.cli.app import entry_point, main
except KeyboardInterrupt:  # Ctrl-C right after the start, before a command can answer it
    raise SystemExit(130) from None

__all__ = ["entry_point", "main"]
