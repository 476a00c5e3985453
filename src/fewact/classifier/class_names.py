"""Class names as text prompts, embedded by the text encoder of the backbone.

The text encoder is part of the lab. It is loaded if a model uses class names.
"""

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from fewact import networks
from fewact.classifier.pipeline import TextMode
from fewact.core.errors import ModelError, OptionError, UserError, WeightsError, warn
from fewact.core.extras import import_lab
from fewact.core.machine import cache_folder
from fewact.features.precomputed import Precomputed
from fewact.methods.common.temporal import normalised
from fewact.networks import Backbone
from fewact.networks.card import TextFacts

TEXT_TEMPERATURE: Final = 0.01
"""Temperature of the cosine similarities, as CLIP learned it."""


@dataclass(frozen=True)
class ClassNames:
    """Class names, n of them; their text embeddings (n d), and where these come from."""

    classes: tuple[str, ...]
    text: NDArray[np.float32]
    facts: TextFacts
    mode: TextMode

    def logits(self, mean: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return logits (q n) of clips with these mean vectors (q d)."""
        cosine = normalised(mean) @ normalised(self.text).T
        return np.asarray(cosine * (1 / TEXT_TEMPERATURE), np.float64)

    def changed(self, classes: tuple[str, ...], backbone: Backbone | Precomputed) -> "ClassNames":
        """Return the embeddings for other classes; only new names are embedded."""
        rows = dict(zip(self.classes, self.text, strict=True))
        new = tuple(name for name in classes if name not in rows)
        if new and (encoder := text_encoder(backbone, "on")) is not None:
            added = embed_class_names(encoder, new, self.mode)
            if added.facts != self.facts:
                raise ModelError(
                    "the existing class names were embedded by another text encoder",
                    got=f"{added.facts.encoder}, {added.facts.sha256[:8]}",
                    expected=f"{self.facts.encoder}, {self.facts.sha256[:8]}",
                )
            rows |= dict(zip(new, added.text, strict=True))
        return replace(self, classes=classes, text=np.stack([rows[name] for name in classes]))


def text_encoder(backbone: Backbone | Precomputed, mode: TextMode) -> Any:
    """Return the text encoder of the backbone; None if class names are not used.

    Raises:
        OptionError: The mode is unknown; or it is ``on`` and the backbone has no text encoder.
        WeightsError: The mode is ``on`` and the weights of the text encoder cannot be read.
    """
    if mode not in get_args(TextMode):
        raise OptionError(
            "unknown mode", where="text", got=repr(mode), expected=", ".join(get_args(TextMode))
        )
    if mode == "off":
        return None
    if isinstance(backbone, Precomputed) or networks.text_of(backbone.card.name) is None:
        if mode == "on":
            raise OptionError(
                "the backbone has no text encoder",
                where="text",
                got="on",
                expected="auto, off",
                hint="Choose a backbone with text, such as clip-vit-b16: `fewact backbones`.",
            )
        return None
    if mode == "auto" and backbone.card.weights == "random":
        return None
    try:
        return backbone.text
    except (WeightsError, OptionError) as error:
        _refuse_or_warn(error, mode)
        return None


def find_class_names(
    backbone: Backbone | Precomputed, mode: TextMode, classes: tuple[str, ...]
) -> ClassNames | None:
    """Return the embedded class names; None if they are not used."""
    encoder = text_encoder(backbone, mode)
    if encoder is None:
        return None
    try:
        return embed_class_names(encoder, classes, mode)
    except (WeightsError, OptionError) as error:
        _refuse_or_warn(error, mode)
        return None


def _refuse_or_warn(error: UserError, mode: TextMode) -> None:
    if mode == "on":
        raise error
    warn(f"class names are not used: {error}")


def embed_class_names(encoder: Any, classes: tuple[str, ...], mode: TextMode) -> ClassNames:
    """Embed class names by a ``fewact.lab.networks.TextEncoder``, each split into words.

    Each separately: its embedding does not depend on the other classes, to the last bit.
    """
    prompts: ModuleType = import_lab("a model that uses class names", "fewact.lab.networks.text")
    cache = cache_folder()
    folder = None if cache is None else cache / "texts"
    embedded = [
        prompts.embed_classes(encoder, [prompts.words(name)], folder=folder) for name in classes
    ]
    return ClassNames(
        classes,
        np.concatenate([np.asarray(one.embeddings, np.float32) for one in embedded]),
        embedded[0].facts,
        mode,
    )
