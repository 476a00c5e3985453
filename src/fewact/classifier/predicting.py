"""Predict the classes of clips."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.calibration import check_set_rate
from fewact.classifier.encoding import EncodedClip, encode
from fewact.classifier.estimator import Estimator, Learned
from fewact.classifier.fitted import Fitted, classify
from fewact.classifier.inputs import ClipLike, each_query, query_clips
from fewact.classifier.labels import Label, Labels, as_integer, text_source
from fewact.classifier.open_set import Decision
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.prediction import NONE, Prediction, Predictions, Skipped, display_name
from fewact.classifier.recordings.searching import find_action
from fewact.classifier.recordings.stream import Stream
from fewact.classifier.sources import LabelledSource, labelled
from fewact.core.errors import DataError, VideoError, warn
from fewact.data import BACKGROUND, AnyClip, FeatureClip, Frames
from fewact.data.arrays import as_array
from fewact.features.precomputed import Precomputed
from fewact.features.timing import Timing

LONG, LEAST_LONG = 4.0, 10.0
"""A clip is taken for a long recording if it is this many times as long as the longest training
clip, and lasts this many seconds."""


class Predicting(Estimator):
    """Methods of ``FewShotClassifier`` that predict; they change nothing and may run in threads."""

    # A str is also an iterable of str; it is taken as one path.
    @overload
    def predict(self, clips: ClipLike) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, clips: Iterable[ClipLike]) -> Predictions: ...
    def predict(self, clips: ClipLike | Iterable[ClipLike]) -> Prediction | Predictions:
        """Predict the class of clips.

        Several clips at once take less time than one after the other: while one is in the network,
        the next ones are decoded.

        Args:
            clips: Clip, or several. A clip is a path, a ``Clip``, ``Frames``, ``VideoBytes`` or
                ``FeatureClip``; the bytes of a video file, or an open one; or frames, as an array
                or tensor (t h w 3) or as a list of images. A folder of clips, a pattern such as
                ``day*/*.mp4`` and an .npz file of features stand for all their clips.

        Returns:
            Prediction of one clip; a list of predictions if several clips, a folder, a pattern or a
            file of features were passed. A type checker takes a path for one clip, and a list of
            images for several: if types are checked, pass a folder or a pattern in a list, and
            images as ``Frames(images)``.

        Raises:
            DataError: A value is no clip, a folder or pattern has no clips, videos for a classifier
                of features, features for a classifier of videos, or features of another size.
            VideoError: A clip cannot be read; ``predict_each`` continues with the others.
        """
        found, single = query_clips(clips)
        predictions = self._all(self._learned, found)
        return predictions[0] if single else predictions

    def predict_each(
        self, clips: ClipLike | Iterable[ClipLike], *, timing: Timing | None = None
    ) -> Iterator[Prediction | Skipped]:
        """Predict the class of each clip, one by one; clips that cannot be read are reported.

        A prediction does not depend on the other clips.

        Args:
            clips: Clips, as for ``predict``. A generator is read only a few clips ahead of the
                answers, may be endless, and may reuse its arrays for the next clip.
            timing: Adds up the time of each stage.

        Returns:
            For each clip, in order: its prediction, or the reason why it was skipped.

        Raises:
            DataError: As for ``predict``; raised before the first prediction, but for a clip of a
                generator after the predictions of the clips before.
            OptionError: ``false_alarms`` is not a rate, or ``trim`` is unknown.
        """
        return self._each(self._learned, each_query(clips), timing)

    def predict_proba(self, clips: ClipLike | Iterable[ClipLike]) -> NDArray[np.float64]:
        """Return probabilities (q n) of clips that show one of ``classes_``, in this order.

        Args:
            clips: Clips, as for ``predict``, q of them; one clip is q = 1.

        Raises:
            VideoError: A clip cannot be read.
        """
        learned, found = self._learned, query_clips(clips)[0]
        labels = learned.fitted.sorted_labels
        rows = [[one.probabilities[name] for name in labels] for one in self._all(learned, found)]
        return np.array(rows, dtype=np.float64).reshape(-1, len(labels))

    def score(
        self,
        clips: LabelledSource,
        labels: Labels | None = None,
        sample_weight: Sequence[float] | NDArray[Any] | None = None,
    ) -> float:
        """Return the fraction of clips that are predicted correctly, from 0 to 1.

        Clips of no class are correct if they are predicted as ``(none)``.

        Args:
            clips: Labelled clips, as for ``fit``.
            labels: Class of each clip of a list; None if the clips have labels.
            sample_weight: Weight of each clip (q), from 0 up; None for equal weights.

        Raises:
            DataError: Clips are not found, a label is missing, or the weights are invalid.
            VideoError: A clip cannot be read.
        """
        source, texts, _ = text_source(clips, labels)
        found, _ = labelled(source, texts)
        if not found:
            raise DataError("no clips to score", expected="at least one labelled clip")
        weights = None if sample_weight is None else _checked_weights(sample_weight, len(found))
        predicted = self.predict(found)
        integers = self._learned.fitted.integers
        right = [
            str(one.label) == _expected(clip.label or "", integers=integers)
            for one, clip in zip(predicted, found, strict=True)
        ]
        return float(np.average(np.array(right, float), weights=weights))

    def warm_up(self) -> Self:
        """Predict a made-up clip, so that the first prediction takes no longer than later ones.

        Returns:
            The classifier.
        """
        learned = self._learned
        backbone = learned.pipeline.backbone
        clip: AnyClip
        if isinstance(backbone, Precomputed):
            shape = (backbone.frames, backbone.card.vectors or 1)
            clip = FeatureClip("warm-up", np.ones(shape, np.float32))
        else:
            noise = np.random.default_rng(0).integers(0, 256, (16, 240, 320, 3), np.uint8)
            clip = Frames(noise, name="warm-up")
        self._all(learned, [clip])
        return self

    def stream(
        self,
        *,
        fps: float | None = None,
        ahead: int = 0,
        only: Label | Collection[Label] | None = None,
    ) -> Stream:
        """Begin to watch a recording whose frames are pushed one by one.

        Args:
            fps: Frames per second of frames that are pushed without a time; None takes the time at
                which they are pushed.
            ahead: Number of windows that may still be computed when ``push`` returns: some keep all
                cores busy where frames come faster than they are shown, but events come later.
            only: Class or classes whose events are returned, see ``Stream``; None returns all.

        Returns:
            Stream. What the classifier learns later does not change it.

        Raises:
            ModelError: The classifier is one of precomputed features, or does not know the
                durations of its training clips.
            DataError: ``only`` names a class that does not exist.
            OptionError: ``fps`` or ``false_alarms`` is not a rate, or ``ahead`` is not a number of
                windows.

        >>> with classifier.stream(fps=25) as stream:  # doctest: +SKIP
        ...     events = [event for frame in frames for event in stream.push(frame)]
        ...     events += stream.close()
        """
        learned = self._learned
        return Stream(
            learned.pipeline,
            learned.fitted,
            self.false_alarms,
            fps=fps,
            ahead=ahead,
            only=only,
        )

    def _all(self, learned: Learned, clips: Sequence[AnyClip]) -> Predictions:
        """Return the predictions of clips.

        Raises:
            VideoError: A clip cannot be read.
        """
        predictions = Predictions()
        for prediction in self._each(learned, clips):
            if isinstance(prediction, Skipped):
                raise prediction.error
            predictions.append(prediction)
        return predictions

    def _each(
        self, learned: Learned, clips: Iterable[AnyClip], timing: Timing | None = None
    ) -> Iterator[Prediction | Skipped]:
        fitted, pipeline = learned.fitted, self._trimming(learned.pipeline)
        decision = fitted.open_set.decision(self.false_alarms)
        check_set_rate(self.sets)
        lowest = None if self.sets is None else fitted.calibration.set_threshold(self.sets)
        embedded = fitted.class_names is not None
        encoded = encode(clips, pipeline, timing, image_embedding=embedded)
        return (_answer(pipeline, fitted, decision, one, timing, lowest) for one in encoded)


def _answer(
    pipeline: Pipeline,
    fitted: Fitted,
    decision: Decision,
    encoded: EncodedClip,
    timing: Timing | None,
    set_threshold: float | None,
) -> Prediction | Skipped:
    clip, duration = encoded.clip, encoded.duration
    if isinstance(encoded.nodes, VideoError):
        return Skipped(clip, encoded.nodes)
    known = fitted.everything.durations
    if duration is not None and known and duration > max(LONG * max(known), LEAST_LONG):
        warn(
            f"{display_name(clip)} is {duration:.0f} s long, the training clips at most "
            f"{max(known):.0f} s: it gets one answer only. `fewact watch MODEL VIDEO`, "
            "in Python FewShotClassifier.stream, finds the actions in a long recording",
        )
    part = find_action(encoded, pipeline, fitted, timing)
    if isinstance(part.nodes, VideoError):
        return Skipped(clip, part.nodes)
    part.warn()
    found = classify(
        pipeline.method, fitted, decision, clip, part.nodes, timing, set_threshold=set_threshold
    )
    faults = tuple(map(str, part.faults))
    return replace(found, duration=part.duration, active=part.active, faults=faults)


def _expected(label: str, *, integers: bool) -> str:
    """Return the text of the prediction that is correct for a clip with this label."""
    if label == BACKGROUND:
        return NONE
    return as_integer(label) if integers else label


def _checked_weights(weights: Any, count: int) -> NDArray[np.float64]:
    """Return the weight of each of some clips (q).

    Raises:
        DataError: These are no weights, or of another number of clips.
    """
    where, expected = "sample_weight", f"{count} numbers from 0 up, not all 0"
    array = as_array(weights, where, expected)
    if array.dtype.kind not in "biuf" or array.shape != (count,):
        got = f"{array.dtype} {array.shape}"
        raise DataError("not one weight for each clip", where=where, got=got, expected=expected)
    numbers = array.astype(np.float64)
    if not (np.isfinite(numbers).all() and (numbers >= 0).all() and numbers.any()):
        raise DataError("invalid weights", where=where, got=str(numbers)[:80], expected=expected)
    return numbers
