"""How aligners match two clips: the same nodes of A²M²-Net, one match for each aligner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fewact import align, methods
from fewact.classifier.encoding import encode
from fewact.classifier.explain import strip
from fewact.classifier.inputs import ClipLike, as_clip
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.prediction import display_name
from fewact.core.errors import OptionError, UnknownNameError, VideoError, did_you_mean
from fewact.data import FeatureClip
from fewact.lab.methods.a2m2 import A2M2
from fewact.methods.base import FrameMatch
from fewact.networks import Backbone

NAME = "alignment.name"


@dataclass(frozen=True)
class MatchedClips:
    """Two clips, matched by several aligners.

    Args:
        first: Title of the first clip, whose windows are the rows of a plan.
        second: Title of the second clip.
        found: By aligner the similarity of the clips, 1 for equal ones, and the match of their
            windows.
        first_frames: Small JPEG images of the first clip, evenly spread over time.
        second_frames: Those of the second clip.
    """

    first: str
    second: str
    found: dict[str, tuple[float, FrameMatch]]
    first_frames: tuple[bytes, ...] = field(default=(), repr=False)
    second_frames: tuple[bytes, ...] = field(default=(), repr=False)


def match_clips(
    first: ClipLike,
    second: ClipLike,
    backbone: Backbone,
    aligners: Sequence[str] = ("emd",),
    options: Mapping[str, Any] | None = None,
) -> MatchedClips:
    """Match the windows of two clips by each aligner, on the same nodes.

    ``options`` are those of ``a2m2`` except the aligner; they decide the nodes.
    """
    compared = {name: _method(name, options or {}) for name in aligners}
    first_method = next(iter(compared.values()))
    clips = [as_clip(first), as_clip(second)]
    if any(isinstance(clip, FeatureClip) for clip in clips):
        raise OptionError("only videos are matched", where="clips", got="precomputed features")
    encoded = list(encode(clips, Pipeline(backbone, first_method.to(backbone.device))))
    nodes = []
    for clip in encoded:
        clip.warn()
        if isinstance(clip.nodes, VideoError):
            raise clip.nodes
        nodes.append({name: value[0] for name, value in clip.nodes.items()})
    matches = {name: _match(method, *nodes) for name, method in compared.items()}
    frames = [
        strip(clip.clip, clip.active) for clip in encoded if not isinstance(clip.clip, FeatureClip)
    ]
    titles = [display_name(clip) for clip in clips]
    return MatchedClips(titles[0], titles[1], matches, frames[0], frames[1])


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
) -> tuple[float, FrameMatch]:
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
    return 1 - cost.item(), match
