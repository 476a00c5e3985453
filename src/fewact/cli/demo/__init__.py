"""``fewact demo``: the whole road in under a minute, on rendered clips or on one's own."""

from fewact.cli.demo.command import demo

__all__ = ["demo"]
