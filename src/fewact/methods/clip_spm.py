"""CLIP-SPM: prototypes modulated by class texts, generated prompts, and anchors across videos.

Li et al., arXiv 2512.19036 (2025), in the form of its public code. A motion regulariser (HSMR)
shapes training; each support video is fused with its class's text and each query with a prompt made
up for it (SPM); then prototypes and queries are refined around anchors (PADM); OTAM compares.
"""

from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import Nodes, TextMethod, TrainingBatch, cross_entropy
from fewact.methods.clip_spm_parts import HSMR, PADM, SPM, Motion, Prompt, Refined
from fewact.methods.common.inputs import ClassText, frame_vectors, of_videos, seeded
from fewact.methods.common.transformer import AT_ONCE

Preset = Literal["hmdb51", "ucf101", "kinetics100", "ssv2-small", "ssv2-full"]
Protocol = Literal["inductive", "joint", "support_anchors", "support_anchors_alone"]

REGULAR = 0.016
"""Weight of the regularisers beside the sum of the cross-entropies of an episode's queries.

In each of the 16 episodes of a step the public code takes 0.001 of them, and a 16th of that sum.
"""


@plain_dataclass(frozen=True)
class Figures:
    """What the run script sets for each data set.

    Args:
        alpha: α, how much a text or a motion adds to the frames.
        consistency: w_c, share of the queries in the consistency loss.
        text: w_t, share of the queries in the text loss, of one half in all.
        text_gate: r_t, hidden width of a text's gate, in widths of the vectors.
        frame_gate: r_v, of the frames' gate.
        slope: δ of the gates' leaky ReLU.
    """

    alpha: float
    consistency: float
    text: float
    text_gate: float
    frame_gate: float
    slope: float


