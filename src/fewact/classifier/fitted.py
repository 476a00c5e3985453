"""What a classifier has learned: a frozen value, fitted to examples, that scores new clips."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.calibration import Calibration, combine, hold_out
from fewact.classifier.examples import (
    TEACH_AGAIN,
    Examples,
    Nodes,
    check_finite_scores,
    shapes_of,
    spread,
    spread_over_classes,
)
from fewact.classifier.names import (
    Example,
    Label,
    as_given,
    check_integers,
    existing_class,
    label_array,
)
from fewact.classifier.pipeline import IMAGE_EMBEDDING, AnyBackbone, Pipeline, Pose
from fewact.classifier.prediction import Skipped
from fewact.classifier.same_recording import are_sought, groups_of
from fewact.classifier.unknown import (
    FEWEST_NONE,
    NoneScores,
    OpenSet,
    fit_open_set,
    mean_of_other_groups,
)
from fewact.core.errors import ModelError, UserError, warn
from fewact.core.workers import on_one_core
from fewact.methods.base import Method, rows
from fewact.methods.common.known import Scores, known_scores
from fewact.methods.protocols import (
    Finds,
    Parts,
    RelativeAppearance,
    Summarised,
    Tabulated,
    score_and_pairs,
)
from fewact.video.source import TrimMode, check_trim

if TYPE_CHECKING:
    from fewact.classifier.class_names import ClassNames

MAX_SCORED, MAX_REFERENCES = 100, 40
"""Number of training clips that are held out for the decision between known and unknown, and of
clips of no class that a clip is compared with: more would cost more than they improve."""

CLIPS_COMPARED_AT_ONCE = 8
"""Number of clips that are compared with the training clips in one call."""

FEW_CLIPS = 200
"""Largest number of training clips that one core computes: to start other cores would take
longer."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class EachAClass:
    """Clips with nodes (s …), of which each is a class by itself."""

    method: Method
    nodes: Nodes

    @cached_property
    def state(self) -> Any:
        """State of the method, computed on first use: pair similarities often replace it."""
        numbers = np.arange(count_of(self.nodes))
        return self.method.support(batch_of(self.nodes), numbers[None], len(numbers))

    def select(self, positions: Sequence[int]) -> "EachAClass":
        """Return the clips at these positions, which ascend; for all of them no copy."""
        if len(positions) == count_of(self.nodes):
            return self
        return EachAClass(self.method, rows(self.nodes, list(positions)))

    def score(self, query: Nodes) -> Scores:
        """Return similarities (q s) of clips (1 q …)."""
        return rows_of(self.method.score(self.state, query))


