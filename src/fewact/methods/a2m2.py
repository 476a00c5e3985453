"""A²M²-Net: multi-scale second-order moments, aligned by an exact Earth Mover's Distance.

arXiv 2509.17638 (IJCV 2025). A video becomes nodes: moments over windows of several lengths. Two
videos are compared by the transport of one video's nodes onto the other's; the weight of a node
depends on the other video. Any other registered aligner can compare the same nodes.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from fewact.align import Alignment
from fewact.backbones.card import Card
from fewact.features.request import Features, Request
from fewact.methods import a2m2_parts as parts
from fewact.methods.a2m2_compare import Comparison, bank_scorer
from fewact.methods.a2m2_options import A2M2Options, AlignmentOptions, MomentOptions
from fewact.methods.a2m2_parts import A2M2State
from fewact.methods.base import (
    BankScorer,
    Nodes,
    TextMethod,
    TrainingBatch,
    cross_entropy,
    promoted,
    support_state,
)
from fewact.methods.common.cells import gradient_cells
from fewact.methods.common.inputs import class_text, seeded
from fewact.methods.common.kernel import intra_class_similarity
from fewact.methods.common.reduction import ChannelReduction
from fewact.methods.common.temporal_attention import TemporalAttention
from fewact.methods.common.text_logits import combined_logits, text_logits
from fewact.methods.explaining import FrameMatch, attention_of

__all__ = ["A2M2", "A2M2Options", "A2M2State", "AlignmentOptions", "MomentOptions"]

CALIBRATED = 0.0136
"""Temperature of probabilities for similarities, fitted with the defaults on development clips."""

CELLS = 7
"""Rows and columns of the cells that explain a similarity."""

FITTED_CELLS = 200_000
"""Approximate number of cells of the maps, evenly spread, that ``pca`` is fitted to."""


class A2M2(TextMethod[A2M2Options, A2M2State]):
    """Adaptively aligned multi-scale second-order moments."""

    Options = A2M2Options
    paper = "A²M²-Net, IJCV 2025"
    uses_text = False  # unless option text_weight is positive
    scoring = frozenset(
        {"alignment.name", "alignment.weights", "alignment.time_weight", "shot_aggregation"}
        | {"intra_class_weight", "temperature", "text_temperature", "contrast_weight"}
    )

    def __init__(self, options: A2M2Options) -> None:
        super().__init__(options)
        moments = options.moments
        self.uses_text = options.text_weight > 0
        self.trained = moments.reduction != "learned"
        with seeded(options.seed):
            self.reduction = ChannelReduction(moments.reduction, moments.width, moments.in_channels)
            self.attention = TemporalAttention(self.reduction.width) if moments.attention else None
        self.temperature = CALIBRATED / options.temperature
        self._comparison = Comparison(options)
        self.log_temperature = (
            nn.Parameter(torch.tensor(options.temperature).log())
            if options.learn_temperature
            else None
        )

    @classmethod
    def fitting(cls, options: A2M2Options, card: Card) -> dict[str, Any]:
        """Return the channels of the level for a trained reduction, unless they are set."""
        channels = options.moments.channels_of(card)
        return {} if channels is None else {"moments.in_channels": channels}

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Request one level, see option ``moments.level``, and vectors if class names are used."""
        level = self.options.moments.level_of(card)
        needed = dict.fromkeys((level, "vectors") if self.uses_text else (level,))
        return tuple(parts.request_of(level, self.options) for level in needed)

    def fit_reduction(self, features: Features) -> None:
        """Fit the reduction ``pca``.

        Args:
            features: Features (… t c h w) of videos used for neither support nor test.
        """
        samples = parts.maps_of(features, self.options).movedim(-3, -1).flatten(0, -2)  # (m c)
        self.reduction.fit(samples[:: max(1, len(samples) // FITTED_CELLS)])

    def encode(self, features: Features) -> Nodes:
        """Return M² descriptors (… m D), and the mean frame (… d) if class names are used."""
        nodes = {"nodes": self._described(parts.maps_of(features, self.options))}
        if self.uses_text:
            frames = features[parts.request_of("vectors", self.options)]
            nodes["mean"] = frames.to(promoted(frames)).mean(-2)
        return nodes

    def _described(self, maps: Tensor) -> Tensor:
        """Return the descriptors of maps: (… t c h w) → (… m D)."""
        reduced: Tensor = self.reduction(maps)
        if self.attention is not None:
            reduced = self.attention(reduced)
        return parts.describe(reduced, self.options.moments)

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> A2M2State:
        """Aggregate the support videos over the shots of each class.

        Raises:
            OptionError: Class names are used and there is no text.
            ShapeError: The embeddings don't have one row per class, as long as the vectors.
        """
        state = parts.aggregate(nodes["nodes"], labels, n, self.options)
        weight = self.options.intra_class_weight
        if self.options.shot_aggregation == "mean" and weight > 0:
            similarity = intra_class_similarity(
                lambda videos, _: self.similarity(videos, videos),
                {"nodes": state.nodes},
                labels,
                n,
            )
            state = replace(state, intra_class=weight * similarity)
        if not self.uses_text:
            return state
        mean = nodes["mean"]
        named = class_text(text, n, mean.shape[-1], hint="Use the backbone's text encoder.")
        return replace(state, text=named.to(mean))

    def score(self, state: A2M2State, nodes: Nodes) -> Tensor:
        """Return logits (b q n): similarities over the temperature, combined with the texts'."""
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: A2M2State, nodes: Nodes) -> tuple[Tensor, Tensor | None]:
        """Return logits (b q n), and for ``mean`` without text the averaged scores (b q s)."""
        query = nodes["nodes"]
        if state.offset is not None:
            query = query - state.offset
        scores = self._scores(query, state.nodes, state.present)  # (b q p)
        logits = torch.einsum("bqp,bnp->bqn", scores, state.classes) - state.intra_class[:, None]
        if state.text is not None:
            named = text_logits(nodes["mean"], state.text, self.options.text_temperature)
            return combined_logits(named, logits, self.options.text_weight), None
        return logits, scores if self.options.shot_aggregation == "mean" else None

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropy of the visual scores; with names, of each video with them too.

        As in CLIP-FSAR, the two are combined in scoring alone.
        """
        state = support_state(self, support, batch.support_labels, batch.n, batch.text)
        logits = self.score(replace(state, text=None), query)  # (b q n)
        losses = {"cross_entropy": cross_entropy(logits, batch.query_labels)}
        if state.text is not None:
            mean = torch.cat([support["mean"], query["mean"]], 1)  # (b s+q d)
            losses["contrast"] = parts.contrast(mean, state.text, batch, self.options)
        return losses

    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        """Return the scores of two sets of videos: (b q …), (b s …) → (b q s)."""
        support = second["nodes"]
        return self._scores(first["nodes"], support, support.new_ones(support.shape[:-1]))

    def bank_scorer(self, support: Nodes, query: Nodes) -> BankScorer | None:
        """Return a scorer of videos in banks, where logits depend on products of nodes alone."""
        if not self._comparison.reads_banks:
            return None
        return bank_scorer(self._comparison, support, query, self._scaled)

    def match(self, query: Tensor, support: Tensor, state: A2M2State | None = None) -> Alignment:
        """Align the nodes of two videos with the configured aligner.

        Args:
            query: (m D), as ``encode`` returns them.
            support: (m' D), as ``encode`` returns them.
            state: Support of one episode, whose mean is subtracted from the nodes if they are
                normalised by it; None compares them as they are.

        Returns:
            Mean cost of a matched pair, and the plan (m m'), scaled to the sum m.

        Raises:
            OptionError: ``cosine`` and ``euclidean`` compare mean nodes and align nothing.
        """
        if state is not None and state.offset is not None:
            query, support = query - state.offset[0, 0], support - state.offset[0, 0]
        return self._comparison.match(query, support)

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch | None:
        """Return the alignment of the windows, where nodes are windows and are aligned."""
        return self._comparison.match_windows(query["nodes"], support["nodes"])

    def attend_frames(self, features: Features) -> FrameMatch | None:
        """Return the weights of the temporal attention before the moments."""
        if self.attention is None:
            return None
        maps = self.reduction(parts.maps_of(features, self.options))
        return attention_of(self.attention.weights(maps))

    def match_cells(
        self, query: Nodes, support: Nodes, features: Features, state: Any = None
    ) -> dict[str, Tensor]:
        """Return what cells add to the similarity of moments, to first order, by a gradient."""
        maps, options = parts.maps_of(features, self.options), self.options
        alone = options.moments.normalise == "support_mean" or options.stabilise != "off"
        if alone or maps.shape[-2:].numel() == 1:
            return {}

        def similarity(own: Tensor) -> Tensor:
            other = support["nodes"].clone()[None, None]  # (1 1 m D)
            query = self._described(own)[None, None]
            return self._comparison.similarity(query, other, other.new_ones(other.shape[:-1])).sum()

        return {"moments": gradient_cells(similarity, maps, CELLS)}

    def _scores(self, query: Tensor, support: Tensor, present: Tensor) -> Tensor:
        """Return similarities over the temperature: (b q m D), (b p m' D), (b p m') → (b q p)."""
        return self._scaled(self._comparison.similarity(query, support, present))

    def _scaled(self, similarity: Tensor) -> Tensor:
        """Return similarities over the temperature."""
        if self.log_temperature is None:
            return similarity * (1 / self.options.temperature)
        return similarity / self.log_temperature.to(similarity).exp()
