"""The classifier that learns classes from a few clips of each."""

import importlib
import inspect
import logging
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

import fewact.classifier.edit as edit
import fewact.classifier.file as file
from fewact.classifier.calibration import check_set_rate
from fewact.classifier.fit import Progress, fit
from fewact.classifier.fitted import Fitted, checked_fit, fit_examples
from fewact.classifier.inputs import (
    ClipLike,
    LabelledSource,
    Source,
    each_query,
    labelled,
    query_clips,
)
from fewact.classifier.names import NONE, ClipId, ClipLabels, Label, as_integer, text_source
from fewact.classifier.pipeline import (
    AnyMethod,
    Choice,
    Pipeline,
    Pose,
    PoseOfModel,
    TextMode,
)
from fewact.classifier.predict import predict
from fewact.classifier.prediction import Prediction, Predictions, Skipped
from fewact.classifier.saved import DeferredBackbone
from fewact.classifier.unknown import check_rate
from fewact.core.errors import DataError, ModelError, NotFittedError, OptionError
from fewact.core.options import OFF, check_options
from fewact.core.paths import user_path
from fewact.data.clips import BACKGROUND, AnyClip, FeatureClip, Frames
from fewact.data.files import first_few
from fewact.data.images import as_array
from fewact.features.extract import Timing
from fewact.features.precomputed import Precomputed
from fewact.networks import Backbone
from fewact.video.source import TrimMode, check_trim

LOG = logging.getLogger(__name__)


