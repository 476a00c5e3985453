"""None of these: whether a clip shows one of the classes at all, and the promised error rates.

A threshold on the known score separates clips of the classes from those of untaught actions. The
known score of a clip q is

    g(c) = ½ · (mean_s K(q, s) − ½ · inside(c)) + ½ · max_s K(q, s)
    known score = max_c g(c) − w₁ · mean of g over the other classes − w₂ · mean_u K(q, u)

where s are the training clips of class c, inside(c) is their intra-class similarity (see
``methods.common.kernel``), and u are the clips of no class, if there are any. K is the similarity
of two clips; any method has it, as its score for a class of one clip. The weights and the form of g
were chosen on development clips.

Without clips of no class, training clips say how high the scores of unknown clips are. To simulate
an unknown clip, remove the class c of a training clip q and impute its similarity: for each clip u
of another class, set g(c) to the similarity of u to c; average the scores over u.

Without clips of no class, what can be promised is about clips of the classes: held-out recordings
say how high the scores of other people's clips are. If their mean is μ, their variance v, and R the
number of recordings beyond the first of each class, the threshold is

    μ − 1.35 · σ · √(1 + 1/(R + 1)),   σ² = (R · v + 4 · p²) / (R + 4),   p² = (0.35 · d)² + u²

where d is μ minus the mean of the simulated unknown clips, and u is their standard deviation. So an
estimate from few recordings is shrunk towards the estimate from development clips.

Other promises follow from the number of clips of no class and their groups. A new clip of no class
is drawn like m others: it exceeds the k-th highest of their scores with a probability of at most k
/ (m + 1) (conformal prediction). Clips of one person or one place resemble each other. A new clip
of another group is only drawn like one clip of each of the G groups; after Lee, Barber, Willett,
"Distribution-free inference with hierarchical data", 2023, the probability is

    P ≤ (1 + Σ_g fraction of group g above the threshold) / (G + 1)

Here the sum is the largest that k − 1 clips can have, so that the promise depends on the numbers of
clips alone, and not on scores.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from numbers import Real
from statistics import NormalDist, fmean, pstdev, pvariance
from statistics import variance as variance_of
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import ConfigDict, Field, PositiveInt
from pydantic.dataclasses import dataclass

from fewact.classifier.names import Example
from fewact.core.errors import OptionError
from fewact.methods.base import Labels
from fewact.methods.common.known import (
    NONE_WEIGHT,
    Mask,
    Scores,
    class_similarities,
    intra_class,
    known_scores,
    score_of_summary,
    summary,
)

FEWEST_NONE = 2
"""Smallest number of clips of no class: each is scored by the others."""


def rank_of(rate: float, count: int) -> int:
    """Return the rank k, 1 to ``count``, of the threshold among the scores of clips of no class."""
    return min(count, max(1, math.floor(rate * (count + 1) + 1e-9)))


def needed_clips(rate: float) -> int:
    """Return the smallest number of clips of no class that can promise a rate: m ≥ 1/rate − 1.

    >>> needed_clips(0.05), needed_clips(0.1)
    (19, 9)
    """
    return max(FEWEST_NONE, math.ceil(round(1 / rate - 1, 9)))


def promise_to_other_groups(rank: int, sizes: Sequence[int]) -> float:
    """Return the limit of false alarms for clips of groups that no clip of no class has.

    Args:
        rank: Rank k of the threshold; at most k − 1 scores are above it.
        sizes: Number of clips in each of the G groups.

    >>> promise_to_other_groups(1, (5, 5)), promise_to_other_groups(3, (1,) * 9)
    (0.3333333333333333, 0.3)
    """
    remaining, above = rank - 1, 0.0
    for size in sorted(sizes):
        above += min(remaining, size) / size
        remaining -= min(remaining, size)
    return (1 + above) / (len(sizes) + 1)


STEEPEST = 12.0
"""Largest change of the log-odds of the known probability from unknown to known clips: how far new
clips are from both differs from training clips to training clips. Chosen on development clips, as
the next ones (docs/results/unknown-actions.md)."""

OTHER_PEOPLE = 0.0, 0.6
"""Scores with even odds, on the scale of ``OpenSet.relative``, where nothing says whether the
training clips are all of one person and new ones of others (0), or of several people (0.6)."""

APART, CLASSES_OF_PRIOR = (0.35, 0.55), 4
"""Prior standard deviation of the scores of unknown clips, as a fraction of their distance below
known clips; and the number of classes that this prior counts as. The first fraction applies if all
training clips may be of one person, whose clips resemble each other more; the second applies if
their groups are known."""

HARDLY_SEEN = 2.0
"""The deviation of n classes counts 1 + 2 / (n − 1) times where no class has two clips, so that
nothing says how far known clips are above. All three were chosen on development clips."""

DEFAULT_RATE = 0.1
"""Limit of false alarms if there are clips of no class and no rate is requested; without them,
fraction of the clips of the classes, of other people and recordings, that are rejected."""

REJECTING, RECORDINGS_OF_PRIOR, RECORDINGS_PRIOR_STD = 1.35, 4, 0.35
"""Standard deviations from the mean of held-out recordings to the default threshold; the number of
recordings that the prior counts as; its standard deviation, as a fraction of the distance between
known and unknown clips. Chosen on five development sets (docs/decisions/unknown-actions.md), so
that on average at most ``DEFAULT_RATE`` of the clips are rejected."""

BELOW_UNKNOWN, ENOUGH_CLASSES = 0.5, 0.5
"""Standard deviations from the mean of simulated unknown clips down to the threshold, where fewer
than this fraction of the classes have two recordings. Chosen on the same clips."""

Score = Annotated[float, Field(ge=-1e30, le=1e30)]  # their squares are numbers, too
Basis = Literal["clips of no class", "training clips, estimated", "held-out recordings", "off"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OpenSet:
    """Known scores of clips whose class was held out or is none. The thresholds follow from them.

    Args:
        known: Scores of training clips, each without itself. A clip that is alone in its class has
            no such score.
        untaught: Simulated unknown scores of training clips: the class of each is replaced by
            another class.
        inside: Intra-class similarity of each class.
        none: Scores of the clips of no class, each without itself and its group.
        none_groups: Number of clips of no class in each of their groups; empty if a group is not
            known.
        grouped: Whether the groups of all training clips are known, or their recordings found, so
            that ``known`` compares clips with other groups only.
        recordings: Number of groups of each class.
    """

    known: tuple[Score, ...]
    untaught: Annotated[tuple[Score, ...], Field(min_length=1)]
    inside: Annotated[tuple[Score, ...], Field(min_length=2)]
    none: tuple[Score, ...] = ()
    none_groups: tuple[PositiveInt, ...] = ()
    grouped: bool = False
    recordings: tuple[PositiveInt, ...] = ()

    def decision(self, false_alarms: float | None = None) -> "OpenSetDecision":
        """Return the threshold for a limit of false alarms.

        - With m clips of no class the threshold is the k-th highest of their scores,
          k = ⌊rate · (m + 1)⌋. A new clip of no class exceeds it with a probability of at most
          k / (m + 1), if it is drawn like these clips (conformal prediction). Where k would be 0,
          it is 1, and the promise is 1 / (m + 1). Where their groups are known, another promise
          is about clips of other groups, see ``false_alarm_bounds``.
        - Without them, the ``untaught`` scores of the n classes estimate the false alarms. The
          threshold is the normal quantile mean + z · sd · √(1 + 1/n), where sd² is the weighted
          mean of their variance and of an expected one, see ``APART``. One recording of each
          of two classes estimates nothing: then 1 is promised.
        - If no rate is requested and there are no clips of no class, the threshold is about clips
          of the classes, see the module: at most about ``DEFAULT_RATE`` of those of other people
          and recordings are rejected. Where most classes have one recording, nothing says how
          different other people are, and the threshold is a low one.

        Args:
            false_alarms: Highest fraction of clips of untaught actions that get a class, above 0;
                1 answers every clip with a class. None for the default.

        Raises:
            OptionError: The rate is not above 0 and at most 1.
        """
        check_rate(false_alarms)
        if false_alarms == 1:
            return ANY_CLASS
        rate = DEFAULT_RATE if false_alarms is None else false_alarms
        if self.none:
            rank = rank_of(rate, len(self.none))
            threshold = math.nextafter(sorted(self.none, reverse=True)[rank - 1], math.inf)
            return OpenSetDecision(
                "clips of no class",
                threshold,
                rank / (len(self.none) + 1),
                promise_to_other_groups(rank, self.none_groups) if self.none_groups else None,
            )
        if false_alarms is not None:
            mean, spread = self._untaught
            threshold = mean + NormalDist().inv_cdf(1 - rate) * spread
            return OpenSetDecision(
                "training clips, estimated", threshold, 1 if self._shows_nothing else rate
            )
        if self._shows_nothing:
            return ANY_CLASS
        threshold = self._known_threshold
        mean, spread = self._untaught
        alarms = 1 - NormalDist(mean, spread).cdf(threshold) if spread > 0 else 1.0
        return OpenSetDecision("held-out recordings", threshold, alarms)

    def known_probability(self, score: float) -> float:
        """Return the probability that a clip shows one of the classes, if half of all clips do.

        The scores of known and of unknown clips are taken as normal with one variance, so that the
        log-odds are linear in the score. The variance has a part that training clips cannot show,
        so that the log-odds change by at most ``STEEPEST`` from the mean of unknown to that of
        known clips. Where these do not differ, the probability is ½.

        The odds are even in the middle between them. With R held-out recordings they are even at (½
        + ½/R) of the way: with few recordings, held-out scores are higher than the scores of other
        people's clips. Where nothing says it, known scores are assumed to be one standard deviation
        higher, see ``HARDLY_SEEN``. Without recordings or groups, the training clips may be of one
        person or of several, which is as likely.
        """
        low, high, variance = self._normals
        if high <= low or self._shows_nothing:
            return 0.5
        slope = 1 / (variance / (high - low) ** 2 + 1 / STEEPEST)
        middles: tuple[float, ...] = (0.5,)
        if not self.none and self._held_out:
            held = sum(number for number in self.recordings if number > 1)
            middles = (0.5 + 0.5 / held,) if self.grouped else OTHER_PEOPLE
        odds = [slope * (self.relative(score) - middle) for middle in middles]
        return fmean(1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds)))) for log_odds in odds)

    def relative(self, score: float) -> float:
        """Return a known score on the scale whose 0 is the mean of unknown clips, 1 of known clips.

        Where their means do not differ, the unit is the standard deviation, or 1.
        """
        low, high, variance = self._normals
        unit = high - low if high > low else math.sqrt(variance) if variance > 0 else 1.0
        return (score - low) / unit

    @property
    def several_recordings(self) -> bool:
        """Whether held-out clips say how much other recordings of most classes differ."""
        count = sum(number > 1 for number in self.recordings)
        return self.grouped and count >= ENOUGH_CLASSES * max(len(self.recordings), 1)

    @property
    def _known_threshold(self) -> float:
        """Score that about ``DEFAULT_RATE`` of other people's clips of the classes do not reach."""
        unknown, deviation = fmean(self.untaught), pstdev(self.untaught)
        low = unknown - BELOW_UNKNOWN * deviation
        if not self.known:
            return low
        mean = fmean(self.known)
        others = max(sum(self.recordings) - len(self.recordings), 1)
        variance = pvariance(self.known) * (others + 1) / others
        prior = (RECORDINGS_PRIOR_STD * max(mean - unknown, 0.0)) ** 2 + deviation**2
        spread = (others * variance + RECORDINGS_OF_PRIOR * prior) / (others + RECORDINGS_OF_PRIOR)
        threshold = mean - REJECTING * math.sqrt(spread * (1 + 1 / (others + 1)))
        return threshold if self.several_recordings else min(threshold, low)

    @property
    def _held_out(self) -> tuple[float, ...]:
        """Scores of held-out clips, unless most classes have one recording: its clips are alike."""
        compared = self.none or not self.grouped or self.several_recordings
        return self.known if compared else ()

    @cached_property
    def _normals(self) -> tuple[float, float, float]:
        """Mean score of unknown and of known clips, and the variance of both."""
        unknown, known = np.array(self.none or self.untaught), np.array(self._held_out)
        squares, freedom = len(unknown) * float(unknown.var()), len(unknown) - 1
        if len(known):
            squares += len(known) * float(known.var())
            freedom += len(known) - 1
        variance = squares / max(freedom, 1)
        if not len(known) and not self.none:
            variance *= 0.0 if self._shows_nothing else self._hardly_seen**2
        low = float(unknown.mean())
        high = float(known.mean()) if len(known) else low + math.sqrt(variance)
        return low, high, variance

    @cached_property
    def _untaught(self) -> tuple[float, float]:
        """Mean score of unknown clips, and how far a new one is from it, by training clips."""
        scores, classes = self.untaught, len(self.inside)
        mean = fmean(scores)
        variance = variance_of(scores) if len(scores) > 1 else math.nan
        if self._held_out:
            expected = APART[self.grouped] * max(0.0, fmean(self._held_out) - mean)
            degrees = classes - 1
            variance = degrees * variance + CLASSES_OF_PRIOR * expected**2
            variance /= degrees + CLASSES_OF_PRIOR
        else:
            variance *= self._hardly_seen**2
        return mean, 0.0 if self._shows_nothing else math.sqrt(variance * (1 + 1 / classes))

    @property
    def _hardly_seen(self) -> float:
        return 1 + HARDLY_SEEN / (len(self.inside) - 1)

    @property
    def _shows_nothing(self) -> bool:
        """Whether there is one recording of each of two classes: all scores are of that pair."""
        return not self._held_out and not self.none and len(self.inside) == 2


