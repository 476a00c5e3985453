"""Change a saved model in place, or make a classifier have exactly the clips of a list."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fewact.classifier.class_names import find_class_names, text_encoder
from fewact.classifier.edit import with_examples
from fewact.classifier.examples import Examples, join
from fewact.classifier.few_shot import (
    FewShotClassifier,
    fitted_of,
    load_stored,
    pipeline_for,
    replace_fitted,
)
from fewact.classifier.file import SavedModel
from fewact.classifier.fit import encode_examples
from fewact.classifier.fitted import Fitted, fit_examples
from fewact.classifier.history import editing
from fewact.classifier.names import Example, Sides, check_label
from fewact.classifier.page_folder import page_file
from fewact.classifier.pipeline import Pipeline, SavedBackbone, SavedMethod
from fewact.core.errors import DataError
from fewact.data import BACKGROUND, Clip


@contextmanager
def change_model(
    folder: str | Path,
    change: str,
    *,
    device: str = "auto",
    engine: str = "auto",
    weights: str | Path | None = None,
    corrected: bool = False,
) -> Iterator[FewShotClassifier]:
    """Load a model, as ``FewShotClassifier.load``; save it when the block ends without an error.

    Other editors of the same model wait meanwhile, so that no change is lost. ``history.undo``
    takes the change back, which is described in a few words for the list of former versions.

    A model is ``corrected`` if no video is read. The network is then built only where a new class
    name is embedded, or if its weights have moved: so corrections take little time, and need
    neither the weights nor the device of the network.
    """
    with editing(folder):
        if corrected and weights is None:
            classifier = load_stored(folder)
        else:
            classifier = FewShotClassifier.load(folder, device, weights, engine=engine)
        yield classifier
        classifier.save(folder, thumbnails=classifier.has_thumbnails, change=change)


Key = tuple[str, float | None, float | None, int, Sides | None]
"""File of a clip of a page, or name of another clip; start and end of the segment; number among
the clips that have all of these in common; and the box."""


def keys_of(examples: Iterable[Example]) -> list[Key]:
    """Return what identifies each of the examples of a model."""
    counts: Counter[tuple[object, ...]] = Counter()
    keys = list[Key]()
    for example in examples:
        source = example.page_file or example.name, example.start, example.end
        keys.append((*source, counts[*source, example.box], example.box))
        counts[*source, example.box] += 1
    return keys


class Revision:
    """A classifier, which may be new, and the encoded clips that it may learn from."""

    def __init__(self, classifier: FewShotClassifier) -> None:
        self.classifier = classifier
        fitted = self._fitted
        self._pipeline = None if fitted is None else fitted.pipeline
        self._encoded: dict[Key, Examples] = {}

    @property
    def examples(self) -> tuple[Example, ...]:
        """All training clips of the classifier, also those of no class."""
        fitted = self._fitted
        return () if fitted is None else fitted.everything.clips

    @property
    def precomputed(self) -> bool:
        """Whether the classifier learned from precomputed features."""
        return self._pipeline is not None and self._pipeline.precomputed

    def encode(self, clip: Clip) -> None:
        """Encode a clip, if it is not encoded yet; its label does not matter."""
        key = clip.path.name, clip.start, clip.end, 0, clip.box
        if self.has([key]):
            return
        pipeline = self._pipeline = self._pipeline or pipeline_for(self.classifier, clip)
        self._encoded[key] = self._row(clip, pipeline)

    def _row(self, clip: Clip, pipeline: Pipeline) -> Examples:
        unlabelled = replace(clip, label=BACKGROUND)
        rows, skipped = encode_examples(
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

    def teach(self, lessons: Sequence[tuple[Key, str, str]]) -> None:
        """Fit the classifier to clips by key, each with label and name; forget all others."""
        names = {check_label(label) for _, label, _ in lessons if label != BACKGROUND}
        if len(names) < 2:
            raise DataError(
                "fewer than two classes",
                got=", ".join(sorted(names)) or "none",
                expected="at least two, each with a clip",
            )
        encoded, pipeline, fitted = self._known(), self._pipeline, self._fitted
        missing = [name for key, _, name in lessons if key not in encoded]
        if missing or pipeline is None:  # without a pipeline, no clip is known
            raise DataError(
                f'the clip "{missing[0]}" cannot be taught: it has no video, and no version of the'
                " model that can be used has its features",
                hint="Add the clip again, or remove it.",
            )
        rows = [_renamed(encoded[key], label, name) for key, label, name in lessons]
        self._encoded |= encoded  # what is removed now may come back
        if fitted is not None:
            replace_fitted(self.classifier, with_examples(fitted, rows))
            return
        examples = join(rows)
        class_names = find_class_names(pipeline.backbone, self.classifier.text, examples.classes)
        first = fit_examples(pipeline, examples, class_names=class_names)
        replace_fitted(self.classifier, first)

    @property
    def _fitted(self) -> Fitted | None:
        return fitted_of(self.classifier) if self.classifier.__sklearn_is_fitted__() else None

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
    header, method = model.header, pipeline.method
    if header.method != SavedMethod.of(method):
        return False
    if header.backbone.card != SavedBackbone.of(pipeline).card:
        return False
    state = method.state_dict()
    return all(value.equal(state[name].cpu()) for name, value in model.method.state_dict().items())


def _each(examples: Examples) -> dict[Key, Examples]:
    """Return each clip alone."""
    return {key: examples.select([i]) for i, key in enumerate(keys_of(examples.clips))}


def _renamed(row: Examples, label: str, name: str) -> Examples:
    (clip,) = row.clips
    return replace(row, clips=(replace(clip, name=name, label=label),))
