"""A²M²-Net: multi-scale second-order moments, aligned by an exact Earth Mover's Distance.

arXiv 2509.17638 (IJCV 2025). A video becomes moments of windows of several lengths; two videos are
compared by transporting the one's moments onto the other's, each with weights that it gets from the
other. The alignment is an option: the same moments can be compared in other ways.
"""

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.align.result import Alignment
from fewact.backbones.card import Card, Level
from fewact.errors import OptionError
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.base import Nodes, TextMethod, one_hot_mean
from fewact.methods.common.detrend import linear_detrend
from fewact.methods.common.inputs import class_text
from fewact.methods.common.kernel import intra_class_similarity
from fewact.methods.common.matching import Matching, Weights, problems, similarity
from fewact.methods.common.reduction import ChannelReduction, Reduction
from fewact.methods.common.temporal_attention import TemporalAttention
from fewact.methods.zero_shot import combined, text_logits
from fewact.moments import cross_frame, multi_scale_moments, third_order, window_times
from fewact.moments.third_order import LARGEST


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class A2M2Options:
    """Options of ``a2m2``; the defaults need no training.

    Args:
        tap: Where the moments are taken: ``maps`` of the last stage as the paper has it, ``middle``
            at stride 16, plain ``vectors``; ``auto`` is the middle stage where there is one, and
            the last stage for a learned reduction.
        frames: Frames of a video.
        stabilise: Take the camera's motion out of the frames first; ``auto`` where it moved.
        lengths: Window lengths in frames; (1, 2, 4) on 8 frames gives 14 nodes.
        grid: 2 adds the four quarters of the picture as nodes of each window.
        descriptor: ``sqrt``, the matrix square root; ``covariance``; ``mean``, first order;
            ``third``, a sketch of the third order.
        sketch: Length of the sketch of ``third``.
        steps: Newton–Schulz steps of the square root.
        reduction: How channels become few: see ``ChannelReduction``.
        width: Channels after a reduction that is not ``none`` or ``auto``.
        in_channels: Channels of the tap, for a learned reduction.
        centre_clip: Take the clip's mean map away, place by place, before the moments.
        level: Before that, take the straight line through time away, which a slow pan leaves.
        attention: Temporal attention before the moments; for a learned reduction.
        cross_frame: γ, the weight of how a window's features change to the next one's, which is
            put behind its descriptor; see ``fewact.moments.cross_frame``.
        normalise: Of the nodes: ``layernorm`` each, ``centre`` on the mean node of the support.
        weights: ``cross``, each node by its likeness to the other video; ``self``, to its own;
            ``uniform``.
        time_weight: β of the cost 1 − cos + β·|t_i − t_j|, with t in [0, 1].
        shots: ``mean`` averages a class's videos node by node; ``average`` averages their scores;
            ``union`` transports onto all their nodes at once.
        intra_class_weight: With ``average``: weight of the mean score between the videos of a
            class, which is subtracted from the score of the class.
        tau: Scale of the score.
        learn_tau: Whether training changes it.
        alignment: How two videos' nodes are compared.
        text_share: α of p_text^α · p_visual^(1−α), whose logarithm is scored; 0 leaves the class
            names out, published is 0.9. The backbone's vectors must be in the space of the texts.
        text_scale: Of the cosines of the mean frame with the texts, before their softmax.
    """

    tap: Literal["auto", "maps", "middle", "vectors"] = "auto"
    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    lengths: tuple[PositiveInt, ...] = (1, 2, 4)
    grid: Literal[1, 2] = 1
    descriptor: Literal["sqrt", "covariance", "mean", "third"] = "sqrt"
    sketch: Annotated[int, Field(ge=1, le=LARGEST)] = 2048
    steps: PositiveInt = 3
    reduction: Reduction = "auto"
    width: PositiveInt = 128
    in_channels: PositiveInt | None = None
    centre_clip: bool = True
    level: bool = False
    attention: bool = False
    cross_frame: NonNegativeFloat = 0.0
    normalise: Literal["none", "layernorm", "centre"] = "none"
    weights: Weights = "cross"
    time_weight: NonNegativeFloat = 0.5
    shots: Literal["mean", "average", "union"] = "average"
    intra_class_weight: NonNegativeFloat = 0.5
    tau: PositiveFloat = 12.5
    learn_tau: bool = False
    alignment: Matching = "emd"
    text_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    text_scale: PositiveFloat = 100.0


@plain_dataclass(frozen=True)
class A2M2State:
    """What queries are compared with.

    Args:
        nodes: (b p m' D): prototypes, support videos, or unions of a class's nodes.
        present: (b p m'), 1 for a node and 0 for padding of classes with fewer shots.
        classes: (b n p), how comparisons average to classes.
        intra_class_similarity: (b n), weighted; subtracted from the logits.
        centre: (b 1 1 D), taken away from the nodes of queries too; None where it isn't.
        text: (b n d), of the classes; None where they are not used.
    """

    nodes: Tensor
    present: Tensor
    classes: Tensor
    intra_class_similarity: Tensor
    centre: Tensor | None
    text: Tensor | None = None


