"""Embeddings of classes, and what has to be known of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from fewact.shapes import check_shape
from fewact.text.embeddings import Encoder, Ensemble, class_texts
from fewact.text.templates import templates

PRECOMPUTED: Final = "given"
"""The encoder of embeddings that were handed in, of which nothing is known."""


class TextFacts(BaseModel):
    """What decides the embedding of a class besides its name.

    Args:
        encoder: Name of the text encoder; ``given`` for embeddings that were handed in.
        sha256: Of all that changes its vectors; of the embeddings where they were handed in.
        templates: Of the prompts.
        how: A class's prompts became one embedding, as in ``ensemble``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str
    sha256: str
    templates: tuple[str, ...] = ()
    how: Ensemble = "mean"


@dataclass(frozen=True)
class ClassTexts:
    """Embeddings of classes.

    Args:
        embeddings: (n d) float32.
        names: Of the classes in words, as they stand in the prompts; none where that is not known.
        facts: What decides the embeddings besides the names.
    """

    embeddings: Tensor
    names: tuple[str, ...]
    facts: TextFacts


def embed_classes(
    encoder: Encoder,
    names: Sequence[str],
    chosen: str | Sequence[str] = "clip-fsar",
    *,
    how: Ensemble = "mean",
    folder: str | Path | None = None,
) -> ClassTexts:
    """Embeddings as ``class_texts`` makes them, with what is to be known of them.

    Args:
        encoder: Makes them.
        names: Of n classes, in words.
        chosen: Templates, by name or one's own.
        how: As in ``ensemble``.
        folder: As in ``embed``; where it cannot be written, nothing is kept.

    Raises:
        UnknownNameError: There are no templates of this name.
        OptionError: There is no class or no template, or one without a place for the name.
    """
    forms = templates(chosen)
    try:
        embeddings = class_texts(encoder, names, forms, how=how, folder=folder)
    except OSError:
        embeddings = class_texts(encoder, names, forms, how=how)
    facts = TextFacts(encoder=encoder.name, sha256=encoder.digest, templates=forms, how=how)
    return ClassTexts(embeddings, tuple(names), facts)


def known_texts(text: ClassTexts | Tensor) -> ClassTexts:
    """Embeddings (n d) that may have been handed in without a word on them.

    Raises:
        ShapeError: Another shape.
    """
    if isinstance(text, ClassTexts):
        return text
    check_shape(text, "n d", "text")
    content = text.detach().cpu().float().contiguous().numpy().tobytes()
    sha256 = hashlib.sha256(f"{tuple(text.shape)}\n".encode() + content).hexdigest()
    return ClassTexts(text, (), TextFacts(encoder=PRECOMPUTED, sha256=sha256))
