"""Review a model: which classes are confused and why, wrong labels, duplicates, what to record.

Everything comes from the features that the model stores; no video is needed. Clips are held out and
predicted as in ``calibration``, so that the accuracy is that of ``teach``; wrong labels and needs
come from scores of each clip by all others, see ``held_out``.

The constants were chosen on development clips (docs/results/unknown-actions.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from fewact.classifier.analysis.held_out import held_out_scores
from fewact.classifier.analysis.suspects import best_other, suspicion, to_check
from fewact.classifier.calibration import hold_out
from fewact.classifier.example import Example
from fewact.classifier.examples import Examples, Nodes, spread_over_classes
from fewact.classifier.few_shot import FewShotClassifier, fitted_of
from fewact.classifier.fitted import Fitted, similarities_by_part
from fewact.data.files import first_few
from fewact.methods.base import Method

MAX_REVIEWED = 400
"""Number of clips that are compared with each other; more are spread evenly over the classes."""

MAX_PREDICTED = 100
"""Number of held-out clips at which no more are predicted."""

MAX_SUSPECTS = 5
DUPLICATE = 0.2
"""Largest distance of two copies of a clip, as a fraction of the median distance of a clip to the
nearest other one."""

ROUNDING = 1e-3
"""Rounding of stored features, as a fraction of a clip's similarity with itself."""

CLEAR = 2 / 3
"""Fraction of the difference that one cause must explain to be named alone."""

NEED_TEMPERATURE = 5.0
"""Temperature of the need for more clips, as a multiple of the method's."""

APPEARANCE = "appearance"
"""Part of the similarities that compares what is visible; the others compare what moves."""

Cause = Literal["appearance", "motion", "appearance and motion", "unknown"]


@dataclass(frozen=True)
class Confusion:
    """Held-out training clips of a class that the other clips take for another class.

    Args:
        label: Class of the clips.
        mistaken_for: Class that they are taken for.
        clips: Titles of the clips.
        of: Number of clips of the class that were scored.
        cause: What the clips share with the other class.
        terms: Mean of each term's score for the other class minus that for the class.
    """

    label: str
    mistaken_for: str
    clips: tuple[str, ...]
    of: int
    cause: Cause
    terms: dict[str, float]


@dataclass(frozen=True)
class Suspect:
    """A clip that may have a wrong label.

    Args:
        clip: Title of the clip.
        number: Its number in ``all_clips_``.
        label: Its label.
        likely: Class that it resembles more.
        gain: Gain in log-likelihood if it had that label; larger is more suspicious.
        clear: Whether a gap separates it from all other clips. If not, it has the most doubtful
            label, which may well be right.
    """

    clip: str
    number: int
    label: str
    likely: str
    gain: float
    clear: bool


@dataclass(frozen=True)
class Duplicate:
    """Clips that are nearly the same: each is a copy of at least one other.

    Args:
        clips: Titles of the clips, two or more.
        labels: Class of each; they may differ.
    """

    clips: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """Something to do next.

    Args:
        action: ``record``, ``correct`` or ``remove``.
        label: Class that is concerned.
        text: The advice as a sentence.
    """

    action: Literal["record", "correct", "remove"]
    label: str
    text: str


@dataclass(frozen=True)
class Review:
    """What a model says about its own clips.

    Args:
        classes: Class names.
        right: Number of held-out clips that the others predict correctly.
        scored: Number of held-out clips, none of them alone in its class.
        calibrated: Number of clips that ``teach`` held out; less than ``scored`` where it had many.
        reviewed: Number of clips that were compared.
        clips: Number of all training clips.
        confusions: Confused classes, the most clips first.
        suspects: Clips that may have a wrong label, the most suspicious first; if none is clear,
            the one of the most doubtful label.
        duplicates: Clips that are nearly the same.
        needs: How much each class needs another clip, see ``need_of_classes``.
        advice: What to do next, most useful first.
    """

    classes: tuple[str, ...]
    right: int
    scored: int
    calibrated: int
    reviewed: int
    clips: int
    confusions: tuple[Confusion, ...]
    suspects: tuple[Suspect, ...]
    duplicates: tuple[Duplicate, ...]
    needs: dict[str, float]
    advice: tuple[Advice, ...]

    @property
    def accuracy_line(self) -> str:
        """How many held-out clips are predicted correctly, as a sentence."""
        if not self.scored:
            return "No training clip was held out."
        same = self.scored == self.calibrated
        more = "" if same else f" (teach held out {self.calibrated})"
        return f"Held-out training clips predicted correctly: {self.right} of {self.scored}{more}."

    @property
    def suspects_title(self) -> str:
        """What the suspects are, as a heading."""
        clear = any(one.clear for one in self.suspects)
        return "Perhaps a wrong label" if clear else "The most doubtful label, which may be right"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def review(classifier: FewShotClassifier) -> Review:
    """Review what a classifier has learned.

    Raises:
        ModelError: The classifier has learned nothing yet.
    """
    return review_fitted(fitted_of(classifier))


