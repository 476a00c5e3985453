"""SAFSAR without texts, and the feature-residual discriminator for open sets.

Tang, Ding, Zhao et al., Semantic-aware Video Representation for Few-shot Action Recognition, WACV
2024; Berti, Pasquale, Natale, A Baseline Study and Benchmark for Few-Shot Open-Set Action
Recognition with Feature Residual Discrimination, arXiv 2603.04125, 2026. Shapes follow the
second paper's public code with ``use_textual_embedding`` off: a class is the mean of its videos.

A transformer layer joins each query q with the n class means: [x, y₁ … yₙ] = Tr([q, p₁ … pₙ]). The
logits are cos(x, y_c). The discriminator D, four linear layers, reads the residual x − y_c of the
predicted class c, and σ(D(x − y_c)) is the probability that the query is of one of the classes. In
the paper unknown queries of a training episode are of other classes. Here they are the queries
themselves, scored without their own class; as there, D is trained on queries that are classified
correctly and on as many unknown ones.
"""

from dataclasses import dataclass

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TorchMethod, TrainingBatch, cross_entropy
from fewact.lab.methods.common.inputs import frame_vectors, seeded
from fewact.lab.methods.common.shots import class_means
from fewact.methods.common.options import options_dataclass
from fewact.networks.card import Card

LAST_HIDDEN = 64
"""Width of the discriminator's last hidden layer."""


@options_dataclass
class SAFSAROptions:
    """Options of ``safsar``; it must be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        heads: Largest number of attention heads; there are as many as divide vector_width.
        hidden: Hidden width of the feed-forward layers.
        discriminator: Train the discriminator that rejects queries of other classes.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 768
    heads: PositiveInt = 8
    hidden: PositiveInt = 3072
    discriminator: bool = True
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class SAFSARState:
    """Class means (b n d) of the support videos."""

    prototypes: Tensor


class SAFSAR(TorchMethod[SAFSAROptions, SAFSARState]):
    """Class means and each query, joined by a transformer; a discriminator of their residuals."""

    Options = SAFSAROptions
    paper = "SAFSAR, WACV 2024; arXiv 2603.04125"
    trained = False

    def __init__(self, options: SAFSAROptions) -> None:
        super().__init__(options)
        width = options.vector_width
        heads = max(h for h in range(1, options.heads + 1) if width % h == 0)
        self.rejects = options.discriminator
        with seeded(options.seed):
            self.join = nn.TransformerEncoderLayer(width, heads, options.hidden, batch_first=True)
            layers = (
                *(nn.Linear(width, 2 * width), nn.ReLU()),
                *(nn.Linear(2 * width, width), nn.ReLU()),
                *(nn.Linear(width, LAST_HIDDEN), nn.ReLU()),
                nn.Linear(LAST_HIDDEN, 1),
            )
            self.discriminator = nn.Sequential(*(layers if options.discriminator else ()))

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return the mean vector (… d) of the frames."""
        vectors = frame_vectors(features, self.options.frames, self.options.vector_width)
        return {"video": vectors.mean(-2)}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> SAFSARState:
        return SAFSARState(class_means(nodes["video"], labels, n))

    def score(self, state: SAFSARState, nodes: Nodes) -> Tensor:
        return self._compared(state, nodes["video"])[0]

    def known(self, state: SAFSARState, nodes: Nodes) -> Tensor:
        """Return the log-odds (b q) of the discriminator."""
        return self._odds(self._compared(state, nodes["video"])[1])

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropies of the cosines and of the discriminator."""
        state, labels = self.support(support, batch.support_labels, batch.n), batch.query_labels
        logits, residual = self._compared(state, query["video"])
        losses = {"cross_entropy": cross_entropy(logits, labels)}
        if self.options.discriminator:
            own = functional.one_hot(labels, batch.n).bool()
            known = self._odds(residual)
            unknown = self._odds(self._compared(state, query["video"], hidden=own)[1])
            right = (logits.argmax(-1) == labels).to(known)  # (b q)
            each = (functional.softplus(-known) + functional.softplus(unknown)) / 2
            losses["discriminator"] = (each * right).sum() / right.sum().clamp_min(1)
        return losses

    def _odds(self, residual: Tensor) -> Tensor:
        odds: Tensor = self.discriminator(residual)
        return odds.squeeze(-1)

    def _compared(
        self, state: SAFSARState, videos: Tensor, hidden: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the cosines (b q n), and the residual (b q d) of the nearest class.

        Args:
            state: Class means.
            videos: Queries (b q d).
            hidden: Whether a query is compared without a class (b q n); its cosine is −2.
        """
        prototypes = state.prototypes[:, None].expand(-1, videos.shape[1], -1, -1)
        tokens = torch.cat([videos[:, :, None], prototypes], 2)  # (b q n+1 d)
        mask = None if hidden is None else functional.pad(hidden, (1, 0)).flatten(0, 1)
        joined = self.join(tokens.flatten(0, 1), src_key_padding_mask=mask).view_as(tokens)
        query, classes = joined[:, :, :1], joined[:, :, 1:]
        cosines = functional.cosine_similarity(query, classes, dim=-1)
        if hidden is not None:
            cosines = cosines.masked_fill(hidden, -2.0)
        nearest = cosines.argmax(-1)[..., None, None].expand(-1, -1, 1, query.shape[-1])
        return cosines, (query - classes.gather(2, nearest)).squeeze(2)
