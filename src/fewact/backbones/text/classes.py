"""Embeddings of classes, and a description of how they were computed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from fewact.backbones.text.embeddings import Encoder, Ensemble, embed, ensemble
from fewact.backbones.text.templates import fill, templates
from fewact.core.errors import OutputError
from fewact.core.shapes import check_shape

PRECOMPUTED: Final = "precomputed"
"""Encoder name of embeddings from outside, whose encoder is unknown."""


class TextFacts(BaseModel):
    """Description of class embeddings: everything but the names that determines them.

    Args:
        encoder: Name of the text encoder; ``precomputed`` for embeddings from outside.
        sha256: Hash of everything that changes the encoder's vectors; for precomputed embeddings,
            hash of the embeddings.
        templates: Prompt templates.
        how: Rule that combines the prompts of a class, see ``ensemble``.
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
        names: Names of the classes in words, as in the prompts; empty if unknown.
        facts: Description of the embeddings.
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
    """Compute the embeddings of classes, each over all templates, and describe them.

    Args:
        encoder: Text encoder.
        names: Names of n classes, in words.
        chosen: Name of templates, or custom templates.
        how: Rule that combines the prompts of a class, see ``ensemble``.
        folder: Cache folder, see ``embed``; without write access nothing is cached.

    Raises:
        UnknownNameError: There are no templates of this name.
        OptionError: There is no class or no template, or a template has no placeholder.
    """
    forms = templates(chosen)
    prompts = [fill(form, name) for name in names for form in forms]
    try:
        vectors = embed(encoder, prompts, folder=folder)  # (n·p d)
    except OutputError:
        vectors = embed(encoder, prompts)
    embeddings = ensemble(vectors.unflatten(0, (-1, len(forms))), how)
    facts = TextFacts(encoder=encoder.name, sha256=encoder.digest, templates=forms, how=how)
    return ClassTexts(embeddings, tuple(names), facts)


def known_texts(text: ClassTexts | Tensor) -> ClassTexts:
    """Return embeddings (n d) with a description, which plain tensors don't have.

    Raises:
        ShapeError: The embeddings have another shape.
    """
    if isinstance(text, ClassTexts):
        return text
    check_shape(text, "n d", "text")
    content = text.detach().cpu().float().contiguous().numpy().tobytes()
    sha256 = hashlib.sha256(f"{tuple(text.shape)}\n".encode() + content).hexdigest()
    return ClassTexts(text, (), TextFacts(encoder=PRECOMPUTED, sha256=sha256))
