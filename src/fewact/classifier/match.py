"""How aligners match two clips: the same nodes of A²M²-Net, one match for each aligner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fewact import align, methods
from fewact.classifier.encoding import encode
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import batch_of
from fewact.classifier.inputs import ClipLike, as_clip
from fewact.classifier.pictures import strip
from fewact.classifier.pipeline import Pipeline
from fewact.core.errors import OptionError, UnknownNameError, VideoError, did_you_mean
from fewact.data.clips import FeatureClip
from fewact.methods.base import Method
from fewact.methods.protocols import FrameMatch, MatchesFrames
from fewact.networks import Backbone

ALIGNER_OPTION = "alignment.name"


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
    clips = [as_clip(first), as_clip(second)]
    if any(isinstance(clip, FeatureClip) for clip in clips):
        raise OptionError("only videos are matched", where="clips", got="precomputed features")
    encoded = list(encode(clips, Pipeline(backbone, next(iter(compared.values())))))
    nodes: list[Nodes] = []
    for clip in encoded:
        clip.warn()
        if isinstance(clip.nodes, VideoError):
            raise clip.nodes
        nodes.append(clip.nodes)
    matches = {name: _match(method, *nodes) for name, method in compared.items()}
    frames = [strip(clip.source, clip.active) for clip in encoded if clip.source is not None]
    titles = [clip.display_name for clip in clips]
    return MatchedClips(titles[0], titles[1], matches, frames[0], frames[1])


def _method(name: str, options: Mapping[str, Any]) -> Method:
    if name not in align.names():
        raise UnknownNameError(
            "unknown aligner",
            where="aligner",
            got=repr(name),
            expected=", ".join(align.names()),
            hint=did_you_mean(name, align.names()),
        )
    if ALIGNER_OPTION in options:
        raise OptionError("is chosen for each match", where=f'option "{ALIGNER_OPTION}"')
    return methods.create("a2m2", **options, **{ALIGNER_OPTION: name})


def _match(method: Method, first: Nodes, second: Nodes) -> tuple[float, FrameMatch]:
    """Return the similarity and the match of two clips, each with nodes (1 …)."""
    of_first, of_second = ({n: v[0] for n, v in nodes.items()} for nodes in (first, second))
    match = None
    if isinstance(method, MatchesFrames):
        match = method.match_frames(of_first, of_second)
    if match is None:
        moments = method.options.moments
        raise OptionError(
            "with these options, windows cannot be shown along time",
            where="options",
            got=f"moments.grid={moments.grid}, moments.normalise={moments.normalise}",
            expected="moments.grid 1, moments.normalise none or layernorm",
        )
    state = method.support(batch_of(second), np.zeros((1, 1), np.int64), 1)
    logits = method.score(state, batch_of(first))
    return float(logits[0, 0, 0]) * method.options.temperature, match