def review_fitted(fitted: Fitted) -> Review:
    """Review training clips, see ``review``."""
    method = fitted.method
    chosen = spread_over_classes(fitted.examples.labels.tolist(), MAX_REVIEWED)
    examples, classes = fitted.examples.select(chosen), fitted.classes
    labels, n = examples.labels, len(classes)
    terms = similarities_by_part(fitted, chosen)
    pairs = torch.stack(list(terms.values())).sum(0)  # (s s)
    scores = held_out_scores(pairs, labels, n)
    by_term = {name: held_out_scores(value, labels, n) for name, value in terms.items()}
    predicted = _predicted(method, fitted, examples, fitted.by_clip.select(chosen).nodes)
    numbers = {clip: i for i, clip in enumerate(fitted.everything.clips, start=1)}
    suspects = _suspects(pairs, scores, examples, classes, method.temperature, numbers)
    confusions = _confusions(predicted, by_term, examples, classes)
    duplicates = _duplicates(pairs, examples.clips)
    clips = fitted.everything.clips
    needs = need_of_classes(scores, labels, NEED_TEMPERATURE * method.temperature)
    return Review(
        classes,
        right=int((predicted == labels).sum()),
        scored=int((predicted >= 0).sum()),
        calibrated=fitted.calibration.held_out,
        reviewed=len(chosen),
        clips=len(fitted.examples.clips),
        confusions=confusions,
        suspects=suspects,
        duplicates=duplicates,
        needs=dict(zip(classes, needs.tolist(), strict=True)),
        advice=_advice(classes, needs.tolist(), labels, confusions, suspects, duplicates, clips),
    )


def _predicted(method: Method, fitted: Fitted, examples: Examples, nodes: Nodes) -> Tensor:
    """Return the predicted class (s) of some training clips; −1 of those not held out."""
    labels = examples.labels.to(next(iter(nodes.values())).device)
    groups = [clip.group for clip in examples.clips]
    held = hold_out(
        method,
        nodes,
        labels,
        len(fitted.classes),
        groups,
        fitted.class_names,
        most=MAX_PREDICTED,
        titles=[clip.title for clip in examples.clips],
    )
    nothing = torch.full(examples.labels.shape, -1)
    return nothing.index_copy(0, held.positions, held.predicted)


