"""The pre-norm transformer block of CLIP-FSAR, CLIP-SPM and the semantic prompt.

There is no norm before the second half and none at the end, no position, and no dropout on the
attention's weights, as in the public code of CLIP-FSAR.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

AT_ONCE = 2048
"""Tokens that are worked on at once, about: what becomes of more leaves the processor's caches."""


class Transformer(nn.Module):
    """Block ``Tr``: attention among tokens, then two layers for each token alone.

    With z = LN(x): x₁ = x + softmax(QKᵀ/√e)·V·Wo + bo for each head, and
    out = x₁ + W₂·gelu(W₁·x₁ + b₁) + b₂.

    Args:
        width: Length d of a token.
        heads: Number of attention heads.
        head_width: Length e of a head's part; d/heads, at least 1, where it is not given.
        hidden: Width of the second half.
        attention_dropout: Share of the attention's output that training drops.
        hidden_dropout: Share that training drops after each layer of the second half.
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int = 8,
        head_width: int | None = None,
        hidden: int = 2048,
        attention_dropout: float = 0.2,
        hidden_dropout: float = 0.05,
    ) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * (head_width or max(1, width // heads))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * inner, bias=False)  # queries, keys, values
        self.out = nn.Linear(inner, width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.attention_dropout = nn.Dropout(attention_dropout)
        self.hidden_dropout = nn.Dropout(hidden_dropout)

    def forward(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Tokens that have seen each other.

        Args:
            tokens: (… m d).
            first: Those before it are seen, and don't come out.

        Returns:
            (… m−first d).
        """
        sets = tokens.reshape(-1, *tokens.shape[-2:])  # (r m d)
        some = sets.split(max(1, AT_ONCE // sets.shape[1]))
        out = torch.cat([self._some(few, first) for few in some])
        return out.view(*tokens.shape[:-2], *out.shape[1:])

    def _some(self, tokens: Tensor, first: int) -> Tensor:
        """(r m d) → (r m−first d)."""
        projected = self.project(self.norm(tokens)).unflatten(-1, (3, self.heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each (r h m e)
        seen = functional.scaled_dot_product_attention(query[:, :, first:], key, value)
        return self.finish(tokens[:, first:], self.out(seen.transpose(1, 2).flatten(-2)))

    def finish(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """The second half: tokens (… m d) and what attention adds to them (… m d) → (… m d)."""
        tokens = tokens + self.attention_dropout(seen)
        hidden = self.hidden_dropout(functional.gelu(self.widen(tokens)))
        finished: Tensor = tokens + self.hidden_dropout(self.narrow(hidden))
        return finished
