"""From a recipe to what learns."""

import torch

from fewact import backbones, methods
from fewact.errors import TrainingError
from fewact.text import known_texts
from fewact.training.data import TrainingData
from fewact.training.learner import Learner
from fewact.training.recipe import Recipe


def make_learner(recipe: Recipe, data: TrainingData, device: torch.device) -> Learner:
    """The network, if it is needed, the method and the head, with their first weights.

    These depend on the seed of the recipe alone.

    Raises:
        UserError: A name, an option or weights that are not accepted.
        TrainingError: Stored features are of another network than the recipe's, there are no
            embeddings for a method that uses text, or one that follows the camera takes frames.
    """
    source = data.train_source
    from_frames = any(stage.inputs == "frames" for stage in recipe.stages)
    needed = source is None or from_frames
    part = recipe.backbone
    backbone = (
        backbones.create(
            part.name,
            weights=part.weights,
            device=str(device),
            precision=recipe.precision,
            **part.options,
        )
        if needed
        else None
    )
    card = source.card if backbone is None and source is not None else _card(backbone)
    if backbone is not None and source is not None and source.card.digest != card.digest:
        raise TrainingError(
            "the stored features are of another network than the recipe's",
            where=source.name,
            got=source.card.name,
            expected=f"features of {card.name}, {card.precision}, with the recipe's weights",
        )
    torch.manual_seed(recipe.seed)
    text = None if data.train_text is None else known_texts(data.train_text).embeddings
    width = None if text is None else text.shape[-1]
    fitting = methods.fitting(recipe.method.name, card, width)
    method = methods.create(recipe.method.name, **{**fitting, **recipe.method.options})
    if method.uses_text and text is None:
        raise TrainingError(
            "the method uses text, and there are no embeddings of the class names",
            where=recipe.method.name,
        )
    steady = [request for request in method.requests(card) if request.uses_camera_motion]
    if from_frames and steady:
        raise TrainingError(
            "the camera's motion is not estimated in frames that a training chooses and crops",
            where=recipe.method.name,
            got=", ".join(str(request) for request in steady),
            hint="Train on stored features, or choose options that leave the frames as they are.",
        )
    classes = len(data.train.classes)
    return Learner(method, backbone, card, classes, recipe.precision, text).to(device)


def _card(backbone: backbones.Backbone | None) -> backbones.Card:
    if backbone is None:
        raise RuntimeError("there are neither features nor a network")
    return backbone.card
