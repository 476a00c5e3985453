"""What every part of the classifier needs: its parameters, and what it has learned.

The functions are for modules of the package that work with a classifier without being part of it.
"""

import inspect
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from fewact.backbones import Backbone
from fewact.backbones.devices import Device
from fewact.classifier.calibration import Calibration
from fewact.classifier.change_lock import ChangeLock
from fewact.classifier.class_names import ClassNames, TextMode
from fewact.classifier.example import Example
from fewact.classifier.examples import Examples
from fewact.classifier.fitted import Fitted, fit_examples
from fewact.classifier.labels import check_integers
from fewact.classifier.open_set import OpenSet
from fewact.classifier.pipeline import Choice, Pipeline
from fewact.classifier.prediction import Skipped
from fewact.core.errors import NotFittedError
from fewact.core.options import check_options
from fewact.data import AnyClip, FeatureClip
from fewact.data.files import first_few
from fewact.features.precomputed import Precomputed
from fewact.methods.base import Method
from fewact.video.steps import TrimMode, check_trim


@dataclass(frozen=True)
class Learned:
    """What a classifier has learned. It is replaced completely: a prediction reads one of them.

    Args:
        pipeline: Backbone and method that encoded the clips.
        fitted: What the method computed of the clips.
        skipped: Clips that could not be read.
    """

    pipeline: Pipeline
    fitted: Fitted
    skipped: tuple[Skipped, ...] = ()


class Estimator:
    """Parameters and state of ``FewShotClassifier``, which describes them."""

    def __init__(
        self,
        backbone: str | Backbone = "auto",
        method: str | Method = "auto",
        device: Device = "auto",
        *,
        weights: str | Path = "default",
        precision: str = "auto",
        engine: str = "auto",
        text: TextMode = "auto",
        false_alarms: float | None = None,
        trim: TrimMode = "auto",
        sets: float | None = None,
    ) -> None:
        self.backbone, self.method, self.device = backbone, method, device
        self.weights, self.precision, self.engine = weights, precision, engine
        self.text, self.false_alarms = text, false_alarms
        self.trim, self.sets = trim, sets
        self._changing = ChangeLock()
        self._state: Learned | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        ForkingPickler.register(cls, _for_process)

    def __repr__(self) -> str:
        """Return the parameters that are not the default, and what is learned."""
        defaults = {name: one.default for name, one in self._parameters().items()}
        values = self.get_params().items()
        changed = [
            f"{name}={value!r}" for name, value in values if not _equal(value, defaults[name])
        ]
        short = ", ".join(text if len(text) < 80 else f"{text[:76]} ..." for text in changed)
        made = f"{type(self).__name__}({short})"
        state = self._state
        if state is None:
            return made
        classes = first_few(state.fitted.classes)
        return f"<{made}: {classes}; {len(state.fitted.examples.clips)} clips>"

    @classmethod
    def _parameters(cls) -> dict[str, inspect.Parameter]:
        found = dict(inspect.signature(cls.__init__).parameters)
        del found["self"]
        return found

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as scikit-learn's estimators do.

        Args:
            deep: Without effect: no parameter is an estimator.
        """
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters.

        ``false_alarms``, ``sets`` and ``trim`` hold for all later predictions, ``trim`` also for
        clips that are learned later. The others take effect in the next ``fit``.

        Args:
            **parameters: New values by name.

        Returns:
            The classifier.

        Raises:
            OptionError: There is no such parameter; none is set then.
        """
        check_options(parameters, tuple(self._parameters()), of=type(self).__name__)
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def __sklearn_clone__(self) -> Self:
        """Return a classifier of equal parameters that has learned nothing."""
        return type(self)(**self.get_params())

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn needs to know; only scikit-learn calls this."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=False, string=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether classes are learned; only scikit-learn calls this."""
        return self._state is not None

    @property
    def classes_(self) -> NDArray[Any]:
        """Sorted classes, texts or integers, as an array like those of scikit-learn."""
        return self._learned.fitted.sorted_labels

    @property
    def clips_(self) -> tuple[Example, ...]:
        """Training clips; their labels are texts, also those of integers."""
        return self._learned.fitted.examples.clips

    @property
    def none_clips_(self) -> tuple[Example, ...]:
        """Clips of no class."""
        none = self._learned.fitted.none
        return () if none is None else none.clips

    @property
    def calibration_(self) -> Calibration:
        """How scores become probabilities."""
        return self._learned.fitted.calibration

    @property
    def open_set_(self) -> OpenSet:
        """How known and unknown actions are distinguished."""
        return self._learned.fitted.open_set

    @property
    def skipped_(self) -> list[Skipped]:
        """Clips that could not be read."""
        return list(self._learned.skipped)

    @property
    def backbone_(self) -> Backbone | Precomputed:
        """Network of the training clips' features, or the size of precomputed features."""
        return self._learned.pipeline.backbone

    def _build(self, clip: AnyClip) -> Pipeline:
        """Return the existing pipeline for videos, or build one for clips like this one."""
        state, choice = self._state, self._chosen()
        if (
            state is not None
            and not state.pipeline.precomputed
            and not isinstance(clip, FeatureClip)
            and state.pipeline.choice == choice
        ):
            return state.pipeline
        return choice.build(clip)

    def _chosen(self) -> Choice:
        network = (self.weights, self.precision, self.engine)
        return Choice(self.backbone, self.method, self.device, *network, trim=self.trim)

    @property
    def _learned(self) -> Learned:
        state = self._state
        if state is None:
            raise NotFittedError(
                "the classifier has no classes yet", hint="Call fit, or load a saved model."
            )
        return state

    def _trimming(self, pipeline: Pipeline) -> Pipeline:
        """Return a pipeline that leaves out what ``trim`` says now, not what it said before."""
        return replace(pipeline, trim=check_trim(self.trim))

    @property
    def findings_(self) -> tuple[str, ...]:
        """Sentences on what distinguishes the classes, where the method says it."""
        learned = self._learned
        return learned.pipeline.method.findings(learned.fitted.by_class)

    def _refit(
        self,
        pipeline: Pipeline,
        examples: Examples,
        skipped: Sequence[Skipped],
        class_names: ClassNames | None,
        *,
        integers: bool | None = None,
    ) -> None:
        """Fit the method to these examples, and embed the names of new classes.

        Args:
            pipeline: Backbone and method that encoded the examples.
            examples: Training clips, and clips of no class.
            skipped: Clips that could not be read.
            class_names: Embedded class names; None if they are not used.
            integers: Whether the classes were given as integers; None if that has not changed.

        Raises:
            DataError: A text is added to classes that are integers.
        """
        backbone = pipeline.backbone
        if integers is None:
            integers = self._state is not None and self._state.fitted.integers
        check_integers(examples.classes, integers=integers)
        if class_names is not None:
            class_names = class_names.changed(examples.classes, backbone)
        fitted = fit_examples(
            pipeline.method,
            examples,
            backbone.device,
            class_names=class_names,
            integers=integers,
        )
        self._state = Learned(pipeline, fitted, tuple(skipped))


