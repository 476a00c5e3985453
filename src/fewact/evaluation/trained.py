"""Trained methods under test: what they have learnt from must not be in it."""

from fewact.backbones.card import Card
from fewact.checkpoint import Checkpoint, TrainedOn
from fewact.data.leak import refuse_leaks
from fewact.data.videos import Video, VideoList
from fewact.errors import OptionError
from fewact.text import PRECOMPUTED, TextFacts


def trained_on(facts: TrainedOn) -> VideoList:
    """The training videos as a list, without footage or groups."""
    videos = [Video(id, label, "train") for label, ids in facts.videos.items() for id in ids]
    return VideoList(facts.name, tuple(videos))


def flags_of(
    checkpoint: Checkpoint,
    videos: VideoList,
    card: Card,
    text: TextFacts | None = None,
    *,
    allow_leak: bool = False,
) -> tuple[str, ...]:
    """What a result of a trained method must say; refuses to test on what it learnt from.

    Args:
        checkpoint: Of the method.
        videos: To test on.
        card: Of the features under test.
        text: Of the embeddings of class names under test.
        allow_leak: Go on where training videos or classes are in the test.

    Raises:
        DataError: They are, and that is not allowed.
        OptionError: Class names are embedded by another text encoder than it learnt with.
    """
    facts = checkpoint.header
    chosen = facts.selection
    said = [
        f"learnt from {facts.trained_on.name}",
        f"checkpoint chosen by {chosen.accuracy:.1f} % on validation classes of {chosen.list}",
        *refuse_leaks(trained_on(facts.trained_on), videos, allow_leak=allow_leak),
    ]
    if chosen.list == videos.name and set(chosen.classes) & set(videos.classes):
        said.append("checkpoint chosen on these classes")
    # Features that were handed in have the digest of their own rows: nothing can be told.
    if facts.backbone.weights and facts.backbone.sha256 != card.digest:
        said.append(f"features of another network than it learnt from, {facts.backbone.name}")
    if facts.text is not None and text is not None:
        said += _other_texts(checkpoint, facts.text.facts, text)
    return tuple(said)


def _other_texts(checkpoint: Checkpoint, fitted: TextFacts, now: TextFacts) -> list[str]:
    """What there is to say of prompts other than those it learnt with."""
    if PRECOMPUTED in (fitted.encoder, now.encoder):
        return []  # Of embeddings that were handed in nothing can be told.
    if fitted.sha256 != now.sha256:
        raise OptionError(
            "the method learnt with another text encoder, or other weights of it",
            where=str(checkpoint.path),
            got=f"{now.encoder}, {now.sha256[:8]}",
            expected=f"{fitted.encoder}, {fitted.sha256[:8]}",
        )
    same = (fitted.templates, fitted.how) == (now.templates, now.how)
    return [] if same else ["prompts other than it learnt with"]
