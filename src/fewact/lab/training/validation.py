"""Validation: accuracy on fixed episodes of the validation classes chooses the checkpoint."""

import copy
import json
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from fewact import methods
from fewact.core.atomic import write_bytes, write_text
from fewact.data.videos import VideoList
from fewact.lab.evaluation import FeatureSource, Result, VideoFeatures, evaluate_method
from fewact.lab.evaluation.checkpoint import (
    BEST,
    WITHIN,
    Header,
    Selection,
    TrainedOn,
    to_bytes,
)
from fewact.lab.evaluation.episodes import EpisodeSet
from fewact.lab.networks import TorchBackbone
from fewact.lab.networks.building import header_of
from fewact.lab.networks.text import known_texts
from fewact.lab.networks.torch_weights import digest, tensors_of
from fewact.lab.training.batches import Drawn
from fewact.lab.training.data import TrainingData
from fewact.lab.training.learner import Learner
from fewact.lab.training.optimising import Average
from fewact.lab.training.recipe import EpisodesStage, Recipe
from fewact.lab.training.run_folder import RunFolder
from fewact.lab.training.state import Best
from fewact.networks import BackboneSpec, Card


def snapshot(learner: Learner, average: Average | None) -> Learner:
    """Return a copy in evaluation mode, with the averaged weights if there is an average."""
    copied = copy.deepcopy(learner)
    if average is not None:
        copied.load_state_dict(average.tensors)
    return copied.requires_grad_(False).eval()


def network_features(learner: Learner, videos: VideoList, *, keep: bool = False) -> FeatureSource:
    """Return features of videos by the network of a copy made by ``snapshot``.

    With ``keep``, computed features stay in memory for further requests.
    """
    if learner.backbone is None:
        raise RuntimeError("there is no network")
    return VideoFeatures(videos, TorchBackbone(learner.backbone, card_now(learner)), keep=keep)


def card_now(learner: Learner) -> Card:
    """Return the backbone's card with the digest of the current weights."""
    if learner.backbone is None:
        return learner.card
    return replace(learner.card, weights_sha256=digest(tensors_of(learner.backbone)))


def validate(
    learner: Learner, data: TrainingData, episodes: EpisodeSet, source: FeatureSource | None
) -> Result:
    """Score the validation episodes.

    Args:
        learner: Copy made by ``snapshot``; its method is moved to the CPU.
        data: Training data with the validation list.
        episodes: Validation episodes.
        source: Features of the validation list; None to compute them by the learner's network.
    """
    features = network_features(learner, data.val) if source is None else source
    return evaluate_method(learner.method.cpu(), features, data.val, episodes, text=data.val_text)


def save_best(
    folder: RunFolder,
    learner: Learner,
    recipe: Recipe,
    data: TrainingData,
    best: Best,
    episodes: str,
) -> None:
    """Write the checkpoint: the method, and the network if it was trained.

    The learner is a copy made by ``snapshot``; ``episodes`` is the SHA-256 of the validation
    episodes.
    """
    started = best.stage > 0 or best.step > 0
    network_trained = started and any(
        stage.inputs == "frames" for stage in recipe.stages[: best.stage + 1]
    )
    card, part = learner.card, recipe.backbone.resolved
    network: dict[str, Tensor] = {}
    network_header: dict[str, str] = {}
    if network_trained and learner.backbone is not None:
        # Features are stored under the card that this file will have.
        card = card_now(learner)
        card = replace(card, trained_on=tuple(dict.fromkeys((*card.trained_on, data.train.name))))
        network, network_header = tensors_of(learner.backbone), header_of(learner.backbone, card)
    stored = learner.backbone is None
    if stored:
        part = BackboneSpec(name=card.name, weights=part.weights, **card.reading)
    # A store does not record the location of its weights; their digest identifies them.
    weights = WITHIN if network_trained else part.weights if card.weights else ""
    backbone = part.model_copy(update={"weights": weights, "precision": card.precision})
    method = learner.method
    text = data.train_text if method.uses_text else None
    name, options = methods.registered(method)
    # Cross-entropy has fitted the scale of the scores.
    calibrated = started and isinstance(recipe.stages[best.stage], EpisodesStage)
    facts = Header(
        name=name,
        options=options,
        temperature=method.loss_temperature if calibrated else method.temperature,
        recipe=recipe.name,
        backbone=backbone,
        network_digest=card.network_digest,
        text=None if text is None else known_texts(text).facts,
        text_weights="" if text is None else data.text_weights,
        trained_on=_trained_on(data.train),
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
    write_bytes(folder.path / BEST, to_bytes(method, facts, network, network_header))


def _trained_on(train: VideoList) -> TrainedOn:
    videos: dict[str, list[str]] = {label: [] for label in train.classes}
    for video in train.videos:
        videos[video.label].append(video.id)
    ids_of = {label: tuple(ids) for label, ids in videos.items()}
    return TrainedOn(name=train.name, sha256=train.digest, videos=ids_of)


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
    """Write the videos of a failed step, batch by batch.

    Returns:
        Path of the file.
    """
    batches = []
    for drawn_batch, loss in zip(drawn, losses, strict=True):
        videos = [data.train.videos[position] for position in drawn_batch.positions]
        batches.append(
            {
                "number": drawn_batch.number,
                "loss": loss if abs(loss) < float("inf") else str(loss),
                "ways": drawn_batch.ways,
                "shots": drawn_batch.shots,
                "queries": drawn_batch.queries,
                "videos": [[video.label, video.id] for video in videos],
            }
        )
    content = {"reason": reason, "stage": stage + 1, "step": step + 1, "batches": batches}
    file = folder.path / "stopped" / f"stage{stage + 1}-step{step + 1}.json"
    return str(write_text(file, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n"))
