"""Text embeddings of training and validation class names, by the recipe."""

from dataclasses import replace

from fewact.backbones.text import templates
from fewact.evaluation.texts import TextModel, read_prompts, text_model
from fewact.methods.base import TextMethod
from fewact.methods.cards import stand_in
from fewact.training.data import TrainingData
from fewact.training.recipe import Recipe


def with_texts(recipe: Recipe, data: TrainingData, *, device: str) -> TrainingData:
    """Add embeddings of the class names if the method uses text; existing ones are kept.

    Args:
        recipe: Recipe of the run.
        data: Training data.
        device: Device of the text encoder.

    Raises:
        UserError: The text encoder cannot be built, or the templates are unknown.
    """
    method = stand_in(recipe.method.name, recipe.method.options)
    if not (isinstance(method, TextMethod) and method.uses_text) or data.train_text is not None:
        return data
    model = _model(recipe, method.prompts)
    return replace(
        data,
        train_text=model.texts(data.train, device=device),
        val_text=model.texts(data.val, device=device),
        text_weights=model.weights,
    )


def _model(recipe: Recipe, default: str) -> TextModel:
    part, network = recipe.text, recipe.backbone
    chosen = part.prompts or default
    prompts = read_prompts(chosen) if isinstance(chosen, str) else templates(chosen)
    return text_model(part.encoder, part.weights, prompts, network.name, network.weights)
