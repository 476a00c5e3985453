"""``python -m fewact``: the command ``fewact``."""

from fewact.cli import entry_point

entry_point()
