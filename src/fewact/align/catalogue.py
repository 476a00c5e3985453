"""Aligners by name."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fewact.align.bi_mhm import bi_mhm
from fewact.align.diagonal import diagonal
from fewact.align.dtw import dtw
from fewact.align.emd import emd
from fewact.align.hungarian import hungarian
from fewact.align.otam import otam
from fewact.align.result import Alignment
from fewact.align.sinkhorn import sinkhorn
from fewact.align.soft_dtw import soft_dtw
from fewact.registry import Registry, check_options

Aligner = Callable[..., Alignment]
"""Takes costs (… m m') first, and perhaps weights; what it returns is smaller for nearer sets."""

_ALIGNERS: Registry[Aligner] = Registry(
    "aligner",
    {
        "bi_mhm": bi_mhm,
        "diagonal": diagonal,
        "dtw": dtw,
        "emd": emd,
        "hungarian": hungarian,
        "otam": otam,
        "sinkhorn": sinkhorn,
        "soft_dtw": soft_dtw,
    },
)


def names() -> tuple[str, ...]:
    """Names of all aligners."""
    return _ALIGNERS.names()


def register(name: str) -> Callable[[Aligner], Aligner]:
    """A decorator that adds an aligner of your own under a name.

    Raises:
        UnknownNameError: The name is taken.
    """
    return _ALIGNERS.register(name)


def create(name: str, **options: Any) -> Aligner:
    """The aligner of a name, with options bound.

    Args:
        name: One of ``names()``.
        options: Arguments of that function other than the costs.

    Raises:
        UnknownNameError: There is no such aligner.
        OptionError: It has no such option.

    >>> import torch
    >>> create("otam", lam=0.1, both=False)(torch.ones(1, 3)).value
    tensor(3.)
    """
    aligner = _ALIGNERS.get(name)
    known = list(inspect.signature(aligner).parameters)[1:]
    check_options(options, known, of=f'aligner "{name}"')
    return functools.partial(aligner, **options)
