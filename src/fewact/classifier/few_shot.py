"""The classifier that learns actions from a few clips of each."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from fewact import backbones, methods
from fewact.backbones import Backbone
from fewact.classifier import model_folder
from fewact.classifier.class_names import Named, TextMode, encoder_of, named_classes
from fewact.classifier.encoding import encode
from fewact.classifier.examples import Examples, join
from fewact.classifier.fitted import Fitted, classify, fit_examples
from fewact.classifier.prediction import Prediction, Skipped
from fewact.classifier.sources import (
    ClipLike,
    Source,
    as_clip,
    check_label,
    labelled,
    of_class,
)
from fewact.classifier.teaching import Progress, teach
from fewact.data import AnyClip, FeatureClip
from fewact.errors import DataError, ModelError, OptionError, VideoError, did_you_mean
from fewact.features.precomputed import Precomputed
from fewact.features.timing import Timing
from fewact.methods.base import Method

Made = tuple[Backbone | Precomputed, Method]
"""What makes nodes of clips: both on one device."""


class FewShotClassifier:
    """Recognises actions after one to five clips of each.

    What is learnt has a trailing underscore: ``classes_``, the names in natural order; ``clips_``,
    what is remembered of each taught clip besides its features; ``calibration_``, where the
    probabilities come from; ``skipped_``, the clips that could not be read.

    It learns as well from features that were made elsewhere, of skeletons, sound or flow. They take
    the place of videos in every call, and no backbone is needed then.

    Args:
        backbone: Name of the network for the features, or one that is built.
        method: Name of the few-shot method, or one that is made with options.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        weights: Of a named backbone: see ``fewact.backbones.create``.
        precision: Of a named backbone: ``auto``, ``float32`` or ``bfloat16``.
        text: Whether the classes' names count, where the backbone was trained with texts: ``auto``,
            where taught clips that are held out say that it helps; ``on``, always; ``off``, never.

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
        text: TextMode = "auto",
    ) -> None:
        self.backbone = backbone
        self.method = method
        self.device = device
        self.weights = weights
        self.precision = precision
        self.text = text
        self._made: Made | None = None
        self._learnt: Fitted | None = None

    def fit(
        self,
        clips: Source,
        labels: Sequence[str] | None = None,
        *,
        progress: Progress | None = None,
        timing: Timing | None = None,
    ) -> Self:
        """Learn classes from clips, and forget what was learnt before.

        A clip that cannot be read is skipped with a warning and listed in ``skipped_``.

        Args:
            clips: A folder that holds a folder of clips for each class; a table, see
                ``fewact.data.read_table``; an .npz file of features, or a
                ``fewact.data.FeatureDataset``; or a list of paths, ``Clip`` or ``FeatureClip``.
            labels: The class of each clip of a list; not needed where each ``Clip`` has one.
            progress: Called with the number of clips done and of all clips, after each.
            timing: Adds up where the time goes.

        Returns:
            The classifier itself.

        Raises:
            DataError: Fewer than two classes, a class without a clip that can be read, clips that
                cannot be found, or features that are not all of one size.
            OptionError: A method that needs more than the features are, or a backbone for them.
        """
        found, names = labelled(clips, labels)
        classes = {clip.label for clip in found}
        if len(classes) < 2:
            raise DataError(
                "there are fewer than two classes",
                got=", ".join(map(str, classes)) or "none",
                expected="at least two, each with a clip",
            )
        made = self._make(found[0])
        encoder = encoder_of(made[0], self.text)
        examples, skipped = teach(found, names, *made, progress, timing, named=encoder is not None)
        known = None if encoder is None else named_classes(encoder, examples.classes, self.text)
        self._adopt(made, examples, skipped, known)
        return self

    def add_class(self, name: str, clips: Source) -> Self:
        """Learn one more class.

        Args:
            name: Of the class.
            clips: A clip, a path, a folder or a pattern, or several of them; or an .npz file of
                features, all of whose rows are the class's.

        Returns:
            The classifier itself; unchanged where an error is raised.

        Raises:
            DataError: The class exists, or no clip can be read.
        """
        name = check_label(name)
        if name in self._known().classes:
            raise DataError(
                "there is already a class of this name", got=repr(name), hint="Use add_clips."
            )
        return self._add(name, clips)

    def add_clips(self, name: str, clips: Source) -> Self:
        """Learn more clips of a class.

        Args:
            name: Of the class.
            clips: As for ``add_class``.

        Returns:
            The classifier itself; unchanged where an error is raised.

        Raises:
            DataError: There is no such class, no clip can be read, or one is taught already.
        """
        return self._add(self._existing(name), clips)

    def remove_class(self, name: str) -> Self:
        """Forget a class.

        Args:
            name: Of the class.

        Returns:
            The classifier itself; unchanged where an error is raised.

        Raises:
            DataError: There is no such class, or only one would be left.
        """
        name = self._existing(name)
        fitted = self._known()
        if len(fitted.classes) == 2:
            raise DataError("only one class would be left", got=repr(name), expected="at least two")
        clips = fitted.examples.clips
        kept = [i for i, clip in enumerate(clips) if clip.label != name]
        self._adopt(self._ready(), fitted.examples.select(kept), self.skipped_, fitted.named)
        return self

    # A str is also an iterable of str; it is taken as one path.
    @overload
    def predict(self, clips: ClipLike) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, clips: Iterable[ClipLike]) -> list[Prediction]: ...
    def predict(self, clips: ClipLike | Iterable[ClipLike]) -> Prediction | list[Prediction]:
        """Say which class clips show.

        Args:
            clips: A path or ``Clip``, or several; of features see
                ``fewact.data.read_features``.

        Returns:
            A prediction for one clip, a list for several.

        Raises:
            DataError: Videos are given and features were taught, or the other way round, or
                features of another size.
            VideoError: A clip cannot be read; ``predict_each`` goes on with the others.
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
        """Say which class each clip shows, one after the other; those that cannot be read too.

        A prediction does not depend on the other clips.

        Args:
            clips: Paths or clips.
            timing: Adds up where the time goes.

        Returns:
            In the order of the clips a prediction of each, or why it was skipped.

        Raises:
            DataError: As by ``predict``, before the first prediction.
        """
        fitted = self._known()
        backbone, method = self._ready()
        named = fitted.named is not None
        encoded = encode([as_clip(clip) for clip in clips], backbone, method, timing, named=named)
        return (
            Skipped(clip, nodes)
            if isinstance(nodes, VideoError)
            else classify(method, fitted, clip, nodes, timing)
            for clip, nodes in encoded
        )

    def predict_proba(self, clips: Iterable[ClipLike]) -> NDArray[np.float64]:
        """Probabilities (q n) of clips, columns in the order of ``classes_``.

        Args:
            clips: Paths or clips, q of them.

        Raises:
            VideoError: A clip cannot be read.
        """
        rows = [list(prediction.probabilities.values()) for prediction in self.predict(list(clips))]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self._known().classes))

    def save(self, folder: str | Path, *, thumbnails: bool = False) -> Path:
        """Save what was learnt as a folder that ``load`` reads.

        It holds the names and the features of the clips, not the clips. A model that is there is
        replaced as a whole or not at all; files in the folder that are not the model's stay.

        Args:
            folder: Where; its parents are made.
            thumbnails: Whether to store a small image of each training clip too.

        Returns:
            The folder.

        Raises:
            ModelError: The folder holds something else, or cannot be written; or pictures are
                wanted of features.
            VideoError: A clip whose picture is wanted cannot be read.
        """
        backbone, method = self._ready()
        weights = self.weights if isinstance(self.backbone, str) else backbone.card.weights
        return model_folder.save(
            Path(folder).expanduser(),
            self._known(),
            backbone,
            weights,
            method,
            thumbnails=thumbnails,
        )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        device: str = "auto",
        weights: str | Path | None = None,
        *,
        backbone: Backbone | None = None,
    ) -> Self:
        """Load what ``save`` saved; the clips are not needed.

        Args:
            folder: Of the model.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            weights: Where the backbone's weights are now, if not where they were.
            backbone: One that is built already.

        Raises:
            ModelError: No model is there, it is damaged or newer than this version, or the
                backbone is not the one that it was taught with.
        """
        model = model_folder.load(Path(folder).expanduser())
        saved = model.config.backbone
        where = str(weights) if weights is not None else saved.weights
        made = backbone or model_folder.make_backbone(saved, where, device, str(folder))
        model_folder.check_backbone(saved, made, str(folder))
        given = isinstance(made, Precomputed)
        classifier = cls(
            "auto" if given else backbone or saved.name,
            model.method,
            device,
            weights="default" if given else where,
            precision="auto" if given else saved.precision,
            text="off" if model.named is None else model.named.mode,
        )
        method = model.method.to(made.device).eval()
        fitted = fit_examples(
            method, model.examples, made.device, model.config.calibration, model.named
        )
        classifier._made = made, method
        classifier._publish(fitted, [])
        return classifier

    def _make(self, clip: AnyClip) -> Made:
        """What clips like this one need; what was made before, if that is for such."""
        if isinstance(clip, FeatureClip):
            return self._make_given(*clip.vectors.shape)
        if self._made is not None and not isinstance(self._made[0], Precomputed):
            return self._made
        method, backbone = self._make_method(None), self.backbone
        if isinstance(backbone, str):
            backbone = backbones.create(
                backbone, weights=self.weights, device=self.device, precision=self.precision
            )
        return backbone, method.to(backbone.device).eval()

    def _make_given(self, frames: int, width: int) -> tuple[Precomputed, Method]:
        named = self.backbone if isinstance(self.backbone, str) else self.backbone.card.name
        if (named, self.weights, self.precision) != ("auto", "default", "auto"):
            raise OptionError(
                "features that were made elsewhere need no backbone",
                where="backbone, weights, precision",
                got=f"{named}, {self.weights}, {self.precision}",
                expected="auto, default, auto",
            )
        given = Precomputed(frames, width, self.device)
        method = self._make_method(given)
        given.check_requests(method.requests(given.card))
        return given, method.to(given.device).eval()

    def _make_method(self, given: Precomputed | None) -> Method:
        """The method; one that is named suits the features where they are given."""
        method = self.method
        if isinstance(method, str):
            fitting = {}
            if given is not None:
                fitting = methods.fitting(method, given.card, frames=given.frames)
            method = methods.create(method, **fitting)
        if method.uses_text:
            raise OptionError(
                "compares with class names as text, which is not taught from clips",
                where="method",
                got=type(method).__name__,
            )
        return method

    def _known(self) -> Fitted:
        if self._learnt is None:
            raise ModelError("nothing is taught yet", hint="Call fit, or load a saved model.")
        return self._learnt

    def _ready(self) -> Made:
        """What was made for what is known."""
        if self._made is None:
            raise ModelError("nothing is taught yet", hint="Call fit, or load a saved model.")
        return self._made

    def _existing(self, name: str) -> str:
        classes, name = self._known().classes, check_label(name)
        if name not in classes:
            raise DataError(
                "there is no class of this name",
                got=repr(name),
                expected=", ".join(classes),
                hint=did_you_mean(name, classes),
            )
        return name

    def _add(self, label: str, clips: Source) -> Self:
        fitted, made = self._known(), self._ready()
        named = fitted.named is not None
        more, skipped = teach(*of_class(clips, label), *made, named=named)
        if again := fitted.examples.repeated(more):
            raise DataError("this clip is taught already", where=f'class "{label}"', got=again[0])
        self._adopt(made, join([fitted.examples, more]), [*self.skipped_, *skipped], fitted.named)
        return self

    def _adopt(
        self, made: Made, examples: Examples, skipped: list[Skipped], old: Named | None
    ) -> None:
        backbone, method = made
        named = None if old is None else old.changed(examples.classes, backbone)
        fitted = fit_examples(method, examples, backbone.device, named=named)
        self._made = made
        self._publish(fitted, skipped)

    def _publish(self, fitted: Fitted, skipped: list[Skipped]) -> None:
        """Take over what was learnt; nothing here can fail half-way."""
        self._learnt = fitted
        self.classes_ = fitted.classes
        self.clips_ = fitted.examples.clips
        self.calibration_ = fitted.calibration
        self.skipped_ = skipped
