"""Trained methods: find their checkpoints, and add remarks to their results."""

from fewact.backbones.card import Card
from fewact.backbones.text import PRECOMPUTED, TextFacts
from fewact.core.errors import OptionError
from fewact.data.leak import is_published, refuse_leaks
from fewact.data.videos import Video, VideoList
from fewact.evaluation import checkpoint as checkpoints
from fewact.evaluation.checkpoint import Checkpoint, TrainedOn


def find_checkpoint(method: str) -> Checkpoint | None:
    """Return the checkpoint in a folder or file; None for the name of a registered method.

    Raises:
        WeightsError: The folder or file is not a checkpoint.
    """
    return checkpoints.read(method) if checkpoints.is_checkpoint(method) else None


def trained_on(facts: TrainedOn) -> VideoList:
    """Return the training videos as a list, without video sources and groups.

    A class whose videos are unknown has one without an id.
    """
    known = {label: ids or ("",) for label, ids in facts.videos.items()}
    videos = [Video(id, label, "train") for label, ids in known.items() for id in ids]
    return VideoList(facts.name, tuple(videos))


def training_flags(
    checkpoint: Checkpoint,
    videos: VideoList,
    card: Card,
    text: TextFacts | None = None,
    *,
    allow_leak: bool = False,
) -> tuple[str, ...]:
    """Return the remarks on a result of a trained method.

    Args:
        checkpoint: Checkpoint of the method.
        videos: Test videos.
        card: Card of the backbone of the test features.
        text: Facts of the class embeddings; None for none.
        allow_leak: Allow training videos or classes in the test.

    Raises:
        DataError: Training videos or classes are in the test.
        OptionError: The method was trained with another text encoder.
    """
    facts = checkpoint.header
    selection = facts.selection
    remarks = [
        f"trained on {facts.trained_on.name}",
        f"converted: {facts.origin}; its authors select on test episodes"
        if selection is None
        else f"checkpoint selected by validation accuracy ({selection.accuracy:.1f} % on "
        f"{selection.list})" + (": the initial weights" if selection.initial else ""),
        *refuse_leaks(trained_on(facts.trained_on), videos, allow_leak=allow_leak),
    ]
    # Class keys of a published list mean nothing in other lists.
    if not is_published(videos.name):
        training = facts.trained_on
        if training.name != videos.name and set(training.videos) & set(videos.classes):
            remarks.append(f"classes of the same names in the training list {training.name}")
    if (
        selection is not None
        and (selection.list == videos.name or not is_published(videos.name))
        and set(selection.classes) & set(videos.classes)
    ):
        remarks.append("checkpoint selected on these classes")
    # Precomputed features have the digest of their own rows, which says nothing about the network.
    if facts.backbone.weights and facts.backbone.sha256 != card.network_digest:
        remarks.append(f"features of another backbone than in training ({facts.backbone.name})")
    if facts.text is not None and text is not None:
        remarks += _text_flags(checkpoint, facts.text.facts, text)
    return tuple(remarks)


def _text_flags(checkpoint: Checkpoint, training: TextFacts, test: TextFacts) -> list[str]:
    """Return a remark if the prompts differ; refuse another text encoder."""
    if PRECOMPUTED in (training.encoder, test.encoder):
        return []  # The encoder of precomputed embeddings is unknown.
    if training.sha256 != test.sha256:
        raise OptionError(
            "the method was trained with another text encoder or other weights of it",
            where=str(checkpoint.path),
            got=f"{test.encoder}, {test.sha256[:8]}",
            expected=f"{training.encoder}, {training.sha256[:8]}",
        )
    same = (training.templates, training.how) == (test.templates, test.how)
    return [] if same else ["prompts differ from training"]
