"""Features of a backbone as sets of a store: what decides them, their shapes, their numbers."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Final

import torch
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter, ValidationError
from torch import Tensor

from fewact.backbones.card import Card, Tap
from fewact.errors import OptionError
from fewact.store.entries import EntrySet, Facts
from fewact.store.shard import Layout, Shape
from fewact.store.store import Store
from fewact.video import Sampler, Segments

KIND: Final = "features"
NAME: Final = "features"

PIPELINE: Final = 1
"""Raised whenever reading, choosing or resizing frames changes a feature by more than rounding."""

STEADYING: Final = 3
"""Raised whenever estimating the camera's motion or stabilising frames does."""

NO_PART_OF_THE_KEY = ("licence", "weights")

SamplerOf = Callable[[int], Sampler]
"""Makes the sampler that chooses this many frames."""


class Unfit(Exception):
    """Features that cannot be stored, and why."""


def feature_facts(card: Card, tap: Tap, sampler: SamplerOf = Segments) -> Facts:
    """All that decides a backbone's features of a video.

    Args:
        card: Of the backbone.
        tap: Which features.
        sampler: That chooses the frames.
    """
    facts: dict[str, JsonValue] = json.loads(
        json.dumps(
            {
                "kind": KIND,
                "tap": asdict(tap),
                "sampler": repr(sampler(tap.frames * card.frames_per_slot)),
                "card": {k: v for k, v in asdict(card).items() if k not in NO_PART_OF_THE_KEY},
                "dtype": feature_layout(card, tap)[NAME].dtype,
                "pipeline": [PIPELINE, STEADYING] if tap.follows_camera else PIPELINE,
            }
        )
    )
    return facts


def feature_layout(card: Card, tap: Tap) -> Layout:
    """The shape of a tap's features: (t d), (t c h w), (t 1), (t 2 3); pixels (t 3 H W).

    Raises:
        OptionError: The backbone has no such tap.
    """
    sizes = card.shapes.get(tap.name)
    if sizes is None:
        raise OptionError(
            "there is no such tap",
            where=card.name,
            got=repr(tap.name),
            accepted=", ".join(name for name, there in card.shapes.items() if there),
        )
    return {NAME: Shape("uint8" if tap.name == "pixels" else "float16", (tap.frames, *sizes))}


def cards(store: Store) -> Iterator[tuple[Card, Tap, EntrySet]]:
    """The sets of features of a store, with the card and tap of each.

    The card says nothing of where the weights lay and of their licence, which decide nothing.
    """
    for one in store.sets():
        if one.facts.get("kind") == KIND:
            try:
                yield card_of(one.facts), TypeAdapter(Tap).validate_python(one.facts["tap"]), one
            except (ValidationError, KeyError, TypeError):
                continue  # of a later version of fewact


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


def tap_text(tap: Tap) -> str:
    """A tap as a command has it.

    >>> tap_text(Tap("maps", 16))
    'maps:16'
    >>> tap_text(Tap("middle", 16, "auto"))
    'middle:16:auto'
    """
    steady = "" if tap.stabilise == "off" else f":{tap.stabilise}"
    return f"{tap.name}:{tap.frames}{steady}"
