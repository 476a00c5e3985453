"""Class names turned into prompts, and prompts into embeddings by an encoder that is handed in."""

from fewact.text.embeddings import Encoder, Ensemble, class_texts, embed, ensemble
from fewact.text.names import words
from fewact.text.templates import TEMPLATES, fill, templates

__all__ = [
    "TEMPLATES",
    "Encoder",
    "Ensemble",
    "class_texts",
    "embed",
    "ensemble",
    "fill",
    "templates",
    "words",
]
