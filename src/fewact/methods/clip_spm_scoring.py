"""Logits of ``clip_spm`` from fused videos: distances before and after the refinement."""

import torch
from torch import Tensor
from torch.nn import functional

from fewact import align
from fewact.methods.clip_spm_options import ClipSpmOptions
from fewact.methods.clip_spm_parts import PADM, Refined
from fewact.methods.common.transformer import TOKENS_PER_CHUNK


def logits_of_fused(
    padm: PADM | None, options: ClipSpmOptions, support: Tensor, member: Tensor, query: Tensor
) -> Tensor:
    """Return logits (b q n), a few episodes at a time.

    Args:
        padm: Refinement; None leaves it out.
        options: Options of the method.
        support: Fused support videos (b s t d).
        member: (b n s), 1 where a video belongs to a class.
        query: Fused queries (b q t d).
    """
    q, t = query.shape[1:3]
    n, s = member.shape[1:]
    size = episodes_at_once(options, n, s, q, t)
    chunks = zip(support.split(size), member.split(size), query.split(size), strict=True)
    return torch.cat([_chunk_logits(padm, options, *chunk) for chunk in chunks])


def episodes_at_once(options: ClipSpmOptions, n: int, s: int, q: int, t: int) -> int:
    """Return the number of episodes in a chunk: n classes, s videos, q queries of t frames."""
    tokens = t * (q * (n + s + 2) if options.protocol == "inductive" else n + s + q + 1)
    return max(1, TOKENS_PER_CHUNK // tokens)


def _chunk_logits(
    padm: PADM | None, options: ClipSpmOptions, support: Tensor, member: Tensor, query: Tensor
) -> Tensor:
    refined = None if padm is None else refine(padm, options, support, member, query)
    return logits_of_refined(options, support, member, query, refined)


def logits_of_refined(
    options: ClipSpmOptions,
    support: Tensor,
    member: Tensor,
    query: Tensor,
    refined: Refined | None,
) -> Tensor:
    """Return −(½·d₁ + d₂ + d₃): (b s t d), (b n s), (b q t d) → (b q n)."""
    mean = member / member.sum(-1, keepdim=True)
    first = distance(query, torch.einsum("bns,bstd->bntd", mean, support), options)
    if refined is None:
        return -first / 2
    second = distance(refined.query, refined.prototypes, options)  # (e q n)
    third = distance(refined.global_anchor, refined.anchors, options)  # (e 1 n) or (e q n)
    return -(first / 2 + (second + third).reshape(first.shape))


def refine(
    padm: PADM, options: ClipSpmOptions, support: Tensor, member: Tensor, query: Tensor
) -> Refined:
    """Refine fused videos by the option ``protocol``: (b s t d), (b n s), (b q t d)."""
    protocol = options.protocol
    if protocol == "inductive":
        return padm.each_alone(support, member, query)
    anchors = padm.anchors(support, member, query if protocol == "joint" else None)
    attend = protocol != "support_anchors_inductive"
    return padm.together(support, member, query, anchors, attend=attend)


def membership(labels: Tensor, n: int, like: Tensor) -> Tensor:
    """Return (b n s) of labels (b s): 1 where a video belongs to a class."""
    return functional.one_hot(labels, n).to(like).mT


def distance(query: Tensor, support: Tensor, options: ClipSpmOptions) -> Tensor:
    """Return the bidirectional alignment cost: (e q t d), (e n t d) → (e q n)."""
    cost = align.pairwise_cosine_cost(query, support, options.eps)
    return align.otam(cost, options.smoothing, plan=False).value
