"""A tiny network among the registered ones."""

from collections.abc import Iterator

import pytest

from fewact.core.registry import Registry
from fewact.networks import catalogue
from tests.lab.training.made_up import Tiny


@pytest.fixture
def tiny() -> Iterator[None]:
    """While a test runs, ``tiny`` is a backbone like any other."""
    with pytest.MonkeyPatch.context() as patch:
        entries = {**catalogue.NETWORKS._entries, "tiny": Tiny}
        patch.setattr(catalogue, "NETWORKS", Registry("backbone", entries))
        yield