@dataclass(frozen=True)
class OpenSetDecision:
    """Threshold of the known score, and what it promises.

    Args:
        basis: Scores that the threshold comes from; ``off`` answers every clip with a class.
        threshold: Lowest known score that gets a class.
        promised: Limit of false alarms. It is higher than the requested rate where there are too
            few clips for it; 1 promises nothing. An estimate where the threshold comes from
            held-out recordings, which promise ``DEFAULT_RATE`` of false rejections.
        promised_other_groups: Limit of false alarms for clips of groups, such as people, that the
            clips of no class do not have; None if their groups are not known.
    """

    basis: Basis
    threshold: float
    promised: float
    promised_other_groups: float | None = None

    def rejected(self, scores: Sequence[float]) -> int:
        """Return the number of scores below the threshold."""
        return sum(score < self.threshold for score in scores)


ANY_CLASS = OpenSetDecision("off", -math.inf, 1.0)
"""OpenSetDecision that answers every clip with a class."""


def describe(
    scores: OpenSet, false_alarms: float | None = None, none_clips: Iterable[Example] = ()
) -> list[str]:
    """Return lines that say what is promised about clips of untaught actions, and what it costs.

    Args:
        scores: Scores of a fitted classifier.
        false_alarms: Requested limit of false alarms; None for the default.
        none_clips: Clips of no class, to say how many of them have no group.
    """
    decision, count = scores.decision(false_alarms), len(scores.none)
    limit = _at_most(decision.promised)
    if decision.basis == "held-out recordings":
        return _about_recordings(scores, decision)
    lines = []
    if decision.basis == "off":
        why = "" if false_alarms == 1 else "; one recording of each of two classes shows no more"
        return [f"None of these: every clip gets a class{why}"]
    if decision.basis == "clips of no class":
        lines.append(
            f'None of these: at most {limit} of other clips like the {count} in "none" get a class'
        )
        rate = DEFAULT_RATE if false_alarms is None else false_alarms
        if decision.promised > rate:
            needed = needed_clips(rate)
            lines.append(f'  {100 * rate:g} % cannot be promised: needs {needed} clips in "none"')
        lines += _about_others(
            decision, len(scores.none_groups), [clip.group for clip in none_clips]
        )
    elif decision.promised == 1:
        lines.append(
            "None of these: one recording of each of two classes does not say how many clips of "
            'other actions get a class; teach more clips, or put some of other actions in "none"'
        )
    else:
        lines.append(
            f"None of these: about {limit} of clips of other actions get a class; a rough "
            'estimate, only clips in "none" can promise it'
        )
    if scores.known:
        lost = decision.rejected(scores.known)
        new = "" if scores.grouped else "; of clips of new people or places more"
        lines.append(
            f'  Of {len(scores.known)} held-out training clips {lost} would be "(none)"{new}'
        )
        if 2 * lost > len(scores.known):
            lines.append(
                "  That is most: teach more clips of each class, or allow more false alarms"
            )
    return lines


