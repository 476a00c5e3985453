"""CLIP-FSAR: prototypes that a transformer modulates by their class's text, aligned by OTAM.

Wang et al., "CLIP-guided Prototype Modulating for Few-shot Action Recognition", IJCV 2023, arXiv
2303.02982, in the form of its public code.
"""

from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from fewact import align
from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import Nodes, TextMethod, TrainingBatch, cross_entropy, one_hot_mean
from fewact.methods.common.inputs import ClassText, frame_vectors, of_videos, seeded
from fewact.methods.common.transformer import Transformer
from fewact.methods.zero_shot import combined, text_logits


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ClipFsarOptions:
    """Options of ``clip_fsar``; its transformer is to be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        text_width: Length of the text embeddings where a learned projection is to take them to the
            vectors' space.
        mode: What scores: ``visual``, minus the alignment's cost, as every published run has it;
            ``text``, the class name against the mean frame; ``combined``, the logarithm of
            p_text^share · p_visual^(1−share).
        merge: ``after`` lets each support video see its text and averages the videos then, as in
            the one-shot runs; ``before`` averages first, as in the five-shot runs.
        share: β of the text in ``combined``.
        scale: Of the cosines with the text, in ``combined`` and ``text``; 100 is that of CLIP. None
            is the one that training learns.
        contrast_scale: First scale of the cosines in the training loss between videos and texts.
        contrast: Weight γ of that loss.
        smoothing: λ of the ordered alignment.
        eps: Added to the product of the norms in a frame's cosine.
        heads: Of the transformer, each of width vector_width/heads.
        hidden: Width of the transformer's second half.
        seed: Of the first weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 512
    text_width: PositiveInt | None = None
    mode: Literal["visual", "combined", "text"] = "visual"
    merge: Literal["after", "before"] = "after"
    share: Annotated[float, Field(ge=0, le=1)] = 0.9
    scale: PositiveFloat | None = 100.0
    contrast_scale: PositiveFloat = 1.0
    contrast: NonNegativeFloat = 1.5
    smoothing: NonNegativeFloat = 0.5
    eps: NonNegativeFloat = 0.01
    heads: PositiveInt = 8
    hidden: PositiveInt = 2048
    seed: NonNegativeInt = 0


@plain_dataclass(frozen=True)
class ClipFsarState:
    """Prototypes (b n t d) and class texts (b n d)."""

    prototypes: Tensor
    text: Tensor


class ClipFsar(TextMethod[ClipFsarOptions, ClipFsarState]):
    """Text-modulated prototypes, compared with modulated queries in the order of their frames."""

    Options = ClipFsarOptions
    trained = False
    scoring = frozenset(
        {"mode", "merge", "share", "scale", "contrast", "contrast_scale", "smoothing", "eps"}
    )

    def __init__(self, options: ClipFsarOptions) -> None:
        super().__init__(options)
        width = options.vector_width
        with seeded(options.seed):
            self.text = ClassText(width, options.text_width)
            self.transformer = Transformer(width, heads=options.heads, hidden=options.hidden)
        self.contrast_scale = nn.Parameter(torch.tensor(options.contrast_scale))

    def requests(self, card: Card) -> tuple[Request, ...]:
        """One vector a frame."""
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """The frames (… t d), and as the transformer modulates them without text (… t d)."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        return {"frames": frames, "modulated": self.transformer(frames)}

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> ClipFsarState:
        """Prototypes, modulated by the text of their class.

        Raises:
            OptionError: There is no text.
            ShapeError: Its embeddings have another length, or are not one for each class.
        """
        frames = nodes["frames"]  # (b s t d)
        texts = self.text(text, n, frames)  # (b n d)
        mean = one_hot_mean(labels, n, frames.dtype)  # (b n s)
        if self.options.merge == "before":
            prototypes = torch.einsum("bns,bstd->bntd", mean, frames)
            return ClipFsarState(self._modulated(prototypes, texts), texts)
        modulated = self._modulated(frames, of_videos(texts, labels))
        return ClipFsarState(torch.einsum("bns,bstd->bntd", mean, modulated), texts)

    def _modulated(self, frames: Tensor, text: Tensor) -> Tensor:
        """Frames (… t d) that have seen each other and, at no position, a text (… d)."""
        tokens = torch.cat([text[..., None, :], frames], -2)  # (… 1+t d)
        seen: Tensor = self.transformer(tokens, first=1)
        return seen

    def score(self, state: ClipFsarState, nodes: Nodes) -> Tensor:
        """Logits (b q n), see option ``mode``."""
        mode = self.options.mode
        if mode == "text":
            return self._text_logits(state, nodes).log_softmax(-1)
        distance = self.distance(state, nodes)
        if mode == "visual":
            return -distance
        return combined(
            self._text_logits(state, nodes), -distance / self.options.frames, self.options.share
        )

    def distance(self, state: ClipFsarState, nodes: Nodes) -> Tensor:
        """Cost (b q n) of aligning queries with prototypes, both ways."""
        cost = align.pairwise_cosine_cost(nodes["modulated"], state.prototypes, self.options.eps)
        return align.otam(cost, self.options.smoothing, plan=False).value

    def _text_logits(self, state: ClipFsarState, nodes: Nodes) -> Tensor:
        scale = self.contrast_scale if self.options.scale is None else self.options.scale
        return text_logits(nodes["frames"].mean(-2), state.text, scale)

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Cross-entropy of the visual scores, and of each video with the texts.

        The texts are those of all training classes where the batch has them, else the episode's.
        """
        state = self.support(support, batch.support_labels, batch.n, text=batch.text)
        labels = torch.cat([batch.support_labels, batch.query_labels], 1)  # (b s+q)
        frames = torch.cat([support["frames"], query["frames"]], 1)  # (b s+q t d)
        texts = state.text
        if batch.base_text is not None and batch.base_classes is not None:
            base = self.text(batch.base_text, len(batch.base_text), frames)  # (N d)
            texts = base.expand(len(frames), -1, -1)
            labels = batch.base_classes.gather(1, labels)
        named = self.class_logits(frames.mean(-2), texts)
        return {
            "cross_entropy": cross_entropy(-self.distance(state, query), batch.query_labels),
            "contrast": self.options.contrast * cross_entropy(named, labels),
        }

    def class_logits(self, mean: Tensor, text: Tensor) -> Tensor:
        """σ·cos_ε of videos' mean frames (b m d) with texts (b N d): (b m N), for training."""
        return self.contrast_scale * (1 - align.cosine_cost(mean, text, self.options.eps))
