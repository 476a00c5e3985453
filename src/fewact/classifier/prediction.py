"""Results of a prediction: a class with its probability, or the reason why a clip was skipped."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.names import Label, label_array
from fewact.core.errors import OptionError, VideoError
from fewact.data.clips import AnyClip
from fewact.video.source import Span
from fewact.video.track import Box

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Prediction:
    """The class of a clip.

    Args:
        clip: Clip that was predicted.
        label: Most probable class; ``(none)`` if the clip seems to show none of the classes.
        probability: Probability of ``best`` among the classes, 0 … 1.
        probabilities: Probability of each class if the clip shows one of them; their sum is 1.
        nearest: Title of the most similar training clip of any class, see ``Fitted.clips``.
        best: Most probable class, also if the label is ``(none)``.
        known: Probability that the clip shows one of the classes, if half of all clips do.
        duration: Duration of the used part of the clip, in seconds; None for features.
        active: Start and end of the used part, in seconds from the start of the clip; None for the
            full clip, see ``fewact.video.source``.
        set: Classes among which the true one is at the rate ``FewShotClassifier.sets``, the most
            probable first; empty if no sets are requested.
        faults: Faults of the recording, such as "very dark", each with a remedy.
        subject: Which of several subjects in view it is about; empty if it is about the clip.
        box: Where the subject is, in pixels; None if it is about the clip.
        movers: Number of things that move in the clip, of one without a known action; else 1.

    Labels are texts, or integers if the classes were given as integers.
    """

    clip: AnyClip
    label: Label
    probability: float
    probabilities: dict[Label, float]
    nearest: str
    best: Label
    known: float
    duration: float | None = None
    active: Span | None = None
    set: tuple[Label, ...] = ()
    faults: tuple[str, ...] = ()
    subject: str = ""
    box: Box | None = None
    movers: int = 1

    @property
    def path(self) -> Path:
        """File of the clip; for features, their name as a path."""
        return self.clip.path

    @property
    def name(self) -> str:
        """Path of the clip; for features, their name."""
        return self.clip.display_name

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as values of JSON, the most probable class first."""
        ranked = sorted(self.probabilities.items(), key=lambda pair: -pair[1])
        facts = {
            "path": self.name,
            **({"subject": self.subject} if self.subject else {}),
            **({} if self.box is None else {"box": [round(side, 1) for side in self.box]}),
            "label": self.label,
            "best": self.best,
            "probability": self.probability,
            "known": self.known,
            "probabilities": dict(ranked),
            "nearest": self.nearest,
            **({} if self.active is None else {"active": list(self.active)}),
            **({"faults": list(self.faults)} if self.faults else {}),
        }
        return facts | {"set": list(self.set)} if self.set else facts


class Predictions(list[Prediction]):
    """Predictions of several clips. As an array they are their labels, as scikit-learn expects.

    >>> import numpy as np
    >>> np.asarray(Predictions([])).shape
    (0,)
    >>> Predictions([])[:1].labels
    []
    """

    @property
    def labels(self) -> list[Label]:
        """Label of each clip."""
        return [prediction.label for prediction in self]

    @overload
    def __getitem__(self, index: SupportsIndex) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> "Predictions": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "Prediction | Predictions":
        part = super().__getitem__(index)
        return Predictions(part) if isinstance(part, list) else part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(label_array(self.labels), dtype)

    def to_frame(self) -> "pandas.DataFrame":
        """Return a table of pandas: a row for each clip, a column for each class's probability.

        Raises:
            OptionError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise OptionError(
                "pandas is not installed", where="to_frame", hint="Run: pip install pandas"
            ) from None
        rows = []
        for prediction in self:
            facts = prediction.to_dict()
            del facts["probabilities"]
            rows.append(facts | {f"p({name})": p for name, p in prediction.probabilities.items()})
        return pandas.DataFrame(rows)


@dataclass(frozen=True)
class Skipped:
    """A clip that could not be read.

    Args:
        clip: Clip that was skipped.
        error: Error that reading it raised.
    """

    clip: AnyClip
    error: VideoError

    @property
    def path(self) -> Path:
        """File of the clip; for features, their name as a path."""
        return self.clip.path

    @property
    def name(self) -> str:
        """Path of the clip; for features, their name."""
        return self.clip.display_name

    @property
    def reason(self) -> str:
        """Reason why the clip could not be read, in a few words."""
        return self.error.reason

    def to_dict(self) -> dict[str, str]:
        """Return the name of the clip and the reason as values of JSON."""
        return {"path": self.name, "reason": self.reason}
