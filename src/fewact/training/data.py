"""What may be learnt from, and what may choose: training and validation classes, no others."""

from dataclasses import dataclass

from torch import Tensor

from fewact.data.leak import leaks
from fewact.data.videos import Split, VideoList
from fewact.errors import TrainingError
from fewact.evaluation.sources import Source


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
            text.
        val_text: The same of ``val``.

    Raises:
        TrainingError: A video is of another split, a class or video is in both lists, or only one
            of the two has stored features.
        DataError: Features are of another list.
    """

    train: VideoList
    val: VideoList
    train_source: Source | None = None
    val_source: Source | None = None
    train_text: Tensor | None = None
    val_text: Tensor | None = None

    def __post_init__(self) -> None:
        _check_split(self.train, "train")
        _check_split(self.val, "val")
        found = leaks(self.train, self.val)
        if found:
            raise TrainingError(
                "training and validation share classes or videos",
                where=f"{self.train.name}, {self.val.name}",
                got="; ".join(f"{one.videos} videos, {one.classes} classes" for one in found),
                mend="Give each class to one split alone.",
            )
        if (self.train_source is None) != (self.val_source is None):
            raise TrainingError("stored features are of one list only", where=self.train.name)
        for source, videos in ((self.train_source, self.train), (self.val_source, self.val)):
            if source is not None:
                source.check_list(videos)


def _check_split(videos: VideoList, split: Split) -> None:
    others = [video for video in videos.videos if video.split != split]
    if others or not videos.videos:
        raise TrainingError(
            f"a training takes no other videos than those whose split is {split} here",
            where=videos.name,
            got=f"{others[0].id} of split {others[0].split}" if others else "no videos",
            mend=f'Hand in videos.of("{split}").',
        )
