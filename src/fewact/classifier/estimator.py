"""What every part of the classifier needs: its parameters, and what it has learned."""

from pathlib import Path

from fewact.backbones import Backbone
from fewact.classifier.class_names import ClassNames, TextMode
from fewact.classifier.examples import Examples
from fewact.classifier.fitted import Fitted, fit_examples
from fewact.classifier.pipeline import Choice, Pipeline
from fewact.classifier.prediction import Skipped
from fewact.data import AnyClip, FeatureClip
from fewact.errors import ModelError
from fewact.methods.base import Method


class Estimator:
    """Parameters and state of ``FewShotClassifier``, which describes them."""

    def __init__(
        self,
        backbone: str | Backbone = "auto",
        method: str | Method = "auto",
        device: str = "auto",
        *,
        weights: str | Path = "default",
        precision: str = "auto",
        engine: str = "auto",
        text: TextMode = "auto",
        false_alarms: float | None = None,
    ) -> None:
        self.backbone, self.method, self.device = backbone, method, device
        self.weights, self.precision, self.engine = weights, precision, engine
        self.text, self.false_alarms = text, false_alarms
        self._pipeline: Pipeline | None = None
        self._fitted: Fitted | None = None

    def _build(self, clip: AnyClip) -> Pipeline:
        """Return the existing pipeline for videos, or build one for clips like this one."""
        ready = self._pipeline
        if ready is not None and not ready.precomputed and not isinstance(clip, FeatureClip):
            return ready
        network = (self.weights, self.precision, self.engine)
        return Choice(self.backbone, self.method, self.device, *network).build(clip)

    @property
    def _learned(self) -> tuple[Pipeline, Fitted]:
        if self._pipeline is None or self._fitted is None:
            raise ModelError(
                "the classifier has no classes yet", hint="Call fit, or load a saved model."
            )
        return self._pipeline, self._fitted

    def _refit(
        self,
        pipeline: Pipeline,
        examples: Examples,
        skipped: list[Skipped],
        class_names: ClassNames | None,
    ) -> None:
        """Fit the method to these examples, and embed the names of new classes."""
        backbone = pipeline.backbone
        if class_names is not None:
            class_names = class_names.changed(examples.classes, backbone)
        fitted = fit_examples(pipeline.method, examples, backbone.device, class_names=class_names)
        self._pipeline = pipeline
        self._publish(fitted, skipped)

    def _publish(self, fitted: Fitted, skipped: list[Skipped]) -> None:
        """Replace what was learned before; no step of this can fail."""
        self._fitted = fitted
        self.classes_ = fitted.classes
        self.clips_ = fitted.examples.clips
        self.none_clips_ = () if fitted.none is None else fitted.none.clips
        self.calibration_ = fitted.calibration
        self.open_set_ = fitted.open_set
        self.skipped_ = skipped
