"""Validation: accuracy on fixed episodes of the validation classes chooses the checkpoint."""

import copy
from dataclasses import replace

from fewact.backbones import Backbone, Card
from fewact.backbones.weights import digest, tensors_of
from fewact.data.videos import VideoList
from fewact.evaluation import FeatureSource, Result, VideoFeatures, evaluate_method
from fewact.evaluation.episodes import EpisodeSet
from fewact.training.data import TrainingData
from fewact.training.learner import Learner
from fewact.training.optimising import Average


def snapshot(learner: Learner, average: Average | None) -> Learner:
    """Return a copy in evaluation mode, with the averaged weights if there is an average."""
    copied = copy.deepcopy(learner)
    if average is not None:
        copied.load_state_dict(average.tensors)
    return copied.requires_grad_(False).eval()


def network_features(learner: Learner, videos: VideoList, *, keep: bool = False) -> FeatureSource:
    """Return features of videos by the current network.

    Args:
        learner: Copy made by ``snapshot``.
        videos: Videos whose files are present.
        keep: Keep the features in memory for further requests.
    """
    if learner.backbone is None:
        raise RuntimeError("there is no network")
    return VideoFeatures(videos, Backbone(learner.backbone, card_now(learner)), keep=keep)


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
        source: Features of the validation list; None for those of the learner's own network.
    """
    features = network_features(learner, data.val) if source is None else source
    return evaluate_method(learner.method.cpu(), features, data.val, episodes, text=data.val_text)
