"""Review a model: which classes are confused and why, wrong labels, duplicates, what to record.

Everything comes from the features that the model stores; no video is needed. Clips are held out and
predicted as in ``calibration``, so that the accuracy is that of ``teach``. Wrong labels and needs
come from scores of each clip by all others: with the similarities K of the training clips, a clip i
has for class c the score

    g_i(c) = mean_s K(i, s) − ½ · inside_i(c)

over the clips s ≠ i of the class, where inside_i(c) is the intra-class similarity of the class
without i (see ``methods.common.kernel``). The score is linear in K: where K is a sum of terms, the
scores of the terms add up to the score.

A clip is suspected of a wrong label by how much better all clips explain each other if it had
another label: the gain in the log-likelihood of all labels under leave-one-out classification.

The constants were chosen on development clips (docs/results/unknown-actions.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from fewact.classifier.calibration import hold_out, log_softmax, softmax
from fewact.classifier.examples import Examples, Nodes, spread_over_classes
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.fitted import Fitted, similarities_by_part
from fewact.classifier.names import Example
from fewact.classifier.same_recording import groups_of
from fewact.data.files import first_few
from fewact.methods.base import Labels, one_hot
from fewact.methods.common.known import Scores


def held_out_scores(pairs: Scores, labels: Labels, n: int) -> Scores:
    """Return the score (s n) of each clip for each class, by the other clips.

    It is NaN for the class of a clip that is alone in it.

    Args:
        pairs: Similarities (s s) of the clips.
        labels: Classes (s) of the clips in 0 … n−1.
        n: Number of classes.

    >>> pairs = np.array([[1.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 1.0]])
    >>> held_out_scores(pairs, np.array([0, 0, 1]), 2)[0]
    array([ 0.25, -0.15])
    """
    member = one_hot(labels, n, np.float64)  # (s n)
    total = (pairs - np.diag(pairs.diagonal())) @ member  # (s n)
    count = member.sum(0) - member  # (s n)
    inside = (total * member).sum(0) - 2 * total * member
    shots = member.sum(0)
    mean = (total * member).sum() / max((shots * (shots - 1)).sum(), 1)
    intra_class = (inside + count * mean) / np.maximum(count, 1) ** 2
    scores = total / np.maximum(count, 1) - intra_class / 2
    return np.where(count == 0, np.nan, scores)


def log_likelihood(scores: Scores, labels: Labels, temperature: float) -> float:
    """Return Σ_i log softmax(g_i / temperature)[label of i], over clips that can be scored."""
    likelihood = log_softmax(_comparable(scores) / temperature)
    of_label = likelihood[np.arange(len(labels)), labels]
    return float(of_label[np.isfinite(of_label)].sum())


def _comparable(scores: Scores) -> Scores:
    """Return scores with −∞ where a clip is alone in its class."""
    return np.where(np.isnan(scores), -np.inf, scores)


FEWEST_WRONG, WRONG_FRACTION = 2, 0.05
"""Largest number of wrong labels that are looked for, and as a fraction of the clips."""

MIN_SHOTS = 3
"""Smallest number of clips of a class in which a wrong label can be found: two clips that differ do
not say which of them is wrong."""

MIN_GAP = 1.5
"""Smallest gap in log-likelihood between the gains of suspects and those of all other clips. Clips
of hard classes have gains too, but no gap is between them."""

LEAST_GAIN = 1.0
"""Smallest gain in log-likelihood of a label that is doubtful."""


def suspicion(pairs: Scores, scores: Scores, labels: Labels, temperature: float) -> Scores:
    """Return the gain in log-likelihood (s) if a clip had the label of its best other class.

    It is −inf where a wrong label cannot be found: in classes of less than ``MIN_SHOTS`` clips, and
    for clips that are nearest to their own class.

    Args:
        pairs: Similarities (s s).
        scores: Scores (s n) of ``held_out_scores``.
        labels: Classes (s) of the clips.
        temperature: Temperature of the method.
    """
    n, clips = scores.shape[-1], np.arange(len(labels))
    best = best_other(scores, labels)
    shots = np.bincount(labels, minlength=n)[labels]
    gains = np.full(len(labels), -np.inf)
    before = log_likelihood(scores, labels, temperature)
    for i in np.flatnonzero((shots >= MIN_SHOTS) & (scores[clips, best] > scores[clips, labels])):
        changed = labels.copy()
        changed[i] = best[i]
        after = log_likelihood(held_out_scores(pairs, changed, n), changed, temperature)
        gains[i] = after - before
    return gains


def to_check(gains: Scores) -> tuple[list[int], bool]:
    """Return the positions of clips to check, the most suspicious first; and whether it is clear.

    Few labels are wrong. So the suspects are the clips of the highest gains that a gap separates
    from all others, down to the last such gap. Without a gap it is the clip of the most doubtful
    label, if one is doubtful. In hard classes it is often only unlike its class; but if a label is
    wrong, it is nearly always this one.

    Args:
        gains: Gains (s) of ``suspicion``.

    >>> to_check(np.array([0.5, 9.0, -np.inf, 7.0]))
    ([1, 3], True)
    >>> to_check(np.array([3.0, 2.5, 2.0, 1.5]))
    ([0], False)
    """
    limit = max(FEWEST_WRONG, round(WRONG_FRACTION * len(gains)))
    order = (-gains).argsort(kind="stable").tolist()
    ordered = [max(float(gains[i]), 0.0) for i in order] + [0.0]
    gaps = [k for k in range(1, len(ordered)) if ordered[k - 1] - ordered[k] >= MIN_GAP]
    if suspects := order[: max((k for k in gaps if k <= limit), default=0)]:
        return suspects, True
    doubtful = len(order) > 0 and ordered[0] >= LEAST_GAIN
    return ([int(gains.argmax())] if doubtful else []), False


def best_other(scores: Scores, labels: Labels) -> Labels:
    """Return the best class (s) of each clip other than its own."""
    others = _comparable(scores)
    others[np.arange(len(labels)), labels] = -np.inf
    best: Labels = others.argmax(-1)
    return best


MAX_REVIEWED = 400
"""Number of clips that are compared with each other; more are spread evenly over the classes."""

MAX_PREDICTED = 100
"""Number of held-out clips at which no more are predicted."""

MAX_SUSPECTS = 5
DUPLICATE = 0.2
"""Largest distance of two copies of a clip, as a fraction of the median distance between a clip and
its nearest neighbour."""

STORED_ROUNDING = 1e-3
"""Rounding of stored features, as a fraction of a clip's similarity with itself."""

