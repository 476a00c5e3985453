"""The classifier that learns classes from a few clips of each."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from fewact.backbones import Backbone
from fewact.classifier import model_folder
from fewact.classifier.class_names import ClassNames, TextMode, embed_class_names, text_encoder
from fewact.classifier.encoding import encode
from fewact.classifier.examples import Examples, join
from fewact.classifier.fit_checks import checked_fit
from fewact.classifier.fitted import Fitted, FittedBefore, classify, fit_examples
from fewact.classifier.open_set import check_rate
from fewact.classifier.pipeline import Choice, Pipeline
from fewact.classifier.prediction import Prediction, Skipped
from fewact.classifier.sources import (
    ClipLike,
    Source,
    as_clip,
    check_label,
    existing_class,
    labelled,
    of_class,
)
from fewact.classifier.teaching import Progress, teach
from fewact.data import BACKGROUND, AnyClip, FeatureClip
from fewact.errors import DataError, ModelError, VideoError
from fewact.features.precomputed import Precomputed
from fewact.features.timing import Timing
from fewact.methods.base import Method


class FewShotClassifier:
    """Recognises actions from one to five training clips of each, and that a clip shows none.

    Attributes with a trailing underscore are set by ``fit``: ``classes_``, the class names in
    natural order; ``clips_``, the training clips; ``none_clips_``, the clips of no class;
    ``calibration_``, how scores become probabilities; ``open_set_``, how known and unknown actions
    are distinguished; ``skipped_``, the clips that could not be read.

    Precomputed features (of skeletons, sound or optical flow) can replace videos in every call. No
    backbone is needed then.

    Args:
        backbone: Backbone that computes the features, or its name.
        method: Few-shot method, or its name.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        weights: Weights of a backbone given by name, see ``fewact.backbones.create``.
        precision: Precision of a backbone given by name: ``auto``, ``float32`` or ``bfloat16``.
        engine: Inference engine of a backbone given by name: ``auto``, ``torch`` or ``onnx``.
        text: Use of class names as text prompts, for a backbone trained on image–text pairs:
            ``auto``, if they improve the prediction of held-out clips; ``on``; ``off``.
        false_alarms: Highest fraction of clips of untaught actions that get a class, above 0; see
            ``open_set.OpenSet.decision``. 1 answers every clip with a class. It can be changed at
            any time. None limits it to 0.1 if there are clips of no class; if there are none, every
            clip gets a class.

    >>> classifier = FewShotClassifier().fit("actions")  # doctest: +SKIP
    >>> classifier.predict("new.mp4").label  # doctest: +SKIP
    'wave'
    """

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

    def fit(
        self,
        clips: Source,
        labels: Sequence[str] | None = None,
        *,
        none: Source | None = None,
        progress: Progress | None = None,
        timing: Timing | None = None,
    ) -> Self:
        """Learn classes from training clips; classes learned before are forgotten.

        A clip that cannot be read is skipped with a warning and listed in ``skipped_``.

        Args:
            clips: Folder with one subfolder of clips per class; table, see
                ``fewact.data.read_table``; .npz file of features, or a
                ``fewact.data.FeatureDataset``; or list of paths, ``Clip`` or ``FeatureClip``. Clips
                in the folder ``none``, or with this label, show none of the classes.
            labels: Class of each clip of a list; None if each ``Clip`` has a label.
            none: More clips that show none of the classes, as for ``add_class``.
            progress: Called after each clip with the number of finished clips and of all clips.
            timing: Adds up the time of each stage.

        Returns:
            The classifier.

        Raises:
            DataError: There are fewer than two classes, a class has no readable clip, clips are
                not found, or features differ in size.
            OptionError: The method needs more than the precomputed features, a backbone is chosen
                for them, or ``false_alarms`` is not a rate.
        """
        check_rate(self.false_alarms)
        found, names = labelled(clips, labels, none)
        classes = {clip.label for clip in found} - {BACKGROUND}
        if len(classes) < 2:
            raise DataError(
                "fewer than two classes",
                got=", ".join(map(str, classes)) or "none",
                expected="at least two, each with a clip",
            )
        pipeline = self._build(found[0])
        encoder = text_encoder(pipeline.backbone, self.text)
        examples, skipped = teach(
            found, names, pipeline, progress, timing, image_embedding=encoder is not None
        )
        class_names = None
        if encoder is not None:
            class_names = embed_class_names(encoder, examples.classes, self.text)
        self._refit(pipeline, examples, skipped, class_names)
        return self

    def add_class(self, name: str, clips: Source) -> Self:
        """Learn one more class.

        Args:
            name: Name of the class.
            clips: Clip, path, folder or pattern, or several of them; or an .npz file of features
                that all belong to the class.

        Returns:
            The classifier; unchanged if an error is raised.

        Raises:
            DataError: The class exists already, or no clip can be read.
        """
        name = check_label(name)
        if name in self._learned[1].classes:
            raise DataError("the class exists already", got=repr(name), hint="Use add_clips.")
        return self._add(name, clips)

    def add_clips(self, name: str, clips: Source) -> Self:
        """Learn more clips of a class.

        Args:
            name: Name of the class.
            clips: Clips, as for ``add_class``.

        Returns:
            The classifier; unchanged if an error is raised.

        Raises:
            DataError: The class does not exist, no clip can be read, or a clip is known already.
        """
        return self._add(existing_class(name, self._learned[1].classes), clips)

    def add_none(self, clips: Source) -> Self:
        """Learn more clips that show none of the classes; see ``add_clips``."""
        return self._add(BACKGROUND, clips)

    def remove_class(self, name: str) -> Self:
        """Forget a class.

        Args:
            name: Name of the class.

        Returns:
            The classifier; unchanged if an error is raised.

        Raises:
            DataError: The class does not exist, or only one class would be left.
        """
        pipeline, fitted = self._learned
        name = existing_class(name, fitted.classes)
        if len(fitted.classes) == 2:
            raise DataError("only one class would be left", got=repr(name), expected="at least two")
        kept = [i for i, clip in enumerate(fitted.everything.clips) if clip.label != name]
        examples = fitted.everything.select(kept)
        self._refit(pipeline, examples, self.skipped_, fitted.class_names)
        return self

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
                method, model.examples, built.device, class_names=model.class_names, before=before
            )
        classifier._pipeline = Pipeline(built, method)
        classifier._publish(fitted, [])
        return classifier

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

    def _add(self, label: str, clips: Source) -> Self:
        pipeline, fitted = self._learned
        more, skipped = teach(
            *of_class(clips, label), pipeline, image_embedding=fitted.class_names is not None
        )
        if again := fitted.everything.repeated(more):
            raise DataError(
                "the clip is a training clip already", where=f'class "{label}"', got=again[0]
            )
        examples = join([fitted.everything, more])
        self._refit(pipeline, examples, [*self.skipped_, *skipped], fitted.class_names)
        return self

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
