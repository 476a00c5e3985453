"""CLIP-FSAR: prototypes, modulated by the class text in a transformer, aligned by OTAM.

Wang et al., "CLIP-guided Prototype Modulating for Few-shot Action Recognition", IJCV 2023, arXiv
2303.02982, as implemented by its public code.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from fewact import align
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TextMethod, TrainingBatch, cross_entropy
from fewact.lab.methods.common.inputs import ClassText, frame_vectors, of_videos, seeded
from fewact.lab.methods.common.shots import class_means
from fewact.lab.methods.common.text import combined_logits, named_classes, text_logits
from fewact.lab.methods.common.transformer import Transformer
from fewact.methods.common.options import Only, options_dataclass
from fewact.networks.card import Card


@options_dataclass
class ClipFsarOptions:
    """Options of ``clip_fsar``; its transformer must be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        text_width: Length of the text embeddings, if a learned projection must map them to the
            vectors' space.
        mode: Score: ``visual``, the negative cost of the alignment, as in every published run;
            ``text``, the class name against the mean frame; ``combined``, the logarithm of
            p_text^w · p_visual^(1−w).
        merge: Order of modulation and averaging over shots: ``after`` modulates each support video
            with its text, then averages, as in the one-shot runs; ``before`` averages first, as in
            the five-shot runs.
        text_weight: Weight β of the text in ``combined``.
        text_temperature: Temperature of the cosines with the text in ``combined`` and ``text``;
            CLIP's is 0.01. None is the trained temperature of the contrastive loss.
        contrast_weight: Weight γ of the contrastive training loss between videos and texts.
        contrast_temperature: Initial temperature of the cosines in that loss.
        smoothing: λ of the ordered alignment.
        eps: ε added to the product of the norms in the cosine of two frames.
        heads: Heads of the transformer, each of width vector_width/heads.
        hidden: Hidden width of the transformer's feed-forward layers.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 512
    text_width: PositiveInt | None = None
    mode: Literal["visual", "combined", "text"] = "visual"
    merge: Literal["after", "before"] = "after"
    text_weight: Annotated[float, Field(ge=0, le=1), Only("mode", "combined")] = 0.9
    text_temperature: Annotated[PositiveFloat | None, Only("mode", "combined", "text")] = 0.01
    contrast_weight: NonNegativeFloat = 1.5
    contrast_temperature: PositiveFloat = 1.0
    smoothing: NonNegativeFloat = 0.5
    eps: NonNegativeFloat = 0.01
    heads: PositiveInt = 8
    hidden: PositiveInt = 2048
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class ClipFsarState:
    """Prototypes (b n t d) and embeddings of the class names (b n d)."""

    prototypes: Tensor
    text: Tensor


class ClipFsar(TextMethod[ClipFsarOptions, ClipFsarState]):
    """Text-modulated prototypes, aligned with modulated queries in temporal order."""

    Options = ClipFsarOptions
    paper = "CLIP-FSAR, IJCV 2023"
    trained = False
    scoring = frozenset(
        {"mode", "merge", "text_weight", "text_temperature", "contrast_weight"}
        | {"contrast_temperature", "smoothing", "eps"}
    )

    def __init__(self, options: ClipFsarOptions) -> None:
        super().__init__(options)
        width = options.vector_width
        with seeded(options.seed):
            self.text = ClassText(width, options.text_width)
            self.transformer = Transformer(width, heads=options.heads, hidden=options.hidden)
        # Trained as a factor of the cosines, as in the public code: 1 / temperature.
        self.contrast_scale = nn.Parameter(torch.tensor(1 / options.contrast_temperature))

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return frames (… t d), and frames modulated by the transformer without text (… t d)."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        return {"frames": frames, "modulated": self.transformer(frames)}

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> ClipFsarState:
        """Return prototypes, modulated by the text of their class."""
        frames = nodes["named" if "named" in nodes else "frames"]  # (b s t d)
        texts = self.text(text, n, frames)  # (b n d)
        if self.options.merge == "before":
            return ClipFsarState(self._modulated(class_means(frames, labels, n), texts), texts)
        if "named" not in nodes:
            frames = self._modulated(frames, of_videos(texts, labels))
        return ClipFsarState(class_means(frames, labels, n), texts)

    def with_text(self, nodes: Nodes, text: Tensor) -> Nodes:
        """Return frames (v t d) that are modulated already; unchanged nodes to merge before."""
        if self.options.merge == "before":
            return nodes
        frames = nodes["frames"]
        return {"named": self._modulated(frames, self.text(text[:, None], 1, frames)[:, 0])}

    def _modulated(self, frames: Tensor, text: Tensor) -> Tensor:
        """Return frames (… t d) after attention among them and a text token (… d)."""
        tokens = torch.cat([text[..., None, :], frames], -2)  # (… 1+t d)
        modulated: Tensor = self.transformer(tokens, first=1)
        return modulated

    def score(self, state: ClipFsarState, nodes: Nodes) -> Tensor:
        """Return logits (b q n), see option ``mode``."""
        mode = self.options.mode
        if mode == "text":
            return self._text_logits(state, nodes).log_softmax(-1)
        distance = self.distance(state, nodes)
        if mode == "visual":
            return -distance
        text, visual = self._text_logits(state, nodes), -distance / self.options.frames
        return combined_logits(text, visual, self.options.text_weight)

    def distance(self, state: ClipFsarState, nodes: Nodes) -> Tensor:
        """Return the bidirectional cost (b q n) of aligning queries with prototypes."""
        cost = align.pairwise_cosine_cost(nodes["modulated"], state.prototypes, self.options.eps)
        return align.otam(cost, self.options.smoothing, plan=False).value

    def _text_logits(self, state: ClipFsarState, nodes: Nodes) -> Tensor:
        temperature = self.options.text_temperature or 1 / self.contrast_scale
        return text_logits(nodes["frames"].mean(-2), state.text, temperature)

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the cross-entropy of the visual scores, and of each video with the texts.

        The texts are the texts of all training classes if the batch has them, else the episode's.
        """
        state = self.support(support, batch.support_labels, batch.n, text=batch.text)
        frames = torch.cat([support["frames"], query["frames"]], 1)  # (b s+q t d)
        texts = state.text
        all_text, labels = named_classes(batch)
        if all_text is not None:
            texts = self.text(all_text, len(all_text), frames).expand(len(frames), -1, -1)
        named = self.class_logits(frames.mean(-2), texts)
        return {
            "cross_entropy": cross_entropy(-self.distance(state, query), batch.query_labels),
            "contrast": self.options.contrast_weight * cross_entropy(named, labels),
        }

    def class_logits(self, mean: Tensor, text: Tensor) -> Tensor:
        """Return σ·cos_ε of mean frames (b m d) with texts (b N d): (b m N), for training."""
        return self.contrast_scale * (1 - align.cosine_cost(mean, text, self.options.eps))
