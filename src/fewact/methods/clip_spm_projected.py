"""Episodes of ``clip_spm`` with inductive queries, from products that are computed once a video.

A support video has one text in an evaluation, so what PADM makes of its frames alone is the same in
all episodes. A query is fused with another prompt in each episode; the projections of its gated
frames are the same.
"""

import torch
from torch import Tensor

from fewact.methods.base import BankScorer, Nodes
from fewact.methods.clip_spm_options import ClipSpmOptions
from fewact.methods.clip_spm_parts import PADM, SPM
from fewact.methods.clip_spm_scoring import episodes_at_once, logits_of_refined, membership
from fewact.methods.common.mixtures import Projections, Projector

NAMES = ("named", "query", "key", "value")
"""Nodes of a support video for PADM, in the order of ``Projections``."""


def projected(padm: PADM, named: Tensor, own_text: Tensor) -> Nodes:
    """Return the nodes of support videos (v t d), fused with their texts (v d)."""
    made = Projector(padm.transformer, fold=True).project(named)
    values = (made.vectors, made.query, made.key, made.value)
    return {"own_text": own_text, **dict(zip(NAMES, values, strict=True))}


def is_projected(support: Nodes) -> bool:
    """Return whether nodes are those of ``projected``."""
    return "value" in support


def scorer_of_projected(
    spm: SPM, padm: PADM, options: ClipSpmOptions, support: Nodes, query: Nodes
) -> BankScorer:
    """Return a scorer of inductive queries.

    Args:
        spm: Fusion with prompts.
        padm: Refinement.
        options: Options of the method.
        support: Nodes of ``projected``.
        query: Encoded queries: gated frames (w t d) and inputs of prompts (w …).
    """
    projector = Projector(padm.transformer, fold=True, many=True)
    parts = torch.stack([spm.transformer.linear_part(frames) for frames in query["gated"]])

    def chunk(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
        own_text = support["own_text"][rows]  # (b s d)
        prompts = spm.prompts(own_text.mean(1), query["summary"][queries])
        fused = spm.fuse_projected(query["gated"][queries], parts[queries], prompts)
        member, frames = membership(labels, n, own_text), support["named"][rows]
        times = torch.arange(frames.shape[2], device=rows.device)[:, None]
        shared = Projections(*(support[name][rows[:, None], times] for name in NAMES))
        refined = padm.each_projected(projector, shared, member, fused)
        return logits_of_refined(options, frames, member, fused, refined)

    def score(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
        t = query["gated"].shape[1]
        size = episodes_at_once(options, n, rows.shape[1], queries.shape[1], t)
        parts = zip(rows.split(size), labels.split(size), queries.split(size), strict=True)
        return torch.cat([chunk(own, of, n, new) for own, of, new in parts])

    return score
