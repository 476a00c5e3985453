"""Registry of aligners: functions by name, and what each of them expects."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from fewact.align.alignment import Alignment
from fewact.align.bi_mhm import bi_mhm
from fewact.align.diagonal import diagonal
from fewact.align.dtw import dtw, soft_dtw
from fewact.align.otam import otam
from fewact.align.sinkhorn import sinkhorn
from fewact.align.transport import emd, hungarian
from fewact.core.array_api import Array, as_array, needs_gradient
from fewact.core.options import check_options
from fewact.core.registry import Registry

Aligner = Callable[..., Alignment[Any]]
"""Function of costs (… m m'), and of weights where its card says so; smaller values are nearer."""


@dataclass(frozen=True)
class AlignerCard:
    """Properties by which a caller can exchange one aligner for another.

    Args:
        weights: Whether the aligner takes weights ``a`` (… m) and ``b`` (… m') after the costs.
        ordered: Whether rows and columns must be in temporal order.
        paired: Whether row i is compared with column i, so that m = m' is required.
        terms: Number of costs that the value adds up for (m, m'), with weights of total m:
            ``value / terms`` is the mean cost of a matched pair.
        options: Options other than the defaults that ``terms`` requires.
    """

    weights: bool = False
    ordered: bool = False
    paired: bool = False
    terms: Callable[[int, int], float] = lambda rows, columns: 1
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def _rows(rows: int, columns: int) -> float:
    return rows


_ALIGNERS: Registry[tuple[Aligner, AlignerCard]] = Registry(
    "aligner",
    {
        "bi_mhm": (bi_mhm, AlignerCard(terms=lambda *_: 2, options={"reduction": "mean"})),
        "diagonal": (diagonal, AlignerCard(paired=True)),
        "dtw": (dtw, AlignerCard(ordered=True, terms=_rows)),
        "emd": (emd, AlignerCard(weights=True, terms=_rows)),
        "hungarian": (hungarian, AlignerCard()),
        "otam": (otam, AlignerCard(ordered=True, terms=lambda rows, columns: 2 * rows)),
        "sinkhorn": (sinkhorn, AlignerCard(weights=True, terms=_rows)),
        "soft_dtw": (soft_dtw, AlignerCard(ordered=True, terms=_rows)),
    },
)


def names() -> tuple[str, ...]:
    """Return the names of all aligners."""
    return _ALIGNERS.names()


def card(name: str) -> AlignerCard:
    """Return what the aligner of a name expects.

    Raises:
        UnknownNameError: There is no such aligner.

    >>> card("otam").ordered, card("emd").weights
    (True, True)
    """
    return _ALIGNERS.get(name)[1]


def register(name: str, card: AlignerCard | None = None) -> Callable[[Aligner], Aligner]:
    """Return a decorator that adds a custom aligner under a name.

    Args:
        name: New name.
        card: What the aligner expects; by default it takes costs alone, in any order, and its
            value is a mean cost.

    Raises:
        UnknownNameError: The name is taken.
    """
    add = _ALIGNERS.register(name)

    def decorate(aligner: Aligner) -> Aligner:
        add((aligner, card or AlignerCard()))
        return aligner

    return decorate


def create(name: str, **options: Any) -> Aligner:
    """Return the aligner of a name, with options bound.

    Args:
        name: One of ``names()``.
        options: Arguments of that function other than costs, weights and ``plan``.

    Raises:
        UnknownNameError: There is no such aligner.
        OptionError: It has no such option.

    >>> import numpy as np
    >>> create("otam", smoothing=0.1, bidirectional=False)(np.ones((1, 3))).value
    array(3.)
    """
    aligner, card = _ALIGNERS.get(name)
    arguments = 3 if card.weights else 1  # the costs, and the weights of both sides
    parameters = list(inspect.signature(aligner).parameters)[arguments:]
    optional = [parameter for parameter in parameters if parameter != "plan"]
    check_options(options, optional, of=f'aligner "{name}"')
    return functools.partial(aligner, **options)


def align(
    name: str, cost: Array, a: Array | None = None, b: Array | None = None, *, plan: bool = True
) -> Alignment[Array]:
    """Align by name; the value is the mean cost of a matched pair.

    Args:
        name: One of ``names()``.
        cost: (… m m').
        a: (… m) weights of total m; only for aligners whose card says ``weights``.
        b: (… m') weights of total m.
        plan: Whether to return the plan.

    Returns:
        ``value`` (…), 0 where each matched pair costs nothing (less than 0 for a soft minimum over
        several cheap paths); ``plan`` (… m m') of the aligner itself.

    Raises:
        UnknownNameError: There is no such aligner.

    >>> import numpy as np
    >>> align("dtw", np.ones((3, 3))).value
    array(1.)
    """
    aligner, card = _ALIGNERS.get(name)
    weights = (a, b) if card.weights else ()
    costs: Any = cost
    alignment = aligner(costs, *weights, plan=plan or needs_gradient(costs), **card.options)
    value = as_array(alignment.value / card.terms(*costs.shape[-2:]))
    return Alignment(value, alignment.plan if plan else None)
