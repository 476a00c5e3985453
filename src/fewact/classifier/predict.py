"""Predict the classes of new clips, and report those that cannot be read.

A clip that lasts longer than any training clip shows something else before or after the action, and
frames that are chosen evenly over it show little of the action; or the action is slower. In it
windows as long as the training clips are searched, which share the network, as in ``stream``, and
the decoding with the full clip; that is one more window. The one with the best score answers for
the clip. Of a clip that is added to a class, the one that is most like the class is used.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
from fewact.networks import Backbone
from fewact.video import EveryNth, collect_warnings
from fewact.video.regions import count_movers
from fewact.video.samplers import Floats
from fewact.video.source import KeepFrames, KeptFrames, Part, ProcessedVideo, Span, VideoSource

LONG, LEAST_LONG = 4.0, 10.0
"""A clip is taken for a long recording if it is this many times as long as the longest training
clip, and lasts this many seconds."""

LONGER = 1.4
"""A clip is searched if it lasts this many times as long as the longest training clip."""

DOUBTFUL = 0.5
"""Known probability below which a clip may show several subjects: what moves is counted."""

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
    movers: bool = False,
    enlarged: Iterable[bool] = repeat(False),
) -> Iterator[tuple[EncodedClip, Prediction | Skipped]]:
    """Return each clip, in order, as it was encoded, and its prediction or why it was skipped.

    An iterator is read only a few clips ahead. ``false_alarms`` is that of ``OpenSet.decision``;
    ``sets`` the fraction of clips whose true class must be in ``Prediction.set``, None for no sets.
    With ``movers`` what moves in doubtful clips is counted. ``enlarged`` says which clips are parts
    of pictures, see ``fitted.score``.
    """
    decision = fitted.open_set.decision(false_alarms)
    check_set_rate(sets)
    lowest = None if sets is None else fitted.calibration.set_threshold(sets)
    encoded = encode(
        clips,
        fitted.pipeline,
        timing,
        image_embedding=fitted.uses_text,
        keep=frames_to_search(fitted),
    )
    return (
        _answer(fitted, decision, clip, timing, lowest, movers=movers, enlarged=part)
        for clip, part in zip(encoded, enlarged, strict=False)
    )


def _answer(
    fitted: Fitted,
    decision: OpenSetDecision,
    encoded: EncodedClip,
    timing: Timing | None,
    set_threshold: float | None,
    *,
    movers: bool,
    enlarged: bool,
) -> tuple[EncodedClip, Prediction | Skipped]:
    compared, encoded = encoded.compared, encoded._replace(compared=None)
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
    check_shapes(fitted.examples, part.nodes)
    with stage(timing, "alignment"):
        scores = score(fitted, part.nodes, enlarged=enlarged)
    prediction = _classify(fitted, decision, part, scores, set_threshold)
    if movers and prediction.known < DOUBTFUL and compared is not None:
        prediction = replace(prediction, movers=count_movers(compared))
    return part, prediction


def _classify(
    fitted: Fitted,
    decision: OpenSetDecision,
    encoded: EncodedClip,
    scored: tuple[Tensor, Tensor, Tensor],
    set_threshold: float | None,
) -> Prediction:
    """Predict the class of one clip, or that it has none; find the most similar training clip."""
    rows, similarity, scores = scored
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
    kept, encoded = encoded.kept, encoded._replace(kept=None)
    pipeline = fitted.pipeline
    source, backbone, duration = encoded.source, pipeline.backbone, encoded.duration
    keep = frames_to_search(fitted)
    if (
        source is None
        or keep is None
        or not isinstance(backbone, Backbone)
        or isinstance(encoded.nodes, VideoError)
        or duration is None
        or duration <= keep.longer
    ):
        return encoded
    encoder = ClipEncoder(pipeline, timing, image_embedding=fitted.uses_text)
    used = encoded.active or Span(0.0, duration)
    lengths = window_lengths(fitted.examples.durations)
    windows = encode_windows(
        source, encoder, backbone, lengths, used, timing, kept=kept, static=encoded.static
    )
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
    )


def frames_to_search(fitted: Fitted) -> KeepFrames | None:
    """Return which frames of new clips are kept to search them; None if no clip is searched."""
    pipeline, durations = fitted.pipeline, fitted.examples.durations
    if not isinstance(pipeline.backbone, Backbone) or pipeline.trim == "off" or not durations:
        return None
    encoder = ClipEncoder(pipeline, None, image_embedding=fitted.uses_text)
    rate = _rate(encoder, pipeline.backbone, window_lengths(durations))
    return None if rate is None else KeepFrames(rate, LONGER * max(durations), MOST_SAMPLES)


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
    kept: KeptFrames | None = None,
    static: bool = False,
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
        kept: Frames of the clip at the backbone's input size; None to read them.
        static: Whether the camera of the clip is known to be static, so that its motion is not
            estimated in each window.
    """
    duration, rate = used.end - used.start, _rate(encoder, backbone, lengths)
    if rate is None:
        return []
    if kept is None:
        kept = _read_kept(clip, backbone, KeepFrames(rate, 0.0, MOST_SAMPLES), used)
    if kept is None:
        return []
    ring = FeatureRing(backbone, encoder.requests(backbone.card), timing, static=static)
    for time, image in kept.within(used):
        ring.add(time, image, kept.aspect)
    spans = [
        Span(start, start + length)
        for length in lengths
        for start in (used.start + _starts(duration, length)).tolist()
    ]
    with torch.inference_mode():
        return [(span, dict(encoder.encode(ring.features(*span)))) for span in spans]


def _rate(encoder: Encoder, backbone: Backbone, lengths: Sequence[float]) -> float | None:
    """Return how many frames a second are kept for windows; None if they have too few."""
    frames = max(request.frames for request in encoder.requests(backbone.card))
    rate = min(FASTEST, OVERSAMPLING * frames / lengths[0])
    return rate if lengths[0] * rate >= FEWEST_FRAMES else None


def _read_kept(
    clip: VideoSource, backbone: Backbone, keep: KeepFrames, used: Span
) -> KeptFrames | None:
    """Read the frames of a part of a clip that are kept, with their times in the clip."""

    def resized(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        image: NDArray[np.uint8] = backbone.prepare(frame).permute(1, 2, 0).numpy()
        return image

    part = ProcessedVideo(clip).then(Part(used)).then(keep)
    with collect_warnings():  # the clip was read before
        kept = part.read([EveryNth(1, 1)], transform=resized).kept
    return None if kept is None else replace(kept, times=kept.times + used.start)


def _starts(duration: float, length: float) -> Floats:
    """Return the starts of windows from the start of a clip on; the last one ends with it.

    The others' distance is a multiple of that of their frames, which they share.
    """
    last = max(0.0, duration - length)
    count = math.ceil(round(last / (HOP * length), 6))
    return np.append(HOP * length * np.arange(count), last)


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
