"""Search of the part of a clip that shows an action.

A clip that lasts longer than any training clip shows something else before or after the action, and
frames that are chosen evenly over it show little of the action; or the action is slower. In it
windows as long as the training clips are searched, which share the network, as in a stream, and the
decoding with the full clip; that is one more window. The one with the best score answers for the
clip. Of a clip that is added to a class, the one that is most like the class is used.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.encoding import EncodedClip, encode
from fewact.classifier.examples import Nodes
from fewact.classifier.fitted import Fitted, score
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.windows import (
    FEWEST_FRAMES,
    MOST_SAMPLES,
    window_lengths,
    window_rate,
)
from fewact.core.errors import VideoError
from fewact.data.clips import AnyClip
from fewact.data.joints import JointTrack
from fewact.features.extract import Timing
from fewact.networks import Backbone
from fewact.video import EveryNth, collect_warnings
from fewact.video.resizing import channels_last
from fewact.video.samplers import Floats
from fewact.video.source import KeepFrames, KeptFrames, Part, ProcessedVideo, Span, VideoSource

LONGER = 1.4
"""A clip is searched if it lasts this many times as long as the longest training clip."""

MARGIN_WEIGHT = 0.5
"""Weight of the distance between the best two classes, beside the known score."""

SEARCH_STEP = 0.25
"""Largest distance between the starts of windows, as a fraction of their length."""

AT_THE_ENDS = 1.7
"""Logit that windows at the ends of a clip lose against the one in its middle: people begin to
record before an action, and stop after it. Chosen on development clips, see
docs/decisions/recordings.md."""


def encode_actions(
    clips: Iterable[AnyClip],
    fitted: Fitted,
    timing: Timing | None = None,
    *,
    training: bool = False,
) -> Iterator[EncodedClip]:
    """Return each clip with the nodes of the part that shows an action, see ``encode``.

    Of ``training`` clips, the part that is most like their class is used; clips of a new
    class or of none are not searched.
    """
    keep = frames_to_search(fitted)

    def used(clip: EncodedClip) -> EncodedClip:
        label = clip.clip.label if training else None
        if training and label not in fitted.classes:
            return clip._replace(kept=None)
        return find_action(clip, fitted, timing, label)

    return map(used, encode(clips, fitted.pipeline, timing, keep=keep))


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
    source, duration, keep = encoded.source, encoded.duration, frames_to_search(fitted)
    if (
        source is None
        or keep is None
        or isinstance(encoded.nodes, VideoError)
        or duration is None
        or duration <= keep.longer
    ):
        return encoded
    used = encoded.active or Span(0.0, duration)
    lengths = window_lengths(fitted.examples.durations)
    windows = encode_windows(
        source,
        fitted.pipeline,
        lengths,
        used,
        timing,
        kept=kept,
        static=encoded.static,
        joints=encoded.joints,
    )
    if not windows:
        return encoded
    spans, rows = zip((used, encoded.nodes), *windows, strict=True)
    nodes: Nodes = {name: np.concatenate([row[name] for row in rows]) for name in rows[1]}
    logits, _, known = score(fitted, nodes)
    if label is None:
        clear = clearness(logits, known / fitted.calibration.temperature)
    else:
        clear = clearness_of(logits, fitted.classes.index(label))
    times = np.array(spans)
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
    if pipeline.precomputed or pipeline.trim == "off" or not durations:
        return None
    rate = _rate(pipeline, window_lengths(durations))
    return None if rate is None else KeepFrames(rate, LONGER * max(durations), MOST_SAMPLES)


def encode_windows(
    clip: VideoSource,
    pipeline: Pipeline,
    lengths: Sequence[float],
    used: Span,
    timing: Timing | None = None,
    *,
    kept: KeptFrames | None = None,
    static: bool = False,
    joints: JointTrack | None = None,
) -> list[tuple[Span, Nodes]]:
    """Return the windows of the used part of a clip, each with its nodes (1 …).

    There are none if the clip is a recording, too long to be kept in memory, or if windows are
    shorter than ``FEWEST_FRAMES``. ``lengths`` are in seconds, ascending. ``kept`` are the frames
    of the clip at the backbone's input size, None to read them. The motion of a camera that is
    known to be ``static`` is not estimated in each window. ``joints`` are those of the clip.
    """
    backbone, rate = pipeline.backbone, _rate(pipeline, lengths)
    if rate is None or not isinstance(backbone, Backbone):
        return []
    if kept is None:
        kept = _read_kept(clip, backbone, KeepFrames(rate, 0.0, MOST_SAMPLES), used)
    if kept is None:
        return []
    from fewact.features.ring import FeatureRing  # no short clip needs it

    ring = FeatureRing(backbone, pipeline.requests, timing, static=static, joints=joints)
    for time, image in kept.within(used):
        ring.add(time, image, kept.aspect)
    spans = [
        Span(start, start + length)
        for length in lengths
        for start in (used.start + _starts(used.end - used.start, length)).tolist()
    ]
    return [(span, pipeline.encode(ring.features(*span))) for span in spans]


def _rate(pipeline: Pipeline, lengths: Sequence[float]) -> float | None:
    """Return how many frames a second are kept for windows; None if they have too few."""
    rate = window_rate(pipeline.requests, lengths)
    return rate if lengths[0] * rate >= FEWEST_FRAMES else None


def _read_kept(
    clip: VideoSource, backbone: Backbone, keep: KeepFrames, used: Span
) -> KeptFrames | None:
    """Read the frames of a part of a clip that are kept, with their times in the clip."""

    def resized(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return channels_last(backbone.prepare(frame))

    part = ProcessedVideo(clip).then(Part(used)).then(keep)
    with collect_warnings():  # the clip was read before
        kept = part.read([EveryNth(1, 1)], transform=resized).kept
    return None if kept is None else replace(kept, times=kept.times + used.start)


def _starts(duration: float, length: float) -> Floats:
    """Return the starts of windows from the start of a clip on; the last one ends with it.

    The others' distance is a multiple of that of their frames, which they share.
    """
    last = max(0.0, duration - length)
    count = math.ceil(round(last / (SEARCH_STEP * length), 6))
    return np.append(SEARCH_STEP * length * np.arange(count), last)


def clearness(logits: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """Return how clearly windows show any class: (… w n), (… w) → (… w).

    ``known`` are the known scores of the windows, divided by the temperature of the logits.
    """
    ascending = np.sort(logits, -1)
    return np.asarray(known + MARGIN_WEIGHT * (ascending[..., -1] - ascending[..., -2]))


def clearness_of(logits: NDArray[Any], label: int) -> NDArray[Any]:
    """Return how clearly windows show class number ``label``: (… w n) → (… w).

    The class has a large logit, and a large distance from the best of the others.
    """
    rivals = np.delete(logits, label, -1)
    return np.asarray(2 * logits[..., label] - rivals.max(-1))


def clearest_window(
    clear: NDArray[Any], spans: NDArray[Any], used: NDArray[Any]
) -> NDArray[np.int64]:
    """Return the number (…) of the first window that shows an action most clearly.

    Args:
        clear: How clearly the windows (… w) show it.
        spans: Starts and ends (… w 2) of the windows.
        used: Start and end (… 2) of the part of the clip that has the windows. A window of this
            span loses nothing at the ends.
    """
    middles, lengths = spans.sum(-1) / 2, np.diff(spans)[..., 0]  # (… w)
    middle, length = used.sum(-1)[..., None] / 2, np.diff(used)
    farthest = (length - lengths) / 2  # 0 of the full clip
    from_middle = np.divide(
        middles - middle, farthest, out=np.zeros(farthest.shape), where=farthest > 0
    )  # from -1 to 1
    return np.asarray((clear - AT_THE_ENDS * from_middle**2).argmax(-1))
