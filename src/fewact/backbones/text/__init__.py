"""Class names as prompts, and embeddings of prompts by a text encoder."""

from fewact.backbones.text.classes import (
    PRECOMPUTED,
    ClassTexts,
    TextFacts,
    embed_classes,
    known_texts,
)
from fewact.backbones.text.embeddings import Encoder, Ensemble, embed, ensemble
from fewact.backbones.text.names import words
from fewact.backbones.text.templates import TEMPLATES, fill, templates

__all__ = [
    "PRECOMPUTED",
    "TEMPLATES",
    "ClassTexts",
    "Encoder",
    "Ensemble",
    "TextFacts",
    "embed",
    "embed_classes",
    "ensemble",
    "fill",
    "known_texts",
    "templates",
    "words",
]
