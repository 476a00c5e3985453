"""Embeddings of class names: text encoder, prompts and names of the classes."""

from collections.abc import Sequence

from fewact import networks
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OptionError
from fewact.core.machine import cache_folder
from fewact.core.options import flag_of
from fewact.core.paths import user_path
from fewact.data.videos import VideoList
from fewact.lab.benchmarks.benchmarks import published_list
from fewact.lab.evaluation.checkpoint import Checkpoint
from fewact.lab.methods.base import TextMethod, TorchMethod
from fewact.lab.networks.text import ClassTexts, embed_classes, templates, words
from fewact.networks import BackboneSpec, Card, TextSpec

FOLDER = "texts"
PROMPTS = FileType("file of templates", OptionError, 1 * MIB)


def class_texts(
    spec: TextSpec,
    methods: Sequence[TorchMethod],
    trained: Checkpoint | None,
    videos: VideoList,
    card: Card,
    backbone: BackboneSpec,
) -> ClassTexts | None:
    """Return embeddings of the names of ``videos.classes``; None if no method uses them.

    Args:
        spec: Text encoder and prompts; refused if no method uses class names.
        methods: Methods of one class.
        trained: Checkpoint of the methods; its text encoder is the default.
        videos: List of the videos.
        card: Card of the backbone of the features.
        backbone: Backbone of the configuration, for its weights and device.
    """
    using_text = [
        method for method in methods if isinstance(method, TextMethod) and method.uses_text
    ]
    if not using_text:
        refuse_texts(spec)
        return None
    spec = spec.over(None if trained is None else trained.text)
    if not spec.prompts:
        spec = spec.model_copy(update={"prompts": using_text[0].prompts})
    spec = spec.of_backbone(card.name, backbone.weights)
    return embedded(spec, videos, device=backbone.device)


def refuse_texts(spec: TextSpec) -> None:
    """Refuse all that is set of a text encoder, for a method that does not use class names."""
    for name, value in spec.requested.items():
        raise OptionError(
            "the method does not use class names", where=flag_of(TextSpec, name), got=str(value)
        )


def embedded(spec: TextSpec, videos: VideoList, *, device: str = "auto") -> ClassTexts:
    """Return embeddings of the names of ``videos.classes``, kept in the cache folder."""
    encoder = networks.create_text(spec.encoder, weights=spec.weights, device=device)
    cache = cache_folder()
    folder = None if cache is None else cache / FOLDER
    prompts = read_prompts(spec.prompts)
    return embed_classes(encoder, class_names(videos), prompts, folder=folder)


def read_prompts(prompts: str | Sequence[str]) -> tuple[str, ...]:
    """Return templates: a named set, custom ones, or the lines of a .txt file."""
    if not isinstance(prompts, str):
        return templates(prompts)
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
    bench = published_list(videos.name)
    published = {} if bench is None else bench.prompts
    return tuple(published.get(label) or words(label) for label in videos.classes)
