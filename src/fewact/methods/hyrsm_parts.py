"""Parts of ``hyrsm``: attention inside a video, and among the videos of a query's task.

Attention among videos reads their mean frames, and its queries, keys and values are linear in them,
as is the half of the last map that reads frames. All of these are computed once a video, and
averaged over the shots of a class; an episode computes what a pair of videos decides.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewact.align import cosine_cost_of_products


class Attention(nn.Module):
    """Self-attention of heads of width d/heads; only the output map has a bias.

    Args:
        width: Length d of a token.
        heads: Number of heads.
        dropout: Dropout of the attention weights.
        out_dropout: Dropout of the output.
    """

    def __init__(self, width: int, heads: int, dropout: float, out_dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        inner = heads * max(1, width // heads)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * inner, bias=False)  # queries, keys, values
        self.out = nn.Linear(inner, width)
        self.out_dropout = nn.Dropout(out_dropout)

    def projected(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values (… h m e) of tokens (… m d)."""
        parts = self.project(tokens).unflatten(-1, (3, self.heads, -1))  # (… m 3 h e)
        query, key, value = parts.movedim(-3, 0).transpose(-2, -3)
        return query, key, value

    def weights(self, tokens: Tensor) -> Tensor:
        """Return the attention weights (… m m) among tokens (… m d), averaged over the heads."""
        query, key, _ = self.projected(tokens)
        weights: Tensor = (query @ key.mT / key.shape[-1] ** 0.5).softmax(-1).mean(-3)
        return weights

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend among tokens (… m d)."""
        query, key, value = self.projected(tokens)
        dropout = self.dropout if self.training else 0.0
        attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        out: Tensor = self.out_dropout(self.out(attended.transpose(-2, -3).flatten(-2)))
        return out


class Relation(nn.Module):
    """Attention among the mean frames of a task's videos, and its fusion with their frames.

    Args:
        width: Length d of a frame.
        heads: Number of heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.inter = Attention(width, heads, dropout=0.1, out_dropout=0.05)
        self.fuse = nn.Linear(2 * width, width)  # of [frame; token]

    def of_video(self, frames: Tensor) -> dict[str, Tensor]:
        """Return all of frames (… t d) that is linear in them.

        Returns:
            ``mapped``: frames (… t d) after their half of the last map; ``token``: mean frame
            (… d); ``query``, ``key``: (… h e); ``value``: (… h d), after the output map.
        """
        token = frames.mean(-2)
        query, key, value = (part[..., 0, :] for part in self.inter.projected(token[..., None, :]))
        leave = self.inter.out.weight.unflatten(1, (self.inter.heads, -1))  # (d h e)
        return {
            "mapped": functional.linear(frames, self.fuse.weight[:, : frames.shape[-1]]),
            "token": token,
            "query": query,
            "key": key,
            "value": torch.einsum("...he,dhe->...hd", value, leave),
        }

    def shifts(self, items: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> Tensor:
        """Return what is added to all frames of a video in the task of each query.

        Args:
            items: The support's p videos or prototypes (b p …), as ``of_video`` returns them.
            query: Queries (b q …).

        Returns:
            (b q p+1 d), that of the query itself last.
        """
        shared = torch.einsum("bphe,brhe->bhpr", items["query"], items["key"])
        rows = torch.einsum("bphe,bqhe->bqhp", items["query"], query["key"])
        last = torch.einsum("bqhe,bphe->bqhp", query["query"], items["key"])
        own = (query["query"] * query["key"]).sum(-1)  # (b q h)
        shared = shared[:, None].expand(-1, rows.shape[1], -1, -1, -1)  # (b q h p p)
        above = torch.cat([shared, rows[..., None]], -1)  # (b q h p p+1)
        below = torch.cat([last, own[..., None]], -1)[..., None, :]  # (b q h 1 p+1)
        scale = items["key"].shape[-1] ** -0.5
        weights = (torch.cat([above, below], -2) * scale).softmax(-1)  # (b q h p+1 p+1)
        weights = functional.dropout(weights, self.inter.dropout, self.training)
        mixing = weights.permute(0, 1, 3, 2, 4)  # (b q p+1 h p+1)
        values = items["value"].transpose(1, 2).flatten(1, 2)  # (b h·p d)
        attended = (mixing[..., :-1].flatten(3).flatten(1, 2) @ values).view(
            *mixing.shape[:3], values.shape[-1]
        )
        attended = attended + mixing[..., -1] @ query["value"] + self.inter.out.bias
        tokens = torch.cat(
            [
                items["token"][:, None].expand(-1, attended.shape[1], -1, -1),
                query["token"][:, :, None],
            ],
            2,
        )  # (b q p+1 d)
        related = functional.relu(self.inter.norm(tokens + self.inter.out_dropout(attended)))
        of_token = self.fuse.weight[:, tokens.shape[-1] :]
        return functional.linear(related, of_token, self.fuse.bias)


def cost_of_shifted(query: Tensor, items: Tensor, shifts: Tensor, eps: float) -> Tensor:
    """Return the cosine cost of frames to which each query's task adds a shift.

    Args:
        query: Frames (b q t d).
        items: Frames (b p u d), shifted for each query without a copy.
        shifts: (b q p+1 d), that of the query last.
        eps: ε added to the product of the norms.

    Returns:
        (b q p t u).
    """
    query = query + shifts[:, :, -1:]
    shifts = shifts[:, :, :-1]
    products = (query.flatten(1, 2) @ items.flatten(1, 2).mT).view(
        *query.shape[:3], *items.shape[1:3]
    )  # (b q t p u)
    products = products + (query @ shifts.mT)[..., None]
    squares = 2 * torch.einsum("bpud,bqpd->bqpu", items, shifts)
    squares = squares + items.square().sum(-1)[:, None] + shifts.square().sum(-1)[..., None]
    lengths = query.square().sum(-1)[:, :, None, :, None]
    return cosine_cost_of_products(products.transpose(2, 3), lengths, squares[..., None, :], eps)
