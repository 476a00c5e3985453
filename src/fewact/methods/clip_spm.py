"""CLIP-SPM: prototypes modulated by class texts, generated prompts, and anchors across videos.

Li et al., arXiv 2512.19036 (2025), as implemented by its public code. A motion loss regularises
training (HSMR). Each support video is fused with the text of its class, and each query with a
generated prompt (SPM). Then prototypes and queries are refined around anchors (PADM), and OTAM
compares them.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args

import torch
from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import BankScorer, Nodes, TextMethod, TrainingBatch, cross_entropy
from fewact.methods.clip_spm_modules import (
    HSMR,
    PADM,
    SPM,
    Motion,
    Projections,
    Projector,
    Prompt,
    Refined,
)
from fewact.methods.common.inputs import ClassText, frame_vectors, of_videos, seeded
from fewact.methods.common.options import Only, options_dataclass
from fewact.methods.common.transformer import TOKENS_PER_CHUNK

Preset = Literal["hmdb51", "ucf101", "kinetics100", "ssv2-small", "ssv2-full"]
Protocol = Literal["inductive", "joint", "support_anchors", "support_anchors_inductive"]
Part = Literal["hsmr", "spm", "padm"]

NEEDS_MOTION = Only(
    "without", when=lambda parts: "hsmr" not in parts, needs="another value of without"
)
NEEDS_TEXT = Only(
    "without", when=lambda parts: "spm" not in parts, needs="another value of without"
)
NEEDS_LOSSES = Only("losses", "paper")


@dataclass(frozen=True)
class Tuned:
    """Hyper-parameters that the public run script sets for each dataset.

    Args:
        guide_weight: α, weight of a text or motion that is added to the frames.
        consistency_weight: w_c, weight of the queries in the consistency loss.
        text_loss_weight: w_t, weight of the queries in the text loss, of 0.5 in total.
        text_gate: r_t, hidden width of the gate of texts, relative to the vectors' length.
        frame_gate: r_v, hidden width of the gate of frames, relative to the vectors' length.
        slope: δ, negative slope of the gates' leaky ReLU.
    """

    guide_weight: float
    consistency_weight: float
    text_loss_weight: float
    text_gate: float
    frame_gate: float
    slope: float


PRESETS: dict[Preset, Tuned] = {
    "hmdb51": Tuned(0.2, 0.54, 0.07, 1.5, 0.5, 0.0025),
    "ucf101": Tuned(0.228, 0.221, 0.0295, 2, 2, 0.054),
    "kinetics100": Tuned(0.86, 0.62, 0.041, 1.5, 0.5, 0.042),
    "ssv2-small": Tuned(0.2, 0.54, 0.07, 1.5, 0.5, 0.0025),
    "ssv2-full": Tuned(0.353, 0.579, 0.49, 0.75, 0.5, 0.052),
}


def _parts(value: Any) -> Any:
    """Return parts once each, in the order of their definition; a text is one part, or none."""
    names = ((value,) if value else ()) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not set(names) <= set(get_args(Part)):
        return names
    return tuple(part for part in get_args(Part) if part in names)


@options_dataclass
class ClipSpmOptions:
    """Options of ``clip_spm``; it must be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        text_width: Length of the text embeddings, if a learned projection must map them to the
            vectors' space.
        preset: Dataset whose published values are the defaults of the next six options.
        guide_weight: Weight α of a text or motion that is added to the frames.
        consistency_weight: Weight of the queries in the consistency loss.
        text_loss_weight: Weight of the queries in the text loss, of 0.5 in total.
        text_gate: Hidden width of the gate of texts, relative to the vectors' length.
        frame_gate: Hidden width of the gate of frames, relative to the vectors' length.
        slope: Negative slope of the gates' leaky ReLU.
        protocol: Use of the other queries: ``inductive`` scores each query as the only one of its
            episode; ``joint`` includes all queries in the anchors and lets them attend to each
            other, as published, which is transductive; ``support_anchors`` computes anchors from
            the support alone, but queries attend to each other; ``support_anchors_inductive``:
            they don't.
        losses: ``released``, the motion loss alone, as the public code runs; ``paper`` adds the
            text and consistency losses, which are commented out there.
        motion: Extraction of motion: ``linear``, as published, hardly depends on motion;
            ``nonlinear`` has a GELU between the convolutions; ``ordered`` subtracts backward from
            forward differences, which leaves the change between the two ends of the video.
        prompt: Input of a generated prompt: ``scalar``, the mean of all features of the video, as
            published; ``vector``, the mean frame.
        mean_text: Texts whose mean generates the prompts: ``support``; or ``all``, which adds the
            true texts of the queries in training, as the public code does. Scoring has no true
            texts of queries.
        motion_weight: Weight μ of the motion loss among the regularisers.
        without: Parts that are left out, for ablations: ``hsmr``, the motion loss; ``spm``, the
            fusion with texts, so that none are needed; ``padm``, the refinement. Without all
            three, what remains is the ordered alignment of plain frames, with nothing to train but
            the backbone.
        learn_motion_weight: Train μ, as in the public code, where it can only shrink.
        smoothing: λ of the ordered alignment.
        eps: ε added to the product of the norms in the cosine of two frames.
        heads: Heads of each transformer.
        head_width: Width of each head, for any length of the vectors.
        hidden: Hidden width of the transformers' feed-forward layers and of the prompt generator.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 512
    text_width: PositiveInt | None = None
    preset: Preset = "ssv2-small"
    guide_weight: NonNegativeFloat | None = None
    consistency_weight: Annotated[
        Annotated[float, Field(ge=0, le=1)] | None, NEEDS_TEXT, NEEDS_LOSSES
    ] = None
    text_loss_weight: Annotated[
        Annotated[float, Field(ge=0, le=0.5)] | None, NEEDS_TEXT, NEEDS_LOSSES
    ] = None
    text_gate: PositiveFloat | None = None
    frame_gate: PositiveFloat | None = None
    slope: NonNegativeFloat | None = None
    protocol: Protocol = "inductive"
    losses: Annotated[Literal["released", "paper"], NEEDS_TEXT] = "released"
    motion: Annotated[Motion, NEEDS_MOTION] = "linear"
    prompt: Annotated[Prompt, NEEDS_TEXT] = "scalar"
    mean_text: Annotated[Literal["support", "all"], NEEDS_TEXT] = "support"
    motion_weight: Annotated[NonNegativeFloat, NEEDS_MOTION] = 1.0
    without: Annotated[tuple[Part, ...], BeforeValidator(_parts)] = ()
    learn_motion_weight: Annotated[bool, NEEDS_MOTION] = False
    smoothing: NonNegativeFloat = 0.5
    eps: NonNegativeFloat = 0.01
    heads: PositiveInt = 8
    head_width: PositiveInt = 256
    hidden: PositiveInt = 2048
    seed: NonNegativeInt = 0

    @property
    def tuned(self) -> Tuned:
        """Values of the preset, replaced by options that were set."""
        preset = asdict(PRESETS[self.preset])
        options = {name: getattr(self, name) for name in preset}
        return Tuned(**{**preset, **{k: v for k, v in options.items() if v is not None}})


