"""The option ``--vectors`` of fewact's own tests.

It stands in the package because pytest must know the option before it looks for tests: otherwise it
takes the folder that follows for the folder of the tests.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: "pytest.Parser") -> None:
    """Let pytest know the option."""
    group = parser.getgroup("fewact")
    group.addoption("--vectors", metavar="DIR", help="folder of numeric test vectors for fewact")
