"""Methods and options whose answers the golden file has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from fewact.lab import methods
from fewact.lab.methods.a2m2 import A2M2
from fewact.lab.methods.base import Features, TorchMethod
from fewact.networks import Card
from tests.golden.made_up import fill

Weights = Literal["first", "filled", "pca"]


@dataclass(frozen=True)
class Case:
    """One method with one set of options.

    Args:
        method: Registry name.
        options: Options of the method; those that follow from the backbone need not be named.
        weights: ``first`` keeps the weights of the constructor; ``filled`` replaces all of them by
            fixed numbers; ``pca`` fits the reduction to the support's features.
        text_width: Length of the text embeddings; None is the length of the vectors.
        maps: Whether the made-up backbone has maps.
        real: Whether the case is computed on real clips too.
    """

    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Weights = "first"
    text_width: int | None = None
    maps: bool = True
    real: bool = True

    @property
    def label(self) -> str:
        """Text that begins the keys of the case."""
        words = [self.method, *_texts(self.options)]
        words += [f"text_width={self.text_width}"] if self.text_width else []
        words += [] if self.maps else ["vectors alone"]
        words += [f"{self.weights} weights"] if self.weights != "first" else []
        return " ".join(words if len(words) > 1 else [*words, "default"])

    def make(self, card: Card) -> TorchMethod:
        """Create the method for a backbone, in evaluation mode."""
        fitting = methods.fitting(self.method, card, self.text_width, options=self.options)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            method = methods.create(self.method, card, **{**fitting, **self.options}).eval()
        if self.weights == "filled":
            fill(method)
        return method

    def fit(self, method: TorchMethod, support: Features) -> None:
        """Fit principal directions to the support's features, if the case has them."""
        if self.weights == "pca" and isinstance(method, A2M2):
            method.fit_reduction(support)