def _about_recordings(scores: OpenSet, decision: OpenSetDecision) -> list[str]:
    """Return what the default threshold costs on either side, and what it rests on."""
    alarms = f"{_about(decision.promised)} of clips of other actions get a class"
    if not scores.several_recordings:
        why = "Most classes have one recording: teach clips of another person or place"
        if replace(scores, grouped=True).several_recordings:
            why = "Which clips are of one recording is not known: a table can say the group"
        return [f'None of these: only clips unlike all classes are "(none)"; {alarms}', f"  {why}"]
    rate, least, most = f"{100 * DEFAULT_RATE:g} %", min(scores.recordings), max(scores.recordings)
    count = f"{most}" if least == most else f"{least} to {most}"
    return [
        f'None of these: at most about {rate} of clips of the classes are "(none)", and {alarms}',
        f"  Estimated from {count} recordings of each class, for other people and places like "
        'them; clips in "none" can promise more',
    ]


def _about_others(
    decision: OpenSetDecision, groups: int, group_of_clips: Sequence[str | None]
) -> list[str]:
    promised, count = decision.promised_other_groups, len(group_of_clips)
    without = group_of_clips.count(None)
    if promised is None and 0 < without < count:
        have, them = ("has", "it") if without == 1 else ("have", "them")
        return [
            f'  Other people and places may differ: {without} of {count} clips in "none" {have} no '
            f"group; move {them} into a folder like the others, and teach says how much"
        ]
    if promised is None:
        return [
            '  Other people and places may differ: with a folder for each in "none", '
            "teach says how much"
        ]
    if promised <= decision.promised:
        return []
    return [
        f'  Of clips of other people or places than the {groups} in "none": at most '
        f"{_at_most(promised)}; more of them lower this"
    ]


