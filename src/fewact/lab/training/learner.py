"""The trained module: network, method, and a linear head for the training classes."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fewact import methods
from fewact.core.errors import TrainingError
from fewact.features.request import FeatureRequest, Request
from fewact.lab import methods as lab_methods
from fewact.lab.methods.base import (
    Features,
    Nodes,
    TorchMethod,
    TrainingBatch,
    class_cross_entropy,
    evaluating,
    support_state,
)
from fewact.lab.networks import TorchBackbone
from fewact.lab.networks.text import known_texts
from fewact.lab.store.sources import ArrayFeatures
from fewact.lab.training.augment import apply
from fewact.lab.training.batches import Batch, Drawn
from fewact.lab.training.data import TrainingData
from fewact.lab.training.recipe import EpisodesStage, Recipe
from fewact.networks import Card


class Learner(nn.Module):
    """Module that computes the losses of a batch.

    Its parameters are named ``backbone.…``, ``method.…`` and ``head.…``; patterns of recipes match
    these names. The backbone is None for stored features; the text has embeddings (classes d) of
    the training classes.
    """

    text: Tensor | None

    def __init__(
        self,
        method: TorchMethod,
        backbone: TorchBackbone | None,
        card: Card,
        classes: int,
        precision: str,
        text: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.method = method
        self.requests = method.training_requests(card)
        self._levels = [request for request in self.requests if isinstance(request, FeatureRequest)]
        self.card = card
        self._transform = backbone
        self.backbone = None if backbone is None else backbone.network
        self.head = nn.Linear(head_width(method, card), classes).float()
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self.register_buffer("text", text, persistent=False)
        self.fixed = frozenset(n for n, p in self.named_parameters() if not p.requires_grad)
        """Parameters that the method keeps fixed, such as a temperature."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of input frames to read of each video."""
        return tuple(dict.fromkeys(_frames(request, self.card) for request in self.requests))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return losses by name, each the mean over the batch."""
        drawn, device = batch.drawn, batch.labels.device
        with torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32):
            features = self._features(batch)  # (v …)
            if not drawn.ways:
                nodes = self.method.encode({request: x[None] for request, x in features.items()})
                with torch.autocast(device.type, enabled=False):
                    labels = batch.labels[None]
                    return {"base_class": class_cross_entropy(self._classify(nodes), labels)}
            return self.method.losses(self._episodes(batch, features))

    def _features(self, batch: Batch) -> Features:
        """Return features (v t …): stored ones of the batch, or computed from its frames."""
        if not batch.frames:
            return batch.features
        backbone = self._transform
        if backbone is None or self.backbone is None:
            raise RuntimeError("frames without a backbone")
        features: dict[Request, Tensor] = {}
        for count, frames in batch.frames.items():
            requests = [request for request in self._levels if _frames(request, self.card) == count]
            names = [request.level for request in requests if request.level != "pixels"]
            images = frames
            if batch.crops is not None:
                images = apply(frames, batch.crops, self.card.input_size)
            v = len(images)
            deep = self.backbone(backbone.normalise(images.flatten(0, 1)), names) if names else {}
            for request in requests:
                if request.level == "pixels":
                    features[request] = images
                else:
                    values = deep[request.level].float().unflatten(0, (v, request.frames))
                    features[request] = values
        return features

    def _episodes(self, batch: Batch, features: Features) -> TrainingBatch:
        drawn = batch.drawn
        n, s, q = drawn.ways, drawn.ways * drawn.shots, drawn.ways * drawn.queries
        by_episode = {request: x.unflatten(0, (-1, s + q)) for request, x in features.items()}
        base = batch.labels.unflatten(0, (-1, s + q))  # (b s+q)
        classes, b = base[:, : s : drawn.shots], len(base)  # (b n)
        labels = torch.arange(n, device=base.device)
        text: Tensor | None = self.text
        return TrainingBatch(
            support={request: x[:, :s] for request, x in by_episode.items()},
            support_labels=labels.repeat_interleave(drawn.shots).expand(b, s),
            query={request: x[:, s:] for request, x in by_episode.items()},
            query_labels=labels.repeat_interleave(drawn.queries).expand(b, q),
            n=n,
            text=None if text is None else text[classes],
            base_text=text,
            base_classes=classes,
            classify=self._classify if self.head.weight.requires_grad else None,
        )

    def _classify(self, nodes: Nodes) -> Tensor:
        logits: Tensor = self.head(self.method.class_vectors(nodes))  # (b v m N)
        return logits


def head_width(method: TorchMethod, card: Card) -> int:
    """Return D of ``class_vectors``, computed from zeros in the shape of the card's features."""
    with torch.no_grad(), evaluating(method):
        return method.class_vectors(method.encode(zero_features(method, card))).shape[-1]


