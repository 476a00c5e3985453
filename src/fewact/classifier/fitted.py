"""What a classifier has learned: a frozen value, fitted to examples, that scores new clips."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.classifier.calibration import Calibration, hold_out
from fewact.classifier.class_names import IMAGE_EMBEDDING, ClassNames, combine
from fewact.classifier.examples import (
    TEACH_AGAIN,
    Examples,
    Nodes,
    check_finite_scores,
    shapes_of,
    spread,
    spread_over_classes,
)
from fewact.classifier.names import Label, as_given, check_integers, existing_class, label_array
from fewact.classifier.pipeline import Pipeline
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
from fewact.methods.common.known import known_scores
from fewact.video.source import TrimMode, check_trim

MAX_SCORED, MAX_REFERENCES = 100, 40
"""Number of training clips that are held out for the decision between known and unknown, and of
clips of no class that a clip is compared with: more would cost more than they improve."""

CLIPS_AT_ONCE = 8

FEW_CLIPS = 200
"""Number of training clips up to which one core computes: the other cores would be waited for
longer than they compute."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class EachAClass:
    """Clips with nodes (s …), of which each is a class by itself."""

    method: Method
    nodes: Nodes

    @cached_property
    def state(self) -> Any:
        """State of the method, computed on first use: pair similarities often replace it."""
        first = next(iter(self.nodes.values()))
        numbers = torch.arange(len(first), device=first.device)
        return self.method.support(batch_of(self.nodes), numbers[None], len(first))

    def select(self, positions: Sequence[int]) -> "EachAClass":
        """Return the clips at these positions, which ascend; for all of them no copy."""
        if len(positions) == len(next(iter(self.nodes.values()))):
            return self
        return EachAClass(self.method, rows(self.nodes, list(positions)))

    def score(self, query: Nodes) -> Tensor:
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
    class_names: ClassNames | None
    by_class: Any
    by_clip: EachAClass
    by_none: EachAClass | None
    open_set: OpenSet
    integers: bool = False
    skipped: tuple[Skipped, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a saved model has: a copy makes the states again."""
        summary = self.method.summary(self.by_class)
        again = partial(
            fit_examples,
            class_names=self.class_names,
            before=(self.calibration, self.open_set, summary),
            integers=self.integers,
            skipped=self.skipped,
        )
        return again, (self.pipeline, self.everything)

    @property
    def method(self) -> Method:
        """Method that scores the clips."""
        return self.pipeline.method

    @property
    def examples(self) -> Examples:
        """Training clips."""
        return self.everything.of_classes

    @property
    def none(self) -> Examples | None:
        """Clips of no class; None if there are too few of them."""
        return _enough(self.everything.of_no_class)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in natural order."""
        return self.everything.classes

    @property
    def uses_text(self) -> bool:
        """Whether class names are used as text prompts."""
        return self.class_names is not None

    def trimmed(self, trim: TrimMode) -> "Fitted":
        """Return the same, with new clips read as ``trim`` says; refuse an unknown mode."""
        return replace(self, pipeline=replace(self.pipeline, trim=check_trim(trim)))

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
        return np.unique(label_array(self.labels))


Before = tuple[Calibration, OpenSet, Nodes]
"""What a saved model has, so that it is not fitted again: calibration, scores of known and unknown
clips, and the summary of the method's state for the classes, empty if it has none."""


def fit_examples(
    pipeline: Pipeline,
    everything: Examples,
    *,
    class_names: ClassNames | None = None,
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


@torch.inference_mode()
def _fit(
    pipeline: Pipeline,
    everything: Examples,
    class_names: ClassNames | None,
    before: Before | None,
) -> tuple[Calibration, Any, EachAClass, EachAClass | None, OpenSet]:
    """Return the fields of ``Fitted`` from its calibration to its open set, without the names."""
    examples, none = everything.of_classes, _enough(everything.of_no_class)
    method, device = pipeline.method, pipeline.backbone.device
    labels, classes = examples.labels.to(device), examples.classes
    nodes = _on(examples, device)
    support = batch_of(nodes), labels[None], len(classes)
    by_clip, by_none = EachAClass(method, nodes), None
    if none is not None:
        references = none.select(spread(len(none.clips), MAX_REFERENCES))
        by_none = EachAClass(method, _on(references, device))
    if before is not None:
        calibration, open_set, summary = before
        by_class = (
            method.restored_support(*support, summary) if summary else method.support(*support)
        )
        return calibration, by_class, by_clip, by_none, open_set
    by_class = method.support(*support)
    few = len(labels) <= MAX_SCORED  # all of them are compared with all, and held out
    tables = method.tabulated(nodes) if few else None
    looked_up, numbers = tables or (method, nodes)
    state = looked_up.support(batch_of(numbers), *support[1:]) if tables else by_class
    held = spread_over_classes(examples.labels.tolist(), MAX_SCORED)
    pairs, recordings = _compare(examples, held, state, EachAClass(looked_up, numbers))
    open_set = _open_set(examples, none, (held, pairs, recordings), (by_class, by_clip, by_none))
    given = [clip.group for clip in examples.clips]
    calibration, _, _ = hold_out(
        looked_up,
        numbers,
        labels,
        len(classes),
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


def score(fitted: Fitted, nodes: Nodes, *, enlarged: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Score q clips, given their nodes (q …).

    Args:
        fitted: What the classifier learned.
        nodes: Nodes of the clips.
        enlarged: Whether they are parts of pictures. Behind a person who is small is another,
            enlarged part of the room: for the known score, the appearance of such a clip counts as
            much as if it were as like the training clips as these are like each other.

    Returns:
        Logits (q n), whose softmax are the probabilities; similarities (q s) with the training
        clips; and known scores (q), see ``unknown``. All are float64 on the CPU.
    """
    return on_few_cores(lambda: _score(fitted, nodes, enlarged), fitted.everything)


@torch.inference_mode()
def _score(fitted: Fitted, nodes: Nodes, enlarged: bool) -> tuple[Tensor, Tensor, Tensor]:
    query, calibration = batch_of(nodes), fitted.calibration  # (1 q …)
    scored, pairs = fitted.method.score_and_pairs(fitted.by_class, query)
    logits = rows_of(scored) / calibration.temperature
    if fitted.class_names is not None and calibration.text_weight:
        text = rows_of(fitted.class_names.logits(query[IMAGE_EMBEDDING]))
        logits = combine(text, logits, calibration.text_weight)
    similarity = fitted.by_clip.score(query) if pairs is None else rows_of(pairs)
    none = None if fitted.by_none is None else fitted.by_none.score(query).mean(-1)
    inside = torch.tensor(fitted.open_set.inside, dtype=torch.float64)
    compared = similarity
    ratio = fitted.method.appearance_ratio(fitted.by_class, query) if enlarged else None
    if ratio is not None:
        compared = similarity + _missing_appearance(fitted.method, fitted.by_class, query, ratio)
        if fitted.by_none is not None and none is not None:
            state = fitted.by_none.state
            none = none + _missing_appearance(fitted.method, state, query, ratio).mean(-1)
    return logits, similarity, known_scores(compared, fitted.examples.labels, inside, none)


def _missing_appearance(method: Method, state: Any, query: Nodes, ratio: Tensor) -> Tensor:
    """Return the similarity (q s) that appearance is short of, see ``Method.appearance_ratio``."""
    return rows_of(method.pair_parts(state, query)["appearance"] * (ratio[..., None] - 1))


def _compare(
    examples: Examples, held: Sequence[int], by_class: Any, by_clip: EachAClass
) -> tuple[Tensor, list[str | None]]:
    """Return similarities (h s) of some training clips with all, and the group of each clip.

    Where a group is not given, it is the recording that the clip is found to be from; None where
    the method does not tell what is visible from what moves.
    """
    scored = rows(by_clip.nodes, list(held))
    pairs = similarities(by_clip, scored, by_class)
    check_finite_scores(pairs, [examples.clips[i].title for i in held])
    seen = []
    if are_sought(examples.clips, examples.labels):
        for part in torch.arange(len(held)).split(CLIPS_AT_ONCE):
            parts = by_clip.method.pair_parts(by_class, batch_of(rows(scored, part)))
            seen += [rows_of(parts["appearance"])] if "appearance" in parts else []
    visible = torch.cat(seen) if seen else None
    return pairs, groups_of(examples.clips, visible, pairs, held, examples.labels)


def _open_set(
    examples: Examples,
    none: Examples | None,
    compared: tuple[Sequence[int], Tensor, Sequence[str | None]],
    states: tuple[Any, EachAClass, EachAClass | None],
) -> OpenSet:
    """Score training clips without themselves and without their classes, and clips of no class.

    ``compared`` are the clips that are held out, and both results of ``_compare``; ``states`` are
    ``by_class``, ``by_clip`` and ``by_none`` of ``Fitted``.
    """
    (held, pairs, groups), (by_class, by_clip, by_none) = compared, states
    scores = None
    if none is not None and by_none is not None:
        outside = _on(none, next(iter(by_clip.nodes.values())).device)
        references = spread(len(none.clips), MAX_REFERENCES)
        groups_of_none = [clip.group for clip in none.clips]
        of_none = mean_of_other_groups(similarities(by_none, outside), references, groups_of_none)
        of_training = similarities(by_none, rows(by_clip.nodes, list(held))).mean(1)
        pairs_of_none = similarities(by_clip, outside, by_class)
        scores = NoneScores(pairs_of_none, of_none, of_training, groups_of_none)
    return fit_open_set(pairs, held, examples.labels, len(examples.classes), groups, scores)


def similarities(support: EachAClass, nodes: Nodes, by_class: Any = None) -> Tensor:
    """Return similarities (q s) of clips (q …) with others, as ``classify`` computes them.

    ``by_class`` is the state of the method for the classes of ``support``; None if they have none.
    """
    similarity = []
    for begin in range(0, len(next(iter(nodes.values()))), CLIPS_AT_ONCE):
        query = batch_of(rows(nodes, slice(begin, begin + CLIPS_AT_ONCE)))
        pairs = None if by_class is None else support.method.score_and_pairs(by_class, query)[1]
        similarity.append(support.score(query) if pairs is None else rows_of(pairs))
    return torch.cat(similarity)


@torch.inference_mode()
def similarities_by_part(fitted: Fitted, positions: Sequence[int]) -> dict[str, Tensor]:
    """Return the similarities (s s) of training clips with each other, float64 on the CPU.

    By part of the similarities; for methods without parts one of all, ``similarity``.
    """
    by_clip, by_class = fitted.by_clip.select(positions), fitted.by_class
    if by_clip is not fitted.by_clip:
        labels = fitted.examples.labels[list(positions)]
        labels = labels.to(next(iter(by_clip.nodes.values())).device)
        by_class = by_clip.method.support(
            batch_of(by_clip.nodes), labels[None], len(fitted.classes)
        )
    by_part: dict[str, list[Tensor]] = {}
    for begin in range(0, len(positions), CLIPS_AT_ONCE):
        query = batch_of(rows(by_clip.nodes, slice(begin, begin + CLIPS_AT_ONCE)))
        for name, part in by_clip.method.pair_parts(by_class, query).items():
            by_part.setdefault(name, []).append(rows_of(part))
    if not by_part:
        return {"similarity": similarities(by_clip, by_clip.nodes, by_class)}
    return {name: torch.cat(parts) for name, parts in by_part.items()}


def _on(examples: Examples, device: torch.device) -> Nodes:
    return {name: value.to(device) for name, value in examples.nodes.items()}


def batch_of(nodes: Nodes) -> Nodes:
    """Return nodes (q …) as those of one episode (1 q …)."""
    return rows(nodes, None)


def rows_of(logits: Tensor) -> Tensor:
    """Return logits (1 q …) of one episode, (q …) float64 on the CPU."""
    return logits[0].cpu().double()
