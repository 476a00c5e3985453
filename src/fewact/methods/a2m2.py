"""A²M²-Net: multi-scale second-order moments, aligned by an exact Earth Mover's Distance.

arXiv 2509.17638 (IJCV 2025). A video becomes nodes: moments over windows of several lengths. Two
videos are compared by the transport of one video's nodes onto the other's; the weight of a node
depends on the other video. Any other registered aligner can compare the same nodes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, Literal

import torch
from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic_core import ArgsKwargs
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align
from fewact.align import Alignment
from fewact.backbones.card import Card, Level
from fewact.core.errors import OptionError
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.a2m2_matching import MEAN_NODES, AlignmentOptions, BankVideos, NodeComparison
from fewact.methods.base import (
    BankScorer,
    FrameMatch,
    Nodes,
    TextMethod,
    TrainingBatch,
    attention_of,
    cross_entropy,
    one_hot_mean,
    promoted,
    support_state,
)
from fewact.methods.common.inputs import class_text, seeded
from fewact.methods.common.kernel import intra_class_similarity, mean_over_shots
from fewact.methods.common.options import Only, OptionModel, options_dataclass
from fewact.methods.common.reduction import ChannelReduction, Reduction
from fewact.methods.common.shots import by_class
from fewact.methods.common.temporal import TemporalAttention, linear_detrend
from fewact.methods.common.text import combined_logits, named_classes, text_logits
from fewact.moments import LONGEST_SKETCH, cross_frame, multi_scale_moments, third_order

Preset = Literal["training_free", "paper"]

PAPER: Mapping[str, Any] = MappingProxyType(
    {
        "moments.level": "maps",
        "moments.reduction": "learned",
        "moments.subtract_clip_mean": False,
        "alignment.time_weight": 0.0,
        "shot_aggregation": "prototype",
        "intra_class_weight": 0.0,
    }
)
"""Defaults of A²M²-Net as published, where they are not those of the training-free preset."""

PRESETS: Mapping[Preset, Mapping[str, Any]] = MappingProxyType(
    {"training_free": MappingProxyType({}), "paper": PAPER}
)


class MomentOptions(OptionModel):
    """How a video becomes nodes: moments of its features over windows of several lengths.

    Args:
        level: Features that the moments are computed of: ``maps`` of the last stage, ``middle`` at
            stride 16, or ``vectors``. ``auto``: ``middle`` where the backbone has it; for a learned
            reduction ``maps``.
        lengths: Window lengths in frames; (1, 2, 4) on 8 frames gives 14 nodes.
        grid: 2 adds the four quarters of the maps as nodes of each window.
        descriptor: Descriptor of a window: ``sqrt``, the square root of the covariance;
            ``covariance``; ``mean``, first order; ``third``, a sketch of the third-order moment.
        sketch: Length of the sketch of ``third``.
        steps: Newton–Schulz steps of ``sqrt``.
        reduction: Reduction of the channels, see ``ChannelReduction``.
        width: Channels after the reduction; ``none`` and ``auto`` have a fixed width.
        in_channels: Channels before a reduction with weights (``learned``, ``linear``, ``pca``);
            training takes them from the backbone.
        subtract_clip_mean: Subtract the clip's mean map from each frame, so that motion remains.
        linear_detrend: Remove the linear change over time first, such as the effect of a slow pan.
        attention: Temporal attention before the moments; for a reduction with trained weights.
        cross_frame: Weight γ of the change from a window to the next, which is appended to its
            descriptor; see ``fewact.moments.cross_frame``.
        normalise: Normalisation of the nodes: ``layernorm`` of each; ``support_mean`` subtracts
            the mean node of the episode's support, in which all classes count alike.
    """

    level: Literal["auto", "maps", "middle", "vectors"] = "auto"
    lengths: tuple[PositiveInt, ...] = (1, 2, 4)
    grid: Literal[1, 2] = 1
    descriptor: Literal["sqrt", "covariance", "mean", "third"] = "sqrt"
    sketch: Annotated[int, Field(ge=1, le=LONGEST_SKETCH), Only("moments.descriptor", "third")] = (
        2048
    )
    steps: Annotated[PositiveInt, Only("moments.descriptor", "sqrt")] = 3
    reduction: Reduction = "auto"
    width: Annotated[
        PositiveInt, Only("moments.reduction", "orthogonal", "pca", "linear", "learned")
    ] = 128
    in_channels: Annotated[
        PositiveInt | None, Only("moments.reduction", "learned", "linear", "pca")
    ] = None
    subtract_clip_mean: bool = True
    linear_detrend: bool = False
    attention: Annotated[bool, Only("moments.reduction", "learned", "linear", off=False)] = False
    cross_frame: NonNegativeFloat = 0.0
    normalise: Literal["none", "layernorm", "support_mean"] = "none"

    def level_of(self, card: Card) -> Level:
        """Return the level whose features are used of a backbone."""
        if self.level != "auto":
            return self.level
        levels: tuple[Level, ...] = ("middle", "maps", "vectors")
        usable = levels[1:] if self.reduction == "learned" else levels
        return next((level for level in usable if card.has(level)), usable[0])

    def channels_of(self, card: Card) -> int | None:
        """Return the channels for a trained reduction; None if they are set or not needed."""
        if self.reduction not in ("learned", "linear") or self.in_channels is not None:
            return None
        return card.shape_of(self.level_of(card))[0]


NEEDS_TEXT = Only("text_weight", when=bool, needs="text_weight above 0")


@options_dataclass
class A2M2Options:
    """Options of ``a2m2``; the defaults need no training.

    Args:
        preset: Defaults of the other options: ``training_free``, or ``paper`` for A²M²-Net as
            published: maps of the last stage, learned reduction, no subtraction of the clip's mean,
            no time in the cost, averaged support videos.
        frames: Frames of a video.
        stabilise: Compensate camera motion; ``auto`` compensates detected camera motion.
        moments: Group of options: how a video becomes nodes.
        alignment: Group of options: how the nodes of two videos are compared.
        shot_aggregation: Aggregation over the shots of a class: ``mean`` averages the scores;
            ``prototype`` averages the videos node by node; ``union`` aligns with the nodes of all.
        intra_class_weight: Weight of the mean score inside a class, which is subtracted from the
            class's score; for ``mean``.
        temperature: Temperature of the logits: logits = similarity / temperature.
        learn_temperature: Train the temperature.
        text_weight: Weight α of the class names in p_text^α · p_visual^(1−α); 0 ignores the names,
            published is 0.9. Vectors and class embeddings must share a space, as in CLIP.
        text_temperature: Temperature of the cosines of mean frame and class embeddings.
        contrast_weight: Weight of the training loss that classifies each video among the names of
            all training classes, by these cosines.
        seed: Seed of the initial weights.
    """

    preset: Preset = "training_free"
    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    moments: MomentOptions = MomentOptions()
    alignment: AlignmentOptions = AlignmentOptions()
    shot_aggregation: Literal["mean", "prototype", "union"] = "mean"
    intra_class_weight: Annotated[NonNegativeFloat, Only("shot_aggregation", "mean", off=0)] = 0.5
    temperature: PositiveFloat = 0.08
    learn_temperature: bool = False
    text_weight: Annotated[float, Field(ge=0, le=1)] = 0.0
    text_temperature: Annotated[PositiveFloat, NEEDS_TEXT] = 0.01
    contrast_weight: Annotated[NonNegativeFloat, NEEDS_TEXT] = 1.0
    seed: Annotated[NonNegativeInt, Only("moments.reduction", "learned", "linear")] = 0

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, inputs: Any) -> Any:
        values = dict((inputs.kwargs or {}) if isinstance(inputs, ArgsKwargs) else inputs)
        for name, value in PRESETS.get(values.get("preset", ""), {}).items():
            group, _, option = name.rpartition(".")
            if not group:
                values.setdefault(option, value)
                continue
            grouped = values.get(group, {})
            grouped = (
                grouped.model_dump(exclude_unset=True)
                if isinstance(grouped, OptionModel)
                else grouped
            )
            values[group] = {option: value, **grouped}
        return ArgsKwargs(inputs.args, values) if isinstance(inputs, ArgsKwargs) else values

    @property
    def preset_defaults(self) -> Mapping[str, Any]:
        """Defaults of the preset by option name."""
        return PRESETS[self.preset]

    def __post_init__(self) -> None:
        _refuse_conflicts(self)


def _refuse_conflicts(options: A2M2Options) -> None:
    """Refuse options that contradict each other."""
    moments, name = options.moments, options.alignment.name
    card = align.AlignerCard() if name in MEAN_NODES else align.card(name)
    union, grid = options.shot_aggregation == "union", moments.grid > 1
    conflicts = (
        (
            "alignment.name",
            name,
            (union and (card.ordered or card.paired)) or (grid and card.ordered),
            "compares nodes in order, which a union of shots or a grid does not have",
            "shot_aggregation mean or prototype, moments.grid 1",
        ),
        (
            "moments.cross_frame",
            moments.cross_frame,
            moments.cross_frame > 0 and (grid or moments.descriptor not in ("sqrt", "covariance")),
            "does not fit the other options",
            "moments.grid 1, moments.descriptor sqrt or covariance",
        ),
        (
            "moments.normalise",
            moments.normalise,
            moments.normalise == "support_mean" and name == "euclidean",
            f"has no effect with alignment.name={name}",
            "another alignment.name: a distance ignores a common shift",
        ),
        (
            "seed",
            options.seed,
            options.seed > 0 and moments.reduction == "linear" and not moments.attention,
            "has no effect with moments.attention=False",
            "moments.attention, or moments.reduction learned",
        ),
        (
            "moments.descriptor",
            moments.descriptor,
            moments.descriptor == "third" and grid,
            "does not fit the other options",
            "moments.grid 1",
        ),
    )
    for option, value, conflict, what, expected in conflicts:
        if conflict:
            raise OptionError(what, where=f'option "{option}"', got=str(value), expected=expected)


@dataclass(frozen=True)
class A2M2State:
    """Support of each episode.

    Args:
        nodes: (b p m' D) nodes of support videos, prototypes, or unions of a class's videos.
        present: (b p m'), 1 for a node and 0 for padding of classes with fewer shots.
        classes: (b n p) weights that average comparisons to classes.
        intra_class: (b n), subtracted from the logits.
        offset: (b 1 1 D), subtracted from the nodes of queries too; None without normalisation by
            the support's mean.
        text: (b n d) embeddings of the class names; None without them.
    """

    nodes: Tensor
    present: Tensor
    classes: Tensor
    intra_class: Tensor
    offset: Tensor | None
    text: Tensor | None = None


def request_of(level: Level, options: A2M2Options) -> FeatureRequest:
    """Return the request for a level."""
    return FeatureRequest(level, View(options.frames, options.stabilise))


def maps_of(features: Features, options: A2M2Options) -> Tensor:
    """Return the requested features as maps (… t c h w), promoted to float32 at least.

    Raises:
        OptionError: There are none of the level.
    """
    requested = options.moments.level
    levels: tuple[Level, ...] = ("middle", "maps", "vectors")
    for level in levels:
        values = features.get(request_of(level, options))
        if values is not None and requested in ("auto", level):
            values = values.to(promoted(values))
            return values[..., None, None] if level == "vectors" else values
    raise OptionError(
        "there are no features of this level",
        where='option "moments.level"',
        got=f"{requested}, {options.frames} frames",
        expected=", ".join(map(str, features)),
    )


def contrast(mean: Tensor, text: Tensor, batch: TrainingBatch, options: A2M2Options) -> Tensor:
    """Return the weighted cross-entropy of videos with class names.

    Args:
        mean: (b s+q d) mean frames of the support and query videos.
        text: (b n d) embeddings of the episode's class names, unless the batch has all classes.
        batch: Labels, and embeddings of all training classes if it has them.
        options: Weight and temperature.
    """
    all_text, labels = named_classes(batch)
    named = text_logits(
        mean, text if all_text is None else all_text.to(mean), options.text_temperature
    )
    return options.contrast_weight * cross_entropy(named, labels)


def describe(maps: Tensor, options: MomentOptions) -> Tensor:
    """Return the nodes of maps with reduced channels: (… t d h w) → (… m D)."""
    maps = maps.to(promoted(maps))
    if options.linear_detrend:
        maps = linear_detrend(maps, dim=-4)
    if options.descriptor == "third":
        nodes = third_order(_changes(maps, options), options.lengths, options.sketch)
    else:
        nodes = multi_scale_moments(
            maps,
            lengths=options.lengths,
            steps=options.steps,
            descriptor=options.descriptor,
            grid=options.grid,
            subtract_clip_mean=options.subtract_clip_mean,
        )
    if options.cross_frame > 0:
        changes = _changes(maps, options)
        change = cross_frame(changes, options.lengths, root=options.descriptor == "sqrt")
        nodes = torch.cat([nodes, options.cross_frame * change], -1)
    if options.normalise == "layernorm":
        nodes = functional.layer_norm(nodes, nodes.shape[-1:])
    return nodes


def _changes(maps: Tensor, options: MomentOptions) -> Tensor:
    """Subtract the clip's mean map if requested: (… t d h w) → (… t d h w).

    A static clip has zeros: the rounding errors that would be left have a direction.
    """
    if not options.subtract_clip_mean:
        return maps
    changes = maps - maps.mean(-4, keepdim=True)
    change, norm = (
        vector_norm(x.detach(), dim=(-4, -3, -2, -1), keepdim=True) for x in (changes, maps)
    )
    return changes.masked_fill(change <= 8 * torch.finfo(maps.dtype).eps * norm, 0)


def aggregate(videos: Tensor, labels: Tensor, n: int, options: A2M2Options) -> A2M2State:
    """Aggregate the nodes (b s m D) of the support videos over the shots of each class."""
    b, s, m, _ = videos.shape
    mean = one_hot_mean(labels, n, videos.dtype)  # (b n s)
    offset = None
    if options.moments.normalise == "support_mean":
        offset = torch.einsum("bns,bsmd->bd", mean, videos)[:, None, None] / (n * m)
        videos = videos - offset
    zero = videos.new_zeros(b, n)
    if options.shot_aggregation == "mean":
        return A2M2State(videos, videos.new_ones(b, s, m), mean, zero, offset)
    identity = torch.eye(n, dtype=videos.dtype, device=videos.device).expand(b, n, n)
    if options.shot_aggregation == "prototype":
        prototypes = torch.einsum("bns,bsmd->bnmd", mean, videos)
        return A2M2State(prototypes, videos.new_ones(b, n, m), identity, zero, offset)
    union, present = _union(videos, labels, n)
    return A2M2State(union, present, identity, zero, offset)


def _union(videos: Tensor, labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return all nodes (b n k·m D) of each class, and which of them are present (b n k·m).

    k is the largest number of shots; classes with fewer are padded at the end.
    """
    nodes, present = by_class(videos, labels, n)  # (b n k m D), (b n k)
    m = videos.shape[2]
    return nodes.flatten(2, 3), present.repeat_interleave(m, -1)


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
        self.averages_pairs = options.shot_aggregation == "mean" and not self.uses_text
        self.trained = moments.reduction != "learned"
        with seeded(options.seed):
            self.reduction = ChannelReduction(moments.reduction, moments.width, moments.in_channels)
            self.attention = TemporalAttention(self.reduction.width) if moments.attention else None
        self.temperature = CALIBRATED / options.temperature
        self._comparison = NodeComparison(
            options.alignment, options.frames, moments.lengths, moments.grid
        )
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
        return tuple(request_of(level, self.options) for level in needed)

    def explaining_requests(self, card: Card) -> tuple[Request, ...]:
        """Return the requests of scoring."""
        return self.requests(card)

    def fit_reduction(self, features: Features) -> None:
        """Fit the reduction ``pca``.

        Args:
            features: Features (… t c h w) of videos used for neither support nor test.
        """
        samples = maps_of(features, self.options).movedim(-3, -1).flatten(0, -2)  # (m c)
        self.reduction.fit(samples[:: max(1, len(samples) // FITTED_CELLS)])

    def encode(self, features: Features) -> Nodes:
        """Return M² descriptors (… m D), and the mean frame (… d) if class names are used."""
        nodes = {"nodes": self._described(maps_of(features, self.options))}
        if self.uses_text:
            frames = features[request_of("vectors", self.options)]
            nodes["mean"] = frames.to(promoted(frames)).mean(-2)
        return nodes

    def _described(self, maps: Tensor) -> Tensor:
        """Return the descriptors of maps: (… t c h w) → (… m D)."""
        reduced: Tensor = self.reduction(maps)
        if self.attention is not None:
            reduced = self.attention(reduced)
        return describe(reduced, self.options.moments)

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> A2M2State:
        """Aggregate the support videos over the shots of each class.

        Raises:
            OptionError: Class names are used and there is no text.
            ShapeError: The embeddings don't have one row per class, as long as the vectors.
        """
        state = aggregate(nodes["nodes"], labels, n, self.options)
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
        return logits, scores if self.averages_pairs else None

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
            losses["contrast"] = contrast(mean, state.text, batch, self.options)
        return losses

    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        """Return the scores of two sets of videos: (b q …), (b s …) → (b q s)."""
        support = second["nodes"]
        return self._scores(first["nodes"], support, support.new_ones(support.shape[:-1]))

    def bank_scorer(self, support: Nodes, query: Nodes) -> BankScorer | None:
        """Return a scorer of videos in banks, where logits depend on products of nodes alone."""
        options = self.options
        by_products = (
            options.text_weight == 0
            and options.shot_aggregation == "mean"
            and options.moments.normalise != "support_mean"
            and self._comparison.reads_banks
        )
        return self._bank_scorer(support["nodes"], query["nodes"]) if by_products else None

    def _bank_scorer(self, support: Tensor, query: Tensor) -> BankScorer:
        """Return a scorer of banks (v m D) of support videos and (w m D) of queries."""
        norms, query_norms = vector_norm(support, dim=-1), vector_norm(query, dim=-1)
        weight = self.options.intra_class_weight

        def videos(rows: Tensor) -> BankVideos:
            return BankVideos(support, norms, rows)

        def pairs(first: BankVideos, second: BankVideos) -> Tensor:
            return self._scaled(self._comparison.of_banks(first, second))

        def score(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
            similarity = pairs(BankVideos(query, query_norms, queries), videos(rows))
            logits = mean_over_shots(similarity, labels, n)  # (b q n)
            if weight == 0:
                return logits
            inside = intra_class_similarity(
                lambda members, _: pairs(videos(members["rows"]), videos(members["rows"])),
                {"rows": rows},
                labels,
                n,
            )
            return logits - weight * inside[:, None]

        return score

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
        if self.options.moments.normalise == "support_mean":  # not known of two videos alone
            return None
        return self._comparison.match_windows(query["nodes"], support["nodes"])

    def attend_frames(self, features: Features) -> FrameMatch | None:
        """Return the weights of the temporal attention before the moments."""
        if self.attention is None:
            return None
        maps = self.reduction(maps_of(features, self.options))
        return attention_of(self.attention.weights(maps))

    def match_cells(
        self, query: Nodes, support: Nodes, features: Features, state: Any = None
    ) -> dict[str, Tensor]:
        """Return what cells add to the similarity of moments, to first order, by a gradient."""
        maps, options = maps_of(features, self.options), self.options
        alone = options.moments.normalise == "support_mean" or options.stabilise != "off"
        if alone or maps.shape[-2:].numel() == 1:
            return {}

        def similarity(varied: Tensor) -> Tensor:
            reference = support["nodes"].clone()[None, None]  # (1 1 m D)
            query = self._described(varied)[None, None]
            return self._comparison.similarity(
                query, reference, reference.new_ones(reference.shape[:-1])
            ).sum()

        return {"moments": gradient_cells(similarity, maps, CELLS)}

    def _scores(self, query: Tensor, support: Tensor, present: Tensor) -> Tensor:
        """Return similarities over the temperature: (b q m D), (b p m' D), (b p m') → (b q p)."""
        return self._scaled(self._comparison.similarity(query, support, present))

    def _scaled(self, similarity: Tensor) -> Tensor:
        """Return similarities over the temperature."""
        if self.log_temperature is None:
            return similarity * (1 / self.options.temperature)
        return similarity / self.log_temperature.to(similarity).exp()


def gradient_cells(similarity: Callable[[Tensor], Tensor], maps: Tensor, grid: int) -> Tensor:
    """Return what each cell of maps adds to a similarity, to first order.

    The gradient at a cell times the cell's deviation from the mean of all cells, as Grad-CAM
    weighs maps, but with both signs: a similarity of vectors of length 1 does not change where all
    deviations grow alike, so that the values of all cells add up to about 0.

    Args:
        similarity: Function from maps to a single number.
        maps: Maps (t c h w) of a video.
        grid: Most rows and columns of the result.

    Returns:
        (t g g), averaged over cells: above 0 where the similarity would grow with the deviation.
    """
    with torch.inference_mode(False), torch.enable_grad():
        varied = maps.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(similarity(varied), varied)
    with torch.inference_mode():
        deviation = maps - maps.mean((0, 2, 3), keepdim=True)
        added = (gradient * deviation).sum(1)  # (t h w)
        side = min(grid, *added.shape[-2:])
        return functional.adaptive_avg_pool2d(added, side)