def _about(rate: float) -> str:
    """Return an estimate in steps of 5 %; none of its ends is certain."""
    percent = 5 * round(20 * rate)
    return {0: "less than 5 %", 100: "more than 95 %"}.get(percent, f"about {percent} %")


def _at_most(rate: float) -> str:
    """Return a limit in whole per cent, rounded up."""
    return f"{math.ceil(100 * rate - 1e-9)} %"


def check_rate(rate: float | None) -> None:
    """Refuse a rate of false alarms that is not above 0 and at most 1."""
    if rate is not None and not (isinstance(rate, Real) and 0 < rate <= 1):
        raise OptionError(
            "not a rate",
            where="false_alarms",
            got=repr(rate),
            expected="above 0 and at most 1; 1 answers every clip with a class",
        )


def untaught_scores(
    pairs: Scores,
    labels_of_rows: Labels,
    labels: Labels,
    inside: Scores,
    none: Scores | None = None,
    *,
    left_out: Mask,
) -> Scores:
    """Return simulated unknown scores (h) of training clips: their classes are replaced by others.

    Args:
        pairs: Similarities (h s) with the training clips.
        labels_of_rows: Class (h) of each.
        labels: Classes (s) of the training clips in 0 … n−1.
        inside: Intra-class similarities (h n).
        none: Mean similarity (h) with the clips of no class; None if there are none.
        left_out: Whether a clip is not compared with a training clip (h s): with none of its class.
    """
    similarity = class_similarities(pairs, labels, inside, left_out)  # (h n)
    best, total, count = summary(similarity)
    imputed = similarity[:, labels_of_rows].T  # (h h): of all clips with the class of each
    usable = np.isfinite(imputed) & (labels_of_rows[:, None] != labels_of_rows)
    imputed = np.where(usable, imputed, 0.0)
    instead = score_of_summary(
        np.maximum(best[:, None], imputed), total[:, None] + imputed, count[:, None] + 1
    )
    mean = (instead * usable).sum(1) / np.maximum(usable.sum(1), 1)
    scores: Scores = np.where(usable.any(1), mean, score_of_summary(best, total, count))
    return scores if none is None else scores - NONE_WEIGHT * none


