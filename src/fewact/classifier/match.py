"""How aligners match two clips: the same nodes of A²M²-Net, one match for each aligner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fewact import align, methods
from fewact.backbones import Backbone
from fewact.classifier.encoding import encode
from fewact.classifier.explain import strip
from fewact.classifier.inputs import ClipLike, as_clip
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.prediction import display_name
from fewact.core.errors import OptionError, UnknownNameError, VideoError, did_you_mean
from fewact.data import FeatureClip
from fewact.methods.a2m2 import A2M2
from fewact.methods.base import FrameMatch

NAME = "alignment.name"


@dataclass(frozen=True)
class AlignerMatch:
    """Match of two clips by one aligner.

    Args:
        aligner: Name of the aligner.
        similarity: Similarity of the clips by this aligner; 1 for equal clips.
        match: Windows of both clips and the weight of each pair.
    """

    aligner: str
    similarity: float
    match: FrameMatch


@dataclass(frozen=True)
class MatchedClips:
    """Two clips, matched by several aligners.

    Args:
        first: Title of the first clip.
        second: Title of the second clip.
        found: Match of each aligner.
        first_frames: Small JPEG images of the first clip, evenly spread over time.
        second_frames: Those of the second clip.
    """

    first: str
    second: str
    found: tuple[AlignerMatch, ...]
    first_frames: tuple[bytes, ...] = field(default=(), repr=False)
    second_frames: tuple[bytes, ...] = field(default=(), repr=False)


def match_clips(
    first: ClipLike,
    second: ClipLike,
    backbone: Backbone,
    aligners: Sequence[str] = ("emd",),
    options: Mapping[str, Any] | None = None,
) -> MatchedClips:
    """Match two clips by each aligner, on the same nodes.

    Args:
        first: Clip whose windows are the rows of a plan.
        second: Clip whose windows are the columns.
        backbone: Backbone that computes the features.
        aligners: Names of aligners, see ``align.names``.
        options: Options of ``a2m2`` except the aligner; they decide the nodes.

    Raises:
        UnknownNameError: There is no aligner of a name.
        OptionError: An option is invalid, or with it windows cannot be shown along time.
        VideoError: A clip cannot be read.
    """
    compared = [_method(name, options or {}) for name in dict.fromkeys(aligners)]
    clips = [as_clip(first), as_clip(second)]
    if any(isinstance(clip, FeatureClip) for clip in clips):
        raise OptionError("only videos are matched", where="clips", got="precomputed features")
    encoded = list(encode(clips, Pipeline(backbone, compared[0].to(backbone.device))))
    nodes = []
    for clip in encoded:
        clip.warn()
        if isinstance(clip.nodes, VideoError):
            raise clip.nodes
        nodes.append({name: value[0] for name, value in clip.nodes.items()})
    matches = [_match(method, *nodes) for method in compared]
    frames = [
        strip(clip.clip, clip.active) for clip in encoded if not isinstance(clip.clip, FeatureClip)
    ]
    titles = [display_name(clip) for clip in clips]
    return MatchedClips(titles[0], titles[1], tuple(matches), frames[0], frames[1])


def _method(name: str, options: Mapping[str, Any]) -> A2M2:
    if name not in align.names():
        raise UnknownNameError(
            "unknown aligner",
            where="aligner",
            got=repr(name),
            expected=", ".join(align.names()),
            hint=did_you_mean(name, align.names()),
        )
    if NAME in options:
        raise OptionError("is chosen for each match", where=f'option "{NAME}"')
    method = methods.create("a2m2", **options, **{NAME: name}).eval()
    if not isinstance(method, A2M2):
        raise TypeError("a2m2 is another method")
    return method


@torch.inference_mode()
def _match(
    method: A2M2, first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]
) -> AlignerMatch:
    match = method.match_frames(dict(first), dict(second))
    if match is None:
        raise OptionError(
            "with these options, windows cannot be shown along time",
            where="options",
            got=f"moments.grid={method.options.moments.grid}, "
            f"moments.normalise={method.options.moments.normalise}",
            expected="moments.grid 1, moments.normalise none or layernorm",
        )
    cost = method.match(first["nodes"], second["nodes"]).value
    return AlignerMatch(method.options.alignment.name, 1 - cost.item(), match)
