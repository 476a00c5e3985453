"""None of these: whether a clip shows one of the classes at all, and what is promised about it.

The module ``known_scores`` computes the known score of a clip. A threshold on it separates clips of
the classes from those of untaught actions.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from numbers import Real
from statistics import NormalDist, fmean
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, PositiveInt
from pydantic.dataclasses import dataclass

from fewact.classifier.example import Example
from fewact.classifier.false_alarm_bounds import needed_clips, promise_to_other_groups, rank_of
from fewact.core.errors import OptionError

STEEPEST = 12.0
"""Largest change of the log-odds of the known probability from unknown to known clips: how far new
clips are from both differs from training clips to training clips. Chosen on development clips, as
the next ones (docs/results/unknown-actions.md)."""

OTHER_PEOPLE = 0.0, 0.6
"""Scores with even odds, on the scale of ``OpenSet.relative``, where the training clips are all of
one person and new ones of others, and where they are of several people."""

APART, CLASSES_OF_PRIOR = (0.35, 0.55), 4
"""Standard deviation of the scores of unknown clips that is expected before any are seen, as a
fraction of how far they are below known clips; and the number of classes that it counts as. Where
the training clips may be of one person, whose clips resemble each other more than those of others
do, the first fraction counts; where their groups are known, the second."""

HARDLY_SEEN = 2.0
"""The deviation of n classes counts 1 + 2 / (n − 1) times where no class has two clips, so that
nothing says how far known clips are above. All three were chosen on development clips."""

DEFAULT_RATE = 0.1
"""Limit of false alarms if there are clips of no class and no rate is requested."""

Score = Annotated[float, Field(allow_inf_nan=False)]
Basis = Literal["clips of no class", "training clips, estimated", "off"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OpenSet:
    """Known scores of clips whose class was held out or is none; what thresholds follow from.

    Args:
        known: Scores of training clips, each without itself. A clip that is alone in its class has
            no such score.
        untaught: Scores of training clips, each as if another one were in place of its class.
        inside: Intra-class similarity of each class.
        none: Scores of the clips of no class, each without itself and its group.
        none_groups: Number of clips of no class in each of their groups; empty if a group is not
            known.
        grouped: Whether the groups of all training clips are known, so that ``known`` compares
            clips with other groups only.
    """

    known: tuple[Score, ...]
    untaught: tuple[Score, ...]
    inside: Annotated[tuple[Score, ...], Field(min_length=2)]
    none: tuple[Score, ...] = ()
    none_groups: tuple[PositiveInt, ...] = ()
    grouped: bool = False

    def decision(self, false_alarms: float | None = None) -> "Decision":
        """Return the threshold for a limit of false alarms.

        - With m clips of no class the threshold is the k-th highest of their scores,
          k = ⌊rate · (m + 1)⌋. A new clip of no class exceeds it with a probability of at most
          k / (m + 1), if it is drawn like these clips (conformal prediction). Where k would be 0,
          it is 1, and the promise is 1 / (m + 1). Where their groups are known, another promise
          is about clips of other groups, see ``false_alarm_bounds``.
        - Without them, the ``untaught`` scores of the n classes estimate the false alarms. The
          threshold is the normal quantile mean + z · sd · √(1 + 1/n), where sd² is the weighted
          mean of their variance and of an expected one, see ``APART``. One clip of each of two
          classes estimates nothing: then 1 is promised.
        - If no rate is requested and there are no clips of no class, every clip gets a class.

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
            return Decision(
                "clips of no class",
                threshold,
                rank / (len(self.none) + 1),
                promise_to_other_groups(rank, self.none_groups) if self.none_groups else None,
            )
        if false_alarms is not None:
            mean, spread = self._untaught
            threshold = mean + NormalDist().inv_cdf(1 - rate) * spread
            return Decision("training clips, estimated", threshold, 1 if self._two_clips else rate)
        return ANY_CLASS

    def known_probability(self, score: float) -> float:
        """Return the probability that a clip shows a taught class, if half of all clips do.

        The scores of known and of unknown clips are taken as normal with one variance, so that the
        log-odds are linear in the score. The variance has a part that training clips cannot show,
        so that the log-odds change by at most ``STEEPEST`` from the mean of unknown to that of
        known clips. Where these do not differ, the probability is ½.

        The odds are even in the middle between them, if the leave-one-out scores are of clips
        of other groups, if they are compared with clips of no class, or if there are none: then
        known scores are assumed to be one standard deviation higher, see ``HARDLY_SEEN``.
        Otherwise the training clips may be of one person or of several, which is as likely.
        """
        low, high, variance = self._normals
        if high <= low:
            return 0.5
        slope = 1 / (variance / (high - low) ** 2 + 1 / STEEPEST)
        sure = self.grouped or self.none or not self.known
        middles = (0.5,) if sure else OTHER_PEOPLE
        odds = [slope * (self.relative(score) - middle) for middle in middles]
        return fmean(1 / (1 + math.exp(-max(-30.0, min(30.0, one)))) for one in odds)

    def relative(self, score: float) -> float:
        """Return a known score on the scale whose 0 is the mean of unknown clips, 1 of known clips.

        Where their means do not differ, the unit is the standard deviation, or 1.
        """
        low, high, variance = self._normals
        unit = high - low if high > low else math.sqrt(variance) if variance > 0 else 1.0
        return (score - low) / unit

    @cached_property
    def _normals(self) -> tuple[float, float, float]:
        """Mean score of unknown and of known clips, and the variance of both."""
        unknown = torch.tensor(self.none or self.untaught, dtype=torch.float64)
        known = torch.tensor(self.known, dtype=torch.float64)
        squares, freedom = (unknown - unknown.mean()).square().sum(), len(unknown) - 1
        if self.known:
            squares = squares + (known - known.mean()).square().sum()
            freedom += len(known) - 1
        variance = squares.item() / max(freedom, 1)
        if not self.known and not self.none:
            variance = 0.0 if self._two_clips else variance * self._hardly_seen**2
        low = unknown.mean().item()
        high = known.mean().item() if self.known else low + math.sqrt(max(variance, 0.0))
        return low, high, variance

    @cached_property
    def _untaught(self) -> tuple[float, float]:
        """Mean score of unknown clips, and how far a new one is from it, by training clips."""
        scores, classes = torch.tensor(self.untaught, dtype=torch.float64), len(self.inside)
        mean, variance = scores.mean().item(), scores.var().item()
        if self.known:
            expected = APART[self.grouped] * max(0.0, fmean(self.known) - mean)
            seen = classes - 1
            variance = seen * variance + CLASSES_OF_PRIOR * expected**2
            variance /= seen + CLASSES_OF_PRIOR
        else:
            variance *= self._hardly_seen**2
        return mean, 0.0 if self._two_clips else math.sqrt(variance * (1 + 1 / classes))

    @property
    def _hardly_seen(self) -> float:
        return 1 + HARDLY_SEEN / (len(self.inside) - 1)

    @property
    def _two_clips(self) -> bool:
        """Whether there is one clip of each of two classes: both scores are of the same pair."""
        return not self.known and not self.none and len(self.untaught) == 2


