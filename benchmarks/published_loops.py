"""One episode at a time, as published code computes it, for ``benchmarks.methods``.

Each takes a method, an episode's features and the texts (n d) of its classes, and returns the
logits (q n). It concatenates what a method maps part by part, convolves every pair, and compares
class by class or pair by pair. It encodes the episode's videos again, as a loop over episodes does
that keeps nothing of a video. Weights and logits are those of the method. There is no public code
of ``semantic_prompt`` for videos: its loop is that of images, with frames for patches.
"""

from collections.abc import Callable
from itertools import combinations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.clip_spm import block
from benchmarks.clip_spm import forward as clip_spm_forward
from benchmarks.clip_spm import otam as otam_by_cells
from fewact.features.request import Features
from fewact.methods.base import Method
from fewact.methods.clip_fsar import ClipFsar
from fewact.methods.clip_spm import ClipSpm
from fewact.methods.common.tuples import TupleAttention
from fewact.methods.cpm import CPM
from fewact.methods.hyrsm import HyRSM
from fewact.methods.otam import OTAM
from fewact.methods.semantic_prompt import SemanticPrompt
from fewact.methods.strm import STRM
from fewact.methods.ta2n import TA2N, box_masks, max_pool
from fewact.methods.trx import TRX

Loop = Callable[[Method, Features, Features, Tensor, Tensor], Tensor]


def only(features: Features) -> Tensor:
    """Return the features (videos t …) of the only request."""
    (values,) = features.values()
    return values


def concatenated(frames: Tensor, size: int) -> Tensor:
    """Return the concatenated frames of each tuple: (v t d) → (v m size·d)."""
    tuples = combinations(range(frames.shape[1]), size)
    return torch.stack([frames[:, list(one)].flatten(1) for one in tuples], 1)


def tuple_attention(
    part: TupleAttention, support: Tensor, query: Tensor, labels: Tensor, n: int
) -> Tensor:
    """Return TRX's scores (q n) of frames (s t d) and (q t d), class by class."""
    own, other = (
        concatenated(frames + part.positions.table(frames), part.size)
        for frames in (support, query)
    )
    keys, values = part.norm(part.keys(own)), part.values(own)
    asked, wanted = part.norm(part.keys(other)), part.values(other)  # (q m e)
    scores = []
    for c in range(n):
        of_class = keys[labels == c].flatten(0, 1), values[labels == c].flatten(0, 1)
        weights = (asked @ of_class[0].T / asked.shape[-1] ** 0.5).softmax(-1)
        scores.append(-(wanted - weights @ of_class[1]).square().sum(-1).mean(-1))
    return torch.stack(scores, 1)


def trx(method: Method, support: Features, query: Features, labels: Tensor, text: Tensor) -> Tensor:
    if not isinstance(method, TRX):
        raise TypeError(type(method))
    n = len(text)
    parts = [method.attention[str(size)] for size in method.options.cardinalities]
    scores = [
        tuple_attention(part, only(support), only(query), labels, n)
        for part in parts
        if isinstance(part, TupleAttention)
    ]
    return torch.stack(scores).mean(0)


def strm(
    method: Method, support: Features, query: Features, labels: Tensor, text: Tensor
) -> Tensor:
    if not isinstance(method, STRM):
        raise TypeError(type(method))
    n, frames = len(text), list[Tensor]()
    for maps in (only(support), only(query)):
        pooled = functional.adaptive_max_pool2d(maps.flatten(0, 1), method.options.grid)
        frames.append(method.patch(pooled.unflatten(0, maps.shape[:2]).flatten(-2).mT))
    support_frames, query_frames = (method.frame(x) for x in frames)
    scores = tuple_attention(method.attention, support_frames, query_frames, labels, n)
    own, other = (
        functional.relu(method.query_class(concatenated(x, method.options.cardinality)))
        for x in frames
    )
    nearest = [
        -torch.cdist(other, own[labels == c].flatten(0, 1)).min(-1).values.mean(-1)
        for c in range(n)
    ]
    return scores + method.options.query_class_weight * torch.stack(nearest, 1)


def ta2n(
    method: Method, support: Features, query: Features, labels: Tensor, text: Tensor
) -> Tensor:
    if not isinstance(method, TA2N) or method.offsets is None or method.coordination is None:
        raise TypeError(type(method))
    n = len(text)
    warp = method.warp or nn.Identity()
    own, other = (warp(only(features)).transpose(1, 2) for features in (support, query))
    own = torch.stack([own[labels == c].mean(0) for c in range(n)])  # (n c t h w)
    coordination, offsets = method.coordination, method.offsets
    s, q = own.mean((-2, -1)).mT, other.mean((-2, -1)).mT  # (n t c), (q t c)
    scaled = torch.einsum("ntd,qud->nqtu", coordination.keys(s), coordination.queries(q))
    attention = (scaled / s.shape[-1] ** 0.5).softmax(-1)
    added = torch.einsum("nqtu,quc->nqct", attention, coordination.values(q))
    other = other[None] + added[..., None, None]  # (n q c t h w)
    own = own + coordination.values(s).mT[..., None, None]
    own = own[:, None].expand_as(other)
    pairs = torch.cat([own, other], 2).flatten(0, 1)  # (n·q 2c t h w)
    found = pairs
    for convolution, norm in zip((offsets.first, offsets.second), offsets.norms, strict=True):
        found = functional.relu(max_pool(norm(convolution(found)), 1, 2, 2))
    moves = offsets.largest * offsets.head(found.amax((-2, -1))).mT  # (n·q t 2)
    first, second = (
        (maps.flatten(0, 1) * box_masks(one, maps.shape[-2:], 0.2)[:, None]).sum((-2, -1))
        for maps, one in ((own, moves), (other, -moves))
    )
    distance: Tensor = (1 - functional.cosine_similarity(first, second, dim=1)).sum(-1)
    return -distance.view(n, -1).T


