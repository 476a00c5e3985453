"""What class names become: which text encoder, which prompts, which words."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fewact import backbones
from fewact.checkpoint import TextRecord
from fewact.data.benchmarks import benchmark, variants
from fewact.data.videos import VideoList
from fewact.errors import OptionError
from fewact.io.cache import cache_folder
from fewact.text import PRECOMPUTED, ClassTexts, embed_classes, templates, words

BACKBONE: Final = "backbone"
"""Stands for the text encoder that is in the backbone's weights."""

FOLDER = "texts"


@dataclass(frozen=True)
class TextModel:
    """A text encoder and the prompts that it is given.

    Args:
        encoder: One of ``backbones.text_names()``.
        weights: As ``backbones.create_text`` takes them.
        prompts: Templates.
    """

    encoder: str
    weights: str
    prompts: tuple[str, ...]

    @classmethod
    def fitted(cls, needs: TextRecord) -> Self | None:
        """That with which a method has learnt; None where embeddings were handed in."""
        facts = needs.facts
        known = facts.encoder != PRECOMPUTED
        return cls(facts.encoder, needs.weights or "default", facts.templates) if known else None

    def texts(self, videos: VideoList, *, device: str = "auto") -> ClassTexts:
        """Embeddings of the names of ``videos.classes``, kept in the cache folder.

        Raises:
            UserError: The encoder cannot be made, or a prompt is too long for it.
        """
        encoder = backbones.create_text(self.encoder, weights=self.weights, device=device)
        cache = cache_folder()
        folder = None if cache is None else cache / FOLDER
        return embed_classes(encoder, class_names(videos), self.prompts, folder=folder)


def text_model(
    encoder: str | None,
    weights: str | None,
    prompts: tuple[str, ...],
    backbone: str,
    backbone_weights: str,
) -> TextModel:
    """A text encoder by what was asked for.

    Args:
        encoder: A name of ``backbones.text_names()``, or ``backbone``, which is the usual one.
        weights: Of the text encoder; those of the backbone, or those that come with it, by default.
        prompts: Templates.
        backbone: Its name, as its card has it.
        backbone_weights: Where its weights are.

    Raises:
        OptionError: The backbone has no text encoder.
    """
    if encoder not in (None, BACKBONE):
        return TextModel(encoder, weights or "default", prompts)
    name = backbones.text_of(backbone)
    if name is None:
        raise OptionError(
            "these features come without a text encoder, and the method reads class names",
            where=backbone,
            expected=", ".join(backbones.text_names()),
            hint="Name one: --text-encoder minilm.",
        )
    return TextModel(name, weights or backbone_weights, prompts)


def read_prompts(prompts: str) -> tuple[str, ...]:
    """Templates by their name, as one's own, or from a file with one on each line.

    Raises:
        UnknownNameError: There are no templates of this name, nor such a file.
        OptionError: One does not have exactly one place for the class's name.
    """
    path = Path(prompts).expanduser()
    if path.suffix == ".txt":
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise OptionError("cannot be read", where=prompts, got=str(error.strerror)) from None
        return templates([line.strip() for line in lines if line.strip()])
    return templates(prompts)


def class_names(videos: VideoList) -> tuple[str, ...]:
    """What the classes of a list are called in prompts, in their order.

    Of a published benchmark as its prompts were published, else the classes' names in words.
    """
    published = benchmark(videos.name).prompts if variants(videos.name) == (videos.name,) else {}
    return tuple(published.get(label) or words(label) for label in videos.classes)
