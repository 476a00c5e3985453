"""A tiny network among the registered ones."""

from collections.abc import Iterator

import pytest

from fewact import backbones
from fewact.core.registry import Registry
from tests.training.made_up import Tiny


@pytest.fixture
def tiny() -> Iterator[None]:
    """While a test runs, ``tiny`` is a backbone like any other."""
    with pytest.MonkeyPatch.context() as patch:
        entries = {**backbones._NETWORKS._entries, "tiny": Tiny}
        patch.setattr(backbones, "_NETWORKS", Registry("backbone", entries))
        yield
