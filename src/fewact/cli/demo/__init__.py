"""``fewact demo``: teach, predict and compare methods on rendered clips or on clips of the user."""

from fewact.cli.demo.command import demo

__all__ = ["demo"]
