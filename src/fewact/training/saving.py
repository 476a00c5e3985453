"""What a run leaves behind: the checkpoint that validation chose, and what stopped it."""

import json
from collections.abc import Sequence
from dataclasses import replace

from safetensors.torch import save as save_tensors

from fewact.backbones.weights import tensors_of
from fewact.checkpoint import (
    BACKBONE_FILE,
    BEST,
    FILE,
    BackboneRecord,
    Header,
    Selection,
    TextRecord,
    TrainedOn,
    registered,
    to_bytes,
)
from fewact.text import known_texts
from fewact.training.data import TrainingData
from fewact.training.drawing import Drawn
from fewact.training.learner import Learner
from fewact.training.recipe import EpisodesStage, Recipe
from fewact.training.run_folder import RunFolder
from fewact.training.state import Best
from fewact.training.validation import card_now


def save_best(
    folder: RunFolder,
    learner: Learner,
    recipe: Recipe,
    data: TrainingData,
    best: Best,
    episodes: str,
) -> None:
    """Write the method, and its network where that has learnt.

    Args:
        folder: Of the run.
        learner: That a ``snapshot`` gave.
        recipe: Of the run.
        data: Of the run.
        best: Why it is kept.
        episodes: SHA-256 of the validation episodes.
    """
    begun = best.stage > 0 or best.step > 0
    learnt = begun and any(one.inputs == "frames" for one in recipe.stages[: best.stage + 1])
    card, part = card_now(learner), recipe.backbone
    if learnt and learner.backbone is not None:
        # The card that this file will have, by which features of it are known.
        card = replace(card, trained_on=tuple(dict.fromkeys((*card.trained_on, data.train.name))))
        header = {"trained_on": ", ".join(card.trained_on), "licence": card.licence}
        content = save_tensors(tensors_of(learner.backbone), header)
        folder.put(f"{BEST}/{BACKBONE_FILE}", ordered(content))
    own = learner.backbone is None
    needs = BackboneRecord(
        name=card.name if own else part.name,
        options={} if own else part.options,
        weights=BACKBONE_FILE if learnt else card.weights if own else part.weights,
        precision=card.precision,
        sha256=card.digest,
    )
    videos: dict[str, list[str]] = {label: [] for label in data.train.classes}
    for video in data.train.videos:
        videos[video.label].append(video.id)
    name, options = registered(learner.method)
    # Cross-entropy of the scores has fitted their scale.
    fitted = begun and isinstance(recipe.stages[best.stage], EpisodesStage)
    facts = Header(
        name=name,
        options=options,
        temperature=1.0 if fitted else learner.method.temperature,
        recipe=recipe.name,
        backbone=needs,
        text=_texts(data) if learner.method.uses_text else None,
        trained_on=TrainedOn(
            name=data.train.name,
            sha256=data.train.digest,
            videos={label: tuple(ids) for label, ids in videos.items()},
        ),
        selection=Selection(
            list=data.val.name,
            sha256=data.val.digest,
            classes=data.val.classes,
            episodes=episodes,
            accuracy=best.accuracy,
            stage=best.stage + 1,
            step=best.step,
        ),
    )
    folder.put(f"{BEST}/{FILE}", to_bytes(learner.method, facts))


def _texts(data: TrainingData) -> TextRecord | None:
    if data.train_text is None:
        return None
    return TextRecord(facts=known_texts(data.train_text).facts, weights=data.text_weights)


def ordered(content: bytes) -> bytes:
    """A safetensors file whose header's facts stand in order; the library shuffles several."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    facts = dict(sorted(header.pop("__metadata__").items()))
    text = json.dumps({"__metadata__": facts, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def save_stopped(
    folder: RunFolder,
    data: TrainingData,
    drawn: Sequence[Drawn],
    losses: Sequence[float],
    *,
    stage: int,
    step: int,
    reason: str,
) -> str:
    """Write which videos the step had, batch by batch.

    Returns:
        The file.
    """
    batches = []
    for one, loss in zip(drawn, losses, strict=True):
        videos = [data.train.videos[position] for position in one.positions]
        batches.append(
            {
                "number": one.number,
                "loss": loss if abs(loss) < float("inf") else str(loss),
                "ways": one.ways,
                "shots": one.shots,
                "queries": one.queries,
                "videos": [[video.label, video.id] for video in videos],
            }
        )
    content = {"reason": reason, "stage": stage + 1, "step": step + 1, "batches": batches}
    return str(folder.put_json(f"stopped/stage{stage + 1}-step{step + 1}.json", content))
