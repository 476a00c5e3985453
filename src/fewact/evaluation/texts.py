"""Embeddings of class names: text encoder, prompts and names of the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from fewact import backbones
from fewact.backbones import BackboneChoice, Card
from fewact.backbones.text import PRECOMPUTED, ClassTexts, embed_classes, templates, words
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OptionError
from fewact.core.machine import cache_folder
from fewact.core.paths import user_path
from fewact.data.benchmarks import benchmark, variants
from fewact.data.videos import VideoList
from fewact.evaluation.checkpoint import Checkpoint, TextRecord
from fewact.evaluation.command import flag_of
from fewact.evaluation.config import TextConfig
from fewact.methods.base import Method, TextMethod

BACKBONE: Final = "backbone"
"""Name of the text encoder in the backbone's weights."""

FOLDER = "texts"
PROMPTS = FileType("file of templates", OptionError, 1 * MIB)


@dataclass(frozen=True)
class TextModel:
    """Text encoder and prompts.

    Args:
        encoder: Name of the encoder, see ``backbones.text_names()``.
        weights: Weights, as ``backbones.create_text`` reads them.
        prompts: Templates with a placeholder for the class name.
    """

    encoder: str
    weights: str
    prompts: tuple[str, ...]

    @classmethod
    def of_training(cls, needs: TextRecord) -> Self | None:
        """Return the model that a method was trained with; None for precomputed embeddings."""
        facts = needs.facts
        known = facts.encoder != PRECOMPUTED
        return cls(facts.encoder, needs.weights or "default", facts.templates) if known else None

    def texts(self, videos: VideoList, *, device: str = "auto") -> ClassTexts:
        """Return embeddings of the names of ``videos.classes``, kept in the cache folder.

        Raises:
            UserError: The encoder cannot be created, or a prompt is too long for it.
        """
        encoder = backbones.create_text(self.encoder, weights=self.weights, device=device)
        cache = cache_folder()
        folder = None if cache is None else cache / FOLDER
        return embed_classes(encoder, class_names(videos), self.prompts, folder=folder)


def class_texts(
    config: TextConfig,
    methods: Sequence[Method],
    trained: Checkpoint | None,
    videos: VideoList,
    card: Card,
    backbone: BackboneChoice,
) -> ClassTexts | None:
    """Return embeddings of the names of ``videos.classes``; None if no method uses them.

    Args:
        config: Text encoder and prompts.
        methods: Methods of one class.
        trained: Checkpoint of the methods; its text encoder is the default.
        videos: List of the videos.
        card: Card of the backbone of the features.
        backbone: Backbone of the configuration, for its weights and device.

    Raises:
        OptionError: Text options are set although no method uses class names, or the backbone has
            no text encoder.
    """
    using_text = [one for one in methods if isinstance(one, TextMethod) and one.uses_text]
    if not using_text:
        for name, value in config.model_dump(exclude_none=True).items():
            raise OptionError(
                "the method does not use class names", where=flag_of("text", name), got=value
            )
        return None
    record = None if trained is None else trained.header.text
    training = None if record is None else TextModel.of_training(record)
    if config.prompts is not None:
        prompts = read_prompts(config.prompts)
    else:
        prompts = templates(using_text[0].prompts) if training is None else training.prompts
    if training is not None and config.encoder is None:
        model = TextModel(training.encoder, config.weights or training.weights, prompts)
    else:
        model = text_model(config.encoder, config.weights, prompts, card.name, backbone.weights)
    return model.texts(videos, device=backbone.device)


def text_model(
    encoder: str | None,
    weights: str | None,
    prompts: tuple[str, ...],
    backbone: str,
    backbone_weights: str,
) -> TextModel:
    """Return the requested text encoder with its prompts.

    Args:
        encoder: Name of the encoder, or ``backbone`` for the one in the backbone's weights
            (default: ``backbone``).
        weights: Weights of the encoder (default: those of the backbone, or the encoder's own).
        prompts: Templates with a placeholder for the class name.
        backbone: Name of the backbone.
        backbone_weights: Weights of the backbone.

    Raises:
        OptionError: The backbone has no text encoder.
    """
    if encoder not in (None, BACKBONE):
        return TextModel(encoder, weights or "default", prompts)
    name = backbones.text_of(backbone)
    if name is None:
        raise OptionError(
            "the backbone has no text encoder, and the method uses class names",
            where=backbone,
            expected=", ".join(backbones.text_names()),
            hint="Choose a text encoder: --text-encoder minilm.",
        )
    return TextModel(name, weights or backbone_weights, prompts)


def read_prompts(prompts: str) -> tuple[str, ...]:
    """Return templates: a named set, one custom template, or the lines of a .txt file.

    Raises:
        UnknownNameError: The set is unknown.
        OptionError: The file cannot be read, or a template does not have exactly one placeholder.
    """
    path = user_path(prompts, OptionError)
    if path.suffix == ".txt":
        lines = PROMPTS.text(path).splitlines()
        return templates([line.strip() for line in lines if line.strip()])
    return templates(prompts)


def class_names(videos: VideoList) -> tuple[str, ...]:
    """Return the names of a list's classes for prompts, in the order of the classes.

    The classes of a published benchmark have their published names, other classes their names split
    into words.
    """
    published = benchmark(videos.name).prompts if variants(videos.name) == (videos.name,) else {}
    return tuple(published.get(label) or words(label) for label in videos.classes)
