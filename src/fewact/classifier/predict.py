"""Predict the classes of new clips, and report unreadable clips."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import repeat

from fewact.classifier.calibration import check_set_rate, softmax
from fewact.classifier.encoding import EncodedClip
from fewact.classifier.examples import check_finite_scores, check_shapes
from fewact.classifier.fitted import Fitted, score
from fewact.classifier.names import NONE
from fewact.classifier.prediction import Prediction, Skipped
from fewact.classifier.search import encode_actions
from fewact.classifier.unknown import OpenSetDecision
from fewact.core.errors import VideoError, warn
from fewact.data.clips import AnyClip
from fewact.features.extract import Timing, stage
from fewact.methods.common.known import Scores
from fewact.video.regions import count_movers

RECORDING_RATIO, SHORTEST_RECORDING = 4.0, 10.0
"""A clip is taken for a long recording if it is this many times as long as the longest training
clip, and lasts this many seconds."""

DOUBTFUL = 0.5
"""Known probability below which a clip may show several subjects: moving subjects are counted."""


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
    encoded = warning_of_joints(encode_actions(clips, fitted, timing), fitted)
    return (
        _answer(fitted, decision, clip, timing, lowest, movers=movers, enlarged=part)
        for clip, part in zip(encoded, enlarged, strict=False)
    )


def warning_of_joints(clips: Iterable[EncodedClip], fitted: Fitted) -> Iterator[EncodedClip]:
    """Yield clips; warn of the first without joints if the training clips have joints."""
    compared = fitted.pipeline.joints != "" and any(clip.joints for clip in fitted.clips)
    for clip in clips:
        if compared and clip.joints is None and not isinstance(clip.nodes, VideoError):
            compared = False
            warn(
                f"{clip.clip.display_name} has no joints ({fitted.pipeline.joints}), so its "
                "picture alone is compared, as of other clips without them. Pass files of poses, "
                "in Python Clip(path, joints=…), or an estimator"
            )
        yield clip


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
    _warn_of_recording(encoded, fitted)
    if isinstance(encoded.nodes, VideoError):
        return encoded, Skipped(encoded.clip, encoded.nodes)
    encoded.warn()
    check_shapes(fitted.examples, encoded.nodes)
    with stage(timing, "alignment"):
        scores = score(fitted, encoded.nodes, enlarged=enlarged)
    prediction = _classify(fitted, decision, encoded, scores, set_threshold)
    if movers and prediction.known < DOUBTFUL and compared is not None:
        prediction = replace(prediction, movers=count_movers(compared))
    return encoded, prediction


def _warn_of_recording(encoded: EncodedClip, fitted: Fitted) -> None:
    duration, durations = encoded.full_duration, fitted.everything.durations
    if (
        duration is not None
        and durations
        and duration > max(RECORDING_RATIO * max(durations), SHORTEST_RECORDING)
    ):
        warn(
            f"{encoded.clip.display_name} is {duration:.0f} s long, the training clips at most "
            f"{max(durations):.0f} s: it gets one answer only. `fewact watch MODEL VIDEO`, "
            "in Python fewact.recordings.Stream, finds the actions in a long recording",
        )


def _classify(
    fitted: Fitted,
    decision: OpenSetDecision,
    encoded: EncodedClip,
    scored: tuple[Scores, Scores, Scores],
    set_threshold: float | None,
) -> Prediction:
    """Predict the class of one clip, or that it has none; find the most similar training clip."""
    rows, similarity, scores = scored
    check_finite_scores(rows, [encoded.clip.display_name])
    logits, classes, known = rows[0], fitted.labels, float(scores[0])
    probabilities = softmax(logits).tolist()
    best = int(logits.argmax())
    ranked = [] if set_threshold is None else (-logits).argsort(kind="stable").tolist()
    likely = [c for c in ranked if c == best or probabilities[c] >= (set_threshold or 0.0)]
    return Prediction(
        encoded.clip,
        classes[best] if known >= decision.threshold else NONE,
        probabilities[best],
        dict(zip(classes, probabilities, strict=True)),
        fitted.clips[int(similarity[0].argmax())].title,
        best=classes[best],
        known=fitted.open_set.known_probability(known),
        duration=encoded.duration,
        active=encoded.active,
        set=tuple(classes[c] for c in likely),
        faults=tuple(map(str, encoded.faults)),
    )
