"""No test class reaches a trainer."""

import pytest

from fewact.core.errors import DataError, TrainingError
from fewact.data import Video, VideoList
from fewact.lab.training import TrainingData
from tests.lab.training.made_up import features_of, split_list
from tests.refused import refused

TRAIN, VAL = split_list("train", range(6)), split_list("val", range(6, 9))


@pytest.mark.parametrize(
    ("train", "val"),
    [
        (split_list("test", range(6)), VAL),
        (split_list("val", range(6)), VAL),
        (TRAIN, split_list("test", range(6, 9))),
        (TRAIN, split_list("train", range(6, 9))),
        (split_list(None, range(6)), VAL),  # type: ignore[arg-type]
        (VideoList("made up", (*TRAIN.videos, Video("odd", "class 20", "test"))), VAL),
        (VideoList("made up", ()), VAL),
    ],
)
def test_only_train_and_val_are_taken(train: VideoList, val: VideoList) -> None:
    with pytest.raises(TrainingError, match="must belong to the split"):
        TrainingData(train, val)


def test_classes_are_in_one_of_the_two() -> None:
    with refused(TrainingError, where="made up, made up", got="5 videos, 1 classes"):
        TrainingData(TRAIN, split_list("val", range(5, 9)))
    kinetics = split_list("train", range(3), name="kinetics100_alibaba")
    other = VideoList(
        "kinetics100_cmn_clip-spm",
        tuple(Video(f"o{v.id}", v.label, "val") for v in kinetics.videos),
    )
    with refused(TrainingError, where="kinetics100_cmn_clip-spm", got="0 videos, 3 classes"):
        TrainingData(kinetics, other)


def test_features_are_of_these_lists_and_of_both() -> None:
    assert TrainingData(TRAIN, VAL, features_of(TRAIN), features_of(VAL))
    with pytest.raises(DataError):
        TrainingData(TRAIN, VAL, features_of(VAL), features_of(VAL))
    with pytest.raises(TrainingError, match="only one of the two lists"):
        TrainingData(TRAIN, VAL, features_of(TRAIN))
