"""Class names of training and validation classes as text, by the recipe."""

from dataclasses import replace

from fewact import methods
from fewact.evaluation.texts import TextModel, read_prompts, text_model
from fewact.methods.base import TextMethod
from fewact.text import templates
from fewact.training.data import TrainingData
from fewact.training.recipe import Recipe


def with_texts(recipe: Recipe, data: TrainingData, *, device: str) -> TrainingData:
    """The data with embeddings of the class names, where the method reads them.

    Embeddings that the data have stay.

    Raises:
        UserError: The text encoder cannot be made, or there are no such templates.
    """
    method = methods.create(recipe.method.name, **recipe.method.options)
    if not (isinstance(method, TextMethod) and method.uses_text) or data.train_text is not None:
        return data
    model = _model(recipe, method.prompts)
    return replace(
        data,
        train_text=model.texts(data.train, device=device),
        val_text=model.texts(data.val, device=device),
        text_weights=model.weights,
    )


def _model(recipe: Recipe, usual: str) -> TextModel:
    part, network = recipe.text, recipe.backbone
    chosen = part.prompts or usual
    prompts = read_prompts(chosen) if isinstance(chosen, str) else templates(chosen)
    return text_model(part.encoder, part.weights, prompts, network.name, network.weights)
