"""The transformer block for tokens that are mixtures of a few vectors, most of them shared.

When each of q queries attends alone to the same support videos, most of the attention is the same
for all queries. A layer norm is x̃/σ⊙g + β with x̃ = x − mean(x), so queries, keys and values are
linear in x except for σ. With tokens X = M·B, products with weights are computed for the vectors B
only; a token needs sums with its coefficients M. With L the product of centred, scaled vectors with
a weight and G = L_q(B)·L_k(B)ᵀ, the attention's logits are

    (M G Mᵀ)_ij / (σ_i σ_j √e) + (M L_k(B) q₀)_j / (σ_j √e),    q₀ = W_q β,

up to terms that are equal for all j; values pass the output layer before they are summed.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fewact.methods.common.transformer import Transformer


class Mixtures:
    """A transformer block for mixtures of vectors, for each query alone.

    Args:
        block: Transformer block.
        shared: Vectors (b t s d) in the mixtures of all queries of an episode.
        own: One vector (b q t d) of each query.
    """

    def __init__(self, block: Transformer, shared: Tensor, own: Tensor) -> None:
        self._block, self._shared, self._own = block, shared, own
        weights = block.project.weight.unflatten(0, (3, block.heads, -1))  # (3 h e d)
        # Contribution of the norm's shift to queries and values; that of keys cancels out.
        first, _, last = torch.einsum("khed,d->khe", weights, block.norm.bias)
        centred_s, centred_o = (x - x.mean(-1, keepdim=True) for x in (shared, own))
        query_s, key_s, value_s = self._projected(centred_s)  # (b t s h e)
        query_o, key_o, value_o = self._projected(centred_o)  # (b q t h e)
        self._gram = _products(query_s, query_o, key_s, key_o)  # (b q t h s+1 s+1)
        one_s, one_o = centred_s[..., None, :], centred_o[..., None, :]
        self._lengths = _products(one_s, one_o, one_s, one_o).squeeze(3)  # (b q t s+1 s+1)
        ahead = torch.einsum("btshe,he->bths", key_s, first)[:, None]
        ahead_own = torch.einsum("bqthe,he->bqth", key_o, first)[..., None]
        ahead = ahead.expand(*ahead_own.shape[:-1], -1)
        self._ahead = torch.cat([ahead, ahead_own], -1)[..., None]  # (b q t h s+1 1)
        leave = block.out.weight.unflatten(1, (block.heads, -1))  # (d h e)
        self._value_s = torch.einsum("btshe,dhe->bthsd", value_s, leave)
        self._value_o = torch.einsum("bqthe,dhe->bqthd", value_o, leave)
        self._added = functional.linear(last.flatten(), block.out.weight, block.out.bias)  # (d)
        self._scale = weights.shape[2] ** -0.5

    def _projected(self, centred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scale and project: (… d) → queries, keys, values (… h e)."""
        scaled = centred * self._block.norm.weight
        every: Tensor = functional.linear(scaled, self._block.project.weight)
        query, key, value = every.unflatten(-1, (3, self._block.heads, -1)).unbind(-3)
        return query, key, value

    def transform(self, mixing: Tensor) -> Tensor:
        """Return the block's output for the tokens ``mixing @ [shared; own]`` of each query.

        Args:
            mixing: (b m s+1), coefficients of m tokens; the last one multiplies the query's vector.

        Returns:
            (b q t m d).
        """
        q = self._own.shape[1]
        tokens = (mixing[:, None, :, :-1] @ self._shared)[:, None]  # (b 1 t m d)
        tokens = tokens + mixing[:, None, None, :, -1:] * self._own[..., None, :]  # (b q t m d)
        squares = ((mixing[:, None, None] @ self._lengths) * mixing[:, None, None]).sum(-1)
        variance = squares.clamp_min(0) / tokens.shape[-1]  # (b q t m)
        spread = (variance + self._block.norm.eps).rsqrt()  # 1/σ
        row, column = spread[..., None, :, None], spread[..., None, None, :]
        mix = mixing[:, None, None, None]  # (b 1 1 1 m s+1)
        logits = (mix @ self._gram @ mix.mT) * row + (mix @ self._ahead).mT  # (b q t h m m)
        attention = (logits * column * self._scale).softmax(-1)
        mixed = (attention * column) @ mix  # (b q t h m s+1)
        coefficients = mixed[..., :-1].permute(0, 2, 1, 4, 3, 5)  # (b t q m h s)
        attended = coefficients.flatten(4).flatten(2, 3) @ self._value_s.flatten(
            2, 3
        )  # (b t q·m d)
        attended = attended.unflatten(2, (q, -1)).transpose(1, 2)
        attended = attended + mixed[..., -1].mT @ self._value_o + self._added  # (b q t m d)
        return self._block.finish(tokens, attended)


def _products(first_s: Tensor, first_o: Tensor, second_s: Tensor, second_o: Tensor) -> Tensor:
    """Return all products of shared (b t s h e) and own vectors (b q t h e): (b q t h s+1 s+1)."""
    rows = torch.einsum("btshe,bqthe->bqths", first_s, second_o)[..., None]
    columns = torch.einsum("bqthe,btshe->bqths", first_o, second_s)[..., None, :]
    among = torch.einsum("btshe,btuhe->bthsu", first_s, second_s)[:, None]
    alone = torch.einsum("bqthe,bqthe->bqth", first_o, second_o)[..., None, None]
    among = among.expand(*rows.shape[:-1], -1)
    return torch.cat([torch.cat([among, rows], -1), torch.cat([columns, alone], -1)], -2)