def fit_open_set(
    pairs: Scores,
    positions: Sequence[int],
    labels: Labels,
    n: int,
    groups: Sequence[str | None],
    none: "NoneScores | None" = None,
) -> OpenSet:
    """Compute the scores that thresholds follow from.

    Args:
        pairs: Similarities (h s) of some training clips with all of them, with itself included.
        positions: Positions of the h clips among the training clips.
        labels: Classes (s) of the training clips.
        n: Number of classes.
        groups: Group of each training clip; a clip with None is a group by itself. A clip is not
            compared with its own group, if there is another.
        none: Similarities of the clips of no class.
    """
    own, same_group = labels[list(positions)], _same(groups, positions)
    same_class = own[:, None] == labels
    same_class_or_group = same_class | same_group
    untaught = np.where(same_class_or_group.all(1, keepdims=True), same_class, same_class_or_group)
    held = (same_class & ~same_group).any(1)
    outside = None if none is None else none.of_training

    def inside_without(left_out: Mask) -> Scores:
        return intra_class(pairs, positions, labels, n, left_out)

    of_known = known_scores(
        pairs[held],
        labels,
        inside_without(same_group[held]),
        None if outside is None else outside[held],
        left_out=same_group[held],
    )
    without = untaught_scores(
        pairs, own, labels, inside_without(untaught), outside, left_out=untaught
    )
    inside = inside_without(np.zeros((1, len(labels)), np.bool_))[0]
    of_none: tuple[float, ...] = ()
    sizes: tuple[int, ...] = ()
    if none is not None:
        of_none = tuple(known_scores(none.pairs, labels, inside, none.of_none).tolist())
        sizes = () if None in none.groups else tuple(Counter(none.groups).values())
    return OpenSet(
        known=tuple(of_known.tolist()),
        untaught=tuple(without.tolist()),
        inside=tuple(inside.tolist()),
        none=of_none,
        none_groups=sizes,
        grouped=None not in groups,
        recordings=tuple(len(set(names)) for names in _groups_of_classes(groups, labels, n)),
    )