class FewShotClassifier:
    """Recognises actions from one to five training clips of each, and that a clip shows none.

    What was learned is in ``fitted_``, see ``fewact.classifier.fitted.Fitted``; it is missing
    before ``fit`` or ``load``.

    Precomputed features (of skeletons, sound or optical flow) can replace videos in every call. No
    backbone is needed then.

    Methods that change the classifier return it; if they raise an error, it is unchanged. It may be
    shared by threads: changes wait for each other, and predictions for none of them.

    Args:
        backbone: Backbone that computes the features, or its name.
        method: Few-shot method, or its name.
        device: Device of a backbone given by name: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        weights: Weights of a backbone given by name, see ``fewact.networks.create``.
        precision: Precision of a backbone given by name: ``auto``, ``float32``, ``bfloat16``
            or ``int8``.
        engine: Inference engine of a backbone given by name: ``auto``, ``torch`` or ``onnx``.
        options: Options of a method given by name, see ``fewact.methods.create``.
        text: Use of class names as text prompts, for a backbone trained on image–text pairs:
            ``auto``, if they improve the prediction of held-out clips; ``on``; ``off``.
        false_alarms: Highest fraction of clips of untaught actions that get a class, above 0; see
            ``OpenSet.decision``. 1 answers every clip with a class. It can be changed at any time.
            None limits it to 0.1 if there are clips of no class; if there are none, about a tenth
            of other people's clips of the classes is rejected.
        trim: Still ends of clips, before and after the action: ``auto`` leaves them out where they
            are long, ``off`` never. It holds for training clips and for predicted ones. It can be
            changed at any time, for later clips.
        sets: Fraction of clips whose true class must be in ``Prediction.set``, such as 0.9; see
            ``Calibration.set_threshold``. It can be changed at any time. None: no sets.
        pose: Estimator of the joints of clips that have none beside their frames, see
            ``fewact.poses.create``; or its name; ``auto`` for the first that is installed; ``off``
            to leave such clips without joints. It can be changed at any time, for later clips.

    >>> classifier = FewShotClassifier().fit("actions")  # doctest: +SKIP
    >>> classifier.predict("new.mp4").label  # doctest: +SKIP
    'wave'
    """

    def __init__(
        self,
        backbone: str | Backbone = "auto",
        method: str | AnyMethod = "auto",
        device: str = "auto",
        *,
        weights: str | Path = "default",
        precision: str = "auto",
        engine: str = "auto",
        options: Mapping[str, Any] | None = None,
        text: TextMode = "auto",
        false_alarms: float | None = None,
        trim: TrimMode = "auto",
        sets: float | None = None,
        pose: Pose = OFF,
    ) -> None:
        self.backbone, self.method, self.device = backbone, method, device
        self.weights, self.precision, self.engine = weights, precision, engine
        self.options = options
        self.text, self.false_alarms = text, false_alarms
        self.trim, self.sets, self.pose = trim, sets, pose
        self._changing = threading.RLock()
        self._state: Fitted | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_changing"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._changing = threading.RLock()  # of a copy: another one, and free

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        ForkingPickler.register(cls, _for_process)

    def fit(
        self,
        clips: LabelledSource,
        labels: ClipLabels | None = None,
        *,
        none: Source | None = None,
        joints: str | Path | None = None,
        progress: Progress | None = None,
        timing: Timing | None = None,
    ) -> Self:
        """Learn classes from training clips; classes learned before are forgotten.

        A clip that cannot be read is skipped with a warning and listed in ``fitted_.skipped``.

        Args:
            clips: Folder with one subfolder of clips per class; table, see
                ``fewact.data.read_table``; .npz file of features; list of clips as for
                ``predict``; or a dictionary with the clips of each class by its name. Clips in the
                folder ``none``, or with this label, show none of the classes.
            labels: Class of each clip of a list; None if each ``Clip`` has a label. Integers stay
                integers in ``classes_`` and in predictions, as in scikit-learn.
            none: More clips that show none of the classes, as for ``add_class``.
            joints: Joints of the body in the clips, which are compared beside the picture: a folder
                with a file of poses for each clip, of the same stem; or an .npz file with a table
                of its clips, see ``fewact.data.poses.file``. ``off`` for none. By default a path's
                are in the file of poses of the same stem beside it, if there is one.
            progress: Called after each clip with the number of finished clips and of all clips.
            timing: Adds up the time of each stage.

        Raises:
            DataError: There are fewer than two classes, a class has no readable clip, clips are
                not found, or features differ in size.
            OptionError: The method needs more than the precomputed features, a backbone is chosen
                for them, or ``false_alarms`` is not a rate.
        """
        check_rate(self.false_alarms)
        check_set_rate(self.sets)
        source, texts, integers = text_source(clips, labels)
        clips_with_names = labelled(source, texts, none, joints)
        with self._changing:
            started = time.perf_counter()
            self._state = fitted = fit(
                clips_with_names,
                self.pipeline_for,
                text=self.text,
                integers=integers,
                progress=progress,
                timing=timing,
            )
        LOG.info(
            "learned %d classes from %d clips in %.1f s, %d skipped: %s",
            len(fitted.classes),
            len(fitted.examples.clips),
            time.perf_counter() - started,
            len(fitted.skipped),
            first_few(map(str, fitted.sorted_labels)),
        )
        return self

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
        queries, single = query_clips(clips)
        predictions = self._predict_all(self.fitted_, queries)
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
        return self._predict_each(self.fitted_, each_query(clips), timing)

    def predict_proba(self, clips: ClipLike | Iterable[ClipLike]) -> NDArray[np.float64]:
        """Return probabilities (q n) of clips that show one of ``classes_``, in this order.

        Args:
            clips: Clips, as for ``predict``, q of them; one clip is q = 1.

        Raises:
            VideoError: A clip cannot be read.
        """
        fitted, queries = self.fitted_, query_clips(clips)[0]
        labels = fitted.sorted_labels
        rows = [
            [prediction.probabilities[label] for label in labels]
            for prediction in self._predict_all(fitted, queries)
        ]
        return np.array(rows, dtype=np.float64).reshape(-1, len(labels))

    def score(
        self,
        clips: LabelledSource,
        labels: ClipLabels | None = None,
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
        queries = [clip for clip, _ in labelled(source, texts)]
        if not queries:
            raise DataError("no clips to score", expected="at least one labelled clip")
        weights = None if sample_weight is None else _checked_weights(sample_weight, len(queries))
        fitted = self.fitted_
        right = [
            str(prediction.label) == _correct_answer(clip.label or "", integers=fitted.integers)
            for prediction, clip in zip(self._predict_all(fitted, queries), queries, strict=True)
        ]
        return float(np.average(np.array(right, float), weights=weights))

    def warm_up(self) -> Self:
        """Predict a made-up clip, so that the first prediction takes no longer than later ones."""
        fitted = self.fitted_
        backbone = fitted.backbone
        if isinstance(backbone, DeferredBackbone):  # only stored features are compared
            return self
        clip: AnyClip
        if isinstance(backbone, Precomputed):
            shape = (backbone.frames, backbone.card.vectors or 1)
            clip = FeatureClip("warm-up", np.ones(shape, np.float32))
        else:
            noise = np.random.default_rng(0).integers(0, 256, (16, 240, 320, 3), np.uint8)
            clip = Frames(noise, name="warm-up")
        self._predict_all(fitted, [clip])
        return self

    def add_class(self, name: Label, clips: Source) -> Self:
        """Learn one more class.

        Args:
            name: Name of the class.
            clips: Clip, path, folder or pattern, or several of them; or an .npz file of features
                that all belong to the class.

        Raises:
            DataError: The class exists already, or no clip can be read.
        """
        return self._edited(lambda fitted: edit.add_class(fitted, name, clips))

    def add_clips(self, name: Label, clips: Source) -> Self:
        """Learn more clips of a class.

        Of a clip that lasts longer than all training clips, only the part is used that is most like
        the class, unless ``trim`` is off.

        Args:
            name: Name of the class.
            clips: Clips, as for ``add_class``.

        Raises:
            DataError: The class does not exist, no clip can be read, or a clip is known already.
        """
        return self._edited(lambda fitted: edit.add_clips(fitted, name, clips))

    def add_none(self, clips: Source) -> Self:
        """Learn more clips that show none of the classes; see ``add_clips``."""
        return self._edited(lambda fitted: edit.add_none(fitted, clips))

    def remove_class(self, name: Label) -> Self:
        """Forget a class; no video is read.

        Args:
            name: Name of the class.

        Raises:
            DataError: The class does not exist, or only one class would be left.
        """
        return self._edited(lambda fitted: edit.remove_class(fitted, name))

    def rename_class(self, name: Label, new: Label) -> Self:
        """Give a class another name; no video is read.

        Args:
            name: Name of the class.
            new: New name.

        Raises:
            DataError: The class does not exist, or the new name is taken or invalid.
        """
        return self._edited(lambda fitted: edit.rename_class(fitted, name, new))

    def remove_clips(self, clips: Sequence[ClipId] | ClipId) -> Self:
        """Forget some training clips, or clips of no class; no video is read.

        Args:
            clips: Clips to forget, each as a ``ClipId``; or a single one.

        Raises:
            DataError: A clip is not found or not the only one of its name, or a class would have no
                clips left.
        """
        return self._edited(lambda fitted: edit.remove_clips(fitted, clips))

    def move_clip(self, clip: ClipId, label: Label) -> Self:
        """Correct the label of a training clip; no video is read.

        Args:
            clip: Clip to move.
            label: Class that the clip shows, or ``none``.

        Raises:
            DataError: The clip is not found or not the only one of its name, the class does not
                exist, the clip has this label already, or its class would have no clips left.
        """
        return self._edited(lambda fitted: edit.move_clip(fitted, clip, label))

    def save(self, folder: str | Path, *, thumbnails: bool = False, change: str = "saved") -> Path:
        """Save the classifier in a folder, as the file ``model.safetensors`` that ``load`` reads.

        The file has names and features of the training clips, not the clips. An existing model is
        replaced completely or not at all; other files in the folder are kept. The model that is
        replaced is kept too, see ``classifier.history``. README.md and config.json beside the file
        say what is in it; they are not read.

        Args:
            folder: Folder of the model; parent folders are created.
            thumbnails: Whether to store a small image of each training clip too.
            change: What was changed, in a few words, for the list of former versions.

        Returns:
            The folder.

        Raises:
            ModelError: The folder has other files or cannot be written; or thumbnails are requested
                for precomputed features.
            OptionError: ``change`` is not a text; or ``false_alarms``, ``sets`` or ``trim`` is
                invalid.
            VideoError: A clip cannot be read for its thumbnail.
        """
        fitted = self.fitted_
        if not isinstance(change, str):
            raise OptionError("not a text", where="change", got=repr(change)[:80], expected="text")
        check_rate(self.false_alarms)
        check_set_rate(self.sets)
        from fewact.classifier import history

        target = user_path(folder, ModelError).resolve()
        history.check_target(target)
        header, content = file.encode(
            fitted,
            thumbnails=thumbnails,
            change=change,
            false_alarms=self.false_alarms,
            sets=self.sets,
            trim=check_trim(self.trim),
        )
        history.save(target, header, content)
        return target

    @classmethod
    def load(
        cls,
        folder: str | Path,
        device: str = "auto",
        weights: str | Path | None = None,
        *,
        engine: str = "auto",
        backbone: Backbone | None = None,
        lazy: bool = False,
        pose: "Pose | None" = None,
    ) -> Self:
        """Load a classifier that ``save`` saved; the training clips are not needed.

        Args:
            folder: Folder of the model, or its file alone.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            weights: New location of the backbone's weights; None if they have not moved.
            engine: ``auto``, ``torch`` or ``onnx``; it need not be the one of the training.
            backbone: Backbone, if it is already built.
            lazy: Whether the backbone is built when its network is first needed: corrections and
                reviews compute with the features that the model stores.
            pose: Estimator of joints, as for the class; None for the one that the model was taught
                with, if any. If that is missing, a warning says so when a clip needs it.

        Raises:
            ModelError: The folder has no model; the model is damaged or has another version; or the
                backbone is not the one of the training.
            OptionError: There is no such device or engine, or ``backbone`` is not a backbone.
        """
        if not (backbone is None or isinstance(backbone, Backbone)):
            raise OptionError(
                "not a backbone",
                where="backbone",
                got=repr(backbone)[:80],
                expected="an object, such as fewact.networks.create()",
                hint="The model knows the name of its backbone: leave the argument out.",
            )
        try:
            model = file.load(folder)
        except ModelError as error:
            from fewact.classifier import history

            history.hint_at_undo(error, folder)
            raise
        header, spec = model.header, model.header.backbone.spec
        location = str(weights) if weights is not None else spec.weights
        new_location = None if weights is None else location
        where = str(folder)
        if backbone is None and lazy:
            backbone = header.backbone.deferred(where)
        built = backbone or header.backbone.create(new_location, device, engine, where)
        header.backbone.check(built, where)
        precomputed = isinstance(built, Precomputed)
        classifier = cls(
            "auto" if precomputed else backbone or spec.name,
            model.method,
            device,
            weights="default" if precomputed else location,
            precision="auto" if precomputed else spec.precision,
            engine="auto" if precomputed else engine,
            text="off" if model.class_names is None else model.class_names.mode,
            false_alarms=header.false_alarms,
            trim=header.trim,
            sets=header.sets,
            pose=PoseOfModel(header.pose) if pose is None else pose,
        )
        named, choice = model.class_names is not None, classifier._choice
        with checked_fit(model.examples):
            classifier._state = fit_examples(
                Pipeline(built, model.method, header.trim, named, choice, classifier.pose),
                model.examples,
                class_names=model.class_names,
                before=(header.calibration, header.open_set, model.support),
                integers=header.integers,
            )
        return classifier

    def push_to_hub(
        self, repository: str, *, private: bool = False, thumbnails: bool = False, token: str = ""
    ) -> str:
        """Save the classifier to the Hugging Face hub; ``from_pretrained`` loads it there.

        What ``save`` writes is uploaded: names and features of the training clips, not the clips.
        Needs the package huggingface_hub.

        Args:
            repository: Repository ``owner/name``; created if it does not exist.
            private: Whether a new repository is private.
            thumbnails: Whether to upload a small image of each training clip too.
            token: Token of the hub; if empty, `hf auth login` or HF_TOKEN gives it.

        Returns:
            Address of the upload.

        Raises:
            ModelError: It is not the name of a repository, the client is not installed, or the hub
                refuses or cannot be reached.
        """
        from fewact.classifier import hub

        save = partial(self.save, thumbnails=thumbnails)
        return hub.upload(save, repository, private=private, token=token)

    @classmethod
    def from_pretrained(cls, model: str | Path, *, token: str = "", **options: Any) -> Self:
        """Load a classifier from a folder, or from the Hugging Face hub.

        If the hub does not answer, what was downloaded before is read. A name that is nearly that
        of a folder here is a typing error, unless it has a revision, such as ``@main``.

        Args:
            model: Folder of a model, or repository ``owner/name[@revision]`` of the hub.
            token: Token of the hub; if empty, `hf auth login` or HF_TOKEN gives it.
            **options: Further arguments of ``load``.

        Raises:
            ModelError: As for ``load``; or there is no such folder, and it is not the name of a
                repository; or the client is not installed, the hub has no such repository, or
                cannot be reached.
        """
        from fewact.classifier import hub

        return cls.load(hub.folder_of(model, token), **options)

    @property
    def fitted_(self) -> Fitted:
        """What was learned; new clips are read as ``trim`` and ``pose`` say at the moment."""
        if self._state is None:
            raise NotFittedError(
                "the classifier has no classes yet", hint="Call fit, or load a saved model."
            )
        return self._state.reading(self.trim, self.pose)

    @fitted_.setter
    def fitted_(self, fitted: Fitted) -> None:
        self._state = fitted

    @property
    def classes_(self) -> NDArray[Any]:
        """Sorted classes, texts or integers, as an array like those of scikit-learn."""
        return self.fitted_.sorted_labels

    def pipeline_for(self, clip: AnyClip, joints: str | None = None) -> Pipeline:
        """Return the pipeline that has learned, or a new one for clips like this one.

        Args:
            clip: One of them.
            joints: Layout of the joints beside them, empty without joints; None if any will do.
        """
        trim, fitted, choice = check_trim(self.trim), self._state, self._choice
        if (
            fitted is not None
            and not fitted.pipeline.precomputed
            and not isinstance(clip, FeatureClip)
            and fitted.pipeline.choice == choice
            and (joints is None or self.pose != OFF or fitted.pipeline.joints == joints)
        ):
            return replace(fitted.pipeline, trim=trim)
        return replace(choice.build(clip, joints or ""), trim=trim)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as scikit-learn's estimators do.

        Args:
            deep: Without effect: no parameter is an estimator.
        """
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters.

        ``false_alarms``, ``sets``, ``trim`` and ``pose`` hold for all later predictions, ``trim``
        and ``pose`` also for clips that are learned later. The others take effect in the next
        ``fit``.

        Args:
            **parameters: New values by name.

        Raises:
            OptionError: There is no such parameter; none is set then.
        """
        check_options(parameters, tuple(self._parameters()), of=type(self).__name__)
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Return the parameters that are not the default, and what is learned."""
        parameters = self._parameters()
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if not _equal(value, parameters[name].default)
        ]
        short = ", ".join(text if len(text) < 80 else f"{text[:76]} ..." for text in changed)
        call = f"{type(self).__name__}({short})"
        fitted = self._state
        if fitted is None:
            return call
        return f"<{call}: {first_few(fitted.classes)}; {len(fitted.examples.clips)} clips>"

    def __sklearn_clone__(self) -> Self:
        """Return a classifier of equal parameters that has learned nothing."""
        return type(self)(**self.get_params())

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn needs to know; only scikit-learn calls this."""
        tags = importlib.import_module("sklearn.utils")
        return tags.Tags(
            estimator_type="classifier",
            target_tags=tags.TargetTags(required=True),
            classifier_tags=tags.ClassifierTags(),
            input_tags=tags.InputTags(two_d_array=False, string=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether classes are learned."""
        return self._state is not None

    @classmethod
    def _parameters(cls) -> dict[str, inspect.Parameter]:
        parameters = dict(inspect.signature(cls.__init__).parameters)
        del parameters["self"]
        return parameters

    @property
    def _choice(self) -> Choice:
        network = self.weights, self.precision, self.engine
        options = dict(self.options or {})
        return Choice(self.backbone, self.method, self.device, *network, options, self.pose)

    def _edited(self, change: Callable[[Fitted], Fitted]) -> Self:
        """Change what is learned; changes by other threads wait, so that none is lost."""
        with self._changing:
            self._state = change(self.fitted_)
        return self

    def _predict_all(self, fitted: Fitted, clips: Sequence[AnyClip]) -> Predictions:
        predictions = Predictions()
        for prediction in self._predict_each(fitted, clips):
            if isinstance(prediction, Skipped):
                raise prediction.error
            predictions.append(prediction)
        return predictions

    def _predict_each(
        self, fitted: Fitted, clips: Iterable[AnyClip], timing: Timing | None = None
    ) -> Iterator[Prediction | Skipped]:
        limit = self.false_alarms
        answers = predict(fitted, clips, timing, false_alarms=limit, sets=self.sets, movers=True)
        return (answer for _, answer in answers)


def _for_process(classifier: FewShotClassifier) -> tuple[Any, ...]:
    """Return what another process gets instead of a classifier: its pickle as bytes.

    Of a network or a method of the lab, PyTorch would pass each tensor as an open file. There are
    too many of them for some start methods, and the files of temporary tensors are closed before
    they are passed.
    """
    return pickle.loads, (pickle.dumps(classifier),)


ForkingPickler.register(FewShotClassifier, _for_process)


def _equal(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


def _correct_answer(label: str, *, integers: bool) -> str:
    """Return the text of the prediction that is correct for a clip with this label."""
    if label == BACKGROUND:
        return NONE
    return as_integer(label) if integers else label


def _checked_weights(weights: Any, count: int) -> NDArray[np.float64]:
    where, expected = "sample_weight", f"{count} numbers from 0 up, not all 0"
    array = as_array(weights, where, expected)
    if array.dtype.kind not in "biuf" or array.shape != (count,):
        got = f"{array.dtype} {array.shape}"
        raise DataError("not one weight for each clip", where=where, got=got, expected=expected)
    numbers = array.astype(np.float64)
    if not (np.isfinite(numbers).all() and (numbers >= 0).all() and numbers.any()):
        raise DataError("invalid weights", where=where, got=str(numbers)[:80], expected=expected)
    return numbers
