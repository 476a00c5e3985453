"""Edits of what a classifier has learned: each returns another fitted value.

Only new clips are encoded; corrections read no video.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fewact.classifier.examples import Examples, join
from fewact.classifier.fit import encode_examples
from fewact.classifier.fitted import Fitted, fit_examples
from fewact.classifier.inputs import Source, of_class
from fewact.classifier.names import ClipId, Label, check_label, find_clips, label_text, new_name
from fewact.core.errors import DataError
from fewact.data.clips import BACKGROUND, is_background

LOG = logging.getLogger(__name__)


def add_class(fitted: Fitted, name: Label, clips: Source) -> Fitted:
    """Add a new class, see ``FewShotClassifier.add_class``."""
    _refuse_none(name)
    label = check_label(name, integers=fitted.integers)
    if label in fitted.classes:
        raise DataError("the class exists already", got=repr(label), hint="Use add_clips.")
    return _added(fitted, label, clips)


def add_clips(fitted: Fitted, name: Label, clips: Source) -> Fitted:
    """Add clips to a class, see ``FewShotClassifier.add_clips``."""
    _refuse_none(name)
    return _added(fitted, fitted.existing_class(name), clips)


def add_none(fitted: Fitted, clips: Source) -> Fitted:
    """Add clips of no class, see ``FewShotClassifier.add_none``."""
    return _added(fitted, BACKGROUND, clips)


def remove_class(fitted: Fitted, name: Label) -> Fitted:
    """Remove a class, see ``FewShotClassifier.remove_class``."""
    label = fitted.existing_class(name)
    if len(fitted.classes) == 2:
        raise DataError("only one class would be left", got=repr(label), expected="at least two")
    clips = fitted.everything.clips
    positions = [i for i, clip in enumerate(clips) if clip.label != label]
    return with_examples(fitted, [fitted.everything.select(positions)])


def rename_class(fitted: Fitted, name: Label, new: Label) -> Fitted:
    """Rename a class, see ``FewShotClassifier.rename_class``."""
    label = fitted.existing_class(name)
    renamed = new_name(new, fitted.classes, integers=fitted.integers)
    clips = fitted.everything.clips
    positions = [i for i, clip in enumerate(clips) if clip.label == label]
    return with_examples(fitted, [_labelled(fitted.everything, positions, renamed)])


def remove_clips(fitted: Fitted, clips: Sequence[ClipId] | ClipId) -> Fitted:
    """Remove clips, see ``FewShotClassifier.remove_clips``."""
    everything = fitted.everything
    if isinstance(clips, str) or not isinstance(clips, Iterable):
        clips = [clips]
    removed = set(find_clips(everything.clips, clips))
    positions = [i for i in range(len(everything.clips)) if i not in removed]
    return with_examples(fitted, [_with_all_classes(everything, everything.select(positions))])


def move_clip(fitted: Fitted, clip: ClipId, label: Label) -> Fitted:
    """Give a clip another label, see ``FewShotClassifier.move_clip``."""
    everything = fitted.everything
    none = is_background(label_text(label))
    target = BACKGROUND if none else fitted.existing_class(label)
    (position,) = find_clips(everything.clips, [clip])
    if everything.clips[position].label == target:
        raise DataError(
            "the clip has this label already",
            where=everything.clips[position].title,
            got=repr(target),
        )
    moved = _labelled(everything, [position], target)
    return with_examples(fitted, [_with_all_classes(everything, moved)])


def with_examples(fitted: Fitted, parts: Iterable[Examples]) -> Fitted:
    """Return what is learned of other clips; the names of new classes are embedded."""
    class_names, examples = fitted.class_names, join(parts)
    if class_names is not None:
        class_names = class_names.changed(examples.classes, fitted.pipeline.backbone)
    return fit_examples(
        fitted.pipeline,
        examples,
        class_names=class_names,
        integers=fitted.integers,
        skipped=fitted.skipped,
    )


def _added(fitted: Fitted, label: str, clips: Source) -> Fitted:
    new_examples, skipped = encode_examples(of_class(clips, label), fitted.pipeline, fitted=fitted)
    if repeated := fitted.everything.repeated(new_examples):
        raise DataError(
            "the clip is a training clip already", where=f'class "{label}"', got=repeated[0]
        )
    for new, old in fitted.everything.copies(new_examples):
        LOG.warning('%s equals the training clip %s of "%s"', new.title, old.title, old.label)
    parts = [fitted.everything, fitted.everything.named_apart(new_examples)]
    return with_examples(replace(fitted, skipped=(*fitted.skipped, *skipped)), parts)


def _labelled(examples: Examples, positions: Sequence[int], label: str) -> Examples:
    clips = list(examples.clips)
    for position in positions:
        clips[position] = replace(clips[position], label=label)
    return replace(examples, clips=tuple(clips))


def _with_all_classes(before: Examples, after: Examples) -> Examples:
    """Return the examples after a change; refuse a change by which a class loses all clips."""
    if lost := [name for name in before.classes if name not in after.classes]:
        raise DataError(
            "the class would have no clips left",
            got=", ".join(map(repr, lost)),
            hint="Add another clip of the class first, or remove the class.",
        )
    return after


def _refuse_none(name: Label) -> None:
    if is_background(label_text(name)):
        raise DataError(
            f'"{BACKGROUND}" is reserved for clips of no class',
            got=repr(name),
            hint="Use add_none.",
        )