def logits_of_fused(
    padm: PADM | None, options: ClipSpmOptions, support: Tensor, member: Tensor, query: Tensor
) -> Tensor:
    """Return logits (b q n), a few episodes at a time.

    Args:
        padm: Refinement; None leaves it out.
        options: Options of the method.
        support: Fused support videos (b s t d).
        member: (b n s), 1 where a video belongs to a class.
        query: Fused queries (b q t d).
    """
    q, t = query.shape[1:3]
    n, s = member.shape[1:]
    size = episodes_at_once(options, n, s, q, t)
    chunks = zip(support.split(size), member.split(size), query.split(size), strict=True)
    return torch.cat([_chunk_logits(padm, options, *chunk) for chunk in chunks])


def episodes_at_once(options: ClipSpmOptions, n: int, s: int, q: int, t: int) -> int:
    """Return the number of episodes in a chunk: n classes, s videos, q queries of t frames."""
    tokens = t * (q * (n + s + 2) if options.protocol == "inductive" else n + s + q + 1)
    return max(1, TOKENS_PER_CHUNK // tokens)


def _chunk_logits(
    padm: PADM | None, options: ClipSpmOptions, support: Tensor, member: Tensor, query: Tensor
) -> Tensor:
    refined = None if padm is None else refine(padm, options, support, member, query)
    return logits_of_refined(options, support, member, query, refined)


def logits_of_refined(
    options: ClipSpmOptions,
    support: Tensor,
    member: Tensor,
    query: Tensor,
    refined: Refined | None,
) -> Tensor:
    """Return −(½·d₁ + d₂ + d₃): (b s t d), (b n s), (b q t d) → (b q n)."""
    mean = member / member.sum(-1, keepdim=True)
    first = distance(query, torch.einsum("bns,bstd->bntd", mean, support), options)
    if refined is None:
        return -first / 2
    second = distance(refined.query, refined.prototypes, options)  # (e q n)
    third = distance(refined.global_anchor, refined.anchors, options)  # (e 1 n) or (e q n)
    return -(first / 2 + (second + third).reshape(first.shape))


def refine(
    padm: PADM, options: ClipSpmOptions, support: Tensor, member: Tensor, query: Tensor
) -> Refined:
    """Refine fused videos by the option ``protocol``: (b s t d), (b n s), (b q t d)."""
    protocol = options.protocol
    if protocol == "inductive":
        return padm.each_alone(support, member, query)
    anchors = padm.anchors(support, member, query if protocol == "joint" else None)
    attend = protocol != "support_anchors_inductive"
    return padm.together(support, member, query, anchors, attend=attend)


def membership(labels: Tensor, n: int, like: Tensor) -> Tensor:
    """Return (b n s) of labels (b s): 1 where a video belongs to a class."""
    return functional.one_hot(labels, n).to(like).mT


def distance(query: Tensor, support: Tensor, options: ClipSpmOptions) -> Tensor:
    """Return the bidirectional alignment cost: (e q t d), (e n t d) → (e q n)."""
    cost = align.pairwise_cosine_cost(query, support, options.eps)
    return align.otam(cost, options.smoothing, plan=False).value


NAMES = ("named", "query", "key", "value")
"""Nodes of a support video for PADM, in the order of ``Projections``."""


def projected(padm: PADM, named: Tensor, own_text: Tensor) -> Nodes:
    """Return the nodes of support videos (v t d), fused with their texts (v d)."""
    projections = Projector(padm.transformer, fold=True).project(named)
    values = (projections.vectors, projections.query, projections.key, projections.value)
    return {"own_text": own_text, **dict(zip(NAMES, values, strict=True))}


def is_projected(support: Nodes) -> bool:
    """Return whether nodes are those of ``projected``."""
    return "value" in support


def scorer_of_projected(
    spm: SPM, padm: PADM, options: ClipSpmOptions, support: Nodes, query: Nodes
) -> BankScorer:
    """Return a scorer of inductive queries.

    Args:
        spm: Fusion with prompts.
        padm: Refinement.
        options: Options of the method.
        support: Nodes of ``projected``.
        query: Encoded queries: gated frames (w t d) and inputs of prompts (w …).
    """
    projector = Projector(padm.transformer, fold=True, premultiplied=True)
    parts = torch.stack([spm.transformer.linear_part(frames) for frames in query["gated"]])

    def chunk(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
        own_text = support["own_text"][rows]  # (b s d)
        prompts = spm.prompts(own_text.mean(1), query["summary"][queries])
        fused = spm.fuse_projected(query["gated"][queries], parts[queries], prompts)
        member, frames = membership(labels, n, own_text), support["named"][rows]
        times = torch.arange(frames.shape[2], device=rows.device)[:, None]
        shared = Projections(*(support[name][rows[:, None], times] for name in NAMES))
        refined = padm.each_projected(projector, shared, member, fused)
        return logits_of_refined(options, frames, member, fused, refined)

    def score(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
        t = query["gated"].shape[1]
        size = episodes_at_once(options, n, rows.shape[1], queries.shape[1], t)
        parts = zip(rows.split(size), labels.split(size), queries.split(size), strict=True)
        return torch.cat([chunk(own, of, n, new) for own, of, new in parts])

    return score


REGULARISATION = 0.016
"""Weight of the regularisers relative to the summed cross-entropy of an episode's queries.

In each of the 16 episodes of a step, the public code adds 0.001 of the regularisers and 1/16 of
that sum.
"""


@dataclass(frozen=True)
class ClipSpmState:
    """Support of each episode.

    Args:
        frames: Support videos (b s t d), each fused with the text of its class.
        member: (b n s), 1 where a video belongs to a class.
        prompt: Mean text (b d), which generates the prompts of queries; None without SPM.
    """

    frames: Tensor
    member: Tensor
    prompt: Tensor | None


class ClipSpm(TextMethod[ClipSpmOptions, ClipSpmState]):
    """Prompt-guided semantic prototype modulation."""

    Options = ClipSpmOptions
    paper = "CLIP-SPM, 2025"
    trained = False
    scoring = frozenset(
        {"protocol", "losses", "consistency_weight", "text_loss_weight", "guide_weight"}
        | {"motion_weight", "learn_motion_weight", "mean_text", "smoothing", "eps"}
    )
    prompts = "clip-spm"

    def __init__(self, options: ClipSpmOptions) -> None:
        super().__init__(options)
        width, tuned, without = options.vector_width, options.tuned, options.without
        self.uses_text = "spm" not in without
        together = options.protocol in ("joint", "support_anchors")
        self.transductive = together and "padm" not in without
        sizes = {"heads": options.heads, "head_width": options.head_width, "hidden": options.hidden}
        with seeded(options.seed):
            text = ClassText(width, options.text_width)
            hsmr = HSMR(width, options.motion)
            self.spm = SPM(
                width,
                prompt=options.prompt,
                guide_weight=tuned.guide_weight,
                gates=(int(tuned.text_gate * width), int(tuned.frame_gate * width)),
                slope=tuned.slope,
                **sizes,
            )
            padm = PADM(width, **sizes)
        # Removed after construction, so that the other parts have the same initial weights.
        self.text = text if self.uses_text else None
        self.hsmr = None if "hsmr" in without else hsmr
        self.padm = None if "padm" in without else padm
        if not self.uses_text:
            self.spm.prompter = nn.Sequential()
        self.motion_weight = nn.Parameter(
            torch.tensor(options.motion_weight), requires_grad=options.learn_motion_weight
        )

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Request one vector per frame."""
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return gated frames (… t d), and the input of a prompt: (… 1) or (… d).

        Without SPM, return plain frames.
        """
        frames = self._frames(features)
        if self.text is None:
            return {"gated": frames}
        return {"gated": self.spm.gated(frames), "summary": self.spm.summary(frames)}

    def _frames(self, features: Features) -> Tensor:
        return frame_vectors(features, self.options.frames, self.options.vector_width)

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> ClipSpmState:
        """Return the support, fused with its texts.

        Raises:
            OptionError: There is no text.
            ShapeError: The embeddings have another length, or don't have one row per class.
        """
        frames = nodes["named" if "named" in nodes else "gated"]
        if self.text is None:
            return ClipSpmState(frames, membership(labels, n, frames), None)
        texts = of_videos(self.text(text, n, frames), labels)  # (b s d)
        if "named" not in nodes:
            frames = self.spm.fuse(frames, texts)
        return ClipSpmState(frames, membership(labels, n, frames), texts.mean(1))

    def with_text(self, nodes: Nodes, text: Tensor) -> Nodes:
        """Return frames (v t d) that are fused with their texts, and what PADM makes of them."""
        if self.text is None:
            return nodes
        gated = nodes["gated"]
        class_text = self.text(text[:, None], 1, gated)[:, 0]  # (v d)
        named = self.spm.fuse(gated, class_text)
        if self.padm is None or self.options.protocol != "inductive":
            return {"named": named}
        return projected(self.padm, named, class_text)

    def bank_scorer(self, support: Nodes, query: Nodes) -> BankScorer | None:
        """Return a scorer of queries alone, after ``with_text``."""
        if self.padm is None or not is_projected(support):
            return None
        return scorer_of_projected(self.spm, self.padm, self.options, support, query)

    def score(self, state: ClipSpmState, nodes: Nodes) -> Tensor:
        """Return logits (b q n), see option ``protocol``."""
        query = nodes["gated"]
        if state.prompt is not None:
            prompts = self.spm.prompts(state.prompt, nodes["summary"])  # (b q d)
            query = self.spm.fuse(query, prompts)
        return self._logits(state, query)

    def _logits(self, state: ClipSpmState, query: Tensor) -> Tensor:
        return logits_of_fused(self.padm, self.options, state.frames, state.member, query)

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropy and the regularisers, weighted as in the public code."""
        state, fused, losses = self._fused(support, query, batch)
        if self.hsmr is not None:
            sides = [self.hsmr(self._frames(x), self.spm) for x in (batch.support, batch.query)]
            losses["motion"] = self.motion_weight * (sides[0].mean() + sides[1].mean())
        weight = REGULARISATION / batch.query_labels.shape[1]
        logits = self._logits(state, fused)  # (b q n)
        return {
            "cross_entropy": cross_entropy(logits, batch.query_labels),
            **{name: weight * loss for name, loss in losses.items()},
        }

    def _fused(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> tuple[ClipSpmState, Tensor, dict[str, Tensor]]:
        """Return the state, fused queries (b q t d), and the text and consistency losses."""
        gated, gated_query = support["gated"], query["gated"]
        member = membership(batch.support_labels, batch.n, gated)
        if self.text is None:
            return ClipSpmState(gated, member, None), gated_query, {}
        texts = self.text(batch.text, batch.n, gated)  # (b n d)
        support_text, query_text_by_label = (
            of_videos(texts, x) for x in (batch.support_labels, batch.query_labels)
        )
        mean = (
            support_text.mean(1)
            if self.options.mean_text == "support"
            else torch.cat([support_text, query_text_by_label], 1).mean(1)
        )
        named = self.spm.fuse_both(gated, support_text)
        prompted = self.spm.fuse_both(gated_query, self.spm.prompts(mean, query["summary"]))
        state = ClipSpmState(named.frames, member, mean)
        if self.options.losses == "released":
            return state, prompted.frames, {}
        generated = self.spm.fuse_both(gated, self.spm.prompts(mean, support["summary"]))
        query_text, query_both = self.spm.fuse_both(gated_query, query_text_by_label).gaps(prompted)
        support_text, support_both = named.gaps(generated)
        tuned = self.options.tuned
        text, consistency = tuned.text_loss_weight, tuned.consistency_weight
        losses = {
            "text": text * query_text + (0.5 - text) * support_text,
            "consistency": consistency * query_both + (1 - consistency) * support_both,
        }
        return state, prompted.frames, losses