class A2M2(TextMethod[A2M2Options, A2M2State]):
    """Adaptively aligned multi-scale second-order moments."""

    Options = A2M2Options
    uses_text = False  # but with option text_share
    scoring = frozenset(
        {"weights", "time_weight", "shots", "intra_class_weight", "alignment", "text_scale"}
    )

    def __init__(self, options: A2M2Options) -> None:
        super().__init__(options)
        ordered = options.alignment in ("otam", "diagonal")
        if ordered and (
            options.shots == "union" or (options.alignment == "otam" and options.grid > 1)
        ):
            raise OptionError(
                "compares nodes in order, which a union of shots or a grid does not have",
                where='option "alignment"',
                got=options.alignment,
                expected='shots "mean" or "average", grid 1',
            )
        _check_order(options)
        self.uses_text = options.text_share > 0
        self.trained = options.reduction != "learned"
        self.reduction = ChannelReduction(options.reduction, options.width, options.in_channels)
        self.attention = TemporalAttention(options.width) if options.attention else None
        self.temperature = 0.0136 * options.tau  # of the defaults, on the development clips
        self.tau = nn.Parameter(torch.tensor(options.tau), requires_grad=options.learn_tau)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """One tap, see option ``tap``; vectors beside it where class names are used."""
        wanted: tuple[Level, ...] = ("middle", "maps", "vectors")
        if self.options.reduction == "learned":
            wanted = ("maps", "vectors")
        if self.options.tap != "auto":
            wanted = (self.options.tap,)
        found = next((tap for tap in wanted if card.has(tap)), wanted[0])
        names = dict.fromkeys((found, "vectors") if self.uses_text else (found,))
        return tuple(self._tap(name) for name in names)

    def _tap(self, name: Level) -> Request:
        return FeatureRequest(name, View(self.options.frames, self.options.stabilise))

    def _maps(self, features: Features) -> Tensor:
        """The features that were asked for, as maps (… t c h w)."""
        names: tuple[Level, ...] = ("middle", "maps", "vectors")
        for name in names:
            found = features.get(self._tap(name))
            if found is not None and self.options.tap in ("auto", name):
                return found[..., None, None] if name == "vectors" else found
        raise OptionError(
            "there are no features of this tap",
            where='option "tap"',
            got=f"{self.options.tap}, {self.options.frames} frames",
            expected=", ".join(map(str, features)),
        )

    def fit_reduction(self, features: Features, places: int = 200_000) -> None:
        """Fit ``reduction="pca"``.

        Args:
            features: Of videos that are neither taught nor tested, (… t c h w).
            places: At most about so many places of their maps are looked at, evenly spread.
        """
        samples = self._maps(features).movedim(-3, -1).flatten(0, -2)  # (m c)
        self.reduction.fit(samples[:: max(1, len(samples) // places)])

    def encode(self, features: Features) -> Nodes:
        """M² descriptors (… m D), and the mean frame (… d) where class names are used."""
        maps: Tensor = self.reduction(self._maps(features))
        nodes = self._describe(maps if self.attention is None else self.attention(maps))
        options = self.options
        if options.normalise == "layernorm":
            nodes = functional.layer_norm(nodes, nodes.shape[-1:])
        if not self.uses_text:
            return {"nodes": nodes}
        return {"nodes": nodes, "mean": features[self._tap("vectors")].mean(-2)}

    def _describe(self, maps: Tensor) -> Tensor:
        """(… t d h w) → (… m D)."""
        options = self.options
        if options.level:
            maps = linear_detrend(maps, dim=-4)
        moving = maps - maps.mean(-4, keepdim=True) if options.centre_clip else maps
        if options.descriptor == "third":
            return third_order(moving, options.lengths, options.sketch)
        nodes = multi_scale_moments(
            maps,
            lengths=options.lengths,
            steps=options.steps,
            descriptor=options.descriptor,
            grid=options.grid,
            subtract_clip_mean=options.centre_clip,
        )
        if options.cross_frame == 0:
            return nodes
        change = cross_frame(moving, options.lengths, root=options.descriptor == "sqrt")
        return torch.cat([nodes, options.cross_frame * change], -1)

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> A2M2State:
        """What queries are compared with, by the rule for several shots.

        Raises:
            OptionError: The names of the classes are used and not there.
            ShapeError: Their embeddings are not one for each class, as long as the vectors.
        """
        state = self._visual(nodes, labels, n)
        if not self.uses_text:
            return state
        mean = nodes["mean"]
        named = class_text(text, n, mean.shape[-1], hint="Take the backbone's own text encoder.")
        return replace(state, text=named.to(mean))

    def _visual(self, nodes: Nodes, labels: Tensor, n: int) -> A2M2State:
        videos = nodes["nodes"]  # (b s m D)
        b, s, m, _ = videos.shape
        mean = one_hot_mean(labels, n, videos.dtype)  # (b n s)
        centre = None
        if self.options.normalise == "centre":
            centre = torch.einsum("bns,bsmd->bd", mean, videos)[:, None, None] / (n * m)
            videos = videos - centre
        inside = videos.new_zeros(b, n)
        if self.options.shots == "average":
            if self.options.intra_class_weight > 0:
                inside = self.options.intra_class_weight * intra_class_similarity(
                    lambda some, _: self.similarity(some, some), {"nodes": videos}, labels, n
                )
            return A2M2State(videos, videos.new_ones(b, s, m), mean, inside, centre)
        one_each = torch.eye(n, dtype=videos.dtype, device=videos.device).expand(b, n, n)
        if self.options.shots == "mean":
            prototypes = torch.einsum("bns,bsmd->bnmd", mean, videos)
            return A2M2State(prototypes, videos.new_ones(b, n, m), one_each, inside, centre)
        union, present = _union(videos, labels, n)
        return A2M2State(union, present, one_each, inside, centre)

    def score(self, state: A2M2State, nodes: Nodes) -> Tensor:
        """Logits (b q n): τ times the mean similarity of matched nodes, joined with the texts'."""
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: A2M2State, nodes: Nodes) -> tuple[Tensor, Tensor | None]:
        """Logits (b q n), and with ``average`` the scores (b q s) that they average."""
        query = nodes["nodes"]
        if state.centre is not None:
            query = query - state.centre
        scores = self._scores(query, state.nodes, state.present)  # (b q p)
        logits = (
            torch.einsum("bqp,bnp->bqn", scores, state.classes)
            - state.intra_class_similarity[:, None]
        )
        if state.text is not None:
            named = text_logits(nodes["mean"], state.text, self.options.text_scale)
            return combined(named, logits, self.options.text_share), None
        return logits, scores if self.options.shots == "average" else None

    def match(self, query: Tensor, support: Tensor) -> Alignment:
        """How the nodes of two videos are transported onto each other, for pictures.

        Args:
            query: Nodes (m D).
            support: Nodes (m' D).

        Returns:
            The transport's cost, and the plan (m m') whose entries sum to m.
        """
        posed = problems(
            query[None, None],
            support[None, None],
            support.new_ones(1, 1, len(support)),
            weights=self.options.weights,
            time_cost=self._time_cost(query, len(support)),
        )
        return align.emd(posed.cost[0, 0, 0], posed.a[0, 0, 0], posed.b[0, 0, 0])

    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        """Scores of two sets of videos against each other: (b q …), (b s …) → (b q s)."""
        support = second["nodes"]
        return self._scores(first["nodes"], support, support.new_ones(support.shape[:-1]))

    def _scores(self, query: Tensor, support: Tensor, present: Tensor) -> Tensor:
        """(b q m D), (b p m' D), (b p m') → (b q p)."""
        return self.tau.to(query) * similarity(
            query,
            support,
            present,
            self.options.alignment,
            weights=self.options.weights,
            scales=[-(-self.options.frames // length) for length in self.options.lengths],
            time_cost=self._time_cost(query, support.shape[-2]),
        )

    def _time_cost(self, query: Tensor, others: int) -> Tensor | None:
        """(m m'), β·|t_i − t_j|; a union of k shots has each time k times."""
        options = self.options
        if options.time_weight == 0:
            return None
        times = window_times(
            options.frames, options.lengths, options.grid, dtype=query.dtype, device=query.device
        )
        apart = times[:, None] - times.repeat(others // len(times))[None, :]
        return options.time_weight * apart.abs()


def _check_order(options: A2M2Options) -> None:
    """Refuse options of order and of the third order where they have no meaning."""
    wrong = (
        (
            "attention",
            options.attention and options.reduction not in ("learned", "linear"),
            'reduction "learned" or "linear", which is trained too',
        ),
        (
            "cross_frame",
            options.cross_frame > 0
            and (options.grid > 1 or options.descriptor not in ("sqrt", "covariance")),
            'grid 1, descriptor "sqrt" or "covariance"',
        ),
        ("descriptor", options.descriptor == "third" and options.grid > 1, "grid 1"),
    )
    for name, holds, expected in wrong:
        if holds:
            raise OptionError(
                "does not go with the other options",
                where=f'option "{name}"',
                got=str(getattr(options, name)),
                expected=expected,
            )


def _union(videos: Tensor, labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """All nodes of each class: (b s m D), (b s) → (b n k·m D) and what of it is there (b n k·m).

    k is the largest number of shots; classes with fewer are padded.
    """
    m = videos.shape[2]
    hot = functional.one_hot(labels, n)  # (b s n)
    k = int(hot.sum(1).max())
    order = (1 - hot).argsort(dim=1, stable=True)[:, :k]  # (b k n): a class's own videos first
    there = hot.gather(1, order).transpose(1, 2)  # (b n k)
    batch = torch.arange(len(videos), device=videos.device)[:, None, None]
    nodes = videos[batch, order.transpose(1, 2)]  # (b n k m D)
    present = there[..., None].expand(*there.shape, m).to(videos.dtype)
    return (nodes * present[..., None]).flatten(2, 3), present.flatten(2)
