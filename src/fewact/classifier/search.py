"""Find the action in a clip that lasts longer than any training clip.

Such a clip shows something else before or after the action, and frames that are chosen evenly over
it show little of the action; or the action is slower. Windows as long as the training clips share
decoding and the network, as in ``stream``; the full clip is one more window. The one with the best
score answers for the clip. Of a clip that is added to a class, the one that is most like the class
is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fewact.backbones import Backbone
from fewact.classifier.encoding import ClipEncoder, EncodedClip
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import Fitted, score
from fewact.classifier.stream import FASTEST, MOST_SAMPLES, OVERSAMPLING, window_lengths
from fewact.core.errors import VideoError
from fewact.features.extract import Timing
from fewact.features.ring import FeatureRing
from fewact.methods.encode import Encoder
from fewact.video import Timeline, collect_warnings
from fewact.video.samplers import Floats, Ints
from fewact.video.source import Part, ProcessedVideo, Span, VideoSource

LONGER = 1.4
"""A clip is searched if it lasts this many times as long as the longest training clip."""

DISTINCT = 0.5
"""Weight of the distance between the best two classes, beside the known score."""

HOP = 0.25
"""Largest distance between the starts of windows, as a fraction of their length."""

FEWEST_FRAMES = 2
"""Smallest number of kept frames of a window: one frame shows no movement."""

AT_THE_ENDS = 1.7
"""Logit that windows at the ends of a clip lose against the one in its middle: people begin to
record before an action, and stop after it. Chosen on development clips, see
docs/decisions/recordings.md."""


def find_action(
    encoded: EncodedClip,
    fitted: Fitted,
    timing: Timing | None = None,
    label: str | None = None,
) -> EncodedClip:
    """Return the part of a clip that is most like a class: the clip itself if no other part is.

    A clip is searched if it is longer than the training clips, but not so long that it is a
    recording; ``Pipeline.trim`` must not be off. The clip itself is also the answer where the
    action is slower than in the training clips, so that it fills the clip.

    Args:
        encoded: The clip.
        fitted: What the classifier has learned.
        timing: Adds up the time of each stage.
        label: Class that the clip shows, one of those learned; None if it is not known.
    """
    pipeline = fitted.pipeline
    source, backbone, duration = encoded.source, pipeline.backbone, encoded.duration
    durations = fitted.examples.durations
    if (
        source is None
        or not isinstance(backbone, Backbone)
        or isinstance(encoded.nodes, VideoError)
        or pipeline.trim == "off"
        or duration is None
        or not durations
        or duration <= LONGER * max(durations)
    ):
        return encoded
    named = fitted.class_names is not None
    encoder = ClipEncoder(pipeline, timing, image_embedding=named)
    used = encoded.active or Span(0.0, duration)
    with collect_warnings() as warnings:
        windows = encode_windows(
            source,
            encoder,
            backbone,
            window_lengths(durations),
            used,
            timing,
        )
    if not windows:
        return encoded
    parts = [ClipWindow(used, encoded.nodes), *windows]
    nodes: Nodes = {
        name: torch.cat([window.nodes[name] for window in parts]) for name in windows[0].nodes
    }
    scored = score(fitted, nodes)
    if label is None:
        clear = clearness(scored.logits, scored.known / fitted.calibration.temperature)
    else:
        clear = clearness_of(scored.logits, fitted.classes.index(label))
    spans = torch.tensor([window.span for window in parts], dtype=clear.dtype)
    best = parts[int(clearest_window(clear, spans, spans[0]))]
    if best is parts[0]:
        return encoded
    return encoded._replace(
        nodes=encoded.nodes | best.nodes,
        duration=best.span.end - best.span.start,
        active=best.span,
        warnings=tuple(warnings),
    )


class ClipWindow(NamedTuple):
    """A window of a clip.

    Args:
        span: Its start and end.
        nodes: Its nodes (1 …).
    """

    span: Span
    nodes: Nodes


def encode_windows(
    clip: VideoSource,
    encoder: Encoder,
    backbone: Backbone,
    lengths: Sequence[float],
    used: Span,
    timing: Timing | None = None,
    *,
    hop: float = HOP,
) -> list[ClipWindow]:
    """Return the windows of a clip.

    There are none if the clip is a recording, too long to be kept in memory, or if windows are
    shorter than ``FEWEST_FRAMES``.

    Args:
        clip: The clip.
        encoder: Encodes the features of one window.
        backbone: Backbone that computes them.
        lengths: Durations of the windows, in seconds, ascending.
        used: Part of the clip that has the windows.
        timing: Adds up the time of each stage.
        hop: Largest distance between the starts of windows, as a fraction of their length.
    """
    requests = encoder.requests(backbone.card)
    frames, duration = max(request.frames for request in requests), used.end - used.start
    sampler = _AtRate(min(FASTEST, OVERSAMPLING * frames / lengths[0]))
    if duration * sampler.rate > MOST_SAMPLES or lengths[0] * sampler.rate < FEWEST_FRAMES:
        return []
    reading = (
        ProcessedVideo(clip)
        .then(Part(used))
        .read([sampler], transform=lambda frame: backbone.prepare(frame).permute(1, 2, 0).numpy())
    )
    ring = FeatureRing(backbone, requests, timing)
    for time, image in zip(sampler.times(reading.timeline), reading.frames[0], strict=True):
        ring.add(used.start + time, image, reading.aspect)
    spans = [
        Span(start, start + length)
        for length in lengths
        for start in (used.start + _starts(duration, length, hop)).tolist()
    ]
    with torch.inference_mode():
        return [ClipWindow(span, dict(encoder.encode(ring.features(*span)))) for span in spans]


def _starts(duration: float, length: float, hop: float) -> Floats:
    """Return the starts of windows, evenly spread from the start of a clip to its end."""
    count = 1 + math.ceil(round((duration - length) / (hop * length), 6))
    return np.linspace(0, duration - length, count)


def clearness(logits: Tensor, known: Tensor) -> Tensor:
    """Return how clearly windows show any class: (… w n), (… w) → (… w).

    Args:
        logits: Logits of the windows; probabilities are their softmax.
        known: Known scores of the windows, divided by the temperature of the logits.
    """
    first, second = logits.topk(2, -1).values.unbind(-1)
    return known + DISTINCT * (first - second)


def clearness_of(logits: Tensor, label: int) -> Tensor:
    """Return how clearly windows show a class: (… w n) → (… w).

    The class has a large logit, and a large distance from the best of the others.

    Args:
        logits: Logits of the windows.
        label: Number of the class.
    """
    is_rival = torch.arange(logits.shape[-1]) != label
    return 2 * logits[..., label] - logits[..., is_rival].amax(-1)


def clearest_window(clear: Tensor, spans: Tensor, used: Tensor) -> Tensor:
    """Return the number of the window that shows an action most clearly.

    Args:
        clear: How clearly the windows (… w) show it.
        spans: Starts and ends (… w 2) of the windows.
        used: Start and end (… 2) of the part of the clip that has the windows. A window of this
            span loses nothing at the ends.

    Returns:
        (…), 0 to w - 1; the first of equal ones.
    """
    middles, lengths = spans.sum(-1) / 2, spans.diff(dim=-1)[..., 0]  # (… w)
    middle, length = used.sum(-1)[..., None] / 2, used.diff(dim=-1)
    farthest = (length - lengths) / 2  # 0 of the full clip
    from_middle = torch.where(farthest > 0, (middles - middle) / farthest, 0.0)  # from -1 to 1
    return (clear - AT_THE_ENDS * from_middle.square()).argmax(-1)


@dataclass(frozen=True)
class _AtRate:
    """Chooses frames at a rate, each one once.

    Args:
        rate: Frames per second.
    """

    rate: float

    def __call__(self, timeline: Timeline) -> Ints:
        return timeline.at(self.times(timeline))

    def times(self, timeline: Timeline) -> Floats:
        """Return the times at which the chosen frames are shown, in seconds."""
        count = max(1, math.floor(self.rate * timeline.end))
        times: Floats = (np.arange(count, dtype=np.float64) + 0.5) / self.rate
        # A clip may have fewer frames than this rate.
        return times[np.diff(timeline.at(times), prepend=-1) > 0]
