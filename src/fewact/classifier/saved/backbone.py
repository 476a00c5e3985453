"""The backbone of a saved model: its name, weights and card in config.json."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from fewact import backbones
from fewact.backbones import Backbone, Card
from fewact.backbones.card import READING
from fewact.backbones.devices import Device
from fewact.classifier.saved.config import SavedBackbone
from fewact.classifier.saved.errors import HINT, DamagedModelError
from fewact.core.errors import ModelError, OptionError, UserError
from fewact.core.paths import user_path
from fewact.features.precomputed import PRECOMPUTED, Precomputed

NOT_IN_FEATURES = ("weights", "licence", "trained_on", "engine")
"""Fields of the card that a model does not depend on: features of two engines differ by rounding,
so it can be used with either."""


def saved_backbone(backbone: Backbone | Precomputed, weights: str) -> SavedBackbone:
    """Return what a model remembers of its backbone.

    Args:
        backbone: Backbone, or the size of precomputed features.
        weights: Location of the weights, as it was given.
    """
    return SavedBackbone(
        name=backbone.card.name,
        weights=_portable(weights),
        precision=backbone.card.precision,
        card=_facts(backbone),
    )


def create_backbone(
    saved: SavedBackbone, weights: str, device: Device, engine: str, where: str
) -> Backbone | Precomputed:
    """Build the backbone of a saved model, or the size of its precomputed features.

    It normalises frames as the model's backbone did: other versions of fewact may do it otherwise.

    Raises:
        ModelError: The weights of the backbone have moved; or weights are given although the model
            uses precomputed features.
        OptionError: There is no such device or engine.
    """
    if saved.name == PRECOMPUTED:
        return _create_precomputed(saved, weights, device, where)
    reading: dict[str, Any] = {name: saved.card[name] for name in READING if name in saved.card}
    try:
        built = backbones.create(
            saved.name,
            weights=weights,
            device=device,
            precision=saved.precision,
            engine=engine,
            **reading,
        )
    except UserError as error:
        if isinstance(error, OptionError) and error.where in ("device", "engine"):
            raise  # an argument of the caller: not the model's fault
        raise ModelError(
            f"the backbone {saved.name} cannot be built: {error}",
            where=where,
            hint="If the weights have moved, pass their new location: weights=… in Python, "
            "--weights on the command line. In Python, backbone=… takes the backbone itself.",
        ) from error
    return _normalised_as(saved, built)


def _normalised_as(saved: SavedBackbone, built: Backbone) -> Backbone:
    """Return a backbone that normalises frames as the card of a model says."""
    if saved.precision == "int8":
        return built  # Its arithmetic is that of one normalisation.
    numbers: dict[str, Any] = {
        name: tuple(three)
        for name in ("mean", "std")
        if isinstance(three := saved.card.get(name), list)
    }
    card = replace(built.card, **numbers)
    return built if card == built.card else Backbone(built.network, card, built.engine, built.why)


def _create_precomputed(
    saved: SavedBackbone, weights: str, device: Device, where: str
) -> Precomputed:
    if weights != saved.weights:
        raise ModelError(
            "the model uses precomputed features, which need no weights",
            where=where,
            got=weights,
        )
    frames, width = saved.card.get("frames"), saved.card.get("vectors")
    if not isinstance(frames, int) or not isinstance(width, int) or min(frames, width) < 1:
        raise DamagedModelError(
            "the number and length of the feature vectors are missing",
            where=where,
            got=f"{frames} vectors of length {width}",
            hint=HINT,
        )
    return Precomputed(frames, width, device)


def check_backbone(saved: SavedBackbone, backbone: Backbone | Precomputed, where: str) -> None:
    """Refuse a backbone other than the one of the model.

    Raises:
        ModelError: The cards differ; the message names the fields.
    """
    facts = _facts(backbone)
    differ = [name for name, value in saved.card.items() if facts.get(name) != value]
    if differ:
        raise ModelError(
            f"the model needs another backbone: it differs in {', '.join(differ)}",
            where=where,
            got="; ".join(f"{name} {facts.get(name)}" for name in differ),
            expected="; ".join(f"{name} {saved.card[name]}" for name in differ),
            hint="Load the model with its original weights: weights=…, or teach again.",
        )


def _facts(backbone: Backbone | Precomputed) -> dict[str, JsonValue]:
    """Return the facts of the card, and the number of frames of precomputed features."""
    facts = card_facts(backbone.card)
    if isinstance(backbone, Precomputed):
        facts["frames"] = backbone.frames
    return facts


def card_facts(card: Card) -> dict[str, JsonValue]:
    """Return the fields of a card that the features depend on, with lists for tuples."""
    facts = {k: v for k, v in asdict(card).items() if k not in NOT_IN_FEATURES}
    content: dict[str, JsonValue] = json.loads(json.dumps(facts))
    return content


def _portable(weights: str) -> str:
    """Return the location of weights as an absolute path, with ``~`` for the home folder."""
    scheme, local, location = weights.rpartition("local-dir:")
    if not local and not location.endswith(".safetensors"):
        remembered = weights == "random" or weights.startswith("hf-hub:")
        return weights if remembered else "default"
    path = user_path(location, ModelError).absolute()
    home = Path.home()
    short = f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)
    return scheme + local + short