CLEAR = 2 / 3
"""Fraction of the difference that one cause must explain to be named alone."""

NEED_TEMPERATURE = 5.0
"""Temperature of the need for more clips, as a multiple of the method's."""

APPEARANCE = "appearance"
"""Part of the similarities that compares what is visible; the others compare what moves."""

Cause = Literal["appearance", "motion", "appearance and motion", "unknown"]


@dataclass(frozen=True)
class ConfusedClasses:
    """Held-out training clips of a class that the other clips take for another class.

    Args:
        label: Class of the clips.
        mistaken_for: Class that they are taken for.
        clips: Titles of the clips.
        of: Number of clips of the class that were scored.
        cause: Properties that the clips share with the other class.
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
        number: Its number among all clips of the model, from 1 on.
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
    """Clips, by title, that are nearly the same, each with its label; they may differ."""

    clips: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """Something to do next about a class, as a sentence."""

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
        calibrated: Number of clips that ``teach`` held out; with many clips it is smaller than
            ``scored``.
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
    confusions: tuple[ConfusedClasses, ...]
    suspects: tuple[Suspect, ...]
    duplicates: tuple[Duplicate, ...]
    needs: dict[str, float]
    advice: tuple[Advice, ...]

    @property
    def accuracy_line(self) -> str:
        """How many held-out clips are predicted correctly, as a sentence."""
        if not self.scored:
            return "No training clip was held out."
        all_calibrated = self.scored == self.calibrated
        calibrated = "" if all_calibrated else f" (teach held out {self.calibrated})"
        right = f"{self.right} of {self.scored}{calibrated}"
        return f"Held-out training clips predicted correctly: {right}."

    @property
    def suspects_title(self) -> str:
        """What the suspects are, as a heading."""
        clear = any(suspect.clear for suspect in self.suspects)
        return "Perhaps a wrong label" if clear else "The most doubtful label, which may be right"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def review(classifier: FewShotClassifier) -> Review:
    """Review what a classifier has learned."""
    fitted = classifier.fitted_
    method = fitted.method
    positions = spread_over_classes(fitted.examples.labels.tolist(), MAX_REVIEWED)
    examples, classes = fitted.examples.select(positions), fitted.classes
    labels, n = examples.labels, len(classes)
    terms = similarities_by_part(fitted, positions)
    pairs = np.sum(list(terms.values()), 0)  # (s s)
    scores = held_out_scores(pairs, labels, n)
    by_term = {name: held_out_scores(value, labels, n) for name, value in terms.items()}
    found = groups_of(examples.clips, terms.get("appearance"), pairs, range(len(labels)), labels)
    groups = found if fitted.open_set.several_recordings else [c.group for c in examples.clips]
    nodes = fitted.by_clip.select(positions).nodes
    predicted = _predicted(fitted, examples, nodes, groups)
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
        reviewed=len(positions),
        clips=len(fitted.examples.clips),
        confusions=confusions,
        suspects=suspects,
        duplicates=duplicates,
        needs=dict(zip(classes, needs.tolist(), strict=True)),
        advice=_advice(classes, needs.tolist(), labels, confusions, suspects, duplicates, clips),
    )


def _predicted(
    fitted: Fitted, examples: Examples, nodes: Nodes, groups: Sequence[str | None]
) -> Labels:
    """Return the predicted class (s) of some training clips; −1 of those not held out."""
    _, held_out, classes = hold_out(
        fitted.method,
        nodes,
        examples.labels,
        len(fitted.classes),
        groups,
        fitted.class_names,
        most=MAX_PREDICTED,
        titles=[clip.title for clip in examples.clips],
    )
    predicted = np.full(len(examples.labels), -1)
    predicted[held_out] = classes
    return predicted


def need_of_classes(scores: Scores, labels: Labels, temperature: float) -> Scores:
    """Return how much each class needs another clip (n), 0 or more.

    It is the probability that its clips are taken for another class plus that of others taken for
    it, over the number of its clips: one clip more changes less where there are many. A class of
    one clip cannot be held out; its clip counts as mistaken.

    Args:
        scores: Scores (s n) of ``held_out_scores``.
        labels: Classes (s) of the clips.
        temperature: Temperature of the probabilities.
    """
    member = one_hot(labels, scores.shape[-1], np.float64)
    likely = softmax(_comparable(scores) / temperature)
    shots = member.sum(0)
    missed = ((1 - likely) * member).sum(0) / shots
    taken = (likely * (1 - member)).sum(0) * len(shots) / shots.sum()
    needs: Scores = (missed + taken) / shots
    return needs


def _suspects(
    pairs: Scores,
    scores: Scores,
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
            float(gains[i]),
            clear,
        )
        for i in positions[:MAX_SUSPECTS]
    )


def _confusions(
    predicted: Labels,
    by_term: Mapping[str, Scores],
    examples: Examples,
    classes: Sequence[str],
) -> tuple[ConfusedClasses, ...]:
    labels = examples.labels
    confusions = []
    for c, label in enumerate(classes):
        scored = (labels == c) & (predicted >= 0)
        for rival in range(len(classes)):
            mistaken = np.flatnonzero(scored & (predicted == rival))
            if rival == c or not len(mistaken):
                continue
            terms = {
                name: float((value[mistaken, rival] - value[mistaken, c]).mean())
                for name, value in by_term.items()
            }
            titles = tuple(examples.clips[i].title for i in mistaken.tolist())
            confusions.append(
                ConfusedClasses(
                    label, classes[rival], titles, int(scored.sum()), cause_of(terms), terms
                )
            )
    return tuple(sorted(confusions, key=lambda confusion: -len(confusion.clips) / confusion.of))


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


def _duplicates(pairs: Scores, clips: Sequence[Example]) -> tuple[Duplicate, ...]:
    """Return groups of clips whose distance, K(i, i) + K(j, j) − 2 K(i, j), is close to 0."""
    if len(clips) < 2:
        return ()
    diagonal = pairs.diagonal()
    distance = np.maximum(diagonal[:, None] + diagonal - pairs - pairs.T, 0.0)
    np.fill_diagonal(distance, np.inf)
    nearest = np.sort(distance.min(1))
    middle = float(nearest[(len(nearest) - 1) // 2])
    limit = max(DUPLICATE * middle, STORED_ROUNDING * float(abs(diagonal).max()))
    group = list(range(len(clips)))  # number of the first clip that is nearly the same
    for i, j in np.argwhere(distance <= limit).tolist():
        first, second = sorted((group[i], group[j]))
        if first != second:
            group = [first if number == second else number for number in group]
    members: dict[int, list[Example]] = {}
    for clip, first in zip(clips, group, strict=True):
        members.setdefault(first, []).append(clip)
    return tuple(
        Duplicate(tuple(clip.title for clip in copies), tuple(clip.label for clip in copies))
        for copies in members.values()
        if len(copies) > 1
    )


def _advice(
    classes: Sequence[str],
    needs: Sequence[float],
    labels: Labels,
    confusions: Sequence[ConfusedClasses],
    suspects: Sequence[Suspect],
    duplicates: Sequence[Duplicate],
    clips: Sequence[Example],
) -> tuple[Advice, ...]:
    advice = [_advice_to_check(suspect, "Check") for suspect in suspects if suspect.clear]
    for copies in duplicates:
        one_label = len(set(copies.labels)) == 1
        what = "keep one" if one_label else "they have different labels: correct them"
        named = " and ".join(copies.clips) if len(copies.clips) == 2 else first_few(copies.clips)
        text = f"{named} are nearly the same clip: {what}."
        advice.append(Advice("remove" if one_label else "correct", copies.labels[-1], text))
    shots = np.bincount(labels, minlength=len(classes)).tolist()
    order = sorted(range(len(classes)), key=lambda c: (shots[c] > 1, -needs[c]))
    for c in order:
        if reason := _reason_to_record(classes[c], shots[c], confusions):
            text = f'Record another "{classes[c]}": {reason}'
            advice.append(Advice("record", classes[c], text))
    if not any(item.action == "record" for item in advice):
        weakest = order[0]
        text = f'Nothing is confused. If you record more, begin with "{classes[weakest]}".'
        advice.append(Advice("record", classes[weakest], text))
    faulty: dict[tuple[str, str], list[str]] = {}
    for clip in clips:
        for fault in clip.faults:
            faulty.setdefault((clip.label, fault), []).append(clip.title)
    for (label, fault), titles in faulty.items():
        advice.append(Advice("record", label, f"{first_few(titles)}: {fault}."))
    advice += [
        _advice_to_check(suspect, "If a label may be wrong, check first")
        for suspect in suspects
        if not suspect.clear
    ]
    return tuple(advice)


def _advice_to_check(suspect: Suspect, how: str) -> Advice:
    text = f'{how} {suspect.clip}: it is labelled "{suspect.label}"'
    text += f' and looks like "{suspect.likely}".'
    return Advice("correct", suspect.label, text)


ADVICE_BY_CAUSE: dict[Cause, str] = {
    "appearance": "They look alike: record it in another place, with other clothes, nearer.",
    "motion": "They move alike: record it slower and complete, from the same side as the others.",
    "appearance and motion": "They look and move alike: record it nearer and from another side.",
    "unknown": "Record it nearer and from another side.",
}


def _reason_to_record(label: str, shots: int, confusions: Sequence[ConfusedClasses]) -> str:
    """Return why another clip of a class helps, and how to record it; empty if it does not."""
    if shots == 1:
        return "one clip cannot be checked."
    for confusion in confusions:
        count = f"{len(confusion.clips)} of {confusion.of}"
        are = "is" if len(confusion.clips) == 1 else "are"
        advice = ADVICE_BY_CAUSE[confusion.cause]
        if label == confusion.label:
            return f'{count} {are} mistaken for "{confusion.mistaken_for}". {advice}'
        if label == confusion.mistaken_for:
            return f'{count} "{confusion.label}" {are} mistaken for it. {advice}'
    return ""