def _groups_of_classes(
    groups: Sequence[str | None], labels: Labels, n: int
) -> list[list[str | int]]:
    """Return the groups of the clips of each class; a clip without one is a group by itself."""
    names: list[list[str | int]] = [[] for _ in range(n)]
    for i, (group, label) in enumerate(zip(groups, labels.tolist(), strict=True)):
        names[label].append(i if group is None else group)
    return names


class NoneScores(NamedTuple):
    """Similarities of m clips of no class.

    Args:
        pairs: Similarities (m s) with the training clips.
        of_none: Mean similarity (m) of each with the clips in other groups.
        of_training: Mean similarity (h) of training clips with the clips of no class.
        groups: Group of each of the m clips; None if it is not known.
    """

    pairs: Scores
    of_none: Scores
    of_training: Scores
    groups: Sequence[str | None]


def mean_of_other_groups(
    pairs: Scores, references: Sequence[int], groups: Sequence[str | None]
) -> Scores:
    """Return the mean similarity (m) of each clip of no class with references of other groups.

    A clip whose group has all references is compared with all but itself.

    Args:
        pairs: Similarities (m r) with the references.
        references: Positions of the references among the clips.
        groups: Group of each of the m clips; a clip with None is a group by itself.
    """
    compared = ~_same(groups, references).T
    itself = np.arange(len(pairs))[:, None] == np.array(references)
    compared = np.where(compared.any(1, keepdims=True), compared, ~itself)
    means: Scores = (pairs * compared).sum(1) / compared.sum(1)
    return means


def _same(groups: Sequence[str | None], rows: Sequence[int]) -> Mask:
    """Return whether clips at h positions are of the group of each clip: (h s)."""
    names = [i if group is None else group for i, group in enumerate(groups)]
    position = {name: i for i, name in enumerate(dict.fromkeys(names))}
    numbers = np.array([position[name] for name in names])
    same: Mask = numbers[list(rows)][:, None] == numbers
    return same
