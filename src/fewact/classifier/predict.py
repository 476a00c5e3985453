"""Predict the classes of new clips, and report those that cannot be read.

A clip that lasts longer than any training clip shows something else before or after the action, and
frames that are chosen evenly over it show little of the action; or the action is slower. In it
windows as long as the training clips are searched, which share decoding and the network, as in
``stream``; the full clip is one more window. The one with the best score answers for the clip. Of a
clip that is added to a class, the one that is most like the class is used.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from fewact.backbones import Backbone
from fewact.classifier.calibration import check_set_rate
from fewact.classifier.encoding import ClipEncoder, EncodedClip, encode
from fewact.classifier.examples import Nodes, check_finite_scores, check_shapes
from fewact.classifier.fitted import Fitted, score
from fewact.classifier.names import NONE
from fewact.classifier.prediction import Prediction, Skipped, display_name
from fewact.classifier.unknown import OpenSetDecision
from fewact.core.errors import ModelError, VideoError, warn
from fewact.data import AnyClip
from fewact.features.extract import Timing, stage
from fewact.features.ring import FeatureRing
from fewact.methods.encode import Encoder
from fewact.video import Timeline, collect_warnings
from fewact.video.samplers import Floats, Ints
from fewact.video.source import Part, ProcessedVideo, Span, VideoSource

LONG, LEAST_LONG = 4.0, 10.0
"""A clip is taken for a long recording if it is this many times as long as the longest training
clip, and lasts this many seconds."""

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

LENGTH_RATIO, MOST_LENGTHS = 1.25, 3
"""Ratio of the durations of training clips from which there is one more window length; number of
lengths."""

FASTEST = 16.0
"""Largest number of frames of windows in a second: of a window of two seconds, all that the default
method compares. Chosen on development recordings."""

OVERSAMPLING = 2
"""Frames that are kept in the shortest window, as a multiple of those that the method reads."""

MOST_SAMPLES = 960
"""Largest number of frames that are kept: a minute, 130 MB with the default network
and their features."""


def predict(
    fitted: Fitted,
    clips: Iterable[AnyClip],
    timing: Timing | None = None,
    *,
    false_alarms: float | None = None,
    sets: float | None = None,
) -> Iterator[tuple[EncodedClip, Prediction | Skipped]]:
    """Return each clip, in order, as it was encoded, and its prediction or why it was skipped.

    An iterator is read only a few clips ahead. ``false_alarms`` is that of ``OpenSet.decision``;
    ``sets`` the fraction of clips whose true class must be in ``Prediction.set``, None for no sets.
    """
    decision = fitted.open_set.decision(false_alarms)
    check_set_rate(sets)
    lowest = None if sets is None else fitted.calibration.set_threshold(sets)
    encoded = encode(clips, fitted.pipeline, timing, image_embedding=fitted.uses_text)
    return (_answer(fitted, decision, clip, timing, lowest) for clip in encoded)


def _answer(
    fitted: Fitted,
    decision: OpenSetDecision,
    encoded: EncodedClip,
    timing: Timing | None,
    set_threshold: float | None,
) -> tuple[EncodedClip, Prediction | Skipped]:
    duration, durations = encoded.duration, fitted.everything.durations
    if duration is not None and durations and duration > max(LONG * max(durations), LEAST_LONG):
        warn(
            f"{display_name(encoded.clip)} is {duration:.0f} s long, the training clips at most "
            f"{max(durations):.0f} s: it gets one answer only. `fewact watch MODEL VIDEO`, "
            "in Python FewShotClassifier.stream, finds the actions in a long recording",
        )
    part = find_action(encoded, fitted, timing)
    if isinstance(part.nodes, VideoError):
        return part, Skipped(part.clip, part.nodes)
    part.warn()
    return part, _classify(fitted, decision, part, part.nodes, timing, set_threshold)


def _classify(
    fitted: Fitted,
    decision: OpenSetDecision,
    encoded: EncodedClip,
    nodes: Nodes,
    timing: Timing | None,
    set_threshold: float | None,
) -> Prediction:
    """Predict the class of one clip, or that it has none; find the most similar training clip."""
    check_shapes(fitted.examples, nodes)
    with stage(timing, "alignment"):
        rows, similarity, scores = score(fitted, nodes)
    check_finite_scores(rows, [display_name(encoded.clip)])
    logits, classes, known = rows[0], fitted.labels, scores.item()
    probabilities = logits.softmax(-1).tolist()
    best = int(logits.argmax())
    ranked = [] if set_threshold is None else logits.argsort(descending=True).tolist()
    likely = [c for c in ranked if c == best or probabilities[c] >= (set_threshold or 0.0)]
    return Prediction(
        encoded.clip,
        classes[best] if known >= decision.threshold else NONE,
        probabilities[best],
        dict(zip(classes, probabilities, strict=True)),
        fitted.examples.clips[int(similarity[0].argmax())].title,
        best=classes[best],
        known=fitted.open_set.known_probability(known),
        duration=encoded.duration,
        active=encoded.active,
        set=tuple(classes[c] for c in likely),
        faults=tuple(map(str, encoded.faults)),
    )


def find_action(
    encoded: EncodedClip,
    fitted: Fitted,
    timing: Timing | None = None,
    label: str | None = None,
) -> EncodedClip:
    """Return the part of a clip that is most like a class: the clip itself if no other part is.

    A clip is searched if it is longer than the training clips, but not so long that it is a
    recording; ``Pipeline.trim`` must not be off. The clip itself is also the answer where the
    action is slower than in the training clips, so that it fills the clip. ``label`` is the class
    that the clip shows, one of those learned; None if it is not known.
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
    encoder = ClipEncoder(pipeline, timing, image_embedding=fitted.uses_text)
    used = encoded.active or Span(0.0, duration)
    with collect_warnings() as warnings:
        windows = encode_windows(source, encoder, backbone, window_lengths(durations), used, timing)
    if not windows:
        return encoded
    spans, rows = zip((used, encoded.nodes), *windows, strict=True)
    nodes: Nodes = {name: torch.cat([row[name] for row in rows]) for name in rows[1]}
    logits, _, known = score(fitted, nodes)
    if label is None:
        clear = clearness(logits, known / fitted.calibration.temperature)
    else:
        clear = clearness_of(logits, fitted.classes.index(label))
    times = torch.tensor(spans, dtype=clear.dtype)
    best = int(clearest_window(clear, times, times[0]))
    if best == 0:
        return encoded
    return encoded._replace(
        nodes=encoded.nodes | rows[best],
        duration=spans[best].end - spans[best].start,
        active=spans[best],
        warnings=tuple(warnings),
    )


