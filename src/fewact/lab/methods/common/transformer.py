"""The pre-norm transformer block of CLIP-FSAR, CLIP-SPM and the semantic prompt.

As in the public code of CLIP-FSAR, there is no norm before the feed-forward layers and none at the
end, no positional encoding, and no dropout on the attention weights.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

ATTENTION_DROPOUT, HIDDEN_DROPOUT = 0.2, 0.05
"""Dropout of the attention's output, and after each feed-forward layer."""

TOKENS_PER_CHUNK = 2048
"""Approximate number of tokens per chunk, so that intermediate results stay in the caches."""


class Transformer(nn.Module):
    """Block ``Tr``: attention among tokens, then two feed-forward layers for each token.

    With z = LN(x): x₁ = x + softmax(QKᵀ/√e)·V·Wo + bo for each head, and
    out = x₁ + W₂·gelu(W₁·x₁ + b₁) + b₂.

    Args:
        width: Length d of a token.
        heads: Number of attention heads.
        head_width: Width e of a head (default: d/heads, at least 1).
        hidden: Hidden width of the feed-forward layers.
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int = 8,
        head_width: int | None = None,
        hidden: int = 2048,
    ) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * (head_width or max(1, width // heads))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * inner, bias=False)  # queries, keys, values
        self.out = nn.Linear(inner, width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.attention_dropout = nn.Dropout(ATTENTION_DROPOUT)
        self.hidden_dropout = nn.Dropout(HIDDEN_DROPOUT)

    def forward(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Apply the block to tokens (… m d), and return those from ``first`` on."""
        sets = tokens.reshape(-1, *tokens.shape[-2:])  # (r m d)
        chunks = sets.split(max(1, TOKENS_PER_CHUNK // sets.shape[1]))
        out = torch.cat([self._chunk(chunk, first) for chunk in chunks])
        return out.view(*tokens.shape[:-2], *out.shape[1:])

    def attention(self, tokens: Tensor) -> Tensor:
        """Return the attention weights (… m m) among tokens (… m d), averaged over the heads."""
        projected = self.project(self.norm(tokens)).unflatten(-1, (3, self.heads, -1))
        query, key, _ = projected.movedim(-3, 0).transpose(-2, -3)  # each (… h m e)
        weights: Tensor = (query @ key.mT / key.shape[-1] ** 0.5).softmax(-1).mean(-3)
        return weights

    def linear_part(self, vectors: Tensor) -> Tensor:
        """Return the projections of vectors (… d), scaled by the norm's weight alone: (… 3·h·e).

        For a vector of standard deviation σ, the norm divides them by σ and adds a constant.
        """
        centred = vectors - vectors.mean(-1, keepdim=True)
        return functional.linear(centred * self.norm.weight, self.project.weight)

    def of_linear_parts(self, tokens: Tensor, parts: Tensor, first: int) -> Tensor:
        """Apply the block to tokens (… m d) whose linear parts (… m 3·h·e) are known."""
        spread = (tokens.var(-1, correction=0, keepdim=True) + self.norm.eps).rsqrt()
        shift = functional.linear(self.norm.bias, self.project.weight)
        projected = torch.addcmul(shift, parts, spread)
        sets = tokens.flatten(0, -3), projected.flatten(0, -3)
        return self._attend(*sets, first).view(*tokens.shape[:-2], -1, tokens.shape[-1])

    def _chunk(self, tokens: Tensor, first: int) -> Tensor:
        return self._attend(tokens, self.project(self.norm(tokens)), first)

    def _attend(self, tokens: Tensor, projected: Tensor, first: int) -> Tensor:
        projected = projected.unflatten(-1, (3, self.heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each (r h m e)
        attended = functional.scaled_dot_product_attention(query[:, :, first:], key, value)
        return self.finish(tokens[:, first:], self.out(attended.transpose(1, 2).flatten(-2)))

    def finish(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Add the attention's output and apply the feed-forward layers: (… m d) → (… m d)."""
        tokens = tokens + self.attention_dropout(attended)
        hidden = self.hidden_dropout(functional.gelu(self.widen(tokens)))
        finished: Tensor = tokens + self.hidden_dropout(self.narrow(hidden))
        return finished
