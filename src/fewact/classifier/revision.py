"""Make a classifier have exactly the training clips of a list; only new ones are encoded."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from fewact.classifier.class_names import embed_class_names, text_encoder
from fewact.classifier.examples import Example, Examples, join
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.fitted import Fitted
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.sources import check_label
from fewact.classifier.teaching import teach
from fewact.data import BACKGROUND, Clip
from fewact.errors import DataError

Key = tuple[str, float | None, float | None]


def key_of(example: Example) -> Key:
    """Return the name of an example's file without folders, and its segment."""
    return PurePosixPath(example.name).name, example.start, example.end


class Revision:
    """A classifier, and the encoded clips that it may be taught.

    Args:
        classifier: Classifier; it may be new.
    """

    def __init__(self, classifier: FewShotClassifier) -> None:
        self.classifier = classifier
        self._encoded: dict[Key, Examples] = {}

    @property
    def examples(self) -> tuple[Example, ...]:
        """All training clips of the classifier, also those of no class."""
        fitted = self._fitted
        return () if fitted is None else fitted.everything.clips

    @property
    def precomputed(self) -> bool:
        """Whether the classifier was taught from precomputed features."""
        pipeline = self.classifier._pipeline
        return pipeline is not None and pipeline.precomputed

    def encode(self, clip: Clip) -> None:
        """Encode a clip, if it is not encoded yet; its label does not matter.

        Raises:
            VideoError: It cannot be read.
        """
        key = clip.path.name, clip.start, clip.end
        if key in self._known():
            return
        pipeline = self.classifier._build(clip)
        self.classifier._pipeline = pipeline
        self.classifier._choice = self.classifier._chosen()
        unlabelled = replace(clip, label=BACKGROUND)
        rows, skipped = teach(
            [unlabelled], [clip.path.name], pipeline, image_embedding=self._uses_text(pipeline)
        )
        if skipped:
            raise skipped[0].error
        self._encoded[key] = rows

    def has(self, keys: Iterable[Key]) -> bool:
        """Return whether all these clips are encoded."""
        return set(keys) <= set(self._known())

    def add(self, examples: Examples) -> None:
        """Add encoded clips, such as those of a former version; clips that are known stay."""
        self._encoded = _each(examples) | self._encoded

    def teach(self, labels: Sequence[tuple[Key, str]]) -> None:
        """Fit the classifier to these clips; what it learned before is replaced.

        Args:
            labels: Each clip, which is encoded, and its class, or ``none``.

        Raises:
            DataError: There are fewer than two classes, or a clip is not encoded.
        """
        names = {check_label(label) for _, label in labels if label != BACKGROUND}
        if len(names) < 2:
            raise DataError(
                "fewer than two classes",
                got=", ".join(sorted(names)) or "none",
                expected="at least two, each with a clip",
            )
        known = self._known()
        if missing := [key[0] for key, _ in labels if key not in known]:
            raise DataError("the clip is not encoded", where=missing[0])
        rows = [_relabelled(known[key], label) for key, label in labels]
        self._encoded |= known  # what is removed now may come back
        examples, pipeline, fitted = join(rows), self.classifier._pipeline, self._fitted
        if pipeline is None:
            raise DataError("the clip is not encoded")
        class_names = None if fitted is None else fitted.class_names
        if fitted is None and (encoder := text_encoder(pipeline.backbone, self.classifier.text)):
            class_names = embed_class_names(encoder, examples.classes, self.classifier.text)
        self.classifier._refit(pipeline, examples, [], class_names)

    @property
    def _fitted(self) -> Fitted | None:
        return self.classifier._fitted

    def _known(self) -> dict[Key, Examples]:
        """Return the encoded clips, each alone."""
        fitted = self._fitted
        return self._encoded | ({} if fitted is None else _each(fitted.everything))

    def _uses_text(self, pipeline: Pipeline) -> bool:
        if self._fitted is not None:
            return self._fitted.class_names is not None
        return text_encoder(pipeline.backbone, self.classifier.text) is not None


def _each(examples: Examples) -> dict[Key, Examples]:
    """Return each clip alone."""
    return {key_of(clip): examples.select([i]) for i, clip in enumerate(examples.clips)}


def _relabelled(row: Examples, label: str) -> Examples:
    """Return one encoded clip with another class, and a name in the folder of this class."""
    (example,) = row.clips
    file = PurePosixPath(example.name).name
    return replace(row, clips=(replace(example, name=f"{label}/{file}", label=label),))
