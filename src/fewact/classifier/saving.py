"""Save classifiers as folders, and load them."""

from pathlib import Path
from typing import Self

from fewact.backbones import Backbone
from fewact.classifier import model_folder
from fewact.classifier.estimator import Estimator
from fewact.classifier.fit_checks import checked_fit
from fewact.classifier.fitted import FittedBefore, fit_examples
from fewact.classifier.pipeline import Pipeline
from fewact.features.precomputed import Precomputed


class Saving(Estimator):
    """Methods of ``FewShotClassifier`` that save and load it."""

    def save(self, folder: str | Path, *, thumbnails: bool = False) -> Path:
        """Save the classifier as a folder that ``load`` reads.

        The folder has names and features of the training clips, not the clips. An existing model is
        replaced completely or not at all; other files in the folder are kept.

        Args:
            folder: Folder of the model; parent folders are created.
            thumbnails: Whether to store a small image of each training clip too.

        Returns:
            The folder.

        Raises:
            ModelError: The folder has other files or cannot be written; or thumbnails are requested
                for precomputed features.
            VideoError: A clip cannot be read for its thumbnail.
        """
        pipeline, fitted = self._learned
        backbone = pipeline.backbone
        weights = self.weights if isinstance(self.backbone, str) else backbone.card.weights
        return model_folder.save(
            folder,
            fitted,
            backbone,
            weights,
            pipeline.method,
            thumbnails=thumbnails,
            false_alarms=self.false_alarms,
        )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        device: str = "auto",
        weights: str | Path | None = None,
        *,
        engine: str = "auto",
        backbone: Backbone | None = None,
    ) -> Self:
        """Load a classifier that ``save`` saved; the training clips are not needed.

        Args:
            folder: Folder of the model.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            weights: New location of the backbone's weights; None if they have not moved.
            engine: ``auto``, ``torch`` or ``onnx``; it need not be the one of the training.
            backbone: Backbone, if it is already built.

        Raises:
            ModelError: The folder has no model; the model is damaged or has another version; or
                the backbone is another one than in training.
        """
        model = model_folder.load(folder)
        saved = model.config.backbone
        where = str(weights) if weights is not None else saved.weights
        built = backbone or model_folder.make_backbone(saved, where, device, engine, str(folder))
        model_folder.check_backbone(saved, built, str(folder))
        precomputed = isinstance(built, Precomputed)
        classifier = cls(
            "auto" if precomputed else backbone or saved.name,
            model.method,
            device,
            weights="default" if precomputed else where,
            precision="auto" if precomputed else saved.precision,
            engine="auto" if precomputed else engine,
            text="off" if model.class_names is None else model.class_names.mode,
            false_alarms=model.config.false_alarms,
        )
        method = model.method.to(built.device).eval()
        before = FittedBefore(model.config.calibration, model.config.open_set)
        with checked_fit(model.examples):
            fitted = fit_examples(
                method,
                model.examples,
                built.device,
                class_names=model.class_names,
                before=before,
                integers=model.config.integers,
            )
        classifier._pipeline = Pipeline(built, method)
        classifier._choice = classifier._chosen()
        classifier._publish(fitted, [])
        return classifier
