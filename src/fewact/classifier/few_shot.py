"""The classifier that learns classes from a few clips of each."""

import logging
import time
from typing import Self

from fewact.classifier.calibration import check_set_rate
from fewact.classifier.change_lock import one_at_a_time
from fewact.classifier.class_edits import ClassEdits
from fewact.classifier.class_names import find_class_names
from fewact.classifier.labels import Labels, text_source
from fewact.classifier.open_set import check_rate
from fewact.classifier.predicting import Predicting
from fewact.classifier.saved.saving import Saving
from fewact.classifier.sources import LabelledSource, Source, labelled
from fewact.classifier.teaching import Progress, teach
from fewact.core.errors import DataError
from fewact.data import BACKGROUND
from fewact.data.class_folders import ONE_ACTION
from fewact.data.files import first_few
from fewact.features.timing import Timing

LOG = logging.getLogger(__name__)


class FewShotClassifier(ClassEdits, Predicting, Saving):
    """Recognises actions from one to five training clips of each, and that a clip shows none.

    Properties with a trailing underscore, such as ``classes_``, say what was learned; they are
    missing before ``fit`` or ``load``.

    Precomputed features (of skeletons, sound or optical flow) can replace videos in every call. No
    backbone is needed then.

    It may be shared by threads: changes wait for each other, and predictions for none of them.

    Args:
        backbone: Backbone that computes the features, or its name.
        method: Few-shot method, or its name.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``, or a ``torch.device``.
        weights: Weights of a backbone given by name, see ``fewact.backbones.create``.
        precision: Precision of a backbone given by name: ``auto``, ``float32``, ``bfloat16``
            or ``int8``.
        engine: Inference engine of a backbone given by name: ``auto``, ``torch`` or ``onnx``.
        text: Use of class names as text prompts, for a backbone trained on image–text pairs:
            ``auto``, if they improve the prediction of held-out clips; ``on``; ``off``.
        false_alarms: Highest fraction of clips of untaught actions that get a class, above 0; see
            ``open_set.OpenSet.decision``. 1 answers every clip with a class. It can be changed at
            any time. None limits it to 0.1 if there are clips of no class; if there are none, every
            clip gets a class.
        trim: Still ends of clips, before and after the action: ``auto`` leaves them out where they
            are long, ``off`` never. It holds for training clips and for predicted ones. It can be
            changed at any time, for later clips.
        sets: Fraction of clips whose true class must be in ``Prediction.set``, such as 0.9; see
            ``Calibration.set_threshold``. It can be changed at any time. None: no sets.

    >>> classifier = FewShotClassifier().fit("actions")  # doctest: +SKIP
    >>> classifier.predict("new.mp4").label  # doctest: +SKIP
    'wave'
    """

    @one_at_a_time
    def fit(
        self,
        clips: LabelledSource,
        labels: Labels | None = None,
        *,
        none: Source | None = None,
        progress: Progress | None = None,
        timing: Timing | None = None,
    ) -> Self:
        """Learn classes from training clips; classes learned before are forgotten.

        A clip that cannot be read is skipped with a warning and listed in ``skipped_``.

        Args:
            clips: Folder with one subfolder of clips per class; table, see
                ``fewact.data.read_table``; .npz file of features, or a
                ``fewact.data.FeatureDataset``; list of clips as for ``predict``; or a dictionary
                with the clips of each class by its name. Clips in the folder ``none``, or with this
                label, show none of the classes.
            labels: Class of each clip of a list; None if each ``Clip`` has a label. Integers stay
                integers in ``classes_`` and in predictions, as in scikit-learn.
            none: More clips that show none of the classes, as for ``add_class``.
            progress: Called after each clip with the number of finished clips and of all clips.
            timing: Adds up the time of each stage.

        Returns:
            The classifier.

        Raises:
            DataError: There are fewer than two classes, a class has no readable clip, clips are
                not found, or features differ in size.
            OptionError: The method needs more than the precomputed features, a backbone is chosen
                for them, or ``false_alarms`` is not a rate.
        """
        check_rate(self.false_alarms)
        check_set_rate(self.sets)
        source, texts, integers = text_source(clips, labels)
        found, names = labelled(source, texts, none)
        classes = {clip.label for clip in found} - {BACKGROUND}
        if len(classes) < 2:
            raise DataError(
                "fewer than two classes",
                got=", ".join(map(str, classes)) or "none",
                expected="at least two, each with a clip",
                hint=f"{ONE_ACTION}.",
            )
        started = time.perf_counter()
        pipeline = self._build(found[0])
        # Before clips are read, which takes longer.
        named = find_class_names(pipeline.backbone, self.text, tuple(sorted(map(str, classes))))
        examples, skipped = teach(
            found,
            names,
            pipeline,
            progress,
            timing,
            image_embedding=named is not None,
        )
        class_names = named and named.changed(examples.classes, pipeline.backbone)
        self._refit(pipeline, examples, skipped, class_names, integers=integers)
        LOG.info(
            "learned %d classes from %d clips in %.1f s, %d skipped: %s",
            len(self.classes_),
            len(examples.clips),
            time.perf_counter() - started,
            len(skipped),
            first_few(map(str, self.classes_)),
        )
        return self
