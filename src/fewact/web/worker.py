"""What is done with the classifier, in a process of its own."""

import warnings
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fewact.classifier import FewShotClassifier
from fewact.classifier.config import CONFIG
from fewact.classifier.open_set import describe
from fewact.classifier.revision import Key, Revision
from fewact.data import Clip
from fewact.errors import ModelError
from fewact.io.folders import current
from fewact.io.page_folder import PAGE_FOLDER


class Worker:
    """Classifier of a model folder; runs in a child.

    Args:
        model: Folder of the model; it may have none yet.
        options: Options for loading and for a new classifier: ``device`` and ``engine``.
    """

    def __init__(self, model: str, options: dict[str, str]) -> None:
        self._model, self._options = Path(model), options
        self._revision = Revision(
            FewShotClassifier(device=options["device"], engine=options["engine"])
        )
        self._loaded: tuple[int, int] | None = None
        self._thumbnails = False

    def open(self) -> dict[str, Any]:
        """Read the model if it is another one than before; return its training clips and facts.

        Raises:
            ModelError: It is damaged, or was taught from features.
        """
        found = self._identity()
        if found is not None and found != self._loaded:
            device, engine = self._options["device"], self._options["engine"]
            revision = Revision(FewShotClassifier.load(self._model, device, engine=engine))
            if revision.precomputed:
                raise ModelError(
                    "the model was taught from features, not from clips", where=str(self._model)
                )
            self._revision, self._loaded = revision, found
            self._thumbnails = (self._model / "thumbnail-0001.jpg").is_file()
        return self._facts()

    def encode(self, clip: dict[str, Any]) -> None:
        """Encode a clip for ``teach``."""
        self.open()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._revision.encode(self._clip(clip))

    def teach(self, clips: list[dict[str, Any]]) -> dict[str, Any]:
        """Make the model have exactly these clips, and save it."""
        self.open()
        labels = [(_key(clip), clip["label"]) for clip in clips]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for clip in clips:
                if clip["source"]:  # after a restart nothing is encoded
                    self._revision.encode(self._clip(clip))
            self._revision.teach(labels)
            self._revision.classifier.save(self._model, thumbnails=self._thumbnails)
        self._loaded = self._identity()
        return self._facts()

    def predict(self, clip: dict[str, Any]) -> dict[str, Any]:
        """Predict the class of a clip."""
        self.open()
        prediction = self._revision.classifier.predict(self._clip(clip))
        facts = asdict(prediction)
        del facts["clip"]
        titles = {example.title: example for example in self._revision.examples}
        return {**facts, "nearest": asdict(titles[prediction.nearest])}

    def _clip(self, clip: dict[str, Any]) -> Clip:
        path = self._model / PAGE_FOLDER / clip["file"]
        return Clip(path, start=clip["start"], end=clip["end"])

    def _identity(self) -> tuple[int, int] | None:
        """Return what distinguishes one saved model from the next; None if there is none."""
        try:
            facts = (current(self._model) / CONFIG).stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns

    def _facts(self) -> dict[str, Any]:
        classifier, examples = self._revision.classifier, self._revision.examples
        if not examples:
            return {"model": None, "examples": []}
        calibration = classifier.calibration_
        return {
            "model": {
                "id": str(self._loaded),
                "classes": list(classifier.classes_),
                "clips": dict(Counter(clip.label for clip in examples)),
                "right": calibration.right,
                "held_out": calibration.held_out,
                "interval": calibration.interval,
                "none": len(classifier.none_clips_),
                "promises": describe(classifier.open_set_, classifier.false_alarms),
            },
            "examples": [asdict(one) for one in examples],
        }


def _key(clip: dict[str, Any]) -> Key:
    return clip["file"], clip["start"], clip["end"]