@dataclass(frozen=True)
class Decision:
    """Threshold of the known score, and what it promises.

    Args:
        basis: Scores that the threshold comes from; ``off`` answers every clip with a class.
        threshold: Lowest known score that gets a class.
        promised: Limit of false alarms. It is higher than the requested rate where there are too
            few clips for it; 1 promises nothing.
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


ANY_CLASS = Decision("off", -math.inf, 1.0)
"""Decision that answers every clip with a class."""


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
    most = _at_most(decision.promised)
    lines = []
    if decision.basis == "off":
        why = "" if false_alarms == 1 else ' (needs clips in "none", or a rate of false alarms)'
        return [f"None of these: every clip gets a class{why}"]
    if decision.basis == "clips of no class":
        lines.append(
            f'None of these: at most {most} of other clips like the {count} in "none" get a class'
        )
        rate = DEFAULT_RATE if false_alarms is None else false_alarms
        if decision.promised > rate:
            needed = needed_clips(rate)
            lines.append(f'  {100 * rate:g} % cannot be promised: needs {needed} clips in "none"')
        lines += _about_others(decision, len(scores.none_groups), [one.group for one in none_clips])
    elif decision.promised == 1:
        lines.append(
            "None of these: one clip of each of two classes does not say how many clips of other "
            'actions get a class; teach more clips, or put some of other actions in "none"'
        )
    else:
        lines.append(
            f"None of these: about {most} of clips of other actions get a class; a rough estimate, "
            'only clips in "none" can promise it'
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


def _about_others(
    decision: Decision, groups: int, group_of_clips: Sequence[str | None]
) -> list[str]:
    """Return what is promised about people and places that "none" does not have."""
    other, count = decision.promised_other_groups, len(group_of_clips)
    without = group_of_clips.count(None)
    if other is None and 0 < without < count:
        have, them = ("has", "it") if without == 1 else ("have", "them")
        return [
            f'  Other people and places may differ: {without} of {count} clips in "none" {have} no '
            f"group; move {them} into a folder like the others, and teach says how much"
        ]
    if other is None:
        return [
            '  Other people and places may differ: with a folder for each in "none", '
            "teach says how much"
        ]
    if other <= decision.promised:
        return []
    return [
        f'  Of clips of other people or places than the {groups} in "none": at most '
        f"{_at_most(other)}; more of them lower this"
    ]


def _at_most(rate: float) -> str:
    """Return a limit in whole per cent, rounded up."""
    return f"{math.ceil(100 * rate - 1e-9)} %"


def check_rate(rate: float | None) -> None:
    """Refuse a rate that is not above 0 and at most 1.

    Raises:
        OptionError: See above.
    """
    if rate is not None and not (isinstance(rate, Real) and 0 < rate <= 1):
        raise OptionError(
            "not a rate",
            where="false_alarms",
            got=repr(rate),
            expected="above 0 and at most 1; 1 answers every clip with a class",
        )
