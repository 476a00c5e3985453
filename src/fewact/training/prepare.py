"""Build the learner of a recipe."""

from typing import Any

import torch
from torch import Tensor

from fewact import backbones, methods
from fewact.backbones.text import known_texts
from fewact.core.errors import TrainingError
from fewact.evaluation.encoding import evaluating
from fewact.methods.base import Method, support_state
from fewact.training.data import TrainingData
from fewact.training.learner import Learner, zero_features
from fewact.training.recipe import Recipe


def make_learner(recipe: Recipe, data: TrainingData, device: torch.device) -> Learner:
    """Build the network, if it is needed, the method and the head, with initial weights.

    The initial weights depend on the seeds of the recipe and of the method alone.

    Args:
        recipe: Recipe of the run.
        data: Training data.
        device: Device of the learner.

    Raises:
        UserError: A name, an option or weights are invalid.
        TrainingError: The stored features come from another network than the recipe's, a method
            that uses text has no embeddings, or a method that uses camera motion is trained from
            frames.
        ShapeError: Channels, lengths or frames of the recipe don't fit its backbone or its texts.
    """
    source = data.train_source
    from_frames = any(stage.inputs == "frames" for stage in recipe.stages)
    backbone = _make_backbone(recipe, device) if source is None or from_frames else None
    card = source.card if backbone is None and source is not None else _card(backbone)
    if source is not None and source.card.network_digest != card.network_digest:
        raise TrainingError(
            "the stored features come from another network than the recipe's",
            where=source.name,
            got=source.card.name,
            expected=f"features of {card.name}, {card.precision}, with the recipe's weights",
        )
    torch.manual_seed(recipe.seed)
    text = None if data.train_text is None else known_texts(data.train_text).embeddings
    method = _make_method(recipe, card, text)
    camera = [request for request in method.requests(card) if request.uses_camera_motion]
    if from_frames and camera:
        raise TrainingError(
            "camera motion is not estimated in augmented training frames",
            where=recipe.method.name,
            got=", ".join(str(request) for request in camera),
            hint="Train on stored features, or set stabilise=off and cameras=moving or similar.",
        )
    classes = len(data.train.classes)
    learner = Learner(method, backbone, card, classes, recipe.precision, text)
    if backbone is not None:
        for count in learner.counts:
            backbone.check_number(count)
    if text is not None and method.uses_text:
        _check_text(method, card, text)
    return learner.to(device)


def _make_backbone(recipe: Recipe, device: torch.device) -> backbones.Backbone:
    part = recipe.backbone
    options: dict[str, Any] = dict(part.options)
    return backbones.create(
        part.name,
        weights=part.weights,
        device=str(device),
        precision=recipe.precision,
        engine="torch",
        **options,
    )


def _make_method(recipe: Recipe, card: backbones.Card, text: Tensor | None) -> Method:
    """Make the method that fits a backbone and embeddings (n e) of the class names."""
    name, options = recipe.method.name, recipe.method.options
    width = None if text is None else text.shape[-1]
    fitting = methods.fitting(name, card, width, options=options)
    method = methods.create(name, **{**fitting, **options})
    if method.uses_text and text is None:
        raise TrainingError(
            "the method uses text, and there are no text embeddings of the class names", where=name
        )
    return method


def _check_text(method: Method, card: backbones.Card, text: Tensor) -> None:
    """Refuse text embeddings that the method cannot compare with its nodes, before any training."""
    labels = torch.zeros(1, 1, dtype=torch.int64)
    with torch.no_grad(), evaluating(method):
        nodes = method.encode(zero_features(method, card))
        support_state(method, nodes, labels, 1, text[None, :1])


def _card(backbone: backbones.Backbone | None) -> backbones.Card:
    if backbone is None:
        raise RuntimeError("neither features nor a network")
    return backbone.card
