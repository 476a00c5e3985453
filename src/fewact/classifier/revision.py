"""Make a classifier have exactly the training clips of a list; only new ones are encoded."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fewact.classifier.class_names import embed_class_names, text_encoder
from fewact.classifier.estimator import is_fitted, learned, pipeline_for, refit
from fewact.classifier.example import Example
from fewact.classifier.examples import Examples, join
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.fitted import Fitted
from fewact.classifier.naming import check_label
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.saved.backbone import saved_backbone
from fewact.classifier.saved.method import saved_method
from fewact.classifier.saved.model_folder import SavedModel
from fewact.classifier.teaching import teach
from fewact.core.errors import DataError
from fewact.core.page_folder import page_file
from fewact.data import BACKGROUND, Clip

Key = tuple[str, float | None, float | None, int]
"""File of a clip of a page, or name of another clip; start and end of the segment; number among
the clips that have all of these in common."""


@dataclass(frozen=True)
class Lesson:
    """A clip that is encoded, and how the model should have it.

    Args:
        key: What identifies the clip.
        label: Its class, or ``none``.
        name: Its name.
    """

    key: Key
    label: str
    name: str


def keys_of(examples: Iterable[Example]) -> list[Key]:
    """Return what identifies each of the examples of a model."""
    counts: Counter[tuple[str, float | None, float | None]] = Counter()
    keys = []
    for one in examples:
        same = one.page_file or one.name, one.start, one.end
        keys.append((*same, counts[same]))
        counts[same] += 1
    return keys


class Revision:
    """A classifier, and the encoded clips that it may be taught.

    Args:
        classifier: Classifier; it may be new.
    """

    def __init__(self, classifier: FewShotClassifier) -> None:
        self.classifier = classifier
        self._pipeline = learned(classifier)[0] if is_fitted(classifier) else None
        self._encoded: dict[Key, Examples] = {}

    @property
    def examples(self) -> tuple[Example, ...]:
        """All training clips of the classifier, also those of no class."""
        fitted = self._fitted
        return () if fitted is None else fitted.everything.clips

    @property
    def precomputed(self) -> bool:
        """Whether the classifier was taught from precomputed features."""
        return self._pipeline is not None and self._pipeline.precomputed

    def encode(self, clip: Clip) -> None:
        """Encode a clip, if it is not encoded yet; its label does not matter.

        Raises:
            VideoError: It cannot be read.
        """
        key = clip.path.name, clip.start, clip.end, 0
        if self.has([key]):
            return
        pipeline = self._pipeline = self._pipeline or pipeline_for(self.classifier, clip)
        self._encoded[key] = self._row(clip, pipeline)

    def _row(self, clip: Clip, pipeline: Pipeline) -> Examples:
        unlabelled = replace(clip, label=BACKGROUND)
        rows, skipped = teach(
            [unlabelled], [clip.path.name], pipeline, image_embedding=self._uses_text(pipeline)
        )
        if skipped:
            raise skipped[0].error
        (example,) = rows.clips
        named = replace(example, page_file=page_file(clip.path.name))
        return replace(rows, clips=(named,))

    def has(self, keys: Iterable[Key]) -> bool:
        """Return whether all these clips are encoded."""
        return set(keys) <= {*self._encoded, *keys_of(self.examples)}

    def add(self, former: SavedModel) -> None:
        """Add the clips of another model, such as a former version; clips that are known stay.

        Nothing is added if its clips cannot be compared with those of the classifier: if it encoded
        them otherwise, or the classifier has encoded none yet.
        """
        pipeline = self._pipeline
        if pipeline is None or self._uses_text(pipeline) != (former.class_names is not None):
            return
        if encodes_as(former, pipeline):
            self._encoded = _each(former.examples) | self._encoded

    def teach(self, lessons: Sequence[Lesson]) -> None:
        """Fit the classifier to these clips; what it learned before is replaced.

        Raises:
            DataError: There are fewer than two classes, or a clip is not encoded.
        """
        names = {check_label(one.label) for one in lessons if one.label != BACKGROUND}
        if len(names) < 2:
            raise DataError(
                "fewer than two classes",
                got=", ".join(sorted(names)) or "none",
                expected="at least two, each with a clip",
            )
        known, pipeline, fitted = self._known(), self._pipeline, self._fitted
        missing = [one.name for one in lessons if one.key not in known]
        if missing or pipeline is None:  # without a pipeline, no clip is known
            raise DataError(
                f'the clip "{missing[0]}" cannot be taught: it has no video, and no version of the'
                " model that can be used has its features",
                hint="Add the clip again, or remove it.",
            )
        examples = join([_renamed(known[one.key], one) for one in lessons])
        self._encoded |= known  # what is removed now may come back
        class_names = None if fitted is None else fitted.class_names
        if fitted is None and (encoder := text_encoder(pipeline.backbone, self.classifier.text)):
            class_names = embed_class_names(encoder, examples.classes, self.classifier.text)
        refit(self.classifier, pipeline, examples, class_names)

    @property
    def _fitted(self) -> Fitted | None:
        return learned(self.classifier)[1] if is_fitted(self.classifier) else None

    def _known(self) -> dict[Key, Examples]:
        """Return the encoded clips, each alone."""
        fitted = self._fitted
        return self._encoded | ({} if fitted is None else _each(fitted.everything))

    def _uses_text(self, pipeline: Pipeline) -> bool:
        if self._fitted is not None:
            return self._fitted.class_names is not None
        return text_encoder(pipeline.backbone, self.classifier.text) is not None


def encodes_as(model: SavedModel, pipeline: Pipeline) -> bool:
    """Return whether a saved model turns videos into the same nodes as a pipeline."""
    config, method = model.config, pipeline.method
    if config.method != saved_method(method):
        return False
    if config.backbone.card != saved_backbone(pipeline.backbone, "").card:
        return False
    state = method.state_dict()
    return all(value.equal(state[name].cpu()) for name, value in model.method.state_dict().items())


def _each(examples: Examples) -> dict[Key, Examples]:
    """Return each clip alone."""
    return {key: examples.select([i]) for i, key in enumerate(keys_of(examples.clips))}


def _renamed(row: Examples, lesson: Lesson) -> Examples:
    """Return one encoded clip with its class and name."""
    (old,) = row.clips
    new = replace(old, name=lesson.name, label=lesson.label)
    return replace(row, clips=(new,))
