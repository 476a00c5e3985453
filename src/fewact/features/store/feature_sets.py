"""Features of a backbone as sets of a store: what decides them, their shapes, their numbers."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Final

import torch
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter, ValidationError
from torch import Tensor

from fewact.backbones.card import Card
from fewact.features.request import Request, request_facts, request_from_facts
from fewact.features.store.entries import EntrySet, Facts
from fewact.features.store.shard import Layout, Shape
from fewact.features.store.store import Store
from fewact.video import Sampler, Segments

KIND: Final = "features"
NAME: Final = "features"

NO_PART_OF_THE_KEY = ("licence", "weights")

SamplerOf = Callable[[int], Sampler]
"""Makes the sampler that chooses this many frames."""


class Unfit(Exception):
    """Features that cannot be stored, and why."""


def feature_facts(card: Card, request: Request, sampler: SamplerOf = Segments) -> Facts:
    """All that decides a backbone's features of a video.

    Args:
        card: Of the backbone.
        request: Which features.
        sampler: That chooses the frames.
    """
    facts: dict[str, JsonValue] = json.loads(
        json.dumps(
            {
                "kind": KIND,
                "request": request_facts(request),
                "sampler": repr(sampler(request.frames * card.frames_per_slot)),
                "card": {k: v for k, v in asdict(card).items() if k not in NO_PART_OF_THE_KEY},
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
    """The sets of features of a store, with the card and tap of each.

    The card says nothing of where the weights lay and of their licence, which decide nothing.
    """
    for one in store.sets():
        if one.facts.get("kind") == KIND:
            try:
                yield (
                    card_of(one.facts),
                    request_from_facts(
                        TypeAdapter(dict[str, Any]).validate_python(one.facts["request"])
                    ),
                    one,
                )
            except (ValidationError, KeyError, TypeError):
                continue  # of a later version of fewact


def _request_of(facts: Facts) -> Request:
    stored = TypeAdapter(dict[str, Any]).validate_python(facts["request"])
    return request_from_facts(stored)


def card_of(facts: Facts) -> Card:
    """The card that stands in the facts of features."""
    stored = TypeAdapter(dict[str, Any]).validate_python(facts["card"])
    return TypeAdapter(Card).validate_python({**stored, "licence": "", "weights": "stored"})


def narrow(features: Tensor) -> NDArray[Any]:
    """Features as they are stored: float16, or uint8 as they are.

    Raises:
        Unfit: They are not finite, or beyond what float16 holds.
    """
    if features.dtype == torch.uint8:
        return features.cpu().numpy()
    small = features.to(torch.float16)
    if not torch.isfinite(small).all():
        if torch.isfinite(features).all():
            most = float(features.abs().max())
            raise Unfit(f"its features are too large for float16, up to {most:.3g}")
        raise Unfit("its features are no finite numbers")
    return small.cpu().numpy()


def widen(array: NDArray[Any]) -> Tensor:
    """Stored features as a backbone gives them: float32, or uint8 as they are."""
    tensor = torch.from_numpy(array)
    return tensor if tensor.dtype == torch.uint8 else tensor.float()
