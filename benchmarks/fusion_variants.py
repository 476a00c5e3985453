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
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    detrend: Detrend | None = None
    motion: Mapping[str, Any] = field(default_factory=dict)

    def method(self) -> Fusion:
        """Return the method."""
        method = fusion(**{**self.options, "weights": dict(self.weights)})
        terms = with_fields(method.map_terms, Motion, **self.motion)
        if self.detrend is not None:
            terms = with_fields(terms, Motion, detrend=self.detrend)
            terms = with_fields(terms, Moments, detrend=self.detrend)
        method.map_terms = terms
        return method


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