PRESETS: dict[Preset, Figures] = {
    "hmdb51": Figures(0.2, 0.54, 0.07, 1.5, 0.5, 0.0025),
    "ucf101": Figures(0.228, 0.221, 0.0295, 2, 2, 0.054),
    "kinetics100": Figures(0.86, 0.62, 0.041, 1.5, 0.5, 0.042),
    "ssv2-small": Figures(0.2, 0.54, 0.07, 1.5, 0.5, 0.0025),
    "ssv2-full": Figures(0.353, 0.579, 0.49, 0.75, 0.5, 0.052),
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ClipSpmOptions:
    """Options of ``clip_spm``; it is to be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        text_width: Length of the text embeddings where a learned projection is to take them to the
            vectors' space.
        preset: Whose published figures fill the next six where they are not given.
        alpha: How much a text or a motion adds to the frames.
        consistency: Share of the queries in the consistency loss.
        text: Share of the queries in the text loss, of one half in all.
        text_gate: Hidden width of the gate of texts, in widths of the vectors.
        frame_gate: Hidden width of the gate of frames, in widths of the vectors.
        slope: Of the gates' leaky ReLU.
        protocol: ``inductive`` scores each query as if it were the episode's only one; ``joint``
            lets all queries of an episode pull the anchors and see each other, as published, which
            is transductive; ``support_anchors`` makes the anchors of the support alone, but still
            lets queries see each other; ``support_anchors_alone`` does not.
        losses: ``released``, the motion loss alone, as the public code runs; ``paper`` adds those
            of texts and of consistency, which stand there commented out.
        motion: How motion is extracted: ``linear``, as published, is nearly blind to it;
            ``nonlinear`` has a GELU between the convolutions; ``ordered`` takes backward from
            forward differences, so that reversed time turns its sign.
        prompt: What a generated prompt sees of its video: ``scalar``, the mean of all its numbers,
            as published; ``vector``, the mean frame.
        mean_text: Whose texts' mean prompts are made from: ``support``; or ``all``, which adds the
            queries' true ones in training, as the public code does. In scoring nobody knows them.
        mu: Weight of the motion loss among the regularisers.
        without: What is left out, to see what it is worth: ``hsmr``, there is no motion loss;
            ``spm``, no video is fused with a text, and none is needed; ``padm``, nothing is
            refined.
        learn_mu: Whether training changes it, as in the public code, where it can only shrink.
        smoothing: λ of the ordered alignment.
        eps: Added to the product of the norms in a frame's cosine.
        heads: Of each transformer.
        head_width: Of each head, whatever the vectors' length.
        hidden: Width of the transformers' second half and of the prompts' network.
        seed: Of the first weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 512
    text_width: PositiveInt | None = None
    preset: Preset = "ssv2-small"
    alpha: NonNegativeFloat | None = None
    consistency: Annotated[float, Field(ge=0, le=1)] | None = None
    text: Annotated[float, Field(ge=0, le=0.5)] | None = None
    text_gate: PositiveFloat | None = None
    frame_gate: PositiveFloat | None = None
    slope: NonNegativeFloat | None = None
    protocol: Protocol = "inductive"
    losses: Literal["released", "paper"] = "released"
    motion: Motion = "linear"
    prompt: Prompt = "scalar"
    mean_text: Literal["support", "all"] = "support"
    mu: NonNegativeFloat = 1.0
    without: Literal["nothing", "hsmr", "spm", "padm"] = "nothing"
    learn_mu: bool = False
    smoothing: NonNegativeFloat = 0.5
    eps: NonNegativeFloat = 0.01
    heads: PositiveInt = 8
    head_width: PositiveInt = 256
    hidden: PositiveInt = 2048
    seed: NonNegativeInt = 0

    @property
    def figures(self) -> Figures:
        """The preset's, but for what was given."""
        preset = PRESETS[self.preset]
        given = {name: getattr(self, name) for name in Figures.__dataclass_fields__}
        return Figures(**{k: getattr(preset, k) if v is None else v for k, v in given.items()})


@plain_dataclass(frozen=True)
class ClipSpmState:
    """What queries are compared with.

    Args:
        frames: Of the support (b s t d), each fused with its class's text.
        member: (b n s), 1 where a video is of a class.
        prompt: The mean text (b d), of which prompts of queries are made; None without SPM.
    """

    frames: Tensor
    member: Tensor
    prompt: Tensor | None


class ClipSpm(TextMethod[ClipSpmOptions, ClipSpmState]):
    """Prompt-guided semantic prototype modulation."""

    Options = ClipSpmOptions
    trained = False
    scoring = frozenset(
        {"protocol", "losses", "consistency", "text", "alpha", "mu", "learn_mu", "mean_text"}
        | {"smoothing", "eps"}
    )
    prompts = "clip-spm"

    def __init__(self, options: ClipSpmOptions) -> None:
        super().__init__(options)
        width, figures, without = options.vector_width, options.figures, options.without
        self.uses_text = without != "spm"
        meet = options.protocol in ("joint", "support_anchors")
        self.transductive = meet and without != "padm"
        sizes = {"heads": options.heads, "head_width": options.head_width, "hidden": options.hidden}
        with seeded(options.seed):
            text = ClassText(width, options.text_width)
            hsmr = HSMR(width, options.motion)
            self.spm = SPM(
                width,
                prompt=options.prompt,
                alpha=figures.alpha,
                gates=(int(figures.text_gate * width), int(figures.frame_gate * width)),
                slope=figures.slope,
                **sizes,
            )
            padm = PADM(width, **sizes)
        # Left out only now, so that what stays has the same first weights.
        self.text = text if self.uses_text else None
        self.hsmr = None if without == "hsmr" else hsmr
        self.padm = None if without == "padm" else padm
        if not self.uses_text:
            self.spm.prompter = nn.Sequential()
        self.mu = nn.Parameter(torch.tensor(options.mu), requires_grad=options.learn_mu)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """One vector a frame."""
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Gated frames (… t d), and what a prompt sees of the video: (… 1) or (… d).

        Without SPM, frames as they are.
        """
        frames = self._frames(features)
        if self.text is None:
            return {"gated": frames}
        return {"gated": self.spm.gated(frames), "seen": self.spm.seen(frames)}

    def _frames(self, features: Features) -> Tensor:
        return frame_vectors(features, self.options.frames, self.options.vector_width)

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> ClipSpmState:
        """The support fused with its texts.

        Raises:
            OptionError: There is no text.
            ShapeError: Its embeddings have another length, or are not one for each class.
        """
        gated = nodes["gated"]
        if self.text is None:
            return ClipSpmState(gated, _member(labels, n, gated), None)
        texts = of_videos(self.text(text, n, gated), labels)  # (b s d)
        fused = self.spm.fuse(gated, texts)
        return ClipSpmState(fused, _member(labels, n, fused), texts.mean(1))

    def score(self, state: ClipSpmState, nodes: Nodes) -> Tensor:
        """Logits (b q n), see option ``protocol``."""
        query = nodes["gated"]
        if state.prompt is not None:
            prompts = self.spm.prompts(state.prompt, nodes["seen"])  # (b q d)
            query = self.spm.fuse(query, prompts)
        return self._logits(state, query)

    def _logits(self, state: ClipSpmState, query: Tensor) -> Tensor:
        """Logits (b q n) of fused queries (b q t d), a few episodes at a time."""
        q, t = query.shape[1:3]
        n, s = state.member.shape[1:]
        tokens = t * (q * (n + s + 2) if self.options.protocol == "inductive" else n + s + q + 1)
        size = max(1, AT_ONCE // tokens)
        return torch.cat(
            [
                self._few_logits(frames, member, some)
                for frames, member, some in zip(
                    state.frames.split(size),
                    state.member.split(size),
                    query.split(size),
                    strict=True,
                )
            ]
        )

    def _few_logits(self, support: Tensor, member: Tensor, query: Tensor) -> Tensor:
        """−(½·d₁ + d₂ + d₃): (b s t d), (b n s), (b q t d) → (b q n)."""
        mean = member / member.sum(-1, keepdim=True)
        first = self._distance(query, torch.einsum("bns,bstd->bntd", mean, support))
        if self.padm is None:
            return -first / 2
        found = self._refine(self.padm, support, member, query)
        second = self._distance(found.query, found.prototypes)  # (e q n)
        third = self._distance(found.centre, found.anchors)  # (e 1 n) or (e q n)
        return -(first / 2 + (second + third).reshape(first.shape))

    def _refine(self, padm: PADM, support: Tensor, member: Tensor, query: Tensor) -> Refined:
        """By the option ``protocol``, fused videos (b s t d), (b n s), (b q t d)."""
        protocol = self.options.protocol
        if protocol == "inductive":
            return padm.alone(support, member, query)
        anchors = padm.anchors(support, member, query if protocol == "joint" else None)
        meet = protocol != "support_anchors_alone"
        return padm.together(support, member, query, anchors, meet=meet)

    def _distance(self, query: Tensor, support: Tensor) -> Tensor:
        """Cost of aligning frames both ways: (e q t d), (e n t d) → (e q n)."""
        cost = align.pairwise_cosine_cost(query, support, self.options.eps)
        return align.otam(cost, self.options.smoothing, plan=False).value

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Cross-entropy and the regularisers, in the proportion of the public code."""
        state, asked, found = self._fused(support, query, batch)
        if self.hsmr is not None:
            sides = [self.hsmr(self._frames(x), self.spm) for x in (batch.support, batch.query)]
            found["motion"] = self.mu * (sides[0].mean() + sides[1].mean())
        weight = REGULAR / batch.query_labels.shape[1]
        logits = self._logits(state, asked)  # (b q n)
        return {
            "cross_entropy": cross_entropy(logits, batch.query_labels),
            **{name: weight * loss for name, loss in found.items()},
        }

    def _fused(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> tuple[ClipSpmState, Tensor, dict[str, Tensor]]:
        """The support's state, the queries (b q t d), and how far true texts are from prompts."""
        gated, asked = support["gated"], query["gated"]
        member = _member(batch.support_labels, batch.n, gated)
        if self.text is None:
            return ClipSpmState(gated, member, None), asked, {}
        texts = self.text(batch.text, batch.n, gated)  # (b n d)
        own, true = (of_videos(texts, x) for x in (batch.support_labels, batch.query_labels))
        mean = (
            own.mean(1)
            if self.options.mean_text == "support"
            else torch.cat([own, true], 1).mean(1)
        )
        named = self.spm.fuse_both(gated, own)
        made = self.spm.fuse_both(asked, self.spm.prompts(mean, query["seen"]))
        state = ClipSpmState(named.frames, member, mean)
        if self.options.losses == "released":
            return state, made.frames, {}
        guessed = self.spm.fuse_both(gated, self.spm.prompts(mean, support["seen"]))
        query_text, query_both = self.spm.fuse_both(asked, true).gaps(made)
        support_text, support_both = named.gaps(guessed)
        text, both = self.options.figures.text, self.options.figures.consistency
        found = {
            "text": text * query_text + (0.5 - text) * support_text,
            "consistency": both * query_both + (1 - both) * support_both,
        }
        return state, made.frames, found


def _member(labels: Tensor, n: int, like: Tensor) -> Tensor:
    """(b s) → (b n s), 1 where a video is of a class."""
    return functional.one_hot(labels, n).to(like).mT
