"""Variants of ``fusion`` that change fields of its terms, which are no options."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fewact import methods
from fewact.features.request import FeatureRequest, View
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.terms import (
    AppearanceTerm,
    Detrend,
    MomentsTerm,
    MotionTerm,
    WeightedTerms,
)


@dataclass(frozen=True)
class Variant:
    """A variant of ``fusion``; the default one is its default.

    Args:
        options: Options of ``fusion``.
        weights: Weights of terms, by their names; others keep their defaults.
        detrend: What motion and moments remove over time; None keeps what the options say.
        motion: Fields of the motion terms.
        appearance: Whether appearance is that of what moves, or of the full frames.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    detrend: Detrend | None = None
    motion: Mapping[str, Any] = field(default_factory=dict)
    appearance: Literal["moving", "full frames"] = "moving"

    def method(self) -> Fusion:
        """Return the method."""
        method = fusion(**self.options)
        terms = with_weights(method.terms, self.weights)
        terms = with_fields(terms, MotionTerm, **self.motion)
        if self.appearance == "full frames":
            vectors = FeatureRequest("vectors", View(method.options.frames))
            terms = with_fields(terms, AppearanceTerm, view=vectors)
        if self.detrend is not None:
            terms = with_fields(terms, MotionTerm, detrend=self.detrend)
            terms = with_fields(terms, MomentsTerm, detrend=self.detrend)
        method.terms = terms
        return method


def fusion(**options: Any) -> Fusion:
    """Return the default method with options."""
    method = methods.create("fusion", **options)
    if not isinstance(method, Fusion):
        raise TypeError("fusion is another method")
    return method


def with_fields(
    terms: WeightedTerms,
    of: type[MotionTerm] | type[MomentsTerm] | type[AppearanceTerm],
    **fields: Any,
) -> WeightedTerms:
    """Return terms in which all those of a type have other values of their fields."""
    changed = (
        replace(one, term=replace(one.term, **fields)) if isinstance(one.term, of) else one
        for one in terms.terms
    )
    return replace(terms, terms=tuple(changed))


def with_weights(terms: WeightedTerms, weights: Mapping[str, float]) -> WeightedTerms:
    """Return terms with other weights, by the names of their nodes.

    The weight of a term of motion holds for the same term for static cameras.
    """
    changed = (
        replace(one, weight=weights.get(one.name.removeprefix("static_"), one.weight))
        for one in terms.terms
    )
    return replace(terms, terms=tuple(changed))
