"""Parts of ``a2m2``: maps and their descriptors, the support by shot aggregation, the text loss."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional

from fewact.backbones.card import Level
from fewact.core.errors import OptionError
from fewact.features.request import FeatureRequest, Features, View
from fewact.methods.a2m2_options import A2M2Options, MomentOptions
from fewact.methods.base import TrainingBatch, cross_entropy, one_hot_mean, promoted
from fewact.methods.common.detrend import linear_detrend
from fewact.methods.common.shots import by_class
from fewact.methods.common.text_logits import named_classes, text_logits
from fewact.moments import cross_frame, multi_scale_moments, third_order


@dataclass(frozen=True)
class A2M2State:
    """Support of each episode.

    Args:
        nodes: (b p m' D) nodes of support videos, prototypes, or unions of a class's videos.
        present: (b p m'), 1 for a node and 0 for padding of classes with fewer shots.
        classes: (b n p) weights that average comparisons to classes.
        intra_class: (b n), subtracted from the logits.
        offset: (b 1 1 D), subtracted from the nodes of queries too; None without normalisation by
            the support's mean.
        text: (b n d) embeddings of the class names; None without them.
    """

    nodes: Tensor
    present: Tensor
    classes: Tensor
    intra_class: Tensor
    offset: Tensor | None
    text: Tensor | None = None


def request_of(level: Level, options: A2M2Options) -> FeatureRequest:
    """Return the request for a level."""
    return FeatureRequest(level, View(options.frames, options.stabilise))


def maps_of(features: Features, options: A2M2Options) -> Tensor:
    """Return the requested features as maps (… t c h w), promoted to float32 at least.

    Raises:
        OptionError: There are none of the level.
    """
    requested = options.moments.level
    levels: tuple[Level, ...] = ("middle", "maps", "vectors")
    for level in levels:
        found = features.get(request_of(level, options))
        if found is not None and requested in ("auto", level):
            found = found.to(promoted(found))
            return found[..., None, None] if level == "vectors" else found
    raise OptionError(
        "there are no features of this level",
        where='option "moments.level"',
        got=f"{requested}, {options.frames} frames",
        expected=", ".join(map(str, features)),
    )


def contrast(mean: Tensor, text: Tensor, batch: TrainingBatch, options: A2M2Options) -> Tensor:
    """Return the weighted cross-entropy of videos with class names.

    Args:
        mean: (b s+q d) mean frames of the support and query videos.
        text: (b n d) embeddings of the episode's class names, unless the batch has all classes.
        batch: Labels, and embeddings of all training classes if it has them.
        options: Weight and temperature.
    """
    every, labels = named_classes(batch)
    named = text_logits(mean, text if every is None else every.to(mean), options.text_temperature)
    return options.contrast_weight * cross_entropy(named, labels)


def describe(maps: Tensor, options: MomentOptions) -> Tensor:
    """Return the nodes of maps with reduced channels: (… t d h w) → (… m D)."""
    maps = maps.to(promoted(maps))
    if options.linear_detrend:
        maps = linear_detrend(maps, dim=-4)
    if options.descriptor == "third":
        nodes = third_order(_changes(maps, options), options.lengths, options.sketch)
    else:
        nodes = multi_scale_moments(
            maps,
            lengths=options.lengths,
            steps=options.steps,
            descriptor=options.descriptor,
            grid=options.grid,
            subtract_clip_mean=options.subtract_clip_mean,
        )
    if options.cross_frame > 0:
        changes = _changes(maps, options)
        change = cross_frame(changes, options.lengths, root=options.descriptor == "sqrt")
        nodes = torch.cat([nodes, options.cross_frame * change], -1)
    if options.normalise == "layernorm":
        nodes = functional.layer_norm(nodes, nodes.shape[-1:])
    return nodes


def _changes(maps: Tensor, options: MomentOptions) -> Tensor:
    """Subtract the clip's mean map if requested: (… t d h w) → (… t d h w).

    A static clip has zeros: the rounding errors that would be left have a direction.
    """
    if not options.subtract_clip_mean:
        return maps
    changes = maps - maps.mean(-4, keepdim=True)
    change, norm = (
        vector_norm(x.detach(), dim=(-4, -3, -2, -1), keepdim=True) for x in (changes, maps)
    )
    return changes.masked_fill(change <= 8 * torch.finfo(maps.dtype).eps * norm, 0)


def aggregate(videos: Tensor, labels: Tensor, n: int, options: A2M2Options) -> A2M2State:
    """Aggregate the nodes (b s m D) of the support videos over the shots of each class."""
    b, s, m, _ = videos.shape
    mean = one_hot_mean(labels, n, videos.dtype)  # (b n s)
    offset = None
    if options.moments.normalise == "support_mean":
        offset = torch.einsum("bns,bsmd->bd", mean, videos)[:, None, None] / (n * m)
        videos = videos - offset
    zero = videos.new_zeros(b, n)
    if options.shot_aggregation == "mean":
        return A2M2State(videos, videos.new_ones(b, s, m), mean, zero, offset)
    each = torch.eye(n, dtype=videos.dtype, device=videos.device).expand(b, n, n)
    if options.shot_aggregation == "prototype":
        prototypes = torch.einsum("bns,bsmd->bnmd", mean, videos)
        return A2M2State(prototypes, videos.new_ones(b, n, m), each, zero, offset)
    union, present = _union(videos, labels, n)
    return A2M2State(union, present, each, zero, offset)


def _union(videos: Tensor, labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return all nodes (b n k·m D) of each class, and which of them are present (b n k·m).

    k is the largest number of shots; classes with fewer are padded at the end.
    """
    nodes, present = by_class(videos, labels, n)  # (b n k m D), (b n k)
    m = videos.shape[2]
    return nodes.flatten(2, 3), present.repeat_interleave(m, -1)
