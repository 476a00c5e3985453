"""Class names beside the clips: embedded by the text encoder that was trained with the backbone."""

import warnings
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import torch
from torch import Tensor

from fewact.backbones import Backbone
from fewact.backbones.pinned import cache_folder
from fewact.errors import ModelError, OptionError, WeightsError
from fewact.features.precomputed import Precomputed
from fewact.features.request import FeatureRequest, View
from fewact.methods.zero_shot import combined, text_logits
from fewact.text import Encoder, TextFacts, embed_classes, words

TextMode = Literal["auto", "off", "on"]
"""Whether class names count: where held-out taught clips say that it helps, never, always."""

REQUEST: Final = FeatureRequest("vectors", View(8))
NODE: Final = "with_names"
"""Among a clip's nodes its mean frame (d), which is compared with the names."""

SCALE = 100.0
"""Of the cosines, as CLIP has learnt it."""


@dataclass(frozen=True)
class Named:
    """The names of the taught classes.

    Args:
        classes: Their names.
        text: Embeddings of these (n d).
        facts: What decides the embeddings besides the names.
        mode: ``auto`` or ``on``.
    """

    classes: tuple[str, ...]
    text: Tensor
    facts: TextFacts
    mode: TextMode

    def logits(self, mean: Tensor) -> Tensor:
        """Of clips' mean frames (q d): (q n)."""
        return text_logits(mean, self.text.to(mean), SCALE)

    def changed(self, classes: tuple[str, ...], backbone: Backbone | Precomputed) -> "Named":
        """The same of other classes; those that are new are embedded.

        Raises:
            OptionError: The backbone has no text encoder.
            WeightsError: It cannot be read.
            ModelError: It is another one than the other names were embedded with.
        """
        rows = dict(zip(self.classes, self.text, strict=True))
        new = tuple(name for name in classes if name not in rows)
        if new and (encoder := encoder_of(backbone, "on")) is not None:
            more = named_classes(encoder, new, self.mode)
            if more.facts != self.facts:
                raise ModelError(
                    "the other names were embedded by another text encoder",
                    got=f"{more.facts.encoder}, {more.facts.sha256[:8]}",
                    expected=f"{self.facts.encoder}, {self.facts.sha256[:8]}",
                )
            rows |= dict(zip(new, more.text, strict=True))
        return replace(self, classes=classes, text=torch.stack([rows[name] for name in classes]))


def mix(named: Tensor, visual: Tensor, share: float) -> Tensor:
    """log(p_named^share · p_visual^(1−share)) of logits (… n), float64.

    After CLIP-FSAR and A²M²-Net. The visual ones are on the scale of a softmax.
    """
    return combined(named.double(), visual.double(), share)


def encoder_of(backbone: Backbone | Precomputed, mode: TextMode) -> Encoder | None:
    """What embeds the names; None where they don't count.

    Raises:
        OptionError: There is no such mode; or they are to count, and the backbone was not trained
            with texts.
        WeightsError: They are to count, and its text encoder cannot be read.
    """
    if mode not in get_args(TextMode):
        raise OptionError(
            "is not accepted", where="text", got=repr(mode), expected=", ".join(get_args(TextMode))
        )
    if mode == "off":
        return None
    if isinstance(backbone, Precomputed) or backbone.network.text is None:
        if mode == "on":
            raise OptionError(
                "there is no text encoder that was trained with these features",
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
    except WeightsError as error:
        if mode == "on":
            raise
        warnings.warn(f"class names do not count: {error}", category=UserWarning, stacklevel=2)
        return None


def named_classes(encoder: Encoder, classes: tuple[str, ...], mode: TextMode) -> Named:
    """The names of classes, embedded in words.

    Each is embedded alone, so that it is the same to the last bit whatever else is taught.
    """
    cache = cache_folder()
    folder = None if cache is None else cache / "texts"
    each = [embed_classes(encoder, [words(name)], folder=folder) for name in classes]
    return Named(classes, torch.cat([one.embeddings for one in each]), each[0].facts, mode)
