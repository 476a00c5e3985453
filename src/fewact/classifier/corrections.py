"""Corrections of what was taught: other names, other labels, fewer clips."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Self

from fewact.classifier.change_lock import one_at_a_time
from fewact.classifier.estimator import Estimator
from fewact.classifier.example import Example
from fewact.classifier.examples import Examples, join
from fewact.classifier.labels import Label, label_text
from fewact.classifier.naming import ClipId, find_clips, new_name
from fewact.core.errors import DataError
from fewact.data import BACKGROUND, is_background


class Corrections(Estimator):
    """Methods of ``FewShotClassifier`` that correct what was taught, without any video.

    Each returns the classifier, which is unchanged if an error is raised.
    """

    @property
    def all_clips_(self) -> tuple[Example, ...]:
        """Training clips and clips of no class, in the order in which a model stores them."""
        return self._learned.fitted.everything.clips

    @property
    def has_thumbnails(self) -> bool:
        """Whether the model that was loaded has a small image of each clip."""
        origins = self._learned.fitted.everything.origins
        return any(isinstance(origin, bytes) for origin in origins)

    @one_at_a_time
    def remove_class(self, name: Label) -> Self:
        """Forget a class.

        Args:
            name: Name of the class.

        Raises:
            DataError: The class does not exist, or only one class would be left.
        """
        fitted = self._learned.fitted
        name = fitted.existing_class(name)
        if len(fitted.classes) == 2:
            raise DataError("only one class would be left", got=repr(name), expected="at least two")
        kept = [i for i, clip in enumerate(fitted.everything.clips) if clip.label != name]
        return self._keep(fitted.everything.select(kept))

    @one_at_a_time
    def rename_class(self, name: Label, new: Label) -> Self:
        """Give a class another name.

        Args:
            name: Name of the class.
            new: New name.

        Raises:
            DataError: The class does not exist, or the new name is taken or invalid.
        """
        fitted = self._learned.fitted
        name = fitted.existing_class(name)
        new = new_name(new, fitted.classes, integers=fitted.integers)
        positions = [i for i, clip in enumerate(fitted.everything.clips) if clip.label == name]
        return self._keep(_labelled(fitted.everything, positions, new))

    @one_at_a_time
    def remove_clips(self, clips: Sequence[ClipId] | ClipId) -> Self:
        """Forget some training clips, or clips of no class.

        Args:
            clips: Clips to forget, each as a ``ClipId``; or a single one.

        Raises:
            DataError: A clip is not found or not the only one of its name, or a class would have no
                clips left.
        """
        everything = self._learned.fitted.everything
        if isinstance(clips, str) or not isinstance(clips, Iterable):
            clips = [clips]
        removed = set(find_clips(everything.clips, clips))
        kept = [i for i in range(len(everything.clips)) if i not in removed]
        return self._keep(_with_all_classes(everything, everything.select(kept)))

    @one_at_a_time
    def move_clip(self, clip: ClipId, label: Label) -> Self:
        """Correct the label of a training clip.

        Args:
            clip: Clip to move.
            label: Class that the clip shows, or ``none``.

        Raises:
            DataError: The clip is not found or not the only one of its name, the class does not
                exist, the clip has this label already, or its class would have no clips left.
        """
        fitted = self._learned.fitted
        everything = fitted.everything
        none = is_background(label_text(label))
        label = BACKGROUND if none else fitted.existing_class(label)
        (position,) = find_clips(everything.clips, [clip])
        if everything.clips[position].label == label:
            raise DataError(
                "the clip has this label already",
                where=everything.clips[position].title,
                got=repr(label),
            )
        moved = _labelled(everything, [position], label)
        return self._keep(_with_all_classes(everything, moved))

    def _keep(self, examples: Examples) -> Self:
        learned = self._learned
        class_names = learned.fitted.class_names
        self._refit(learned.pipeline, join([examples]), learned.skipped, class_names)
        return self


def _labelled(examples: Examples, positions: Sequence[int], label: str) -> Examples:
    clips = list(examples.clips)
    for position in positions:
        clips[position] = replace(clips[position], label=label)
    return replace(examples, clips=tuple(clips))


def _with_all_classes(before: Examples, after: Examples) -> Examples:
    """Return the examples after a change, if no class has lost all of its clips.

    Raises:
        DataError: A class has.
    """
    if lost := [name for name in before.classes if name not in after.classes]:
        raise DataError(
            "the class would have no clips left",
            got=", ".join(map(repr, lost)),
            hint="Add another clip of the class first, or remove the class.",
        )
    return after
