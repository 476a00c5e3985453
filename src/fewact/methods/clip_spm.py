"""CLIP-SPM: prototypes modulated by class texts, generated prompts, and anchors across videos.

Li et al., arXiv 2512.19036 (2025), as implemented by its public code. A motion loss regularises
training (HSMR). Each support video is fused with the text of its class, and each query with a
generated prompt (SPM). Then prototypes and queries are refined around anchors (PADM), and OTAM
compares them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import BankScorer, Nodes, TextMethod, TrainingBatch, cross_entropy
from fewact.methods.clip_spm_options import ClipSpmOptions
from fewact.methods.clip_spm_parts import HSMR, PADM, SPM
from fewact.methods.clip_spm_projected import is_projected, projected, scorer_of_projected
from fewact.methods.clip_spm_scoring import logits_of_fused, membership
from fewact.methods.common.inputs import ClassText, frame_vectors, of_videos, seeded

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
        own = self.text(text[:, None], 1, gated)[:, 0]  # (v d)
        named = self.spm.fuse(gated, own)
        if self.padm is None or self.options.protocol != "inductive":
            return {"named": named}
        return projected(self.padm, named, own)

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
        own, true = (of_videos(texts, x) for x in (batch.support_labels, batch.query_labels))
        mean = (
            own.mean(1)
            if self.options.mean_text == "support"
            else torch.cat([own, true], 1).mean(1)
        )
        named = self.spm.fuse_both(gated, own)
        made = self.spm.fuse_both(gated_query, self.spm.prompts(mean, query["summary"]))
        state = ClipSpmState(named.frames, member, mean)
        if self.options.losses == "released":
            return state, made.frames, {}
        generated = self.spm.fuse_both(gated, self.spm.prompts(mean, support["summary"]))
        query_text, query_both = self.spm.fuse_both(gated_query, true).gaps(made)
        support_text, support_both = named.gaps(generated)
        tuned = self.options.tuned
        text, consistency = tuned.text_loss_weight, tuned.consistency_weight
        losses = {
            "text": text * query_text + (0.5 - text) * support_text,
            "consistency": consistency * query_both + (1 - consistency) * support_both,
        }
        return state, made.frames, losses
