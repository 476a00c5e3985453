"""Training data: training and validation classes."""

from dataclasses import dataclass, replace

from torch import Tensor

from fewact.core.errors import TrainingError
from fewact.data.videos import Split, VideoList
from fewact.lab.benchmarks.leak import find_leak
from fewact.lab.evaluation.texts import embedded
from fewact.lab.methods import stand_in
from fewact.lab.methods.base import TextMethod
from fewact.lab.networks.text import PRECOMPUTED, ClassTexts, known_texts
from fewact.lab.store.sources import FeatureSource
from fewact.lab.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingData:
    """Training and validation lists, and the sources of their features.

    Lists with test classes are refused.

    Args:
        train: Videos of the split ``train``.
        val: Videos of the split ``val``; no class or video of ``train``.
        train_source: Stored features of ``train``, for stages with ``stored`` inputs; None to
            extract them from the videos, once.
        val_source: Stored features of ``val``.
        train_text: Embeddings (classes d) of the names of ``train.classes``, for methods that use
            text; None to compute them by the recipe's text encoder.
        val_text: Embeddings of the names of ``val.classes``.
        text_weights: Weights of the text encoder, noted for evaluation; empty if unknown.

    Raises:
        TrainingError: A video belongs to another split, a class or video is in both lists, only one
            list has stored features or texts, texts and classes differ in number, or the texts come
            from two encoders.
        DataError: The features belong to another list.
    """

    train: VideoList
    val: VideoList
    train_source: FeatureSource | None = None
    val_source: FeatureSource | None = None
    train_text: ClassTexts | Tensor | None = None
    val_text: ClassTexts | Tensor | None = None
    text_weights: str = ""

    def __post_init__(self) -> None:
        _check_split(self.train, "train")
        _check_split(self.val, "val")
        leak = find_leak(self.train, self.val)
        if leak is not None:
            raise TrainingError(
                "training and validation share classes or videos",
                where=f"{self.train.name}, {self.val.name}",
                got=f"{leak.videos} videos, {leak.classes} classes",
                hint="Give each class to one split alone.",
            )
        if (self.train_source is None) != (self.val_source is None):
            raise TrainingError(
                "only one of the two lists has stored features", where=self.train.name
            )
        for source, videos in ((self.train_source, self.train), (self.val_source, self.val)):
            if source is not None:
                source.check_list(videos)
        self._check_texts()

    def _check_texts(self) -> None:
        if self.train_text is None and self.val_text is None:
            return
        if self.train_text is None or self.val_text is None:
            raise TrainingError(
                "only one of the two lists has text embeddings", where=self.train.name
            )
        train, val = known_texts(self.train_text), known_texts(self.val_text)
        for text, videos in ((train, self.train), (val, self.val)):
            if len(text.embeddings) != len(videos.classes):
                raise TrainingError(
                    "number of embeddings differs from the number of classes",
                    where=videos.name,
                    got=str(tuple(text.embeddings.shape)),
                    expected=f"({len(videos.classes)}, d)",
                )
        if PRECOMPUTED not in (train.facts.encoder, val.facts.encoder) and train.facts != val.facts:
            raise TrainingError(
                "the two lists have embeddings of different text encoders",
                where=self.train.name,
                got=f"{train.facts.encoder}, {val.facts.encoder}",
            )


def _check_split(videos: VideoList, split: Split) -> None:
    misplaced = [video for video in videos.videos if video.split != split]
    if misplaced or not videos.videos:
        raise TrainingError(
            f"all videos must belong to the split {split}",
            where=videos.name,
            got=f"{misplaced[0].id} of split {misplaced[0].split}" if misplaced else "no videos",
            hint=f'Pass videos.of("{split}").',
        )


def with_texts(recipe: Recipe, data: TrainingData, *, device: str) -> TrainingData:
    """Add embeddings of the class names if the method uses text; existing embeddings are kept.

    Raises:
        UserError: The text encoder cannot be built, or the templates are unknown.
    """
    method = stand_in(recipe.method.name, recipe.method.options)
    if not (isinstance(method, TextMethod) and method.uses_text) or data.train_text is not None:
        return data
    spec = recipe.text.of_backbone(recipe.backbone.name, recipe.backbone.weights)
    if not spec.prompts:
        spec = spec.model_copy(update={"prompts": method.prompts})
    return replace(
        data,
        train_text=embedded(spec, data.train, device=device),
        val_text=embedded(spec, data.val, device=device),
        text_weights=spec.weights,
    )
