"""Moments, alignments and claims of the ablation of A²M²-Net."""

from collections.abc import Mapping
from typing import Any

PLAIN = {"alignment.time_weight": 0.0, "intra_class_weight": 0.0, "shot_aggregation": "prototype"}
"""Options of all runs: without a time term, only moments and aligners use the order.

This is not the paper's form, which has maps of the last stage, a learned reduction of two layers,
the clip's mean kept, and pre-training before the episodes."""

CLIP_MEAN = {"kept": False, "subtracted": True}
"""The clip's mean map: kept, as in the paper, or subtracted from each frame before the moments."""

FORMS: dict[str, dict[str, Any]] = {
    "mean": {"moments.descriptor": "mean"},
    "covariance": {"moments.descriptor": "covariance"},
    "sqrt": {},
    "sqrt, lengths 1": {"moments.lengths": [1]},
    "sqrt, lengths 2": {"moments.lengths": [2]},
    "sqrt, lengths 4": {"moments.lengths": [4]},
    "sqrt, attention": {"moments.attention": True},
    "sqrt, cross-frame": {"moments.cross_frame": 1.0},
    "third": {"moments.descriptor": "third", "moments.sketch": 512},
}
"""Types of moments; each is trained with the clip's mean kept and with it subtracted."""


def moments_of(form: str, clip_mean: str) -> str:
    """Return the name of a type of moments with the clip's mean kept or subtracted."""
    return f"{form}; clip mean {clip_mean}"


MOMENTS: dict[str, dict[str, Any]] = {
    moments_of(form, clip_mean): {**options, "moments.subtract_clip_mean": subtracted}
    for clip_mean, subtracted in CLIP_MEAN.items()
    for form, options in FORMS.items()
}

ALIGNMENTS: dict[str, dict[str, Any]] = {
    "cosine": {"alignment.name": "cosine"},
    "diagonal": {"alignment.name": "diagonal"},
    "hungarian": {"alignment.name": "hungarian"},
    "emd, uniform": {"alignment.name": "emd", "alignment.weights": "uniform"},
    "emd, cross": {"alignment.name": "emd", "alignment.weights": "cross"},
    "emd, cross, time": {
        "alignment.name": "emd",
        "alignment.weights": "cross",
        "alignment.time_weight": 0.5,
    },
    "otam": {"alignment.name": "otam"},
    "bi_mhm": {"alignment.name": "bi_mhm"},
}

SHARED = {
    moments_of(form, clip_mean): moments_of("sqrt", clip_mean)
    for form in FORMS
    if form.startswith("sqrt, lengths")
    for clip_mean in CLIP_MEAN
}
"""Moments that use the checkpoint of other moments if the network is trained."""

PROPOSED = ("sqrt", "emd, cross")
"""Form of the moments and alignment that the paper proposes."""

Pair = tuple[str, str]
"""Moments, or their form alone, and alignment."""

ALWAYS: tuple[Pair, ...] = (("sqrt", "diagonal"), ("sqrt", "otam"), ("covariance", "diagonal"))
"""Forms and alignments that are trained together whatever their validation accuracy.

The others were trained with the paper's alignment. If the network is trained, only the first one
is, and instead of the three best of all pairs the two best of the forms in PAPER: a checkpoint
takes five times as long."""

PAPER = ("mean", "covariance", "sqrt")

CLAIMS: dict[str, tuple[Pair, Pair]] = {
    "covariances beat means": (("covariance", "emd, cross"), ("mean", "emd, cross")),
    "inferred: square roots beat covariances": (PROPOSED, ("covariance", "emd, cross")),
    "EMD beats the cosine of the means": (PROPOSED, ("sqrt", "cosine")),
    "EMD beats the diagonal": (PROPOSED, ("sqrt", "diagonal")),
    "inferred: EMD beats Hungarian": (PROPOSED, ("sqrt", "hungarian")),
    "EMD beats OTAM": (PROPOSED, ("sqrt", "otam")),
    "EMD beats Bi-MHM": (PROPOSED, ("sqrt", "bi_mhm")),
    "inferred: cross-reference beats uniform weights": (PROPOSED, ("sqrt", "emd, uniform")),
    "W124 beats windows of 1": (PROPOSED, ("sqrt, lengths 1", "emd, cross")),
    "W124 beats windows of 2": (PROPOSED, ("sqrt, lengths 2", "emd, cross")),
    "W124 beats windows of 4": (PROPOSED, ("sqrt, lengths 4", "emd, cross")),
    "ours: attention before the moments gains": (("sqrt, attention", "emd, cross"), PROPOSED),
    "ours: cross-frame covariance gains": (("sqrt, cross-frame", "emd, cross"), PROPOSED),
    "ours: the third order beats the second": (("third", "emd, cross"), PROPOSED),
    "ours: a time term gains": (("sqrt", "emd, cross, time"), PROPOSED),
    "ours: attention and the time term gain on the time term": (
        ("sqrt, attention", "emd, cross, time"),
        ("sqrt", "emd, cross, time"),
    ),
    "ours: cross-frame and the time term gain on the time term": (
        ("sqrt, cross-frame", "emd, cross, time"),
        ("sqrt", "emd, cross, time"),
    ),
}
"""Claims of the paper, those that its sources suggest but it does not state, and those of our
options: the first pair is better than the second."""


def options_of(moments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of the recipe for a type of moments."""
    return {f"method.options.{key}": value for key, value in {**PLAIN, **moments}.items()}
