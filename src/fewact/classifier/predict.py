"""Predict the classes of new clips, and report those that cannot be read."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fewact.classifier.calibration import check_set_rate
from fewact.classifier.encoding import EncodedClip, encode
from fewact.classifier.examples import Nodes, check_finite_scores, check_shapes
from fewact.classifier.fitted import Fitted, score
from fewact.classifier.labels import NONE
from fewact.classifier.prediction import Prediction, Skipped, display_name
from fewact.classifier.search import find_action
from fewact.classifier.unknown import OpenSetDecision
from fewact.core.errors import VideoError, warn
from fewact.data import AnyClip
from fewact.features.extract import Timing, stage

LONG, LEAST_LONG = 4.0, 10.0
"""A clip is taken for a long recording if it is this many times as long as the longest training
clip, and lasts this many seconds."""


def predict(
    fitted: Fitted,
    clips: Iterable[AnyClip],
    timing: Timing | None = None,
    *,
    false_alarms: float | None = None,
    sets: float | None = None,
) -> Iterator[Prediction | Skipped]:
    """Return for each clip, in order, its prediction, or why it was skipped.

    Args:
        fitted: What was learned.
        clips: Clips; an iterator is read only a few clips ahead of the predictions.
        timing: Adds up the time of each stage.
        false_alarms: Limit of false alarms, see ``OpenSet.decision``.
        sets: Fraction of clips whose true class must be in ``Prediction.set``; None: no sets.

    Raises:
        OptionError: A rate is invalid.
        DataError: A clip is of another kind than the training clips.
    """
    decision = fitted.open_set.decision(false_alarms)
    check_set_rate(sets)
    lowest = None if sets is None else fitted.calibration.set_threshold(sets)
    named = fitted.class_names is not None
    encoded = encode(clips, fitted.pipeline, timing, image_embedding=named)
    return (_answer(fitted, decision, clip, timing, lowest) for clip in encoded)


def _answer(
    fitted: Fitted,
    decision: OpenSetDecision,
    encoded: EncodedClip,
    timing: Timing | None,
    set_threshold: float | None,
) -> Prediction | Skipped:
    clip, duration = encoded.clip, encoded.duration
    if isinstance(encoded.nodes, VideoError):
        return Skipped(clip, encoded.nodes)
    durations = fitted.everything.durations
    if duration is not None and durations and duration > max(LONG * max(durations), LEAST_LONG):
        warn(
            f"{display_name(clip)} is {duration:.0f} s long, the training clips at most "
            f"{max(durations):.0f} s: it gets one answer only. `fewact watch MODEL VIDEO`, "
            "in Python FewShotClassifier.stream, finds the actions in a long recording",
        )
    part = find_action(encoded, fitted, timing)
    if isinstance(part.nodes, VideoError):
        return Skipped(clip, part.nodes)
    part.warn()
    prediction = classify(fitted, decision, clip, part.nodes, timing, set_threshold=set_threshold)
    faults = tuple(map(str, part.faults))
    return replace(prediction, duration=part.duration, active=part.active, faults=faults)


def classify(
    fitted: Fitted,
    decision: OpenSetDecision,
    clip: AnyClip,
    nodes: Nodes,
    timing: Timing | None = None,
    *,
    set_threshold: float | None = None,
) -> Prediction:
    """Predict the class of one clip, or that it has none; find the most similar training clip.

    Raises:
        ModelError: The clip has nodes of other shapes than the training clips.
        DataError: Its scores are not finite.
    """
    check_shapes(fitted.examples, nodes)
    with stage(timing, "alignment"):
        scored = score(fitted, nodes)
    check_finite_scores(scored.logits, [display_name(clip)])
    logits, classes, known = scored.logits[0], fitted.labels, scored.known.item()
    probabilities = logits.softmax(-1).tolist()
    best = int(logits.argmax())
    ranked = [] if set_threshold is None else logits.argsort(descending=True).tolist()
    likely = [c for c in ranked if c == best or probabilities[c] >= (set_threshold or 0.0)]
    return Prediction(
        clip,
        classes[best] if known >= decision.threshold else NONE,
        probabilities[best],
        dict(zip(classes, probabilities, strict=True)),
        fitted.examples.clips[int(scored.similarity[0].argmax())].title,
        best=classes[best],
        known=fitted.open_set.known_probability(known),
        set=tuple(classes[c] for c in likely),
    )
