"""Cards and episodes that every method is tried on."""

from collections.abc import Callable

import pytest
import torch

from fewact.backbones import Card
from fewact.methods.base import Method, Nodes
from tests.methods.made_up import make_card, make_features


@pytest.fixture(params=[True, False], ids=["maps", "vectors"])
def card(request: pytest.FixtureRequest) -> Card:
    return make_card(maps=request.param)


@pytest.fixture
def episode() -> Callable[..., tuple[Nodes, torch.Tensor, Nodes]]:
    """Nodes of (b n·k) support and (b q) query videos with the support's labels."""

    def make(
        method: Method, card: Card, b: int = 2, n: int = 3, k: int = 2, q: int = 4, seed: int = 0
    ) -> tuple[Nodes, torch.Tensor, Nodes]:
        with torch.no_grad():
            support = method.encode(make_features(method, card, b, n * k, seed=seed))
            query = method.encode(make_features(method, card, b, q, seed=seed + 1))
        labels = torch.arange(n).repeat(k).expand(b, -1)
        return support, labels, query

    return make
