"""Semantic prompt: class names condition how the support is read, carried from images to frames.

Chen et al., "Semantic Prompt for Few-Shot Image Recognition", CVPR 2023, arXiv 2303.14123. There
the text joins the patches of an image inside the backbone; here frames take the place of patches,
so that the backbone stays as it is. No version for video is published.
"""

from dataclasses import dataclass as plain_dataclass
from typing import Literal

import torch
from pydantic import ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.linalg import vector_norm

from fewact import align
from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, View
from fewact.methods.base import Nodes, TextMethod, one_hot_mean
from fewact.methods.common.inputs import class_text, frame_vectors, of_videos, seeded
from fewact.methods.common.transformer import Transformer


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SemanticPromptOptions:
    """Options of ``semantic_prompt``; it is to be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        text_width: Length of the text embeddings; as long as the vectors where it is not given.
        scoring: ``cosine`` of the pooled tokens; or minus the cost of aligning frames by ``otam``
            or ``bi_mhm``, which leave the prompt's token out.
        pool: Whether the prompt's token counts in the support's mean: ``with_prompt``, as
            published, or ``frames`` alone.
        text_norm: ``frames`` scales a text to the mean length of the video's frames; ``as_given``.
        temperature: Cosines are divided by it.
        eps: Added to the product of the norms in a cosine.
        smoothing: λ of ``otam``.
        heads: Of the transformer, each of width vector_width/heads.
        hidden: Width of the transformer's second half.
        seed: Of the first weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 512
    text_width: PositiveInt | None = None
    scoring: Literal["cosine", "otam", "bi_mhm"] = "cosine"
    pool: Literal["with_prompt", "frames"] = "with_prompt"
    text_norm: Literal["frames", "as_given"] = "frames"
    temperature: PositiveFloat = 0.2
    eps: NonNegativeFloat = 0.0
    smoothing: NonNegativeFloat = 0.5
    heads: PositiveInt = 8
    hidden: PositiveInt = 2048
    seed: NonNegativeInt = 0


@plain_dataclass(frozen=True)
class SemanticPromptState:
    """Prototypes: the mean token (b n 1 d), or frames (b n t d)."""

    prototypes: Tensor


class ChannelPrompt(nn.Module):
    """The shift that a text gives to all frames of a video, channel by channel.

    Args:
        width: Length d of the vectors.
        text_width: Length of the texts.
    """

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.project = nn.Linear(text_width, width, bias=False)
        self.first = nn.Linear(2 * width, width)
        self.second = nn.Linear(width, width)

    def forward(self, frames: Tensor, text: Tensor) -> Tensor:
        """Frames (… t d), texts (… d') → the shift (… d), which sums to 0."""
        context = torch.cat([frames.mean(-2), self.project(text)], -1)  # (… 2d)
        gates = self.second(self.first(context).sigmoid()).sigmoid()
        shift: Tensor = gates - gates.mean(-1, keepdim=True)
        return shift


class SemanticPrompt(TextMethod[SemanticPromptOptions, SemanticPromptState]):
    """The support's frames are shifted by their class's text and attend to it; queries are not."""

    Options = SemanticPromptOptions
    trained = False
    scoring = frozenset({"pool", "text_norm", "temperature", "eps", "smoothing"})

    def __init__(self, options: SemanticPromptOptions) -> None:
        super().__init__(options)
        width = options.vector_width
        self.text_width = options.text_width or width
        with seeded(options.seed):
            self.channel = ChannelPrompt(width, self.text_width)
            self.token = nn.Linear(self.text_width, width, bias=False)
            self.transformer = Transformer(width, heads=options.heads, hidden=options.hidden)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """One vector a frame."""
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """The frames (… t d), and as a query is scored: (… t d), with ``cosine`` (… 1 d)."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        plain = self.transformer(frames)
        if self.options.scoring == "cosine":
            plain = plain.mean(-2, keepdim=True)
        return {"frames": frames, "plain": plain}

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> SemanticPromptState:
        """Prototypes of the prompted support.

        Raises:
            OptionError: There is no text.
            ShapeError: Its embeddings have another length, or are not one for each class.
        """
        frames = nodes["frames"]  # (b s t d)
        texts = class_text(text, n, self.text_width).to(frames)  # (b n d')
        tokens = self.prompted(frames, of_videos(texts, labels))  # (b s t+1 d)
        if self.options.scoring != "cosine" or self.options.pool == "frames":
            tokens = tokens[..., :-1, :]
        if self.options.scoring == "cosine":
            tokens = tokens.mean(-2, keepdim=True)
        mean = one_hot_mean(labels, n, frames.dtype)  # (b n s)
        return SemanticPromptState(torch.einsum("bns,bstd->bntd", mean, tokens))

    def prompted(self, frames: Tensor, text: Tensor) -> Tensor:
        """Frames (… t d) and their text (… d') → tokens (… t+1 d), the prompt's is the last."""
        if self.options.text_norm == "frames":
            length = vector_norm(frames, dim=-1).mean(-1, keepdim=True)  # (… 1)
            text = text * length / vector_norm(text, dim=-1, keepdim=True).clamp_min(SHORTEST)
        frames = frames + self.channel(frames, text)[..., None, :]
        tokens: Tensor = self.transformer(torch.cat([frames, self.token(text)[..., None, :]], -2))
        return tokens

    def score(self, state: SemanticPromptState, nodes: Nodes) -> Tensor:
        """Logits (b q n)."""
        options = self.options
        cost = align.pairwise_cosine_cost(nodes["plain"], state.prototypes, options.eps)
        if options.scoring == "cosine":
            return (1 - cost[..., 0, 0]) / options.temperature
        if options.scoring == "otam":
            return -align.otam(cost, options.smoothing, plan=False).value
        return -align.bi_mhm(cost, plan=False).value


SHORTEST = 1e-12
"""A shorter text counts as this long: a text of zeros stays one."""