def cpm(method: Method, support: Features, query: Features, labels: Tensor, text: Tensor) -> Tensor:
    if not isinstance(method, CPM):
        raise TypeError(type(method))
    nodes, asked, n = method.encode(support), method.encode(query), len(text)
    scores = torch.zeros(len(asked["global"]), n)
    for i in range(len(scores)):
        for j, label in enumerate(labels.tolist()):
            by_index, cosines = (
                nn.functional.normalize(asked[name][i], dim=-1)
                @ nn.functional.normalize(nodes[name][j], dim=-1).T
                for name in ("global", "focused")
            )
            rows, columns = linear_sum_assignment(-cosines.numpy())
            matched = cosines[rows, columns].mean()
            similarity = by_index.diagonal().mean() + method.options.focused_weight * matched
            scores[i, label] += similarity / method.options.temperature
    return scores / functional.one_hot(labels, n).sum(0)


def otam(
    method: Method, support: Features, query: Features, labels: Tensor, text: Tensor
) -> Tensor:
    if not isinstance(method, OTAM):
        raise TypeError(type(method))
    own, other = only(support), only(query)
    products = torch.einsum("qtd,sud->qstu", other, own)
    lengths = torch.einsum("qt,su->qstu", other.norm(dim=-1), own.norm(dim=-1))
    cost = 1 - products / (lengths + method.options.eps)
    smoothing = method.options.smoothing
    distance = otam_by_cells(cost, smoothing) + otam_by_cells(cost.mT, smoothing)  # (q s)
    return torch.stack([-distance[:, labels == c].mean(1) for c in range(len(text))], 1)


def hyrsm(
    method: Method, support: Features, query: Features, labels: Tensor, text: Tensor
) -> Tensor:
    if not isinstance(method, HyRSM):
        raise TypeError(type(method))
    own, other = (method.inside(only(features)) for features in (support, query))
    items = own
    if method.options.shot_aggregation == "prototype":
        items = torch.stack([own[labels == c].mean(0) for c in range(len(text))])
    each = items[None].expand(len(other), -1, -1, -1)  # a copy of the support for each query
    videos = torch.cat([each, other[:, None]], 1)  # (q p+1 t d)
    tokens = videos.mean(2)
    inter = method.relation.inter
    related = functional.relu(inter.norm(tokens + inter(tokens)))
    fused = method.relation.fuse(torch.cat([videos, related[:, :, None].expand_as(videos)], -1))
    fused = functional.normalize(fused, dim=-1)
    cost = 1 - torch.einsum("qtd,qpud->qptu", fused[:, -1], fused[:, :-1])
    distance = cost.min(-1).values.sum(-1) + cost.min(-2).values.sum(-1)  # (q p)
    if method.options.shot_aggregation == "prototype":
        return -distance
    return torch.stack([-distance[:, labels == c].mean(1) for c in range(len(text))], 1)


def cosines(first: Tensor, second: Tensor, eps: float) -> Tensor:
    """Return the cosines (q n t u) of frames (q t d) and (n u d)."""
    products = torch.einsum("qtd,nud->qntu", first, second)
    lengths = torch.einsum("qt,nu->qntu", first.norm(dim=-1), second.norm(dim=-1))
    return products / (lengths + eps)


def clip_fsar(
    method: Method, support: Features, query: Features, labels: Tensor, text: Tensor
) -> Tensor:
    if not isinstance(method, ClipFsar) or method.options.merge == "before":
        raise TypeError(type(method))
    named = method.text(text, len(text), text)[labels]  # (s d)
    tokens = torch.cat([named[:, None], only(support)], 1)
    own = block(method.transformer, tokens)[:, 1:]
    other = block(method.transformer, only(query))
    prototypes = torch.stack([own[labels == c].mean(0) for c in range(len(text))])
    cost = 1 - cosines(other, prototypes, method.options.eps)
    smoothing = method.options.smoothing
    return -otam_by_cells(cost, smoothing) - otam_by_cells(cost.mT, smoothing)


def semantic_prompt(
    method: Method, support: Features, query: Features, labels: Tensor, text: Tensor
) -> Tensor:
    if not isinstance(method, SemanticPrompt):
        raise TypeError(type(method))
    frames, named = only(support), text[labels]
    lengths = frames.norm(dim=-1).mean(-1, keepdim=True)
    named = named * lengths / named.norm(dim=-1, keepdim=True)
    shifted = frames + method.channel(frames, named)[:, None]
    own = block(method.transformer, torch.cat([shifted, method.token(named)[:, None]], 1)).mean(1)
    prototypes = torch.stack([own[labels == c].mean(0) for c in range(len(text))])
    other = block(method.transformer, only(query)).mean(1)
    options = method.options
    return (
        cosines(other[:, None], prototypes[:, None], options.eps)[..., 0, 0] / options.temperature
    )


def clip_spm(
    method: Method, support: Features, query: Features, labels: Tensor, text: Tensor
) -> Tensor:
    if not isinstance(method, ClipSpm):
        raise TypeError(type(method))
    alone = only(query).split(1)  # inductive: each query is the only one of its episode
    return torch.cat([clip_spm_forward(method, only(support), one, labels, text) for one in alone])


LOOPS: dict[str, Loop] = {
    "otam": otam,
    "trx": trx,
    "strm": strm,
    "ta2n": ta2n,
    "cpm": cpm,
    "hyrsm": hyrsm,
    "clip_fsar": clip_fsar,
    "semantic_prompt": semantic_prompt,
    "clip_spm": clip_spm,
}
"""Loops by the name of the method."""