@dataclass(frozen=True)
class Fitted:
    """What a classifier has learned. It is replaced completely: a failed call changes nothing.

    Args:
        pipeline: Backbone and method that encoded the clips.
        everything: All clips.
        calibration: Conversion of logits into probabilities.
        class_names: Embedded class names; None if they are not used.
        by_class: State of the method for the classes.
        by_clip: Training clips, each a class by itself.
        by_none: The same for the clips of no class; None if there are none.
        open_set: Scores that decide between known and unknown.
        integers: Whether the classes were given as integers.
        skipped: Clips that could not be read.
    """

    pipeline: Pipeline
    everything: Examples
    calibration: Calibration
    class_names: "ClassNames | None"
    by_class: Any
    by_clip: EachAClass
    by_none: EachAClass | None
    open_set: OpenSet
    integers: bool = False
    skipped: tuple[Skipped, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a saved model has: a copy makes the states again."""
        again = partial(
            fit_examples,
            class_names=self.class_names,
            before=(self.calibration, self.open_set, self.summary),
            integers=self.integers,
            skipped=self.skipped,
        )
        return again, (self.pipeline, self.everything)

    @property
    def method(self) -> Method:
        """Method that scores the clips."""
        return self.pipeline.method

    @property
    def backbone(self) -> AnyBackbone:
        """Network of the training clips' features, or the size of precomputed features."""
        return self.pipeline.backbone

    @property
    def examples(self) -> Examples:
        """Training clips with their nodes."""
        return self.everything.of_classes

    @property
    def none(self) -> Examples | None:
        """Clips of no class with their nodes; None if there are too few of them."""
        return _enough(self.everything.of_no_class)

    @property
    def clips(self) -> tuple[Example, ...]:
        """Training clips; their labels are texts, also those of integers."""
        return self.examples.clips

    @property
    def none_clips(self) -> tuple[Example, ...]:
        """Clips of no class; none if there are too few of them."""
        return () if self.none is None else self.none.clips

    @property
    def all_clips(self) -> tuple[Example, ...]:
        """Training clips and clips of no class, in the order in which a model stores them."""
        return self.everything.clips

    @property
    def has_thumbnails(self) -> bool:
        """Whether the model that was loaded has a small image of each clip."""
        return any(isinstance(origin, bytes) for origin in self.everything.origins)

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences about differences between the classes, if the method has any."""
        return self.method.findings(self.by_class) if isinstance(self.method, Finds) else ()

    @property
    def summary(self) -> dict[str, NDArray[Any]]:
        """Small arrays of the method's state for the classes that a saved model keeps."""
        return self.method.summary(self.by_class) if isinstance(self.method, Summarised) else {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in natural order."""
        return self.everything.classes

    @property
    def uses_text(self) -> bool:
        """Whether class names are used as text prompts."""
        return self.class_names is not None

    def reading(self, trim: TrimMode, pose: Pose) -> "Fitted":
        """Return the same, with new clips read as ``trim`` and ``pose`` say."""
        return replace(self, pipeline=replace(self.pipeline, trim=check_trim(trim), pose=pose))

    @property
    def labels(self) -> tuple[Label, ...]:
        """Classes as they were given: texts or integers."""
        return tuple(as_given(name, integers=self.integers) for name in self.classes)

    def existing_class(self, name: Label) -> str:
        """Return the class with a name, see ``names.existing_class``."""
        return existing_class(name, self.classes, integers=self.integers)

    @property
    def sorted_labels(self) -> NDArray[Any]:
        """Classes as they were given, in the order of NumPy, which is that of scikit-learn."""
        return np.sort(label_array(self.labels))

    def check_scores(self) -> None:
        """Refuse what cannot score a clip of its own; no video is read."""
        with checked_fit(self.examples):
            for scores in score(self, self.by_clip.select([0]).nodes):
                check_finite_scores(scores.reshape(1, -1), [self.clips[0].title])


Before = tuple[Calibration, OpenSet, Mapping[str, NDArray[Any]]]
"""Values of a saved model, which is not fitted again: calibration, scores of known and unknown
clips, and the summary of the method's state for the classes, empty if it has none."""


def fit_examples(
    pipeline: Pipeline,
    everything: Examples,
    *,
    class_names: "ClassNames | None" = None,
    before: Before | None = None,
    integers: bool = False,
    skipped: Sequence[Skipped] = (),
) -> Fitted:
    """Compute the method's state of the clips; fit what ``before`` does not have.

    ``everything`` are the training clips, and clips of no class with the label ``none``.
    """
    check_integers(everything.classes, integers=integers)
    none = everything.of_no_class
    if before is None and none is not None and _enough(none) is None:
        warn(f"only one clip of no class: it is not used, {FEWEST_NONE} are needed")
    parts = on_few_cores(lambda: _fit(pipeline, everything, class_names, before), everything)
    calibration, by_class, by_clip, by_none, open_set = parts
    return Fitted(
        pipeline,
        everything,
        calibration,
        class_names,
        by_class,
        by_clip,
        by_none,
        open_set,
        integers,
        tuple(skipped),
    )


def _enough(none: Examples | None) -> Examples | None:
    return none if none is not None and len(none.clips) >= FEWEST_NONE else None


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused
def _fit(
    pipeline: Pipeline,
    everything: Examples,
    class_names: "ClassNames | None",
    before: Before | None,
) -> tuple[Calibration, Any, EachAClass, EachAClass | None, OpenSet]:
    """Return the fields of ``Fitted`` from its calibration to its open set, without the names."""
    examples, none = everything.of_classes, _enough(everything.of_no_class)
    method, labels, nodes = pipeline.method, examples.labels, examples.nodes
    support = batch_of(nodes), labels[None], len(examples.classes)
    by_clip, by_none = EachAClass(method, nodes), None
    if none is not None:
        references = none.select(spread(len(none.clips), MAX_REFERENCES))
        by_none = EachAClass(method, references.nodes)
    if before is not None:
        calibration, open_set, summary = before
        if summary and isinstance(method, Summarised):
            by_class = method.restored_support(*support, summary)
        else:
            by_class = method.support(*support)
        return calibration, by_class, by_clip, by_none, open_set
    by_class, tables = method.support(*support), None
    if len(labels) <= MAX_SCORED and isinstance(method, Tabulated):  # all are compared with all
        tables = method.tabulated(nodes)
    looked_up, numbers = tables or (method, nodes)
    state = looked_up.support(batch_of(numbers), *support[1:]) if tables else by_class
    held = spread_over_classes(labels.tolist(), MAX_SCORED)
    pairs, recordings = _compare(examples, held, state, EachAClass(looked_up, numbers))
    open_set = _open_set(examples, none, (held, pairs, recordings), (by_class, by_clip, by_none))
    given = [clip.group for clip in examples.clips]
    calibration, _, _ = hold_out(
        looked_up,
        numbers,
        labels,
        len(examples.classes),
        recordings if open_set.several_recordings else given,
        class_names,
        titles=[clip.title for clip in examples.clips],
    )
    return calibration, by_class, by_clip, by_none, open_set


@contextmanager
def checked_fit(examples: Examples) -> Iterator[None]:
    """Turn what a method raises on nodes of other methods into one ``ModelError``."""
    try:
        yield
    except (RuntimeError, IndexError, KeyError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise ModelError(
            "the training clips in the model do not fit its method",
            got=f"nodes of shapes {shapes_of(examples.nodes)}"[:300],
            hint=TEACH_AGAIN,
        ) from error


def on_few_cores(work: Callable[[], Result], examples: Examples) -> Result:
    """Return the result of some work, which one core does if there are few clips."""
    if len(examples.clips) > FEW_CLIPS:
        return work()
    return on_one_core(work)


def score(fitted: Fitted, nodes: Nodes, *, enlarged: bool = False) -> tuple[Scores, Scores, Scores]:
    """Score q clips, given their nodes (q …).

    Args:
        fitted: What the classifier learned.
        nodes: Nodes of the clips.
        enlarged: Whether the clips are crops. A crop around a small person shows a different,
            magnified part of the background. So in the known score, its appearance term is replaced
            by the mean appearance similarity among the training clips.

    Returns:
        Logits (q n), whose softmax are the probabilities; similarities (q s) with the training
        clips; and known scores (q), see ``unknown``. All are float64.
    """
    return on_few_cores(lambda: _score(fitted, nodes, enlarged), fitted.everything)


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused
def _score(fitted: Fitted, nodes: Nodes, enlarged: bool) -> tuple[Scores, Scores, Scores]:
    query, calibration, method = batch_of(nodes), fitted.calibration, fitted.method  # (1 q …)
    scored, pairs = score_and_pairs(method, fitted.by_class, query)
    logits = rows_of(scored) / calibration.temperature
    if fitted.class_names is not None and calibration.text_weight:
        text = fitted.class_names.logits(nodes[IMAGE_EMBEDDING])
        logits = combine(text, logits, calibration.text_weight)
    similarity = fitted.by_clip.score(query) if pairs is None else rows_of(pairs)
    none = None if fitted.by_none is None else fitted.by_none.score(query).mean(-1)
    compared = similarity
    if enlarged and isinstance(method, RelativeAppearance):
        ratio = method.appearance_ratio(fitted.by_class, query)
        compared = similarity + _missing_appearance(method, fitted.by_class, query, ratio)
        if fitted.by_none is not None and none is not None:
            missing = _missing_appearance(method, fitted.by_none.state, query, ratio)
            none = none + missing.mean(-1)
    inside = np.array(fitted.open_set.inside)
    return logits, similarity, known_scores(compared, fitted.examples.labels, inside, none)


def _missing_appearance(
    method: RelativeAppearance, state: Any, query: Nodes, ratio: NDArray[Any]
) -> Scores:
    """Return the similarity (q s) that appearance is short of, by its ``appearance_ratio``."""
    return rows_of(method.pair_parts(state, query)["appearance"] * (ratio[..., None] - 1))


def _compare(
    examples: Examples, held: Sequence[int], by_class: Any, by_clip: EachAClass
) -> tuple[Scores, list[str | None]]:
    """Return similarities (h s) of some training clips with all, and the group of each clip.

    Where a group is not given, it is the recording that the clip is found to be from; None where
    the method does not separate appearance from motion.
    """
    scored, method = rows(by_clip.nodes, list(held)), by_clip.method
    pairs = similarities(by_clip, scored, by_class)
    check_finite_scores(pairs, [examples.clips[i].title for i in held])
    visible = None
    if are_sought(examples.clips, examples.labels) and isinstance(method, Parts):
        visible = parts_of_pairs(method, by_class, scored).get("appearance")
    return pairs, groups_of(examples.clips, visible, pairs, held, examples.labels)


def _open_set(
    examples: Examples,
    none: Examples | None,
    compared: tuple[Sequence[int], Scores, Sequence[str | None]],
    states: tuple[Any, EachAClass, EachAClass | None],
) -> OpenSet:
    """Score training clips without themselves and without their classes, and clips of no class.

    ``compared`` are the clips that are held out, and both results of ``_compare``; ``states`` are
    ``by_class``, ``by_clip`` and ``by_none`` of ``Fitted``.
    """
    (held, pairs, groups), (by_class, by_clip, by_none) = compared, states
    scores = None
    if none is not None and by_none is not None:
        references = spread(len(none.clips), MAX_REFERENCES)
        groups_of_none = [clip.group for clip in none.clips]
        of_none = similarities(by_none, none.nodes)
        scores = NoneScores(
            similarities(by_clip, none.nodes, by_class),
            mean_of_other_groups(of_none, references, groups_of_none),
            similarities(by_none, rows(by_clip.nodes, list(held))).mean(1),
            groups_of_none,
        )
    return fit_open_set(pairs, held, examples.labels, len(examples.classes), groups, scores)


def similarities(support: EachAClass, nodes: Nodes, by_class: Any = None) -> Scores:
    """Return similarities (q s) of clips (q …) with others, as ``score`` computes them.

    ``by_class`` is the state of the method for the classes of ``support``; None if they have none.
    """
    similarity = []
    for query in _parts_of(nodes):
        pairs = None if by_class is None else score_and_pairs(support.method, by_class, query)[1]
        similarity.append(support.score(query) if pairs is None else rows_of(pairs))
    return np.concatenate(similarity)


def parts_of_pairs(method: Method, by_class: Any, nodes: Nodes) -> dict[str, Scores]:
    """Return parts of the similarities (q s) of clips (q …) by name; none if there are no parts."""
    by_part: dict[str, list[Scores]] = {}
    if not isinstance(method, Parts):
        return {}
    for query in _parts_of(nodes):
        for name, part in method.pair_parts(by_class, query).items():
            by_part.setdefault(name, []).append(rows_of(part))
    return {name: np.concatenate(parts) for name, parts in by_part.items()}


def similarities_by_part(fitted: Fitted, positions: Sequence[int]) -> dict[str, Scores]:
    """Return the similarities (s s) of training clips with each other.

    By part of the similarities; for methods without parts one of all, ``similarity``.
    """
    by_clip, by_class = fitted.by_clip.select(positions), fitted.by_class
    if by_clip is not fitted.by_clip:
        labels = fitted.examples.labels[list(positions)]
        by_class = by_clip.method.support(
            batch_of(by_clip.nodes), labels[None], len(fitted.classes)
        )
    return parts_of_pairs(by_clip.method, by_class, by_clip.nodes) or {
        "similarity": similarities(by_clip, by_clip.nodes, by_class)
    }


def _parts_of(nodes: Nodes) -> Iterator[Nodes]:
    """Return nodes (q …) of a few clips at a time, each as those of one episode (1 q' …)."""
    for begin in range(0, count_of(nodes), CLIPS_COMPARED_AT_ONCE):
        yield batch_of(rows(nodes, slice(begin, begin + CLIPS_COMPARED_AT_ONCE)))


def count_of(nodes: Nodes) -> int:
    """Return the number q of clips of nodes (q …)."""
    return len(next(iter(nodes.values())))


def batch_of(nodes: Nodes) -> Nodes:
    """Return nodes (q …) as those of one episode (1 q …)."""
    return rows(nodes, None)


def rows_of(logits: NDArray[Any]) -> Scores:
    """Return logits (1 q …) of one episode as (q …) float64."""
    return np.asarray(logits[0], np.float64)