def _texts(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _texts({f"{name}.{part}": one for part, one in value.items()})
        elif isinstance(value, tuple):
            yield f"{name}={','.join(map(str, value))}"
        else:
            yield f"{name}={value}"


FUSION_CASES = (
    Case("fusion"),
    Case("fusion", {"horizontal_flip": True}),
    Case("fusion", {"stabilise": "off"}),
    Case("fusion", {"stabilise": "on"}, real=False),
    Case("fusion", {"weights": {"motion": 0.0}}),
    Case("fusion", {"weights": {"moments": 0.0}}),
    Case("fusion", {"weights": {"learned_motion": 0.0}}),
    Case("fusion", {"motion_frames": 16}),
    Case("fusion", {"frames": 4, "motion_frames": 8}, real=False),
    Case("fusion", maps=False, real=False),
)

PUBLISHED = {
    "moments.level": "maps",
    "moments.reduction": "pca",
    "moments.width": 8,
    "moments.subtract_clip_mean": False,
    "alignment.time_weight": 0.0,
    "shot_aggregation": "prototype",
}
ORTHOGONAL = {"moments.reduction": "orthogonal", "moments.width": 8}
LINEAR = {"moments.reduction": "linear", "moments.width": 8}
LEARNED = {"moments.reduction": "learned", "moments.width": 8}

A2M2_CASES = (
    Case("a2m2"),
    Case("a2m2", {"alignment.name": "hungarian"}),
    Case("a2m2", {"alignment.name": "sinkhorn"}),
    Case("a2m2", {"alignment.name": "otam"}),
    Case("a2m2", {"alignment.name": "bi_mhm"}),
    Case("a2m2", {"alignment.name": "diagonal"}),
    Case("a2m2", {"alignment.name": "cosine"}),
    Case("a2m2", {"alignment.name": "euclidean"}),
    Case("a2m2", {"alignment.name": "otam", "shot_aggregation": "prototype"}),
    Case("a2m2", {"alignment.name": "sinkhorn", "shot_aggregation": "union"}, real=False),
    Case("a2m2", {"alignment.weights": "self"}),
    Case("a2m2", {"alignment.weights": "uniform"}),
    Case("a2m2", {"alignment.time_weight": 0.0}),
    Case("a2m2", {"moments.normalise": "layernorm"}),
    Case("a2m2", {"moments.normalise": "support_mean"}),
    Case("a2m2", {"shot_aggregation": "prototype"}),
    Case("a2m2", {"shot_aggregation": "union"}),
    Case("a2m2", {"intra_class_weight": 0.0, "temperature": 0.2}),
    Case("a2m2", {"moments.descriptor": "covariance"}),
    Case("a2m2", {"moments.descriptor": "mean", "moments.subtract_clip_mean": False}),
    Case("a2m2", {"moments.grid": 2, **ORTHOGONAL}),
    Case("a2m2", {"moments.cross_frame": 0.5}),
    Case("a2m2", {"moments.cross_frame": 0.5, "moments.descriptor": "covariance"}, real=False),
    Case("a2m2", {"moments.subtract_clip_mean": False}),
    Case("a2m2", {"moments.lengths": (1, 8), "moments.steps": 5}),
    Case("a2m2", {"frames": 4}, real=False),
    Case("a2m2", {"stabilise": "auto"}, real=False),
    Case("a2m2", {"moments.level": "maps"}),
    Case("a2m2", {"moments.level": "vectors", **ORTHOGONAL}),
    Case("a2m2", {"moments.reduction": "none"}, real=False),
    Case("a2m2", ORTHOGONAL),
    Case("a2m2", PUBLISHED, "pca"),
    Case("a2m2", LINEAR),
    Case("a2m2", LINEAR, "filled", real=False),
    Case("a2m2", LEARNED),
    Case("a2m2", LEARNED, "filled"),
    Case("a2m2", LEARNED | {"moments.attention": True}, "filled"),
    Case("a2m2", {"text_weight": 0.9}),
    Case("a2m2", {"text_weight": 0.5, "shot_aggregation": "prototype", "text_temperature": 0.1}),
    Case("a2m2", maps=False, real=False),
)

OTAM_CASES = (
    Case("otam"),
    Case("otam", {"smoothing": 0.5}),
    Case("otam", {"smoothing": 0.0}),
    Case("otam", {"shot_aggregation": "prototype"}),
    Case("otam", {"bidirectional": False, "eps": 0.0}),
    Case("otam", {"stabilise": "auto"}),
    Case("otam", {"frames": 4}, real=False),
)

PROTONET_CASES = (
    Case("protonet"),
    Case("protonet", {"frame_matching": "concatenated", "unit_frames": True}),
    Case("protonet", {"frame_matching": "diagonal"}),
    Case("protonet", {"frame_matching": "all_pairs"}),
    Case("protonet", {"frame_matching": "diagonal", "shot_aggregation": "mean"}),
    Case("protonet", {"distance": "euclidean"}),
    Case("protonet", {"distance": "squared_euclidean", "frame_matching": "concatenated"}),
    Case("protonet", {"shot_aggregation": "mean", "eps": 0.0, "temperature": 0.5}),
    Case("protonet", {"stabilise": "auto"}),
)

PIXELS_CASES = (
    Case("pixels"),
    Case("pixels", {"grid": 4}),
    Case("pixels", {"intra_class_weight": 0.0}),
    Case("pixels", {"stabilise": "auto", "frames": 4}, real=False),
)

TEXT = 24
"""Length of text embeddings that are not as long as the vectors."""

CLIP_SPM_CASES = (
    Case("clip_spm"),
    Case("clip_spm", {"preset": "hmdb51"}, real=False),
    Case("clip_spm", {"preset": "ucf101"}, real=False),
    Case("clip_spm", {"preset": "kinetics100"}),
    Case("clip_spm", {"preset": "ssv2-small"}, real=False),
    Case("clip_spm", {"preset": "ssv2-full"}, real=False),
    Case("clip_spm", {"protocol": "joint"}),
    Case("clip_spm", {"protocol": "support_anchors"}),
    Case("clip_spm", {"protocol": "support_anchors_inductive"}, real=False),
    Case("clip_spm", {"losses": "paper", "motion": "ordered", "prompt": "vector"}),
    Case(
        "clip_spm",
        {"losses": "paper", "motion": "nonlinear", "mean_text": "all", "motion_weight": 0.3},
        real=False,
    ),
    Case("clip_spm", {"without": "hsmr"}, real=False),
    Case("clip_spm", {"without": "spm"}, real=False),
    Case("clip_spm", {"without": "padm", "protocol": "joint"}, real=False),
    Case(
        "clip_spm",
        {"guide_weight": 0.7, "smoothing": 0.1, "heads": 2, "head_width": 4, "hidden": 32},
        real=False,
    ),
    Case("clip_spm", text_width=TEXT, real=False),
    Case("clip_spm", {"seed": 5}, real=False),
    Case("clip_spm", {"losses": "paper"}, "filled"),
)

CLIP_FSAR_CASES = (
    Case("clip_fsar"),
    Case("clip_fsar", {"mode": "combined"}),
    Case("clip_fsar", {"mode": "text"}),
    Case("clip_fsar", {"merge": "before"}),
    Case(
        "clip_fsar",
        {
            "mode": "combined",
            "text_weight": 0.5,
            "text_temperature": None,
            "contrast_temperature": 1 / 3,
        },
    ),
    Case("clip_fsar", {"smoothing": 0.1, "eps": 0.0, "heads": 2, "hidden": 32}),
    Case("clip_fsar", text_width=TEXT),
    Case("clip_fsar", weights="filled"),
)

SEMANTIC_PROMPT_CASES = (
    Case("semantic_prompt"),
    Case("semantic_prompt", {"alignment": "otam"}),
    Case("semantic_prompt", {"alignment": "bi_mhm", "text_norm": "unscaled"}),
    Case("semantic_prompt", {"pool": "frames", "temperature": 0.7}),
    Case("semantic_prompt", text_width=TEXT),
    Case("semantic_prompt", weights="filled"),
)

ZERO_SHOT_CASES = (
    Case("zero_shot"),
    Case("zero_shot", {"temperature": 0.1}),
    Case("zero_shot", text_width=TEXT),
    Case("zero_shot", weights="filled", text_width=TEXT),
    Case("zero_shot", {"frames": 4}, real=False),
)

EVERY = (
    *FUSION_CASES,
    *A2M2_CASES,
    *OTAM_CASES,
    *PROTONET_CASES,
    *PIXELS_CASES,
    *CLIP_SPM_CASES,
    *CLIP_FSAR_CASES,
    *SEMANTIC_PROMPT_CASES,
    *ZERO_SHOT_CASES,
)

CASES: dict[str, Case] = {case.label: case for case in EVERY}
"""The cases, by their labels."""

if len(CASES) < len(EVERY):
    raise ValueError("two cases have one label")
