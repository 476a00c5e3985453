"""The transformer block for tokens that are mixtures of a few vectors, most of them shared.

When each of q queries attends alone to the same support videos, most of the attention is the same
for all queries. A layer norm is x̃/σ⊙g + β with x̃ = x − mean(x), so queries, keys and values are
linear in x except for σ. With tokens X = M·B, products with weights are computed for the vectors B
only; a token needs sums with its coefficients M. With L the product of centred, scaled vectors with
a weight and G = L_q(B)·L_k(B)ᵀ, the attention's logits are

    (M G Mᵀ)_ij / (σ_i σ_j √e) + (M L_k(B) q₀)_j / (σ_j √e),    q₀ = W_q β,

up to terms that are equal for all j; values pass the output layer before they are summed. There is
no norm before the feed-forward layers, so without dropout they pass the first of these as well
(``fold``); then only the second is computed for each token.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fewact.methods.common.transformer import Transformer


@dataclass(frozen=True)
class Projections:
    """What a block computes from vectors before they are mixed.

    Args:
        vectors: (… d).
        query: (… h e), of the scaled, centred vectors.
        key: The same.
        value: (… h d), after the output layer of each head; with ``fold`` (… h+1 d+f), each row
            followed by its product with W₁, and the vector with all shifts as the last row.
    """

    vectors: Tensor
    query: Tensor
    key: Tensor
    value: Tensor

    @property
    def centred(self) -> Tensor:
        """Vectors without their mean (… 1 d)."""
        return (self.vectors - self.vectors.mean(-1, keepdim=True))[..., None, :]


class Projector:
    """The products of a block with vectors.

    Args:
        block: Transformer block.
        fold: Whether vectors pass the first feed-forward layer too; there is no dropout then.
        many: Whether so many vectors are projected that both layers are multiplied before.
    """

    def __init__(self, block: Transformer, *, fold: bool = False, many: bool = False) -> None:
        self.block, self._fold, self._many = block, fold, many
        weights = block.project.weight.unflatten(0, (3, block.heads, -1))  # (3 h e d)
        # Contribution of the norm's shift to queries and values; that of keys cancels out.
        self.first, _, last = torch.einsum("khed,d->khe", weights, block.norm.bias)
        self.scale = weights.shape[2] ** -0.5
        self._added = functional.linear(last.flatten(), block.out.weight, block.out.bias)  # (d)
        leave = block.out.weight  # (d h·e)
        if fold:
            if many:
                leave = torch.cat([leave, block.widen.weight @ leave])
            added = [self._added + block.narrow.bias, block.widen(self._added)]
            self._shifts = torch.cat(added)  # (d+f)
        self._leave = leave.unflatten(1, (block.heads, -1))

    def project(self, vectors: Tensor) -> Projections:
        """Project vectors (… d)."""
        block = self.block
        parts = block.linear_part(vectors).unflatten(-1, (3, block.heads, -1))
        query, key, value = parts.unbind(-3)
        value = torch.einsum("...he,che->...hc", value, self._leave)
        if self._fold:
            if not self._many:
                value = torch.cat([value, functional.linear(value, block.widen.weight)], -1)
            itself = torch.cat([vectors, functional.linear(vectors, block.widen.weight)], -1)
            value = torch.cat([value, (itself + self._shifts)[..., None, :]], -2)
        return Projections(vectors, query, key, value)

    def sum(self, mixed: Tensor, mixing: Tensor, shared: Projections, own: Projections) -> Tensor:
        """Return the block's output (b t q m d) for tokens that attend to mixtures.

        Args:
            mixed: (b t q m s+1 h), coefficients of the heads' values.
            mixing: (b 1 1 m s+1), coefficients of the tokens.
            shared: Projections (b t s …).
            own: Projections (b t q …).
        """
        if self._fold:
            return self._folded(mixed, mixing, shared, own)
        tokens = (mixing[:, 0, :, :, :-1] @ shared.vectors)[:, :, None]  # (b t 1 m d)
        tokens = tokens + mixing[..., -1:] * own.vectors[..., None, :]  # (b t q m d)
        attended = _of_shared(mixed, shared.value) + mixed[..., -1, :] @ own.value
        return self.block.finish(tokens, attended + self._added)

    def _folded(
        self, mixed: Tensor, mixing: Tensor, shared: Projections, own: Projections
    ) -> Tensor:
        every = torch.cat([mixed, mixing[..., None].expand(*mixed.shape[:-1], 1)], -1)  # (… h+1)
        sums = _of_shared(every, shared.value)  # (b t q m d+f)
        rows = sums.flatten(0, 2)
        rows.baddbmm_(every[..., -1, :].flatten(0, 2), own.value.flatten(0, 2))
        narrow = self.block.narrow.weight  # (d f)
        tokens, hidden = rows.flatten(0, 1).split(narrow.shape, -1)
        return torch.addmm(tokens, functional.gelu(hidden), narrow.T).view(*sums.shape[:4], -1)


class Mixtures:
    """A transformer block for mixtures of vectors, for each query alone.

    Args:
        projector: Products of the block.
        shared: Vectors (b t s …) in the mixtures of all queries of an episode.
        own: One vector (b t q …) of each query.
    """

    def __init__(self, projector: Projector, shared: Projections, own: Projections) -> None:
        self._projector, self._shared, self._own = projector, shared, own
        self._gram = _products(shared.query, own.query, shared.key, own.key)  # (b t q h s+1 s+1)
        centred = shared.centred, own.centred
        self._lengths = _products(*centred, *centred).squeeze(3)  # (b t q s+1 s+1)
        ahead = torch.einsum("btshe,he->bths", shared.key, projector.first)[:, :, None]
        ahead_own = torch.einsum("btqhe,he->btqh", own.key, projector.first)[..., None]
        ahead = ahead.expand(*ahead_own.shape[:-1], -1)
        self._ahead = torch.cat([ahead, ahead_own], -1)[..., None]  # (b t q h s+1 1)

    def transform(self, mixing: Tensor) -> Tensor:
        """Return the block's output for the tokens ``mixing @ [shared; own]`` of each query.

        Args:
            mixing: (b m s+1), coefficients of m tokens, which add up to 1; the last one multiplies
                the query's vector.

        Returns:
            (b t q m d).
        """
        projector, block = self._projector, self._projector.block
        mixing = mixing[:, None, None]  # (b 1 1 m s+1)
        squares = ((mixing @ self._lengths) * mixing).sum(-1)
        variance = squares.clamp_min(0) / block.widen.in_features  # (b t q m)
        spread = (variance + block.norm.eps).rsqrt()  # 1/σ
        row, column = spread[..., None, :, None], spread[..., None, None, :]
        mix = mixing[:, :, :, None]  # (b 1 1 1 m s+1)
        logits = (mix @ self._gram @ mix.mT) * row + (mix @ self._ahead).mT  # (b t q h m m)
        attention = (logits * column * projector.scale).softmax(-1)
        mixed = ((attention * column) @ mix).movedim(3, -1)  # (b t q m s+1 h)
        return projector.sum(mixed, mixing, self._shared, self._own)


def _of_shared(mixed: Tensor, value: Tensor) -> Tensor:
    """Return sums of shared values (b t s h c) with coefficients (b t q m s+1 h): (b t q m c)."""
    flat = mixed[..., :-1, :].flatten(4).flatten(2, 3)  # (b t q·m s·h)
    sums: Tensor = (flat @ value.flatten(2, 3)).unflatten(2, mixed.shape[2:4])
    return sums


def _products(first_s: Tensor, first_o: Tensor, second_s: Tensor, second_o: Tensor) -> Tensor:
    """Return all products of shared (b t s h e) and own vectors (b t q h e): (b t q h s+1 s+1)."""
    rows = torch.einsum("btshe,btqhe->btqhs", first_s, second_o)[..., None]
    columns = torch.einsum("btqhe,btshe->btqhs", first_o, second_s)[..., None, :]
    among = torch.einsum("btshe,btuhe->bthsu", first_s, second_s)[:, :, None]
    alone = torch.einsum("btqhe,btqhe->btqh", first_o, second_o)[..., None, None]
    among = among.expand(*rows.shape[:-1], -1)
    return torch.cat([torch.cat([among, rows], -1), torch.cat([columns, alone], -1)], -2)