def window_lengths(durations: Sequence[float]) -> tuple[float, ...]:
    """Return the durations in seconds of windows for training clips of these durations, ascending.

    They are spread evenly, in their ratios, from the lower to the upper quartile of the durations.

    >>> window_lengths([2.0, 2.0, 2.1])
    (2.0,)
    >>> window_lengths([1.0, 2.0, 4.0, 4.0])
    (1.75, 2.646, 4.0)
    """
    if not durations:
        raise ModelError(
            "the model does not know how long its training clips are",
            hint="Teach again from the clips.",
        )
    low, high = np.quantile(durations, (0.25, 0.75))
    count = min(MOST_LENGTHS, 1 + int(math.log(high / low) / math.log(LENGTH_RATIO)))
    if count == 1:
        return (round(float(np.median(durations)), 3),)
    return tuple(float(x) for x in np.geomspace(low, high, count).round(3))


def encode_windows(
    clip: VideoSource,
    encoder: Encoder,
    backbone: Backbone,
    lengths: Sequence[float],
    used: Span,
    timing: Timing | None = None,
    *,
    hop: float = HOP,
) -> list[tuple[Span, Nodes]]:
    """Return the windows of the used part of a clip, each with its nodes (1 …).

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
    rate = min(FASTEST, OVERSAMPLING * frames / lengths[0])
    if duration * rate > MOST_SAMPLES or lengths[0] * rate < FEWEST_FRAMES:
        return []

    def sampler(timeline: Timeline) -> Ints:
        return timeline.at(_times_at(rate, timeline))

    reading = (
        ProcessedVideo(clip)
        .then(Part(used))
        .read([sampler], transform=lambda frame: backbone.prepare(frame).permute(1, 2, 0).numpy())
    )
    ring = FeatureRing(backbone, requests, timing)
    times = _times_at(rate, reading.timeline)
    for time, image in zip(times, reading.frames[0], strict=True):
        ring.add(used.start + time, image, reading.aspect)
    spans = [
        Span(start, start + length)
        for length in lengths
        for start in (used.start + _starts(duration, length, hop)).tolist()
    ]
    with torch.inference_mode():
        return [(span, dict(encoder.encode(ring.features(*span)))) for span in spans]


def _times_at(rate: float, timeline: Timeline) -> Floats:
    """Return the times of the frames that are shown at a rate, in seconds; of a frame only one."""
    count = max(1, math.floor(rate * timeline.end))
    times: Floats = (np.arange(count, dtype=np.float64) + 0.5) / rate
    # A clip may have fewer frames than this rate.
    return times[np.diff(timeline.at(times), prepend=-1) > 0]


def _starts(duration: float, length: float, hop: float) -> Floats:
    """Return the starts of windows, evenly spread from the start of a clip to its end."""
    count = 1 + math.ceil(round((duration - length) / (hop * length), 6))
    return np.linspace(0, duration - length, count)


def clearness(logits: Tensor, known: Tensor) -> Tensor:
    """Return how clearly windows show any class: (… w n), (… w) → (… w).

    ``known`` are the known scores of the windows, divided by the temperature of the logits.
    """
    first, second = logits.topk(2, -1).values.unbind(-1)
    return known + DISTINCT * (first - second)


def clearness_of(logits: Tensor, label: int) -> Tensor:
    """Return how clearly windows show class number ``label``: (… w n) → (… w).

    The class has a large logit, and a large distance from the best of the others.
    """
    is_rival = torch.arange(logits.shape[-1]) != label
    return 2 * logits[..., label] - logits[..., is_rival].amax(-1)


def clearest_window(clear: Tensor, spans: Tensor, used: Tensor) -> Tensor:
    """Return the number (…) of the window that shows an action most clearly, the first of equals.

    Args:
        clear: How clearly the windows (… w) show it.
        spans: Starts and ends (… w 2) of the windows.
        used: Start and end (… 2) of the part of the clip that has the windows. A window of this
            span loses nothing at the ends.
    """
    middles, lengths = spans.sum(-1) / 2, spans.diff(dim=-1)[..., 0]  # (… w)
    middle, length = used.sum(-1)[..., None] / 2, used.diff(dim=-1)
    farthest = (length - lengths) / 2  # 0 of the full clip
    from_middle = torch.where(farthest > 0, (middles - middle) / farthest, 0.0)  # from -1 to 1
    return (clear - AT_THE_ENDS * from_middle.square()).argmax(-1)
