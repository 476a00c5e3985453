"""Aligners: the cost of matching two sets of parts, and how the parts were matched.

Each is a function ``aligner(cost, …) -> Alignment(value, plan)`` of costs (… m m'). All raise
``ShapeError`` for costs with fewer than two axes or an empty axis, and ``AlignmentError`` for costs
that are NaN or infinite.
"""

from fewact.align.alignment import Alignment
from fewact.align.bi_mhm import bi_mhm
from fewact.align.costs import (
    block_products,
    cosine_cost,
    cosine_cost_of_products,
    pairwise_cosine_cost,
)
from fewact.align.diagonal import diagonal
from fewact.align.dtw import dtw, soft_dtw
from fewact.align.otam import otam
from fewact.align.registry import Aligner, AlignerCard, align, card, create, names, register
from fewact.align.sinkhorn import sinkhorn
from fewact.align.transport import EmdAlignment, emd, hungarian

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
