"""The backbone of a saved model, built when its network is first needed.

Corrections of a model compute with the features that it stores. They need the card of the backbone,
which the model has, and its network only where a new class name is embedded.
"""

from collections.abc import Callable
from typing import Any

import torch

from fewact.backbones import Backbone, Card
from fewact.backbones.precision import resolve_device
from fewact.classifier.saved.backbone import card_facts, check_backbone, create_backbone
from fewact.classifier.saved.config import SavedBackbone
from fewact.features.precomputed import PRECOMPUTED, Precomputed


class DeferredBackbone(Backbone):
    """Backbone that is built when its network is first needed.

    Args:
        card: Card of the backbone. The licence is empty until the backbone is built.
        build: Function that builds it.
    """

    def __init__(self, card: Card, build: Callable[[], Backbone]) -> None:
        self.card = card
        self._build = build

    @property
    def device(self) -> torch.device:
        """Device on which the network is, or will be."""
        return resolve_device("auto")

    def __getattr__(self, name: str) -> Any:
        """Build the backbone if its network is needed; only called for missing attributes."""
        if name not in ("network", "engine", "why"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        built = self._build()
        self.network, self.engine = built.network, built.engine
        self.card, self.why = built.card, built.why
        return getattr(self, name)


def deferred_backbone(saved: SavedBackbone, where: str) -> DeferredBackbone | None:
    """Return the backbone of a saved model, which is not built yet.

    Args:
        saved: Backbone in the model's config.json.
        where: Folder of the model, for the error when it cannot be built.

    Returns:
        The backbone; None for precomputed features, and if the model does not have its entire card.
    """
    card = None if saved.name == PRECOMPUTED else _card(saved)
    if card is None:
        return None

    def build() -> Backbone:
        # Its frames are not computed: graphs for another engine would be made for nothing.
        engine = "auto" if saved.precision == "int8" else "torch"
        built = create_backbone(saved, saved.weights, "auto", engine, where)
        check_backbone(saved, built, where)
        if isinstance(built, Precomputed):
            raise TypeError("precomputed features have no network")
        return built

    return DeferredBackbone(card, build)


def _card(saved: SavedBackbone) -> Card | None:
    """Return the card of a backbone; None if another version of fewact saved other facts of it."""
    facts: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in saved.card.items()
    }
    try:
        card = Card(**facts, weights=saved.weights, licence="", trained_on=())
    except TypeError:
        return None
    return card if card_facts(card) == saved.card else None
