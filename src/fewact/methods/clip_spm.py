"""CLIP-SPM: prototypes modulated by class texts, generated prompts, and anchors across videos.

Li et al., arXiv 2512.19036 (2025), in the form of its public code. A motion regulariser (HSMR)
shapes training; each support video is fused with its class's text and each query with a prompt made
up for it (SPM); then prototypes and queries are refined around anchors (PADM); OTAM compares.
"""

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card, Tap
from fewact.methods.base import Features, Method, Nodes, TrainingBatch, cross_entropy
from fewact.methods.clip_spm_parts import HSMR, PADM, SPM, Fused, Motion, Prompt, Refined
from fewact.methods.inputs import ClassText, frame_vectors, of_videos, seeded
from fewact.methods.transformer import AT_ONCE

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
        prompt: The mean text (b d), of which prompts of queries are made.
    """

    frames: Tensor
    member: Tensor
    prompt: Tensor


class ClipSpm(Method):
    """Prompt-guided semantic prototype modulation."""

    Options = ClipSpmOptions
    options: ClipSpmOptions
    scoring = frozenset(
        {"protocol", "losses", "consistency", "text", "alpha", "mu", "learn_mu", "mean_text"}
        | {"smoothing", "eps"}
    )
    uses_text = True

    def __init__(self, options: ClipSpmOptions) -> None:
        super().__init__(options)
        width, figures = options.vector_width, options.figures
        self.transductive = options.protocol in ("joint", "support_anchors")
        sizes = {"heads": options.heads, "head_width": options.head_width, "hidden": options.hidden}
        with seeded(options.seed):
            self.text = ClassText(width, options.text_width)
            self.hsmr = HSMR(width, options.motion)
            self.spm = SPM(
                width,
                prompt=options.prompt,
                alpha=figures.alpha,
                gates=(int(figures.text_gate * width), int(figures.frame_gate * width)),
                slope=figures.slope,
                **sizes,
            )
            self.padm = PADM(width, **sizes)
        self.mu = nn.Parameter(torch.tensor(options.mu), requires_grad=options.learn_mu)

    def taps(self, card: Card) -> tuple[Tap, ...]:
        """One vector a frame."""
        return (Tap("vectors", self.options.frames),)

    def encode(self, features: Features) -> Nodes:
        """Gated frames (… t d), and what a prompt sees of the video: (… 1) or (… d)."""
        frames = self._frames(features)
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
        texts = of_videos(self.text(text, n, nodes["gated"]), labels)  # (b s d)
        return self._state(self.spm.fuse(nodes["gated"], texts), labels, n)

    def _state(self, named: Fused, labels: Tensor, n: int) -> ClipSpmState:
        member = functional.one_hot(labels, n).to(named.frames).mT  # (b n s)
        return ClipSpmState(named.frames, member, named.guide.mean(1))

    def score(self, state: ClipSpmState, nodes: Nodes) -> Tensor:
        """Logits (b q n), see option ``protocol``."""
        prompts = self.spm.prompts(state.prompt, nodes["seen"])  # (b q d)
        return self._logits(state, self.spm.fuse(nodes["gated"], prompts).frames)

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
        found = self.refine(support, member, query)
        second = self._distance(found.query, found.prototypes)  # (e q n)
        third = self._distance(found.centre, found.anchors)  # (e 1 n) or (e q n)
        return -(first / 2 + (second + third).reshape(first.shape))

    def refine(self, support: Tensor, member: Tensor, query: Tensor) -> Refined:
        """PADM by the option ``protocol``, on fused videos (b s t d), (b n s), (b q t d)."""
        protocol = self.options.protocol
        if protocol == "inductive":
            return self.padm.alone(support, member, query)
        anchors = self.padm.anchors(support, member, query if protocol == "joint" else None)
        meet = protocol != "support_anchors_alone"
        return self.padm.together(support, member, query, anchors, meet=meet)

    def _distance(self, query: Tensor, support: Tensor) -> Tensor:
        """Cost of aligning frames both ways: (e q t d), (e n t d) → (e q n)."""
        cost = align.pairwise_cosine_cost(query, support, self.options.eps)
        return align.otam(cost, self.options.smoothing, plan=False).value

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Cross-entropy and the regularisers, in the proportion of the public code."""
        texts = self.text(batch.text, batch.n, support["gated"])  # (b n d)
        named = self.spm.fuse(support["gated"], of_videos(texts, batch.support_labels))
        true = of_videos(texts, batch.query_labels)  # (b q d)
        state = self._state(named, batch.support_labels, batch.n)
        if self.options.mean_text == "all":
            state = replace(state, prompt=torch.cat([named.guide, true], 1).mean(1))
        made = self.spm.fuse(query["gated"], self.spm.prompts(state.prompt, query["seen"]))
        motion = [self.hsmr(self._frames(side), self.spm) for side in (batch.support, batch.query)]
        found = {"motion": self.mu * (motion[0].mean() + motion[1].mean())}
        if self.options.losses == "paper":
            guessed = self.spm.fuse(
                support["gated"], self.spm.prompts(state.prompt, support["seen"])
            )
            of_query = self.spm.fuse(query["gated"], true).gaps(made)
            of_support = named.gaps(guessed)
            share = self.options.figures
            found["text"] = share.text * of_query[0] + (0.5 - share.text) * of_support[0]
            found["consistency"] = (
                share.consistency * of_query[1] + (1 - share.consistency) * of_support[1]
            )
        weight = REGULAR / batch.query_labels.shape[1]
        logits = self._logits(state, made.frames)  # (b q n)
        return {
            "cross_entropy": cross_entropy(logits, batch.query_labels),
            **{name: weight * loss for name, loss in found.items()},
        }
