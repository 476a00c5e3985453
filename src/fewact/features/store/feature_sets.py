"""Features of a backbone as sets of a store: their facts, layout and number format."""

import json
from collections.abc import Iterator
from typing import Any, Final

import torch
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter, ValidationError
from torch import Tensor

from fewact.backbones.card import Card
from fewact.features.request import Request, request_facts, request_from_facts
from fewact.features.store.shard import Facts, Layout, Shape
from fewact.features.store.store import EntrySet, Store
from fewact.video.named import sampler_of

SET_TYPE: Final = "features"
NAME: Final = "features"
"""Name of the array of a video's features."""

NOT_IN_KEY = ("licence", "weights")


class Unfit(Exception):
    """The features cannot be stored; the message says why."""


def feature_facts(card: Card, request: Request) -> Facts:
    """Return all facts that decide a backbone's features of a video.

    Args:
        card: Card of the backbone.
        request: Requested features.
    """
    sampler = sampler_of(card.sampler)
    facts: dict[str, JsonValue] = json.loads(
        json.dumps(
            {
                "kind": SET_TYPE,
                "request": request_facts(request),
                "sampler": repr(sampler(request.view.frames * card.frames_per_slot)),
                "card": card.facts(*NOT_IN_KEY),
                "dtype": request.dtype,
            }
        )
    )
    return facts


def feature_layout(card: Card, request: Request) -> Layout:
    """Return the layout of one video's features.

    Raises:
        OptionError: The backbone has no such level.
    """
    return {NAME: Shape(request.dtype, request.shape(card))}


def cards(store: Store) -> Iterator[tuple[Card, Request, EntrySet]]:
    """Return the feature sets of a store, each with its card and request.

    The cards have no location and no licence of the weights, which do not change features.
    """
    for entries in store.sets():
        if entries.facts.get("kind") == SET_TYPE:
            try:
                yield card_of(entries.facts), _request_of(entries.facts), entries
            except (ValidationError, KeyError, TypeError):
                continue  # written by another version of fewact


def _request_of(facts: Facts) -> Request:
    stored = TypeAdapter(dict[str, Any]).validate_python(facts["request"])
    return request_from_facts(stored)


def card_of(facts: Facts) -> Card:
    """Return the card in the facts of features."""
    stored = TypeAdapter(dict[str, Any]).validate_python(facts["card"])
    return TypeAdapter(Card).validate_python({**stored, "licence": "", "weights": "stored"})


def narrow(features: Tensor) -> NDArray[Any]:
    """Convert features to the stored type: float16; uint8 is unchanged.

    Raises:
        Unfit: The features are not finite, or too large for float16.
    """
    if features.dtype == torch.uint8:
        return features.cpu().numpy()
    small = features.to(torch.float16)
    if not torch.isfinite(small).all():
        if torch.isfinite(features).all():
            largest = float(features.abs().max())
            raise Unfit(f"its features are too large for float16, up to {largest:.3g}")
        raise Unfit("its features are not finite")
    return small.cpu().numpy()


def widen(array: NDArray[Any]) -> Tensor:
    """Convert stored features to those of a backbone: float32; uint8 is unchanged."""
    tensor = torch.from_numpy(array)
    return tensor if tensor.dtype == torch.uint8 else tensor.float()
