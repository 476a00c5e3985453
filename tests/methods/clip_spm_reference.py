"""CLIP-SPM one episode at a time, as its public code computes it: the reference of the tests."""

import torch
from torch import Tensor
from torch.nn import functional

from fewact.methods.clip_spm import ClipSpm
from fewact.methods.common.transformer import Transformer


def block(transformer: Transformer, x: Tensor) -> Tensor:
    """Return the output of the transformer on (r m d), computed step by step."""
    query, key, value = (
        part.unflatten(-1, (transformer.heads, -1)).transpose(1, 2)
        for part in transformer.project(transformer.norm(x)).chunk(3, -1)
    )
    attention = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1)
    x = x + transformer.out((attention @ value).transpose(1, 2).flatten(2))
    widened: Tensor = transformer.narrow(functional.gelu(transformer.widen(x)))
    return x + widened


def fuse(method: ClipSpm, frames: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    """Return frames and token of the fusion of (r t d) and (r 1 d)."""
    spm = method.spm
    fused = spm.guide_weight * spm.text_gate(guide) * guide + spm.frame_gate(frames) * frames
    mixed = block(spm.transformer, torch.cat([guide, fused], 1))
    return mixed[:, 1:], mixed[:, :1]


def otam(cost: Tensor, smoothing: float) -> Tensor:
    """Return OTAM of costs (… t u) in one direction, cell by cell."""
    padded = functional.pad(cost, (1, 1))
    table, zero = torch.zeros_like(padded), padded.new_zeros(())
    for j in range(1, padded.shape[-1]):
        table[..., 0, j] = table[..., 0, j - 1] + padded[..., 0, j]
    for i in range(1, padded.shape[-2]):
        for j in range(1, padded.shape[-1]):
            steps = [table[..., i - 1, j - 1], table[..., i, j - 1]]
            if j in (1, padded.shape[-1] - 1):
                steps.append(table[..., i - 1, j])
            soft = sum((torch.exp(-step / smoothing) for step in steps), zero)
            table[..., i, j] = padded[..., i, j] - smoothing * torch.log(soft)
    return table[..., -1, -1]


def distance(method: ClipSpm, query: Tensor, support: Tensor) -> Tensor:
    """Return the distances of videos: (q t d), (n t d) → (q n)."""
    products = torch.einsum("qtd,nud->qntu", query, support)
    lengths = torch.einsum("qt,nu->qntu", query.norm(dim=-1), support.norm(dim=-1))
    cost = 1 - products / (lengths + method.options.eps)
    smoothing = method.options.smoothing
    return otam(cost, smoothing) + otam(cost.transpose(-1, -2), smoothing)


def forward(
    method: ClipSpm, support: Tensor, query: Tensor, labels: Tensor, text: Tensor
) -> Tensor:
    """Return the logits (q n) of one episode: (s t d), (q t d), (s), (n d)."""
    hsmr, padm = method.hsmr, method.padm
    if hsmr is None or padm is None:
        raise TypeError("the method is without some parts")
    n, named = len(text), text[labels]  # (s d)
    for frames in (support, query):
        refined, token = fuse(method, frames, hsmr.motion(frames)[:, None])
        (hsmr.motion(refined) - token[:, 0]).square().sum(-1).mean()
    spm, mean_text = method.spm, named.mean(0)

    def prompts(frames: Tensor) -> Tensor:
        found: Tensor = spm.prompter(mean_text * frames.mean((1, 2))[:, None])
        return found[:, None]

    fused = fuse(method, support, named[:, None])[0]
    prompted = fuse(method, query, prompts(query))[0]
    fuse(method, support, prompts(support))
    fuse(method, query, mean_text.expand(len(query), 1, -1))  # the public code has its true text
    prototypes = torch.stack([fused[labels == c].mean(0) for c in range(n)])
    first = distance(method, prompted, prototypes)
    anchors = torch.stack([torch.cat([fused[labels == c], prompted]).mean(0) for c in range(n)])
    centre = anchors.mean(0, keepdim=True)

    def across(*videos: Tensor) -> Tensor:
        return block(padm.transformer, torch.cat(videos).transpose(0, 1)).transpose(0, 1)

    anchors, fused = across(anchors, fused).split([n, len(fused)])
    centre, prompted = across(centre, prompted).split([1, len(prompted)])
    prototypes = torch.stack([fused[labels == c].mean(0) for c in range(n)])
    second, third = distance(method, prompted, prototypes), distance(method, centre, anchors)
    return -(first / 2 + second + third)
