"""Remarks on the results of trained methods: their classes, texts, and selected checkpoint."""

from pathlib import Path

import pytest
import torch

from fewact.core.errors import OptionError
from fewact.data import Video, VideoList
from fewact.features.precomputed import precomputed_card
from fewact.lab.evaluation.checkpoint import (
    Checkpoint,
    Header,
    Selection,
    TrainedOn,
    training_flags,
)
from fewact.lab.networks.text import known_texts
from fewact.networks import BackboneSpec
from fewact.networks.card import TextFacts
from tests.refused import refused

REMARK = "checkpoint selected on these classes"
PUBLISHED, OTHER_PUBLISHED = "hmdb51_arn", "ucf101_arn"


def selected_on(name: str, *classes: str) -> Selection:
    return Selection(
        list=name, sha256="", classes=classes, episodes="", accuracy=75.0, stage=1, step=2
    )


TRAINING = TextFacts(encoder="minilm", sha256="a" * 64, templates=("{}",))


def flags_of(
    selection: Selection | None,
    tested: str,
    *labels: str,
    trained: TextFacts | None = None,
    text: TextFacts | None = None,
) -> tuple[str, ...]:
    """Return the remarks on a test of these classes, with these texts."""
    header = Header(
        name="a2m2",
        options={},
        temperature=1.0,
        recipe="",
        backbone=BackboneSpec(weights=""),
        network_digest="",
        text=trained,
        trained_on=TrainedOn(name="training list", sha256="", videos={"run": ("run/1",)}),
        selection=selection,
        origin="" if selection else "public code",
    )
    videos = VideoList(tested, tuple(Video(f"{label}/1", label, "test") for label in labels))
    checkpoint = Checkpoint(Path("m"), header, {})
    return training_flags(checkpoint, videos, precomputed_card("x", 8), text)


@pytest.mark.parametrize(
    ("selection", "tested"),
    [("mine", "mine"), ("mine", "other clips"), (PUBLISHED, PUBLISHED), (PUBLISHED, "my clips")],
)
def test_a_checkpoint_selected_on_tested_classes_is_remarked(selection: str, tested: str) -> None:
    flags = flags_of(selected_on(selection, "wave", "jump"), tested, "clap", "jump")
    assert flags[0] == "trained on training list"
    assert f"checkpoint selected by validation accuracy (75.0 % on {selection})" in flags
    assert REMARK in flags
    assert REMARK not in flags_of(selected_on(selection, "wave", "jump"), tested, "clap", "sit")


def test_equal_keys_of_classes_in_other_published_lists_are_not_remarked() -> None:
    selection = selected_on(PUBLISHED, "1", "2")
    assert REMARK not in flags_of(selection, OTHER_PUBLISHED, "1", "2")


def test_a_converted_checkpoint_has_no_selection_to_remark_on() -> None:
    flags = flags_of(None, "mine", "wave")
    assert "converted: public code" in flags
    assert REMARK not in flags


def test_initial_weights_that_validation_chose_are_remarked() -> None:
    selection = selected_on("mine", "wave").model_copy(update={"step": 0})
    flags = flags_of(selection, "mine", "clap")
    assert flags[1] == (
        "checkpoint selected by validation accuracy (75.0 % on mine): the initial weights"
    )
    later = selection.model_copy(update={"stage": 2})
    assert flags_of(later, "mine", "clap")[1].endswith("(75.0 % on mine)")


def test_training_classes_in_another_list_are_flagged() -> None:
    flags = flags_of(selected_on("mine"), "theirs", "run")
    assert "classes of the same names in the training list training list" in flags


def test_another_text_encoder_is_refused_and_other_prompts_are_flagged() -> None:
    def tested(text: TextFacts | None, trained: TextFacts = TRAINING) -> tuple[str, ...]:
        return flags_of(selected_on("mine"), "theirs", "wave", trained=trained, text=text)

    flags = tested(TRAINING)
    assert not any("prompts" in flag for flag in flags)
    assert tested(None) == flags
    changed = TRAINING.model_copy(update={"templates": ("a {}",)})
    assert tested(changed) == (*flags, "prompts differ from training")
    with refused(OptionError, got="clip, bbbbbbbb"):
        tested(TextFacts(encoder="clip", sha256="b" * 64, templates=("{}",)))
    precomputed = known_texts(torch.zeros(1, 3)).facts  # of an unknown encoder
    assert tested(precomputed) == tested(TRAINING, precomputed) == flags
