"""Change a saved model in place, or make a classifier have exactly the clips of a list."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from fewact.classifier.class_names import find_class_names, text_encoder
from fewact.classifier.edit import with_examples
from fewact.classifier.examples import Examples, join
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.file import SavedModel
from fewact.classifier.fit import encode_examples
from fewact.classifier.fitted import Fitted, fit_examples
from fewact.classifier.history import editing
from fewact.classifier.inputs import TrainingClip
from fewact.classifier.names import STORED_FILE, Example, Sides, check_label
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.saved import SavedBackbone, SavedMethod, weights_of
from fewact.core.errors import DataError
from fewact.data.clips import BACKGROUND, Clip


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
            classifier = FewShotClassifier.load(folder, lazy=True)
        else:
            classifier = FewShotClassifier.load(folder, device, weights, engine=engine)
        yield classifier
        classifier.save(folder, thumbnails=classifier.fitted_.has_thumbnails, change=change)


Key = tuple[str, float | None, float | None, int, Sides | None]
"""Stored file of a clip, or name of a clip without one; start and end of the segment; number among
clips with the same file or name and segment; and the box."""


def keys_of(examples: Iterable[Example]) -> list[Key]:
    """Return what identifies each of the examples of a model."""
    counts: Counter[tuple[object, ...]] = Counter()
    keys = list[Key]()
    for example in examples:
        source = example.stored_file or example.name
        keys.append((source, example.start, example.end, counts[example.key], example.box))
        counts[example.key] += 1
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
        """All training clips of the classifier, also clips of no class."""
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
        if self._pipeline is None:
            built = self.classifier.pipeline_for(clip)
            named = text_encoder(built.backbone, self.classifier.text) is not None
            self._pipeline = replace(built, image_embedding=named)
        name = clip.path.name
        lesson = TrainingClip(replace(clip, label=BACKGROUND), name)
        row, skipped = encode_examples([lesson], self._pipeline)
        if skipped:
            raise skipped[0].error
        stored_file = name if STORED_FILE.fullmatch(name) else None
        named_row = tuple(replace(example, stored_file=stored_file) for example in row.clips)
        self._encoded[key] = replace(row, clips=named_row)

    def has(self, keys: Iterable[Key]) -> bool:
        """Return whether all these clips are encoded."""
        return set(keys) <= {*self._encoded, *keys_of(self.examples)}

    def add(self, former: SavedModel) -> None:
        """Add the clips of another model, such as a former version; clips that are known stay.

        Nothing is added if its clips cannot be compared with the clips of the classifier: if they
        were encoded otherwise, or if the classifier has encoded none yet.
        """
        pipeline = self._pipeline
        if pipeline is None or pipeline.image_embedding != (former.class_names is not None):
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
            self.classifier.fitted_ = with_examples(fitted, rows)
            return
        examples = join(rows)
        class_names = find_class_names(pipeline.backbone, self.classifier.text, examples.classes)
        self.classifier.fitted_ = fit_examples(pipeline, examples, class_names=class_names)

    @property
    def _fitted(self) -> Fitted | None:
        return self.classifier.fitted_ if self.classifier.__sklearn_is_fitted__() else None

    def _known(self) -> dict[Key, Examples]:
        """Return the encoded clips, each alone."""
        fitted = self._fitted
        return self._encoded | ({} if fitted is None else _each(fitted.everything))


def encodes_as(model: SavedModel, pipeline: Pipeline) -> bool:
    """Return whether a saved model turns videos into the same nodes as a pipeline."""
    header, method = model.header, pipeline.method
    if header.method != SavedMethod.of(method):
        return False
    if header.backbone.card != SavedBackbone.of(pipeline).card:
        return False
    weights = weights_of(method)
    return all(
        np.array_equal(value, weights[name]) for name, value in weights_of(model.method).items()
    )


def _each(examples: Examples) -> dict[Key, Examples]:
    """Return each clip alone."""
    return {key: examples.select([i]) for i, key in enumerate(keys_of(examples.clips))}


def _renamed(row: Examples, label: str, name: str) -> Examples:
    (clip,) = row.clips
    return replace(row, clips=(replace(clip, name=name, label=label),))
