"""Change what a classifier has learned: add and remove classes and clips."""

import logging
from typing import Self

from fewact.classifier.change_lock import one_at_a_time
from fewact.classifier.corrections import Corrections
from fewact.classifier.examples import join
from fewact.classifier.labels import Label, label_text
from fewact.classifier.naming import check_label
from fewact.classifier.sources import Source, of_class
from fewact.classifier.teaching import teach
from fewact.core.errors import DataError
from fewact.data import BACKGROUND, is_background

LOG = logging.getLogger(__name__)


class ClassEdits(Corrections):
    """Methods of ``FewShotClassifier`` that change its classes; only new clips are encoded."""

    @one_at_a_time
    def add_class(self, name: Label, clips: Source) -> Self:
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
        _refuse_none(name)
        fitted = self._learned.fitted
        name = check_label(name, integers=fitted.integers)
        if name in fitted.classes:
            raise DataError("the class exists already", got=repr(name), hint="Use add_clips.")
        return self._add(name, clips)

    @one_at_a_time
    def add_clips(self, name: Label, clips: Source) -> Self:
        """Learn more clips of a class.

        Of a clip that lasts longer than all training clips, only the part is used that is most like
        the class, unless ``trim`` is off.

        Args:
            name: Name of the class.
            clips: Clips, as for ``add_class``.

        Returns:
            The classifier; unchanged if an error is raised.

        Raises:
            DataError: The class does not exist, no clip can be read, or a clip is known already.
        """
        _refuse_none(name)
        return self._add(self._learned.fitted.existing_class(name), clips)

    @one_at_a_time
    def add_none(self, clips: Source) -> Self:
        """Learn more clips that show none of the classes; see ``add_clips``."""
        return self._add(BACKGROUND, clips)

    def _add(self, label: str, clips: Source) -> Self:
        learned = self._learned
        pipeline, fitted = learned.pipeline, learned.fitted
        more, skipped = teach(
            *of_class(clips, label),
            self._trimming(pipeline),
            image_embedding=fitted.class_names is not None,
            fitted=fitted,
        )
        if again := fitted.everything.repeated(more):
            raise DataError(
                "the clip is a training clip already", where=f'class "{label}"', got=again[0]
            )
        for new, old in fitted.everything.copies(more):
            LOG.warning('%s equals the training clip %s of "%s"', new.title, old.title, old.label)
        examples = join([fitted.everything, fitted.everything.named_apart(more)])
        self._refit(pipeline, examples, [*learned.skipped, *skipped], fitted.class_names)
        return self


def _refuse_none(name: Label) -> None:
    """Refuse the name for clips of no class.

    Raises:
        DataError: It is this name.
    """
    if is_background(label_text(name)):
        raise DataError(
            f'"{BACKGROUND}" is reserved for clips of no class',
            got=repr(name),
            hint="Use add_none.",
        )
