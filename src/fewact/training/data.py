"""What may be learnt from, and what may choose: training and validation classes, no others."""

from dataclasses import dataclass

from torch import Tensor

from fewact.data.leak import leaks
from fewact.data.videos import Split, VideoList
from fewact.errors import TrainingError
from fewact.features.sources import FeatureSource
from fewact.text import PRECOMPUTED, ClassTexts, known_texts


@dataclass(frozen=True)
class TrainingData:
    """The two lists of a training, each of one split, and where their features come from.

    There is no place for test classes, and lists that hold some are refused.

    Args:
        train: Videos whose split is ``train``.
        val: Videos whose split is ``val``; no class or video of ``train``.
        train_source: Stored features of ``train``, for stages whose inputs are ``stored``; without
            them features are extracted from the videos, once.
        val_source: The same of ``val``.
        train_text: Embeddings (classes d) of the names of ``train.classes``, for methods that use
            text; without them they are made as the recipe says.
        val_text: The same of ``val``.
        text_weights: Where the weights of their encoder are, for those who evaluate; empty where
            that is not known.

    Raises:
        TrainingError: A video is of another split, a class or video is in both lists, or only one
            of the two has stored features, or texts; or the texts are not one for each class, or of
            two encoders.
        DataError: Features are of another list.
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
        found = leaks(self.train, self.val)
        if found:
            raise TrainingError(
                "training and validation share classes or videos",
                where=f"{self.train.name}, {self.val.name}",
                got="; ".join(f"{one.videos} videos, {one.classes} classes" for one in found),
                hint="Give each class to one split alone.",
            )
        if (self.train_source is None) != (self.val_source is None):
            raise TrainingError("stored features are of one list only", where=self.train.name)
        for source, videos in ((self.train_source, self.train), (self.val_source, self.val)):
            if source is not None:
                source.check_list(videos)
        self._check_texts()

    def _check_texts(self) -> None:
        if self.train_text is None and self.val_text is None:
            return
        if self.train_text is None or self.val_text is None:
            raise TrainingError("class names are embedded of one list only", where=self.train.name)
        train, val = known_texts(self.train_text), known_texts(self.val_text)
        for text, videos in ((train, self.train), (val, self.val)):
            if len(text.embeddings) != len(videos.classes):
                raise TrainingError(
                    "not one embedding for each class",
                    where=videos.name,
                    got=str(tuple(text.embeddings.shape)),
                    expected=f"({len(videos.classes)}, d)",
                )
        if PRECOMPUTED not in (train.facts.encoder, val.facts.encoder) and train.facts != val.facts:
            raise TrainingError(
                "the class names of the two lists are not embedded alike",
                where=self.train.name,
                got=f"{train.facts.encoder}, {val.facts.encoder}",
            )


def _check_split(videos: VideoList, split: Split) -> None:
    others = [video for video in videos.videos if video.split != split]
    if others or not videos.videos:
        raise TrainingError(
            f"a training takes no other videos than those whose split is {split} here",
            where=videos.name,
            got=f"{others[0].id} of split {others[0].split}" if others else "no videos",
            hint=f'Hand in videos.of("{split}").',
        )
