"""Aligners: the cost of matching two sets of parts, and how the parts were matched.

Each is a function ``aligner(cost, …) -> Alignment(value, plan)`` of costs (… m m'). All raise
``ShapeError`` for costs with fewer than two axes or an empty axis, and ``AlignmentError`` for costs
that are NaN or infinite. The registry and what solves transport problems are imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fewact.align.alignment import Alignment
from fewact.align.bi_mhm import bi_mhm
from fewact.align.diagonal import diagonal
from fewact.align.dtw import dtw, soft_dtw
from fewact.align.otam import otam
from fewact.align.sinkhorn import sinkhorn

if TYPE_CHECKING:
    from fewact.align.costs import (
        block_products,
        cosine_cost,
        cosine_cost_of_products,
        pairwise_cosine_cost,
    )
    from fewact.align.registry import Aligner, AlignerCard, align, card, create, names, register
    from fewact.align.transport import EmdAlignment, emd, hungarian

_NAMES_OF = {
    "costs": "block_products cosine_cost cosine_cost_of_products pairwise_cosine_cost",
    "registry": "Aligner AlignerCard align card create names register",
    "transport": "EmdAlignment emd hungarian",
}
_MODULES = {name: module for module, names in _NAMES_OF.items() for name in names.split()}

__all__ = [
    "Aligner",
    "AlignerCard",
    "Alignment",
    "EmdAlignment",
    "align",
    "bi_mhm",
    "block_products",
    "card",
    "cosine_cost",
    "cosine_cost_of_products",
    "create",
    "diagonal",
    "dtw",
    "emd",
    "hungarian",
    "names",
    "otam",
    "pairwise_cosine_cost",
    "register",
    "sinkhorn",
    "soft_dtw",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fewact.align.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'fewact.align' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
