"""What chooses the checkpoint: accuracy on fixed episodes of the validation classes."""

import copy
from dataclasses import replace

from fewact.backbones import Backbone, Card
from fewact.backbones.weights import digest, tensors_of
from fewact.data.videos import VideoList
from fewact.episodes import EpisodeSet
from fewact.evaluation import FeatureSource, Result, VideoFeatures, evaluate
from fewact.training.data import TrainingData
from fewact.training.learner import Learner
from fewact.training.optimising import Average


def snapshot(learner: Learner, average: Average | None) -> Learner:
    """A copy with the averaged weights, if there are any, in evaluation mode."""
    copied = copy.deepcopy(learner)
    if average is not None:
        copied.load_state_dict(average.tensors)
    return copied.requires_grad_(False).eval()


def own_features(learner: Learner, videos: VideoList, *, keep: bool = False) -> FeatureSource:
    """Features of videos by the network as it is now.

    Args:
        learner: That a ``snapshot`` gave.
        videos: With footage.
        keep: Whether they are asked for again.
    """
    if learner.backbone is None:
        raise RuntimeError("there is no network")
    return VideoFeatures(videos, Backbone(learner.backbone, card_now(learner)), keep=keep)


def card_now(learner: Learner) -> Card:
    """The backbone's card with the digest of the weights that it has now."""
    if learner.backbone is None:
        return learner.card
    return replace(learner.card, weights_sha256=digest(tensors_of(learner.backbone)))


def look(
    learner: Learner, data: TrainingData, episodes: EpisodeSet, source: FeatureSource | None
) -> Result:
    """Score the validation episodes.

    Args:
        learner: That a ``snapshot`` gave; its method is moved to the CPU.
        data: Whose validation list.
        episodes: Of that list.
        source: Of its features; None for those of the learner's own network.
    """
    features = own_features(learner, data.val) if source is None else source
    return evaluate(learner.method.cpu(), features, data.val, episodes, text=data.val_text)