def zero_features(method: TorchMethod, card: Card) -> Features:
    """Return zeros (1 1 t …) in the shape of one video's features."""
    return {
        request: torch.zeros(1, 1, *request_shape(request, card), dtype=torch.float32)
        for request in method.requests(card)
    }


def losses_of_zeros(learner: Learner, stage: EpisodesStage) -> dict[str, Tensor]:
    """Return the losses of one episode of zeros, by a copy of the learner, for their names."""
    copied = copy.deepcopy(learner).train()
    device = copied.head.weight.device
    counts = (stage.shots, stage.queries)
    labels = [label for count in counts for label in range(stage.ways) for _ in range(count)]
    drawn = Drawn(0, tuple(labels), *counts, stage.ways)
    features: dict[Request, Tensor] = {
        request: torch.zeros(len(labels), *request_shape(request, copied.card))
        for request in copied.requests
    }
    batch = Batch(drawn, torch.tensor(labels), frames={}, features=features).to(device)
    with torch.random.fork_rng():
        losses: dict[str, Tensor] = copied(batch)
    return losses


def request_shape(request: Request, card: Card) -> Sequence[int]:
    """Return the shape (t …) of one video's features."""
    shape = request.shape(card)
    if isinstance(request, FeatureRequest) and request.level == "pixels":
        return _frames(request, card), *shape[1:]
    return shape


def _frames(request: Request, card: Card) -> int:
    return request.frames * card.frames_per_slot


def make_learner(recipe: Recipe, data: TrainingData, device: torch.device) -> Learner:
    """Build the network, if it is needed, the method and the head, with initial weights.

    The initial weights depend on the seeds of the recipe and of the method alone.

    Raises:
        UserError: A name, an option or weights are invalid.
        TrainingError: The stored features come from another network than the recipe's, a method
            that uses text has no embeddings, or a method that uses camera motion is trained from
            frames.
        ShapeError: Channels, lengths or frames of the recipe don't fit its backbone or its texts.
    """
    source = data.train_source
    from_frames = any(stage.inputs == "frames" for stage in recipe.stages)
    if from_frames and isinstance(source, ArrayFeatures):
        raise TrainingError(
            "features have no frames",
            where=source.name,
            got='a recipe with a stage of inputs = "frames"',
            expected='inputs = "stored" in all stages',
            hint="`fewact recipes NAME` prints a recipe.",
        )
    backbone = _make_backbone(recipe, device) if source is None or from_frames else None
    card = source.card if backbone is None and source is not None else _card(backbone)
    if source is not None and source.card.network_digest != card.network_digest:
        raise TrainingError(
            "the stored features come from another network than the recipe's",
            where=source.name,
            got=source.card.name,
            expected=f"features of {card.name}, {card.precision}, with the recipe's weights",
        )
    torch.manual_seed(recipe.seed)
    text = None if data.train_text is None else known_texts(data.train_text).embeddings
    method = _make_method(recipe, card, text)
    camera = [request for request in method.requests(card) if request.uses_camera_motion]
    if from_frames and camera:
        raise TrainingError(
            "camera motion is not estimated in augmented training frames",
            where=recipe.method.name,
            got=", ".join(str(request) for request in camera),
            hint="Train on stored features, or set stabilise=off.",
        )
    classes = len(data.train.classes)
    learner = Learner(method, backbone, card, classes, recipe.precision, text)
    if backbone is not None:
        for count in learner.counts:
            backbone.check_number(count)
    if text is not None and method.uses_text:
        _check_text(method, card, text)
    return learner.to(device)


def _make_backbone(recipe: Recipe, device: torch.device) -> TorchBackbone:
    decided = {"device": str(device), "precision": recipe.precision, "engine": "torch"}
    backbone = recipe.backbone.model_copy(update=decided).create()
    if not isinstance(backbone, TorchBackbone):
        raise TypeError("the engine torch makes another backbone")
    return backbone


def _make_method(recipe: Recipe, card: Card, text: Tensor | None) -> TorchMethod:
    """Make the method that fits a backbone and embeddings (n e) of the class names."""
    name, options = recipe.method.name, recipe.method.options
    width = None if text is None else text.shape[-1]
    fitting = methods.fitting(name, card, width, options=options)
    method = lab_methods.create(name, card, **{**fitting, **options})
    if method.uses_text and text is None:
        raise TrainingError(
            "the method uses text, and there are no text embeddings of the class names", where=name
        )
    return method


def _check_text(method: TorchMethod, card: Card, text: Tensor) -> None:
    """Refuse text embeddings that the method cannot compare with its nodes, before any training."""
    labels = torch.zeros(1, 1, dtype=torch.int64)
    with torch.no_grad(), evaluating(method):
        nodes = method.encode(zero_features(method, card))
        support_state(method, nodes, labels, 1, text[None, :1])


def _card(backbone: TorchBackbone | None) -> Card:
    if backbone is None:
        raise RuntimeError("neither features nor a network")
    return backbone.card
