"""Fixtures of the command line, for commands of this wing."""

from tests.cli.conftest import run, clips, model, broken

__all__ = ["run", "clips", "model", "broken"]
