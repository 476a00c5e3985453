"""Sets of options with which methods keep their promises."""

from typing import Any

OPTION_SETS: dict[str, list[dict[str, Any]]] = {
    "a2m2": [
        {"text_weight": 0.9},
        {"text_weight": 0.5, "shot_aggregation": "prototype"},
        {"preset": "paper", "moments.level": "auto", "moments.width": 8},
        {"moments.reduction": "linear", "moments.attention": True, "moments.width": 5},
    ],
    "clip_spm": [
        {"protocol": "joint"},
        {"protocol": "support_anchors"},
        {"protocol": "support_anchors_inductive"},
        {"losses": "paper", "motion": "ordered", "prompt": "vector"},
        {"without": "hsmr"},
        {"without": "spm"},
        {"without": "padm", "protocol": "joint"},
    ],
    "clip_fsar": [{"mode": "combined", "merge": "before"}, {"mode": "text"}],
    "hyrsm": [{"shot_aggregation": "mean"}, {"relations": "none", "reduction": "mean"}],
    "molo": [{"reconstruct": False}],
    "lda": [{"shrinkage": 1.0}, {"frame_order": "pooled", "unit_length": False}],
    "ridge": [{"frame_order": "pooled", "unit_length": False}],
    "simpleshot": [{"centre": "training"}, {"centre": "none", "frame_order": "ordered"}],
    "semantic_prompt": [{"alignment": "otam"}, {"alignment": "bi_mhm", "text_norm": "unscaled"}],
    "cpm": [{"layers": 2, "global_prototypes": 1, "focused_prototypes": 3}],
    "safsar": [{"discriminator": False}],
    "strm": [{"cardinality": 3, "query_class": "frozen", "query_class_weight": 0.0}],
    "ta2n": [{"shot_aggregation": "attention"}, {"stages": "first"}, {"stages": "none"}],
    "team": [{"tokens": 1}],
    "d2st": [{"heads": 1, "spatial_samples": (1, 3, 2), "temporal_grid": 2}],
    "trx": [{"cardinalities": (2,)}, {"cardinalities": (1, 4)}],
}
"""Options beside the defaults with which the same is promised: the tests take the first of each
method, ``tests.fuzz.promises`` all of them."""
