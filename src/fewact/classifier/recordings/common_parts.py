"""Find the action in training clips that are all too long: the part that a class has in common.

Before and after the action something else happens in such clips: their first and last windows
resemble those of the same class no more than those of others. Windows that show the action do.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fewact.backbones import Backbone
from fewact.classifier.encoding import ClipEncoder, QuietVideo
from fewact.classifier.examples import Examples, rounded
from fewact.classifier.fitted import EachAClass
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.recordings.searching import Window, encode_windows
from fewact.data import BACKGROUND
from fewact.data.active import Span
from fewact.data.video_source import VideoSource
from fewact.evaluation.encoding import Encoder
from fewact.features.timing import Timing
from fewact.methods.base import Nodes, score_and_pairs
from fewact.methods.fusion import Fusion

FRACTION, HOP = 1 / 3, 1 / 3
"""Duration of a window, as a fraction of its clip, and distance between the starts of windows, as a
fraction of a window."""

AT_THE_ENDS = 0.1
"""Similarity that windows at the ends of a clip lose against the one in its middle."""

LOOSE = 0.3
"""Clips are too long if the margin of their first and last windows is below this fraction of that
of the windows that their classes have in common. Chosen on development clips, as are the other
constants, see docs/decisions/loose-clips.md."""

CLEAR = 0.2
"""Margin of full clips from which on they are not searched."""

MOST_CLIPS = 50
"""Largest number of clips that are searched: all pairs of their windows are compared."""

ROUNDS = 5
"""Most rounds in which each clip of a class gets the best window, given those of the others."""

ROWS_AT_ONCE = 16


def use_common_parts(
    parts: Sequence[Examples],
    clips: Sequence[VideoSource | None],
    pipeline: Pipeline,
    timing: Timing | None,
    *,
    image_embedding: bool,
) -> list[Examples]:
    """Return training clips, reduced to what their classes have in common if they are too long.

    All clips are too long, or none: single clips vary too much for a decision. Nothing is searched
    if a class has one clip only, or a clip is too short; clips of no class are never reduced.

    Args:
        parts: The clips, encoded in full, one in each part.
        clips: Where they are read from; None for features.
        pipeline: Backbone and method that encoded them; nothing is searched if it does not trim, or
            is not ``fusion`` on maps, whose similarities the constants belong to.
        timing: Adds up the time of each stage.
        image_embedding: Whether to keep the mean vector of a clip for class names too.
    """
    found, backbone = list(parts), pipeline.backbone
    searched = [i for i, part in enumerate(parts) if part.clips[0].label != BACKGROUND]
    count = Counter(parts[i].clips[0].label for i in searched)
    classes = sorted(count)
    if (
        pipeline.trim == "off"
        or not isinstance(backbone, Backbone)
        or not isinstance(pipeline.method, Fusion)
        or not backbone.card.has("middle")
        or len(searched) > MOST_CLIPS
        or len(classes) < 2
        or min(count.values()) < 2
    ):
        return found
    labels = torch.tensor([classes.index(parts[i].clips[0].label) for i in searched])
    full = _similarity(pipeline, [[parts[i].nodes] for i in searched])
    if are_clear(full, labels):
        return found
    encoder = ClipEncoder(pipeline, timing, image_embedding=image_embedding)
    windows = [_windows(parts[i], clips[i], encoder, backbone, timing) for i in searched]
    if not all(windows):
        return found
    short = _similarity(pipeline, [[one.nodes for one in own] for own in windows])
    chosen = common_windows(short, labels)
    if chosen is None:
        return found
    for i, own, number in zip(searched, windows, chosen.tolist(), strict=True):
        span, nodes = own[number]
        example = replace(parts[i].clips[0], duration=span.end - span.start, active=span)
        kept = rounded({name: value.cpu() for name, value in nodes.items()})
        found[i] = replace(parts[i], clips=(example,), nodes=parts[i].nodes | kept)
    return found


def _windows(
    part: Examples,
    clip: VideoSource | None,
    encoder: Encoder,
    backbone: Backbone,
    timing: Timing | None,
) -> list[Window]:
    """Return the windows of a training clip."""
    (example,) = part.clips
    if clip is None or example.duration is None:
        raise TypeError("features have no windows")
    used = example.active or Span(0.0, example.duration)
    return short_windows(QuietVideo(clip), encoder, backbone, used, timing)


def short_windows(
    clip: VideoSource,
    encoder: Encoder,
    backbone: Backbone,
    used: Span,
    timing: Timing | None = None,
) -> list[Window]:
    """Return windows of a clip that are spread evenly from the start of a part to its end."""
    length = FRACTION * (used.end - used.start)
    return encode_windows(clip, encoder, backbone, [length], used, timing, hop=HOP)


def _similarity(pipeline: Pipeline, windows: Sequence[Sequence[Nodes]]) -> Tensor:
    """Return the similarities (s w s w) of w windows of each of s clips."""
    every = [one for own in windows for one in own]
    device = pipeline.backbone.device
    nodes = {name: torch.cat([one[name] for one in every]).to(device) for name in every[0]}
    state = EachAClass(pipeline.method, nodes).state
    rows = []
    with torch.inference_mode():
        for some in torch.arange(len(every)).split(ROWS_AT_ONCE):
            query = {name: value[None, some] for name, value in nodes.items()}
            scores, pairs = score_and_pairs(pipeline.method, state, query)
            rows.append((scores if pairs is None else pairs)[0].cpu())
    return torch.cat(rows).double().view(len(windows), -1, len(windows), len(windows[0]))


def are_clear(similarity: Tensor, labels: Tensor) -> bool:
    """Return whether full clips (s 1 s 1) resemble their classes enough not to be searched."""
    return margin(similarity, labels, torch.zeros_like(labels)) > CLEAR


def common_windows(similarity: Tensor, labels: Tensor) -> Tensor | None:
    """Return the windows that the classes have in common; None if the clips are not too long.

    Args:
        similarity: Similarities (s w s w) of windows.
        labels: Classes (s).

    Returns:
        Numbers (s) of the windows.
    """
    chosen = most_similar(similarity, labels)
    return chosen if too_long(similarity, labels, chosen) else None


def too_long(similarity: Tensor, labels: Tensor, chosen: Tensor) -> bool:
    """Return whether clips show something at their ends that their classes do not have in common.

    Args:
        similarity: Similarities (s w s w) of windows.
        labels: Classes (s).
        chosen: Numbers (s) of the windows that the classes have in common.
    """
    last = similarity.shape[1] - 1
    ends = sum(margin(similarity, labels, torch.full_like(labels, a)) for a in (0, last)) / 2
    common = margin(similarity, labels, chosen)
    return common > 0 and ends < LOOSE * common


def margin(similarity: Tensor, labels: Tensor, chosen: Tensor) -> float:
    """Return how much more similar clips are to their class than windows of other classes are.

    Args:
        similarity: Similarities (s w s w) of windows.
        labels: Classes (s).
        chosen: Number (s) of a window of each clip.
    """
    clips = torch.arange(len(labels))
    pairs = similarity[clips, chosen][:, clips, chosen]  # (s s)
    same = (labels[:, None] == labels).to(pairs).fill_diagonal_(0)
    inside = (pairs * same).sum(1) / same.sum(1)
    return float((inside - _outside(similarity, labels)[clips, chosen]).mean())


def _outside(similarity: Tensor, labels: Tensor) -> Tensor:
    """Return the mean similarity (s w) of windows with all windows of other classes."""
    other = (labels[:, None] != labels).to(similarity)  # (s s)
    return torch.einsum("iaj,ij->ia", similarity.mean(3), other / other.sum(1, keepdim=True))


def most_similar(similarity: Tensor, labels: Tensor) -> Tensor:
    """Choose a window of each clip, so that those of a class resemble each other and no others.

    For each class, coordinate ascent from each window of each clip maximises the mean over its
    clips of

        mean over other clips of K(window, their window)
            − mean of K(window, all windows of other classes) − AT_THE_ENDS x²

    with the middle x of the window, −1 … 1 from the start of a clip to its end.

    Args:
        similarity: K (s w s w) of w windows of each clip, from its start to its end.
        labels: Classes (s); two or more, each of two clips or more.

    Returns:
        Numbers (s) of the windows.
    """
    x = torch.linspace(-1, 1, similarity.shape[1]).to(similarity)
    value = -_outside(similarity, labels) - AT_THE_ENDS * x.square()  # (s w)
    chosen = torch.zeros_like(labels)
    for label in labels.unique():
        own = (labels == label).nonzero()[:, 0]
        chosen[own] = _ascend(similarity[own][:, :, own], value[own])
    return chosen


def _ascend(pairs: Tensor, value: Tensor) -> Tensor:
    """Return the windows (k) of a class, given its similarities (k w k w) and values (k w)."""
    k, w = value.shape
    clips = torch.arange(k)
    # One row of windows for each start: (k·w k)
    choice = torch.cat([(2 * one + value).argmax(-1) for one in pairs])
    choice[torch.arange(k * w), clips.repeat_interleave(w)] = torch.arange(w).repeat(k)

    def support(i: int) -> Tensor:
        """Return the mean similarity (k·w w) of the windows of a clip with those of the others."""
        near = pairs[i][:, clips, choice]  # (w k·w k)
        return (near.sum(-1) - near[..., i]).mT / (k - 1)

    for _ in range(ROUNDS):
        for i in range(k):
            choice[:, i] = (2 * support(i) + value[i]).argmax(-1)
    found = [(support(i) + value[i]).gather(1, choice[:, [i]])[:, 0] for i in range(k)]
    return choice[int(torch.stack(found).mean(0).argmax())]
