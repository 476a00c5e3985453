"""Semantic prompt: class texts condition the features of the support, adapted to video frames.

Chen et al., "Semantic Prompt for Few-Shot Image Recognition", CVPR 2023, arXiv 2303.14123. In the
paper, the text is a token among the patches of an image inside the backbone; here frames replace
patches, so that the backbone is unchanged. No version for video is published.
"""

from typing import Annotated, Literal

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.linalg import vector_norm

from fewact import align
from fewact.features.request import FeatureRequest, Request, View
from fewact.lab.methods.base import Features, Nodes, TextMethod
from fewact.lab.methods.common.inputs import class_text, frame_vectors, of_videos, seeded
from fewact.lab.methods.common.shots import class_means
from fewact.lab.methods.common.transformer import Transformer
from fewact.methods.common.options import Only, options_dataclass
from fewact.methods.common.temporal import SHORTEST
from fewact.networks.card import Card


@options_dataclass
class SemanticPromptOptions:
    """Options of ``semantic_prompt``; it must be trained.

    Args:
        frames: Frames of a video.
        vector_width: Length of the backbone's vectors.
        text_width: Length of the text embeddings; None is the length of the vectors.
        alignment: Comparison of query and prototype: ``cosine`` of the pooled tokens; or the
            negative cost of aligning frames by ``otam`` or ``bi_mhm``, without the prompt's token.
        pool: Tokens in the mean of the support: ``with_prompt``, as published, or ``frames`` alone.
        text_norm: ``frames`` scales a text to the mean norm of the video's frames; ``unscaled``.
        temperature: Temperature of the cosines.
        eps: ε added to the product of the norms in a cosine.
        smoothing: λ of ``otam``.
        heads: Heads of the transformer, each of width vector_width/heads.
        hidden: Hidden width of the transformer's feed-forward layers.
        seed: Seed of the initial weights.
    """

    frames: PositiveInt = 8
    vector_width: PositiveInt = 512
    text_width: PositiveInt | None = None
    alignment: Literal["cosine", "otam", "bi_mhm"] = "cosine"
    pool: Annotated[Literal["with_prompt", "frames"], Only("alignment", "cosine")] = "with_prompt"
    text_norm: Literal["frames", "unscaled"] = "frames"
    temperature: Annotated[PositiveFloat, Only("alignment", "cosine")] = 0.2
    eps: NonNegativeFloat = 0.0
    smoothing: Annotated[NonNegativeFloat, Only("alignment", "otam")] = 0.5
    heads: PositiveInt = 8
    hidden: PositiveInt = 2048
    seed: NonNegativeInt = 0


class ChannelPrompt(nn.Module):
    """Shift of all frames of a video by its text, channel by channel."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.project = nn.Linear(text_width, width, bias=False)
        self.first = nn.Linear(2 * width, width)
        self.second = nn.Linear(width, width)

    def forward(self, frames: Tensor, text: Tensor) -> Tensor:
        """Return the shift (… d), of sum 0, for frames (… t d) and texts (… d')."""
        context = torch.cat([frames.mean(-2), self.project(text)], -1)  # (… 2d)
        gates = self.second(self.first(context).sigmoid()).sigmoid()
        shift: Tensor = gates - gates.mean(-1, keepdim=True)
        return shift


class SemanticPrompt(TextMethod[SemanticPromptOptions, Tensor]):
    """Support frames are shifted by the text of their class and attend to it; queries are not."""

    Options = SemanticPromptOptions
    paper = "Semantic Prompt, CVPR 2023"
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
        return (FeatureRequest("vectors", View(self.options.frames)),)

    def encode(self, features: Features) -> Nodes:
        """Return frames (… t d), and frames as a query: (… t d), with ``cosine`` (… 1 d)."""
        frames = frame_vectors(features, self.options.frames, self.options.vector_width)
        query = self.transformer(frames)
        if self.options.alignment == "cosine":
            query = query.mean(-2, keepdim=True)
        return {"frames": frames, "query": query}

    def support(self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None) -> Tensor:
        """Return prototypes of the prompted support: mean tokens (b n 1 d), or frames (b n t d)."""
        texts = class_text(text, n, self.text_width)  # (b n d')
        if "tokens" not in nodes:
            nodes = self.with_text(nodes, of_videos(texts, labels))
        return class_means(nodes["tokens"], labels, n)

    def with_text(self, nodes: Nodes, text: Tensor) -> Nodes:
        """Return the prompted tokens (… 1 d) or (… t d) of support videos, for texts (… d')."""
        tokens = self.prompted(nodes["frames"], text.to(nodes["frames"]))  # (… t+1 d)
        if self.options.alignment != "cosine" or self.options.pool == "frames":
            tokens = tokens[..., :-1, :]
        if self.options.alignment == "cosine":
            tokens = tokens.mean(-2, keepdim=True)
        return {"tokens": tokens}

    def prompted(self, frames: Tensor, text: Tensor) -> Tensor:
        """Return tokens (… t+1 d) of frames (… t d) and text (… d'), the prompt's token last."""
        if self.options.text_norm == "frames":
            norm = vector_norm(frames, dim=-1).mean(-1, keepdim=True)  # (… 1)
            text = text * norm / vector_norm(text, dim=-1, keepdim=True).clamp_min(SHORTEST)
        frames = frames + self.channel(frames, text)[..., None, :]
        tokens: Tensor = self.transformer(torch.cat([frames, self.token(text)[..., None, :]], -2))
        return tokens

    def score(self, state: Tensor, nodes: Nodes) -> Tensor:
        options = self.options
        cost = align.pairwise_cosine_cost(nodes["query"], state, options.eps)
        if options.alignment == "cosine":
            return (1 - cost[..., 0, 0]) / options.temperature
        if options.alignment == "otam":
            return -align.otam(cost, options.smoothing, plan=False).value
        return -align.bi_mhm(cost, plan=False).value