def need_of_classes(scores: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return how much each class needs another clip (n), 0 or more.

    It is the probability that its clips are taken for another class plus that of others taken for
    it, over the number of its clips: one clip more changes less where there are many. A class of
    one clip cannot be held out; its clip counts as mistaken.

    Args:
        scores: Scores (s n) of ``held_out_scores``.
        labels: Classes (s) of the clips.
        temperature: Temperature of the probabilities.
    """
    n = scores.shape[-1]
    own = torch.nn.functional.one_hot(labels, n).double()
    likely = (scores / temperature).nan_to_num(nan=-torch.inf).softmax(-1)
    shots = own.sum(0)
    missed = ((1 - likely) * own).sum(0) / shots
    taken = (likely * (1 - own)).sum(0) * len(shots) / shots.sum()
    return (missed + taken) / shots


def _suspects(
    pairs: Tensor,
    scores: Tensor,
    examples: Examples,
    classes: Sequence[str],
    temperature: float,
    numbers: Mapping[Example, int],
) -> tuple[Suspect, ...]:
    gains = suspicion(pairs, scores, examples.labels, temperature)
    best = best_other(scores, examples.labels).tolist()
    positions, clear = to_check(gains)
    return tuple(
        Suspect(
            examples.clips[i].title,
            numbers[examples.clips[i]],
            examples.clips[i].label,
            classes[best[i]],
            gains[i].item(),
            clear,
        )
        for i in positions[:MAX_SUSPECTS]
    )


def _confusions(
    predicted: Tensor,
    by_term: Mapping[str, Tensor],
    examples: Examples,
    classes: Sequence[str],
) -> tuple[Confusion, ...]:
    labels = examples.labels
    found = []
    for c, label in enumerate(classes):
        scored = (labels == c) & (predicted >= 0)
        for other in range(len(classes)):
            mistaken = (scored & (predicted == other)).nonzero()[:, 0]
            if other == c or not len(mistaken):
                continue
            terms = {
                name: (value[mistaken, other] - value[mistaken, c]).mean().item()
                for name, value in by_term.items()
            }
            titles = tuple(examples.clips[i].title for i in mistaken.tolist())
            found.append(
                Confusion(label, classes[other], titles, int(scored.sum()), cause_of(terms), terms)
            )
    return tuple(sorted(found, key=lambda one: -len(one.clips) / one.of))


def cause_of(terms: Mapping[str, float]) -> Cause:
    """Return what speaks for the wrong class, given each term's part of the difference.

    >>> cause_of({"appearance": 0.01, "motion": 0.1, "moments": 0.02})
    'motion'
    """
    if APPEARANCE not in terms:
        return "unknown"
    appearance = max(terms[APPEARANCE], 0.0)
    motion = max(sum(value for name, value in terms.items() if name != APPEARANCE), 0.0)
    total = appearance + motion
    if total == 0:
        return "unknown"
    if appearance >= CLEAR * total:
        return "appearance"
    return "motion" if motion >= CLEAR * total else "appearance and motion"


def _duplicates(pairs: Tensor, clips: Sequence[Example]) -> tuple[Duplicate, ...]:
    """Return groups of clips whose distance, K(i, i) + K(j, j) − 2 K(i, j), is close to 0."""
    if len(clips) < 2:
        return ()
    own = pairs.diagonal()
    distance = (own[:, None] + own - pairs - pairs.mT).clamp_min(0)
    nearest = distance.fill_diagonal_(torch.inf).amin(1)
    limit = max(DUPLICATE * nearest.median().item(), ROUNDING * own.abs().max().item())
    group = list(range(len(clips)))  # number of the first clip that is nearly the same
    for i, j in (distance <= limit).nonzero().tolist():
        first, other = sorted((group[i], group[j]))
        if first != other:
            group = [first if one == other else one for one in group]
    members: dict[int, list[Example]] = {}
    for clip, first in zip(clips, group, strict=True):
        members.setdefault(first, []).append(clip)
    return tuple(
        Duplicate(tuple(one.title for one in some), tuple(one.label for one in some))
        for some in members.values()
        if len(some) > 1
    )


def _advice(
    classes: Sequence[str],
    needs: Sequence[float],
    labels: Tensor,
    confusions: Sequence[Confusion],
    suspects: Sequence[Suspect],
    duplicates: Sequence[Duplicate],
    clips: Sequence[Example],
) -> tuple[Advice, ...]:
    found = [_to_check(one, "Check") for one in suspects if one.clear]
    for copies in duplicates:
        same = len(set(copies.labels)) == 1
        what = "keep one" if same else "they have different labels: correct them"
        named = " and ".join(copies.clips) if len(copies.clips) == 2 else first_few(copies.clips)
        text = f"{named} are nearly the same clip: {what}."
        found.append(Advice("remove" if same else "correct", copies.labels[-1], text))
    shots = torch.bincount(labels, minlength=len(classes)).tolist()
    order = sorted(range(len(classes)), key=lambda c: (shots[c] > 1, -needs[c]))
    for c in order:
        if reason := _reason_to_record(classes[c], shots[c], confusions):
            text = f'Record another "{classes[c]}": {reason}'
            found.append(Advice("record", classes[c], text))
    if not any(one.action == "record" for one in found):
        weakest = order[0]
        text = f'Nothing is confused. If you record more, begin with "{classes[weakest]}".'
        found.append(Advice("record", classes[weakest], text))
    faulty: dict[tuple[str, str], list[str]] = {}
    for clip in clips:
        for fault in clip.faults:
            faulty.setdefault((clip.label, fault), []).append(clip.title)
    for (label, fault), titles in faulty.items():
        found.append(Advice("record", label, f"{first_few(titles)}: {fault}."))
    found += [
        _to_check(one, "If a label may be wrong, check first") for one in suspects if not one.clear
    ]
    return tuple(found)


def _to_check(one: Suspect, how: str) -> Advice:
    """Return the advice to check a clip, which begins with ``how``."""
    text = f'{how} {one.clip}: it is labelled "{one.label}" and looks like "{one.likely}".'
    return Advice("correct", one.label, text)


HOW: dict[Cause, str] = {
    "appearance": "They look alike: record it in another place, with other clothes, nearer.",
    "motion": "They move alike: record it slower and complete, from the same side as the others.",
    "appearance and motion": "They look and move alike: record it nearer and from another side.",
    "unknown": "Record it nearer and from another side.",
}


def _reason_to_record(label: str, shots: int, confusions: Sequence[Confusion]) -> str:
    """Return why another clip of a class helps, and how to record it; empty if it is not needed."""
    if shots == 1:
        return "one clip cannot be checked."
    for one in confusions:
        count, are = f"{len(one.clips)} of {one.of}", "is" if len(one.clips) == 1 else "are"
        if label == one.label:
            return f'{count} {are} mistaken for "{one.mistaken_for}". {HOW[one.cause]}'
        if label == one.mistaken_for:
            return f'{count} "{one.label}" {are} mistaken for it. {HOW[one.cause]}'
    return ""
