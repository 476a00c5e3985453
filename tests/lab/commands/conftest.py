"""Fixtures of the command line, for commands of this wing."""

from tests.cli.conftest import broken, clips, model, run

__all__ = ["broken", "clips", "model", "run"]
