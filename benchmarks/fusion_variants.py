"""Variants of ``fusion`` that change fields of its terms, which are no options."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fewact import methods
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import Detrend, Moments, Motion
from fewact.methods.fusion.weighted_terms import WeightedTerm, WeightedTerms


@dataclass(frozen=True)
class Variant:
    """A variant of ``fusion``; the default one is its default.

    Args:
        options: Options of ``fusion``.
        weights: Weights of terms, by their names; others keep their defaults.
        detrend: What motion and moments remove over time; None keeps what the options say.
        motion: Fields of the motion terms.
        permissive: Whether half of the weight of motion and moments is on the permissive view.
        max_by_cameras: Limit of the static probability by the log-odds alone; None for the default.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    detrend: Detrend | None = None
    motion: Mapping[str, Any] = field(default_factory=dict)
    permissive: bool = True
    max_by_cameras: float | None = None

    def method(self) -> Fusion:
        """Return the method."""
        method = fusion(**{**self.options, "weights": dict(self.weights)})
        method.map_terms = self._changed(method.map_terms)
        motion = replace(method.vector_terms.motion, **self.motion)
        if self.detrend is not None:
            motion = replace(motion, detrend=self.detrend)
        method.vector_terms = replace(method.vector_terms, motion=motion)
        return method

    def _changed(self, terms: WeightedTerms) -> WeightedTerms:
        """Return terms with the fields of the variant."""
        terms = with_fields(terms, Motion, **self.motion)
        if self.detrend is not None:
            terms = with_fields(terms, Motion, detrend=self.detrend)
            terms = with_fields(terms, Moments, detrend=self.detrend)
        if not self.permissive:
            terms = conservative_only(terms)
        if self.max_by_cameras is not None and terms.alternative is not None:
            static = replace(terms.alternative, max_by_cameras=self.max_by_cameras)
            terms = replace(terms, alternative=static)
        return terms


def fusion(**options: Any) -> Fusion:
    """Return the default method with options."""
    method = methods.create("fusion", **options).eval()
    if not isinstance(method, Fusion):
        raise TypeError("fusion is another method")
    return method


def with_fields(
    terms: WeightedTerms, of: type[Motion] | type[Moments], **fields: Any
) -> WeightedTerms:
    """Return terms in which all those of a type have other values of their fields."""
    changed = (
        replace(one, term=replace(one.term, **fields)) if isinstance(one.term, of) else one
        for one in terms.terms
    )
    return replace(terms, terms=tuple(changed))


def has_both_views(terms: WeightedTerms) -> bool:
    """Return whether the support decides the shares of a conservative and a permissive view."""
    return any(one.estimate is not None for one in terms.terms)


def both_views_count_half(terms: WeightedTerms) -> WeightedTerms:
    """Return terms whose two views have half of the weight each, whatever the support clips say."""

    def halved(one: WeightedTerm) -> WeightedTerm:
        if one.estimate is None:
            return one
        return replace(one, weight=one.weight / 2, estimate=None)

    return replace(terms, terms=tuple(halved(one) for one in terms.terms))


def conservative_only(terms: WeightedTerms) -> WeightedTerms:
    """Return terms in which the conservative view has the weight of the permissive one, too."""
    kept = (one for one in terms.terms if one.estimate != "permissive")
    return replace(terms, terms=tuple(replace(one, estimate=None) for one in kept))