def _for_process(classifier: Estimator) -> tuple[Any, ...]:
    """Return what another process gets instead of a classifier: its pickle as bytes.

    Otherwise torch would pass each tensor as an open file. There are too many of them for some
    start methods, and the files of temporary tensors are closed before they are passed.
    """
    return pickle.loads, (pickle.dumps(classifier),)


def _equal(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


def is_fitted(classifier: Estimator) -> bool:
    """Return whether a classifier has learned classes."""
    return classifier._state is not None


def learned(classifier: Estimator) -> tuple[Pipeline, Fitted]:
    """Return the pipeline of a classifier, and what it has learned.

    Raises:
        NotFittedError: The classifier has learned nothing yet.
    """
    found = classifier._learned
    return found.pipeline, found.fitted


def for_queries(classifier: Estimator) -> tuple[Pipeline, Fitted]:
    """Return what ``learned`` does, with a pipeline that leaves out what ``trim`` says now.

    Raises:
        NotFittedError: The classifier has learned nothing yet.
        OptionError: ``trim`` is unknown.
    """
    pipeline, fitted = learned(classifier)
    return classifier._trimming(pipeline), fitted


def pipeline_for(classifier: Estimator, clip: AnyClip) -> Pipeline:
    """Return the pipeline of a classifier, or a new one if it has none for clips like this one.

    Raises:
        OptionError: As for ``Choice.build``.
    """
    return classifier._build(clip)


def refit(
    classifier: Estimator,
    pipeline: Pipeline,
    examples: Examples,
    class_names: ClassNames | None,
) -> None:
    """Replace what a classifier has learned.

    Args:
        classifier: The classifier.
        pipeline: Pipeline that encoded the examples.
        examples: Training clips, and clips of no class.
        class_names: Embedded class names; None if they are not used.
    """
    classifier._refit(pipeline, examples, [], class_names)
