"""Trained methods under test: what they have learnt from must not be in it."""

from fewact.backbones.card import Card
from fewact.data.leak import refuse_leaks
from fewact.data.videos import Video, VideoList
from fewact.methods.checkpoint import Checkpoint, LearntFrom


def learnt_from(facts: LearntFrom) -> VideoList:
    """The training videos as a list, without footage or groups."""
    videos = [Video(id, label, "train") for label, ids in facts.videos.items() for id in ids]
    return VideoList(facts.name, tuple(videos))


def flags_of(
    checkpoint: Checkpoint, videos: VideoList, card: Card, *, allow_leak: bool = False
) -> tuple[str, ...]:
    """What a result of a trained method must say; refuses to test on what it learnt from.

    Args:
        checkpoint: Of the method.
        videos: To test on.
        card: Of the features under test.
        allow_leak: Go on where training videos or classes are in the test.

    Raises:
        DataError: They are, and that is not allowed.
    """
    facts = checkpoint.facts
    chosen = facts.chosen_by
    said = [
        f"learnt from {facts.learnt_from.name}",
        f"checkpoint chosen by {chosen.accuracy:.1f} % on validation classes of {chosen.list}",
        *refuse_leaks(learnt_from(facts.learnt_from), videos, allow_leak=allow_leak),
    ]
    if chosen.list == videos.name and set(chosen.classes) & set(videos.classes):
        said.append("checkpoint chosen on these classes")
    # Features that were handed in have the digest of their own rows: nothing can be told.
    if facts.backbone.weights and facts.backbone.sha256 != card.digest:
        said.append(f"features of another network than it learnt from, {facts.backbone.name}")
    return tuple(said)
