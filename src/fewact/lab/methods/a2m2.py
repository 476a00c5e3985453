"""A²M²-Net: multi-scale second-order moments, aligned by an exact Earth Mover's Distance.

arXiv 2509.17638 (IJCV 2025). A video becomes nodes: moments over windows of several lengths. Two
videos are compared by the transport of one video's nodes onto the other's; the weight of a node
depends on the other video. Any other registered aligner can compare the same nodes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal

import torch
from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic_core import ArgsKwargs
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align
from fewact.align import Alignment
from fewact.core.errors import OptionError, UnknownNameError, did_you_mean
from fewact.features.request import FeatureRequest, Request, Stabilise, View
from fewact.lab.methods.base import (
    Features,
    Nodes,
    TextMethod,
    TrainingBatch,
    cross_entropy,
    one_hot_mean,
    promoted,
    support_state,
)
from fewact.lab.methods.common.attention import TemporalAttention
from fewact.lab.methods.common.inputs import class_text, seeded
from fewact.lab.methods.common.reduction import ChannelReduction, Reduction
from fewact.lab.methods.common.shots import by_class
from fewact.lab.methods.common.text import combined_logits, named_classes, text_logits
from fewact.methods.common.kernel import PairTable, intra_class_similarity, mean_over_shots
from fewact.methods.common.options import Only, OptionModel, options_dataclass
from fewact.methods.protocols import BankScorer, FrameMatch, frame_match, plan_of
from fewact.moments import Descriptor, cross_frame, multi_scale_moments, window_times, windows
from fewact.networks.card import Card, Level

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
"""Defaults of A²M²-Net as published that differ from the training-free preset."""

PRESETS: Mapping[Preset, Mapping[str, Any]] = MappingProxyType(
    {"training_free": MappingProxyType({}), "paper": PAPER}
)


Weights = Literal["cross", "self", "uniform"]

MEAN_NODES = ("cosine", "euclidean")
"""Comparisons of the mean nodes, which align nothing."""

SYMMETRIC = ("emd", "hungarian")
"""Aligners whose value is the same, but for rounding, whichever video is the query."""

WEIGHT_OFFSET = 1e-3
"""Added to the weight of each node, so that none vanishes."""

SMALLEST_NORMS = 1e-8
"""Smallest denominator of a cosine: a zero node has cosine 0 with all nodes."""


def _add_names(schema: dict[str, Any]) -> None:
    schema["enum"] = [*align.names(), *MEAN_NODES]


def _takes_weights(name: str) -> bool:
    return name not in MEAN_NODES and align.card(name).weights


def _names_with_weights() -> str:
    names = " or ".join(name for name in align.names() if align.card(name).weights)
    return f"alignment.name {names}"


def _has_times(name: str) -> bool:
    return name not in MEAN_NODES and not align.card(name).paired


class AlignmentOptions(OptionModel):
    """How the nodes of two videos are compared.

    Args:
        name: Aligner of ``fewact.align``, registered ones included; or ``cosine`` or ``euclidean``
            of the mean nodes, which aligns nothing.
        weights: Weights of the nodes, for aligners that take weights: ``cross``, the similarity of
            a node to the other video; ``self``, to its own video; ``uniform``.
        time_weight: Weight β of time in the cost 1 − cos + β·|t_i − t_j|, with t in [0, 1].
    """

    name: Annotated[str, Field(json_schema_extra=_add_names)] = "emd"
    weights: Annotated[
        Weights, Only("alignment.name", when=_takes_weights, needs=_names_with_weights)
    ] = "cross"
    time_weight: Annotated[
        NonNegativeFloat,
        Only(
            "alignment.name", when=_has_times, needs="an aligner of nodes at different times", off=0
        ),
    ] = 0.5

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        comparisons = (*align.names(), *MEAN_NODES)
        if name not in comparisons:
            raise UnknownNameError(
                "unknown aligner",
                where='option "alignment.name"',
                got=repr(name),
                expected=", ".join(comparisons),
                hint=did_you_mean(name, comparisons),
            )
        return name


class MomentOptions(OptionModel):
    """How a video becomes nodes: moments of its features over windows of several lengths.

    Args:
        level: Features that the moments are computed of: ``maps`` of the last stage, ``middle`` at
            stride 16, or ``vectors``. ``auto``: ``middle`` where the backbone has it; for a learned
            reduction ``maps``.
        lengths: Window lengths in frames; (1, 2, 4) on 8 frames gives 14 nodes.
        grid: 2 adds the four quarters of the maps as nodes of each window.
        descriptor: Descriptor of a window: ``sqrt``, the square root of the covariance;
            ``covariance``; ``mean``, first order.
        steps: Newton–Schulz steps of ``sqrt``.
        reduction: Reduction of the channels, see ``ChannelReduction``.
        width: Channels after the reduction; ``none`` and ``auto`` have a fixed width.
        in_channels: Channels before a reduction with weights (``learned``, ``linear``, ``pca``);
            training takes them from the backbone.
        subtract_clip_mean: Subtract the clip's mean map from each frame, so that motion remains.
        attention: Temporal attention before the moments; for a reduction with trained weights.
        cross_frame: Weight γ of the change from a window to the next, which is appended to its
            descriptor; see ``fewact.moments.cross_frame``.
        normalise: Normalisation of the nodes: ``layernorm`` of each; ``support_mean`` subtracts
            the mean node of the episode's support, in which all classes count alike.
    """

    level: Literal["auto", "maps", "middle", "vectors"] = "auto"
    lengths: tuple[PositiveInt, ...] = (1, 2, 4)
    grid: Literal[1, 2] = 1
    descriptor: Descriptor = "sqrt"
    steps: Annotated[PositiveInt, Only("moments.descriptor", "sqrt")] = 3
    reduction: Reduction = "auto"
    width: Annotated[
        PositiveInt, Only("moments.reduction", "orthogonal", "pca", "linear", "learned")
    ] = 128
    in_channels: Annotated[
        PositiveInt | None, Only("moments.reduction", "learned", "linear", "pca")
    ] = None
    subtract_clip_mean: bool = True
    attention: Annotated[bool, Only("moments.reduction", "learned", "linear", off=False)] = False
    cross_frame: NonNegativeFloat = 0.0
    normalise: Literal["none", "layernorm", "support_mean"] = "none"

    def level_of(self, card: Card) -> Level:
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
        contrast_weight: Weight of a training loss: each video is classified by its cosines with the
            names of all training classes.
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
        return PRESETS[self.preset]

    def __post_init__(self) -> None:
        _refuse_conflicts(self)


def _refuse_conflicts(options: A2M2Options) -> None:
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
            moments.cross_frame > 0 and (grid or moments.descriptor == "mean"),
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
    )
    for option, value, conflict, what, expected in conflicts:
        if conflict:
            raise OptionError(what, where=f'option "{option}"', got=str(value), expected=expected)


Problems = tuple[Tensor, Tensor, Tensor]
"""Costs (b q p m m') between the nodes of each query and each set of support nodes; weights
(b q p m) of the query nodes and (b q p m') of the support nodes. Both weights add up to m."""


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
    """Return the requested features as maps (… t c h w), promoted to float32 at least."""
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
    """Return all nodes (b n k·m D) of each class, padded, and which are present (b n k·m)."""
    nodes, present = by_class(videos, labels, n)  # (b n k m D), (b n k)
    m = videos.shape[2]
    return nodes.flatten(2, 3), present.repeat_interleave(m, -1)


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
        reduced: Tensor = self.reduction(maps)
        if self.attention is not None:
            reduced = self.attention(reduced)
        return describe(reduced, self.options.moments)

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> A2M2State:
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

    def bank_scorer(self, support: Nodes, query: Nodes, comparisons: int = 0) -> BankScorer | None:
        """Return a scorer of videos in banks, where logits depend on products of nodes alone."""
        options = self.options
        by_products = (
            options.text_weight == 0
            and options.shot_aggregation == "mean"
            and options.moments.normalise != "support_mean"
            and self._aligns
            and self._weights != "self"
        )
        if not by_products:
            return None
        return self._bank_scorer(support["nodes"], query["nodes"], comparisons)

    def _bank_scorer(self, support: Tensor, query: Tensor, comparisons: int) -> BankScorer:
        norms, query_norms = vector_norm(support, dim=-1), vector_norm(query, dim=-1)
        weight = self.options.intra_class_weight

        def pairs(bank: Tensor, bank_norms: Tensor, first: Tensor, second: Tensor) -> Tensor:
            products = align.block_products(bank, first, support, second)
            present = products.new_ones(*second.shape, products.shape[-1])
            time_cost = self._time_cost(bank, support.shape[1])
            cost = _cost(products, bank_norms[first], norms[second], time_cost)
            costs = _weighted(cost, *_weights(products, present, self._weights), present)
            return self._scaled(self._aligned(*costs, present))

        inner = partial(pairs, support, norms)
        across = partial(pairs, query, query_norms)
        of_support, of_query = (torch.arange(len(x), device=x.device) for x in (support, query))
        same = torch.equal(support, query)
        symmetric = same and self.options.alignment.name in SYMMETRIC
        table = PairTable(
            across, of_query, of_support, symmetric=symmetric, comparisons=comparisons
        )
        within = table if same else inner

        def score(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
            logits: Tensor = mean_over_shots(table(queries, rows), labels, n)  # (b q n)
            if weight == 0:
                return logits
            inside: Tensor = intra_class_similarity(
                lambda members, _: within(members["rows"], members["rows"]),
                {"rows": rows},
                labels,
                n,
            )
            return logits - weight * inside[:, None]

        return score

    def match(
        self, query: Tensor, support: Tensor, state: A2M2State | None = None
    ) -> Alignment[Tensor]:
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
        name = self.options.alignment.name
        if not self._aligns:
            raise OptionError(
                "compares the mean nodes and matches no pairs",
                where='option "alignment.name"',
                got=name,
                expected=", ".join(align.names()),
            )
        if state is not None and state.offset is not None:
            query, support = query - state.offset[0, 0], support - state.offset[0, 0]
        costs = problems(
            query[None, None],
            support[None, None],
            support.new_ones(1, 1, len(support)),
            weights=self._weights,
            time_cost=self._time_cost(query, len(support)),
        )
        parts = self._by_length(*costs) if align.card(name).ordered else [costs]
        alignments = [align.align(name, *(x[0, 0, 0] for x in part)) for part in parts]
        plans = [alignment.plan for alignment in alignments if alignment.plan is not None]
        plan = torch.block_diag(*plans) if len(plans) > 1 else plans[0]
        value = torch.stack([alignment.value for alignment in alignments]).mean(0)
        return Alignment(value, plan * (len(query) / plan.sum()))

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch | None:
        """Return the alignment of the windows, where nodes are windows and are aligned."""
        moments, frames = self.options.moments, self.options.frames
        # The support's mean is not known of two videos alone.
        if moments.normalise == "support_mean" or moments.grid > 1 or not self._aligns:
            return None
        plan = self.match(query["nodes"], support["nodes"]).plan
        if plan is None:
            return None
        spans = tuple(
            (begin / frames, end / frames) for begin, end in windows(frames, moments.lengths)
        )
        return FrameMatch("windows of frames", spans, spans, plan_of(plan))

    def attend_frames(self, features: Features) -> FrameMatch | None:
        """Return the weights of the temporal attention before the moments."""
        if self.attention is None:
            return None
        maps = self.reduction(maps_of(features, self.options))
        return frame_match("attention", self.attention.weights(maps))

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
            return self._similarity(
                query, reference, reference.new_ones(reference.shape[:-1])
            ).sum()

        return {"moments": gradient_cells(similarity, maps, CELLS)}

    @property
    def _aligns(self) -> bool:
        """Whether nodes are aligned, not their means compared."""
        return self.options.alignment.name not in MEAN_NODES

    @property
    def _weights(self) -> Weights:
        """Rule for the weights of the nodes; uniform for an aligner without weights."""
        alignment = self.options.alignment
        return alignment.weights if align.card(alignment.name).weights else "uniform"

    def _scores(self, query: Tensor, support: Tensor, present: Tensor) -> Tensor:
        """Return similarities over the temperature: (b q m D), (b p m' D), (b p m') → (b q p)."""
        return self._scaled(self._similarity(query, support, present))

    def _similarity(self, query: Tensor, support: Tensor, present: Tensor) -> Tensor:
        """Return similarities, 1 for equal nodes: (b q m D), (b p m' D), (b p m') → (b q p)."""
        if not self._aligns:
            return _similarity_of_means(query, support, present, self.options.alignment.name)
        time_cost = self._time_cost(query, support.shape[-2])
        costs = problems(query, support, present, weights=self._weights, time_cost=time_cost)
        return self._aligned(*costs, present)

    def _aligned(self, cost: Tensor, a: Tensor, b: Tensor, present: Tensor) -> Tensor:
        """Return the similarities (b q p) of problems.

        An ordered aligner is applied to the windows of each length, and their mean is returned.
        """
        name = self.options.alignment.name
        card = align.card(name)
        if card.ordered:
            parts = self._by_length(cost, a, b)
            return 1 - torch.stack([align.align(name, *x, plan=False).value for x in parts]).mean(0)
        if not card.weights and bool((present == 0).any()):
            return 1 - _without_padding(name, cost, present)
        return 1 - align.align(name, cost, a, b, plan=False).value

    def _by_length(self, cost: Tensor, a: Tensor, b: Tensor) -> Iterator[Problems]:
        """Yield the problems of each window length alone, with weights of its number of nodes."""
        end = 0
        for length in self.options.moments.lengths:
            size = -(-self.options.frames // length)
            nodes, end = slice(end, end + size), end + size
            first, second = a[..., nodes], b[..., nodes]
            yield (
                cost[..., nodes, nodes],
                size * first / first.sum(-1, keepdim=True),
                size * second / second.sum(-1, keepdim=True),
            )

    def _time_cost(self, like: Tensor, columns: int) -> Tensor | None:
        """Return β·|t_i − t_j| (m m'), None for β = 0; a union of k shots has each time k times."""
        weight, moments = self.options.alignment.time_weight, self.options.moments
        if weight == 0:
            return None
        times = window_times(
            self.options.frames, moments.lengths, moments.grid, dtype=like.dtype, device=like.device
        )
        apart: Tensor = times[:, None] - times.repeat(columns // len(times))[None, :]
        return weight * apart.abs()

    def _scaled(self, similarity: Tensor) -> Tensor:
        if self.log_temperature is None:
            return similarity * (1 / self.options.temperature)
        return similarity / self.log_temperature.to(similarity).exp()


def problems(
    query: Tensor,
    support: Tensor,
    present: Tensor,
    *,
    weights: Weights,
    time_cost: Tensor | None = None,
) -> Problems:
    """Compute cost and weights of the A² module, from one matrix product per episode.

    Args:
        query: (b q m D).
        support: (b p m' D).
        present: (b p m'), 1 for a node and 0 for padding, which gets no weight.
        weights: ``cross``: a_i = ReLU⟨x_i, mean_j y_j⟩ + 10⁻³ and vice versa; ``self``: with the
            mean of the node's video; ``uniform``.
        time_cost: (m m'), added to 1 − cos.
    """
    (q, m), (p, u) = query.shape[1:3], support.shape[1:3]
    products = query.flatten(1, 2) @ support.flatten(1, 2).transpose(-1, -2)  # (b q·m p·m')
    products = products.unflatten(-1, (p, u)).unflatten(1, (q, m)).transpose(2, 3)  # (b q p m m')
    cost = _cost(products, vector_norm(query, dim=-1), vector_norm(support, dim=-1), time_cost)
    if weights == "self":
        fraction = present / present.sum(-1, keepdim=True)  # (b p m')
        a = (query @ query.mean(-2, keepdim=True).transpose(-1, -2)).transpose(-1, -2)
        mean = torch.einsum("bpu,bpud->bpd", fraction, support)
        b = torch.einsum("bpud,bpd->bpu", support, mean)[:, None]
        return _weighted(cost, a, b, present)
    return _weighted(cost, *_weights(products, present, weights), present)


def _cost(
    products: Tensor, query_norms: Tensor, support_norms: Tensor, time_cost: Tensor | None
) -> Tensor:
    """Return 1 − cos, plus the time cost: (b q p m m'), (b q m), (b p m') → (b q p m m')."""
    norms = query_norms[:, :, None, :, None] * support_norms[:, None, :, None, :]
    cost = 1 - products / norms.clamp_min(SMALLEST_NORMS)
    return cost if time_cost is None else cost + time_cost


def _weights(products: Tensor, present: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """Return the weights that products decide, before ReLU: (b q p m) and (b q p m')."""
    if weights == "uniform":
        ones = products.new_ones(1)
        return ones, ones
    fraction = present / present.sum(-1, keepdim=True)  # (b p m')
    a = (products @ fraction[:, None, :, :, None]).squeeze(-1)  # ⟨x_i, mean_j y_j⟩
    return a, products.mean(-2)  # ⟨y_j, mean_i x_i⟩


def _weighted(cost: Tensor, a: Tensor, b: Tensor, present: Tensor) -> Problems:
    """Return the problems with weights of total m, and none for padding."""
    m, u = cost.shape[-2:]
    a = (functional.relu(a) + WEIGHT_OFFSET).expand(cost.shape[:-1])
    b = ((functional.relu(b) + WEIGHT_OFFSET) * present[:, None]).expand(*cost.shape[:-2], u)
    return (cost, m * a / a.sum(-1, keepdim=True), m * b / b.sum(-1, keepdim=True))


def _similarity_of_means(query: Tensor, support: Tensor, present: Tensor, name: str) -> Tensor:
    """Compare the mean nodes: (b q m D), (b p m' D), (b p m') → (b q p)."""
    fraction = present / present.sum(-1, keepdim=True)
    first, second = query.mean(-2), torch.einsum("bpu,bpud->bpd", fraction, support)
    if name == "euclidean":
        return 1 - (first[:, :, None] - second[:, None]).square().sum(-1)
    norms = vector_norm(first, dim=-1)[:, :, None] * vector_norm(second, dim=-1)[:, None]
    cosine: Tensor = first @ second.mT / norms.clamp_min(SMALLEST_NORMS)
    return cosine


def _without_padding(name: str, cost: Tensor, present: Tensor) -> Tensor:
    """Align sets of the same number of nodes together, without padding: (b q p m m') → (b q p)."""
    number = present.sum(-1).long()  # (b p)
    value = cost.new_zeros(cost.shape[:3]).movedim(1, 2)  # (b p q)
    by_set = cost.movedim(1, 2)  # (b p q m m')
    for size in number.unique().tolist():
        of_size = number == size
        aligned = align.align(name, by_set[of_size][..., :size], plan=False).value
        value = value.masked_scatter(of_size[..., None], aligned)
    return value.movedim(2, 1)


def gradient_cells(similarity: Callable[[Tensor], Tensor], maps: Tensor, grid: int) -> Tensor:
    """Return what each cell of maps adds to a similarity, to first order.

    A cell adds its gradient times its deviation from the mean of all cells. Grad-CAM weighs maps in
    the same manner, but keeps positive values only. The values of all cells add up to about 0,
    because a similarity of unit vectors does not change when all deviations grow by one factor.

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
