"""Predict the classes of clips."""

from collections.abc import Iterable, Iterator
from typing import overload

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.encoding import encode
from fewact.classifier.estimator import Estimator
from fewact.classifier.fitted import classify
from fewact.classifier.prediction import Prediction, Skipped
from fewact.classifier.sources import ClipLike, as_clip
from fewact.errors import VideoError
from fewact.features.timing import Timing


class Predicting(Estimator):
    """Methods of ``FewShotClassifier`` that predict; they change nothing and may run in threads."""

    # A str is also an iterable of str; it is taken as one path.
    @overload
    def predict(self, clips: ClipLike) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, clips: Iterable[ClipLike]) -> list[Prediction]: ...
    def predict(self, clips: ClipLike | Iterable[ClipLike]) -> Prediction | list[Prediction]:
        """Predict the class of clips.

        Args:
            clips: Path or ``Clip``, or several; for features see ``fewact.data.read_features``.

        Returns:
            Prediction of one clip, or a list of predictions.

        Raises:
            DataError: Videos for a classifier of features, features for a classifier of videos, or
                features of another size.
            VideoError: A clip cannot be read; ``predict_each`` continues with the others.
        """
        if isinstance(clips, ClipLike):
            return self.predict([clips])[0]
        predictions = []
        for prediction in self.predict_each(clips):
            if isinstance(prediction, Skipped):
                raise prediction.error
            predictions.append(prediction)
        return predictions

    def predict_each(
        self, clips: Iterable[ClipLike], *, timing: Timing | None = None
    ) -> Iterator[Prediction | Skipped]:
        """Predict the class of each clip, one by one; clips that cannot be read are reported.

        A prediction does not depend on the other clips.

        Args:
            clips: Paths or clips.
            timing: Adds up the time of each stage.

        Returns:
            For each clip, in order: its prediction, or the reason why it was skipped.

        Raises:
            DataError: As for ``predict``; raised before the first prediction.
            OptionError: ``false_alarms`` is not a rate.
        """
        pipeline, fitted = self._learned
        decision = fitted.open_set.decision(self.false_alarms)
        encoded = encode(
            [as_clip(clip) for clip in clips],
            pipeline,
            timing,
            image_embedding=fitted.class_names is not None,
        )
        return (
            Skipped(clip, nodes)
            if isinstance(nodes, VideoError)
            else classify(pipeline.method, fitted, decision, clip, nodes, timing)
            for clip, nodes in encoded
        )

    def predict_proba(self, clips: Iterable[ClipLike]) -> NDArray[np.float64]:
        """Return probabilities (q n) of clips that show one of ``classes_``, in this order.

        Args:
            clips: Paths or clips, q of them.

        Raises:
            VideoError: A clip cannot be read.
        """
        rows = [list(prediction.probabilities.values()) for prediction in self.predict(list(clips))]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self._learned[1].classes))
