"""Class names as prompts, and embeddings of prompts by a text encoder."""

from fewact.backbones.text.embeddings import (
    PRECOMPUTED,
    ClassTexts,
    Ensemble,
    PromptEncoder,
    TextFacts,
    embed,
    embed_classes,
    ensemble,
    known_texts,
)
from fewact.backbones.text.prompts import TEMPLATES, fill, templates, words

__all__ = [
    "PRECOMPUTED",
    "TEMPLATES",
    "ClassTexts",
    "Ensemble",
    "PromptEncoder",
    "TextFacts",
    "embed",
    "embed_classes",
    "ensemble",
    "fill",
    "known_texts",
    "templates",
    "words",
]
