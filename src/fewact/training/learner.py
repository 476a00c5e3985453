"""The trained module: network, method, and a linear head for the training classes."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fewact.backbones import Backbone, Card
from fewact.evaluation.encoding import evaluating
from fewact.features.request import FeatureRequest, Features, Request
from fewact.methods.base import Method, Nodes, TrainingBatch, class_cross_entropy
from fewact.training.augment import apply
from fewact.training.batch import Batch
from fewact.training.drawing import Drawn
from fewact.training.recipe import EpisodesStage


class Learner(nn.Module):
    """Module that computes the losses of a batch.

    Its parameters are named ``backbone.…``, ``method.…`` and ``head.…``; patterns of recipes match
    these names.

    Args:
        method: Method to train.
        backbone: Backbone that computes the features from frames; None for stored features.
        card: Card of the backbone.
        classes: Number of training classes.
        precision: Precision of the networks, ``float32`` or ``bfloat16``.
        text: Embeddings (classes d) of the training classes, for methods that use text.
    """

    text: Tensor | None

    def __init__(
        self,
        method: Method,
        backbone: Backbone | None,
        card: Card,
        classes: int,
        precision: str,
        text: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.method = method
        self.requests = method.training_requests(card)
        self._levels = [one for one in self.requests if isinstance(one, FeatureRequest)]
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
        found: dict[Request, Tensor] = {}
        for count, frames in batch.frames.items():
            requests = [one for one in self._levels if _frames(one, self.card) == count]
            names = [request.level for request in requests if request.level != "pixels"]
            images = frames
            if batch.crops is not None:
                images = apply(frames, batch.crops, self.card.input_size)
            v = len(images)
            deep = self.backbone(backbone.normalise(images.flatten(0, 1)), names) if names else {}
            for request in requests:
                if request.level == "pixels":
                    found[request] = images
                else:
                    found[request] = deep[request.level].float().unflatten(0, (v, request.frames))
        return found

    def _episodes(self, batch: Batch, features: Features) -> TrainingBatch:
        drawn = batch.drawn
        n, s, q = drawn.ways, drawn.ways * drawn.shots, drawn.ways * drawn.queries
        by_episode = {request: x.unflatten(0, (-1, s + q)) for request, x in features.items()}
        base = batch.labels.unflatten(0, (-1, s + q))  # (b s+q)
        classes, b = base[:, : s : drawn.shots], len(base)  # (b n)
        own = torch.arange(n, device=base.device)
        text: Tensor | None = self.text
        return TrainingBatch(
            support={request: x[:, :s] for request, x in by_episode.items()},
            support_labels=own.repeat_interleave(drawn.shots).expand(b, s),
            query={request: x[:, s:] for request, x in by_episode.items()},
            query_labels=own.repeat_interleave(drawn.queries).expand(b, q),
            n=n,
            text=None if text is None else text[classes],
            base_text=text,
            base_classes=classes,
            classify=self._classify if self.head.weight.requires_grad else None,
        )

    def _classify(self, nodes: Nodes) -> Tensor:
        logits: Tensor = self.head(self.method.class_vectors(nodes))  # (b v m N)
        return logits


def head_width(method: Method, card: Card) -> int:
    """Return D of ``class_vectors``, computed from zeros in the shape of the card's features."""
    with torch.no_grad(), evaluating(method):
        return method.class_vectors(method.encode(zero_features(method, card))).shape[-1]


def zero_features(method: Method, card: Card) -> Features:
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
