"""All that the golden logits know of the package's interface.

No other file of this folder imports ``fewact``. When something is renamed, this file is adapted:
the right-hand sides of ``CASES``, ``BASELINE_NAMES``, and the functions below them. The labels of
the cases, the texts of ``tap_texts`` and all keys stay as they are.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from fewact import FewShotClassifier, backbones, checkpoint, methods
from fewact.backbones import Card as Card
from fewact.backbones.precision import resolve_precision
from fewact.camera import _native
from fewact.data import Clip, Video, VideoList
from fewact.episodes import Protocol, draw
from fewact.evaluation import ArrayFeatures, evaluate_method
from fewact.features.extract import extract
from fewact.features.request import CameraMotionRequest, FeatureRequest, Request, View
from fewact.methods.base import TrainingBatch, score_and_pairs, support_state
from fewact.methods.fusion import Fusion
from fewact.methods.fusion.camera_weight import StaticCamera
from fewact.methods.fusion.permissive import PermissiveView
from fewact.methods.fusion.terms import Moments, Motion
from fewact.training import TrainingData, train
from fewact.training.recipe_files import parse
from fewact.training.run_folder import read_metrics
from tests.methods.fusion.made_up import both_views_count_half

Weights = Literal["first", "filled", "pca"]


@dataclass(frozen=True)
class Case:
    """One method with one set of options.

    Args:
        method: Registry name.
        options: Options of the method. A value "channels of …" becomes the number of channels of
            that tap.
        weights: ``first`` keeps the weights of the constructor; ``filled`` replaces all of them by
            fixed numbers; ``pca`` fits the reduction to the support's features.
        text_width: Length of the text embeddings; None is the length of the vectors.
        maps: Whether the made-up backbone has maps.
        real: Whether the case is computed on real clips too.
        change: Changes the method after its construction: for options that it had when the golden
            file was written, and that are fields of its parts today.
    """

    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Weights = "first"
    text_width: int | None = None
    maps: bool = True
    real: bool = True
    change: Callable[[Any], None] | None = None


def fields(
    method: Fusion,
    *,
    motion: Mapping[str, Any] | None = None,
    moments: Mapping[str, Any] | None = None,
    max_by_cameras: float | None = None,
) -> None:
    """Change fields of the terms of fusion, and of its camera weight."""
    terms = method.map_terms.with_fields(Motion, **motion or {})
    terms = terms.with_fields(Moments, **moments or {})
    if max_by_cameras is not None and isinstance(terms.alternative, StaticCamera):
        static = replace(terms.alternative, max_by_cameras=max_by_cameras)
        terms = replace(terms, alternative=static)
    method.map_terms = terms


def conservative_only(method: Fusion) -> None:
    """Give the permissive view's weight to the conservative one."""
    terms, halved = [], {"motion", "moments"}
    for one in method.map_terms.terms:
        if not isinstance(one.term.view, PermissiveView):
            terms.append(replace(one, weight=2 * one.weight) if one.name in halved else one)
    method.map_terms = replace(method.map_terms, terms=tuple(terms))


LEARNED = {
    "moments.reduction": "learned",
    "moments.width": 8,
    "moments.in_channels": "channels of maps",
}
LINEAR = {
    "moments.reduction": "linear",
    "moments.width": 8,
    "moments.in_channels": "channels of middle",
}
FILLED_TEMPERATURE = {"temperature": 0.07189777583534909}
"""The temperature for which filled weights of the baseline had the scale: it was a weight there."""
TEXT = 24


def stride_16_alone(method: Fusion) -> None:
    """Compare motion at stride 16 alone, whatever the camera did; both views count half."""
    terms = []
    for one in both_views_count_half(method.map_terms).terms:
        view = one.term.view
        maps = view.maps if isinstance(view, PermissiveView) else view
        if maps.level == "middle":
            terms.append(replace(one, static_weight=None))
        elif method.options.cameras == "static" and isinstance(one.term, Motion):
            moved = replace(one.term, view=FeatureRequest("middle", maps.view), grid=4)
            weight = method.options.weights.motion
            terms.append(replace(one, name="motion", term=moved, weight=weight))
        elif maps.level == "vectors":
            terms.append(one)
    method.map_terms = replace(method.map_terms, terms=tuple(terms))


FORMER_WEIGHTS = {"motion": 2.0, "shallow_motion": 0.0, "differences": 0.0}
FORMER: Mapping[str, Any] = {"motion_frames": 16, "weights": FORMER_WEIGHTS}
"""What the default was when the golden file was written."""

CASES: dict[str, Case] = {
    # fusion
    "fusion default": Case("fusion", FORMER),
    "fusion cameras=still": Case("fusion", FORMER | {"cameras": "static"}),
    "fusion cameras=moving": Case("fusion", FORMER | {"cameras": "moving"}),
    "fusion cameras=moving twice=False": Case(
        "fusion", FORMER | {"cameras": "moving"}, change=conservative_only
    ),
    "fusion twice=False": Case("fusion", FORMER, change=conservative_only),
    "fusion mirrored": Case("fusion", FORMER | {"horizontal_flip": True}),
    "fusion centre=False": Case("fusion", FORMER, change=partial(fields, motion={"crop": False})),
    "fusion trend=mean": Case(
        "fusion",
        FORMER,
        change=partial(fields, motion={"detrend": "constant"}, moments={"detrend": "constant"}),
    ),
    "fusion whole_weight=0": Case(
        "fusion", FORMER | {"weights": FORMER_WEIGHTS | {"full_frame_motion": 0.0}}
    ),
    "fusion moment_weight=0": Case(
        "fusion", FORMER | {"weights": FORMER_WEIGHTS | {"moments": 0.0}}
    ),
    "fusion velocity=0": Case("fusion", FORMER, change=partial(fields, motion={"velocity": 0.0})),
    "fusion still_share=0.9": Case("fusion", FORMER, change=partial(fields, max_by_cameras=0.9)),
    "fusion stabilise=off": Case("fusion", FORMER | {"stabilise": "off"}),
    "fusion stabilise=on": Case("fusion", FORMER | {"stabilise": "on"}, real=False),
    "fusion grid=2 lengths=4,16 smoothing=0.5 compactness=0": Case(
        "fusion",
        FORMER | {"intra_class_weight": 0.0},
        change=partial(fields, motion={"grid": 2, "smoothing": 0.5}, moments={"lengths": (4, 16)}),
    ),
    "fusion frames=4 motion_frames=8": Case(
        "fusion", FORMER | {"frames": 4, "motion_frames": 8}, real=False
    ),
    "fusion mixing=linear first weights": Case(
        "fusion", FORMER | {"channel_mixing": "channels of middle"}, real=False
    ),
    "fusion mixing=linear filled weights": Case(
        "fusion", FORMER | {"channel_mixing": "channels of middle"}, "filled"
    ),
    "fusion of vectors alone": Case("fusion", maps=False, real=False),
    "fusion of vectors alone cameras=still": Case(
        "fusion", FORMER | {"cameras": "static"}, maps=False, real=False
    ),
    # a2m2
    "a2m2 default": Case("a2m2"),
    "a2m2 alignment=hungarian": Case("a2m2", {"alignment.name": "hungarian"}),
    "a2m2 alignment=sinkhorn": Case("a2m2", {"alignment.name": "sinkhorn"}),
    "a2m2 alignment=otam": Case("a2m2", {"alignment.name": "otam"}),
    "a2m2 alignment=bi_mhm": Case("a2m2", {"alignment.name": "bi_mhm"}),
    "a2m2 alignment=diagonal": Case("a2m2", {"alignment.name": "diagonal"}),
    "a2m2 alignment=cosine": Case("a2m2", {"alignment.name": "cosine"}),
    "a2m2 alignment=euclidean": Case("a2m2", {"alignment.name": "euclidean"}),
    "a2m2 alignment=otam shots=mean": Case(
        "a2m2", {"alignment.name": "otam", "shot_aggregation": "prototype"}
    ),
    "a2m2 alignment=sinkhorn shots=union": Case(
        "a2m2", {"alignment.name": "sinkhorn", "shot_aggregation": "union"}, real=False
    ),
    "a2m2 weights=self": Case("a2m2", {"alignment.weights": "self"}),
    "a2m2 weights=uniform": Case("a2m2", {"alignment.weights": "uniform"}),
    "a2m2 time_weight=0": Case("a2m2", {"alignment.time_weight": 0.0}),
    "a2m2 normalise=layernorm": Case("a2m2", {"moments.normalise": "layernorm"}),
    "a2m2 normalise=centre": Case("a2m2", {"moments.normalise": "support_mean"}),
    "a2m2 shots=mean": Case("a2m2", {"shot_aggregation": "prototype"}),
    "a2m2 shots=union": Case("a2m2", {"shot_aggregation": "union"}),
    "a2m2 compactness=0 tau=5": Case("a2m2", {"intra_class_weight": 0.0, "temperature": 0.2}),
    "a2m2 descriptor=covariance": Case("a2m2", {"moments.descriptor": "covariance"}),
    "a2m2 descriptor=mean centre_clip=False": Case(
        "a2m2", {"moments.descriptor": "mean", "moments.subtract_clip_mean": False}
    ),
    "a2m2 descriptor=third": Case("a2m2", {"moments.descriptor": "third", "moments.sketch": 256}),
    "a2m2 grid=2 reduction=orthogonal": Case(
        "a2m2", {"moments.grid": 2, "moments.reduction": "orthogonal", "moments.width": 8}
    ),
    "a2m2 grid=2 shots=union reduction=orthogonal": Case(
        "a2m2",
        {
            "moments.grid": 2,
            "shot_aggregation": "union",
            "moments.reduction": "orthogonal",
            "moments.width": 8,
        },
        real=False,
    ),
    "a2m2 cross_frame=0.5": Case("a2m2", {"moments.cross_frame": 0.5}),
    "a2m2 cross_frame=0.5 descriptor=covariance": Case(
        "a2m2", {"moments.cross_frame": 0.5, "moments.descriptor": "covariance"}, real=False
    ),
    "a2m2 level": Case("a2m2", {"moments.linear_detrend": True}),
    "a2m2 centre_clip=False": Case("a2m2", {"moments.subtract_clip_mean": False}),
    "a2m2 lengths=1,8 steps=5": Case("a2m2", {"moments.lengths": (1, 8), "moments.steps": 5}),
    "a2m2 frames=4": Case("a2m2", {"frames": 4}, real=False),
    "a2m2 stabilise=auto": Case("a2m2", {"stabilise": "auto"}, real=False),
    "a2m2 tap=maps": Case("a2m2", {"moments.level": "maps"}),
    "a2m2 tap=vectors reduction=orthogonal": Case(
        "a2m2", {"moments.level": "vectors", "moments.reduction": "orthogonal", "moments.width": 8}
    ),
    "a2m2 reduction=none": Case("a2m2", {"moments.reduction": "none"}, real=False),
    "a2m2 reduction=orthogonal": Case(
        "a2m2", {"moments.reduction": "orthogonal", "moments.width": 8}
    ),
    "a2m2 reduction=pca as published": Case(
        "a2m2",
        {
            "moments.level": "maps",
            "moments.reduction": "pca",
            "moments.width": 8,
            "moments.subtract_clip_mean": False,
            "alignment.time_weight": 0.0,
            "shot_aggregation": "prototype",
        },
        "pca",
    ),
    "a2m2 reduction=linear first weights": Case("a2m2", LINEAR),
    "a2m2 reduction=linear filled weights": Case(
        "a2m2", LINEAR | FILLED_TEMPERATURE, "filled", real=False
    ),
    "a2m2 reduction=learned first weights": Case("a2m2", LEARNED),
    "a2m2 reduction=learned filled weights": Case("a2m2", LEARNED | FILLED_TEMPERATURE, "filled"),
    "a2m2 reduction=learned attention filled weights": Case(
        "a2m2", LEARNED | FILLED_TEMPERATURE | {"moments.attention": True}, "filled"
    ),
    "a2m2 text_share=0.9": Case("a2m2", {"text_weight": 0.9}),
    "a2m2 text_share=0.5 shots=mean text_scale=10": Case(
        "a2m2", {"text_weight": 0.5, "shot_aggregation": "prototype", "text_temperature": 0.1}
    ),
    "a2m2 of vectors alone": Case("a2m2", maps=False, real=False),
    # otam
    "otam default": Case("otam"),
    "otam lam=0.5": Case("otam", {"smoothing": 0.5}),
    "otam lam=0": Case("otam", {"smoothing": 0.0}),
    "otam shots=prototype": Case("otam", {"shot_aggregation": "prototype"}),
    "otam both=False eps=0": Case("otam", {"bidirectional": False, "eps": 0.0}),
    "otam stabilise=auto": Case("otam", {"stabilise": "auto"}),
    "otam frames=4": Case("otam", {"frames": 4}, real=False),
    # protonet
    "protonet default": Case("protonet"),
    "protonet order=joined unit_frames": Case(
        "protonet", {"frame_matching": "concatenated", "unit_frames": True}
    ),
    "protonet order=diagonal": Case("protonet", {"frame_matching": "diagonal"}),
    "protonet order=all_pairs": Case("protonet", {"frame_matching": "all_pairs"}),
    "protonet order=diagonal shots=average": Case(
        "protonet", {"frame_matching": "diagonal", "shot_aggregation": "mean"}
    ),
    "protonet distance=euclidean": Case("protonet", {"distance": "euclidean"}),
    "protonet distance=squared_euclidean order=joined": Case(
        "protonet", {"distance": "squared_euclidean", "frame_matching": "concatenated"}
    ),
    "protonet shots=average eps=0 scale=2": Case(
        "protonet", {"shot_aggregation": "mean", "eps": 0.0, "temperature": 0.5}
    ),
    "protonet stabilise=auto": Case("protonet", {"stabilise": "auto"}),
    # pixels
    "pixels default": Case("pixels"),
    "pixels grid=4": Case("pixels", {"grid": 4}),
    "pixels compactness=0": Case("pixels", {"intra_class_weight": 0.0}),
    "pixels stabilise=auto frames=4": Case(
        "pixels", {"stabilise": "auto", "frames": 4}, real=False
    ),
    # clip_spm
    "clip_spm default": Case("clip_spm"),
    "clip_spm preset=hmdb51": Case("clip_spm", {"preset": "hmdb51"}, real=False),
    "clip_spm preset=ucf101": Case("clip_spm", {"preset": "ucf101"}, real=False),
    "clip_spm preset=kinetics100": Case("clip_spm", {"preset": "kinetics100"}),
    "clip_spm preset=ssv2-small": Case("clip_spm", {"preset": "ssv2-small"}, real=False),
    "clip_spm preset=ssv2-full": Case("clip_spm", {"preset": "ssv2-full"}, real=False),
    "clip_spm protocol=joint": Case("clip_spm", {"protocol": "joint"}),
    "clip_spm protocol=support_anchors": Case("clip_spm", {"protocol": "support_anchors"}),
    "clip_spm protocol=support_anchors_alone": Case(
        "clip_spm", {"protocol": "support_anchors_inductive"}, real=False
    ),
    "clip_spm losses=paper motion=ordered prompt=vector": Case(
        "clip_spm", {"losses": "paper", "motion": "ordered", "prompt": "vector"}
    ),
    "clip_spm losses=paper motion=nonlinear mean_text=all mu=0.3": Case(
        "clip_spm",
        {"losses": "paper", "motion": "nonlinear", "mean_text": "all", "motion_weight": 0.3},
        real=False,
    ),
    "clip_spm without=hsmr": Case("clip_spm", {"without": "hsmr"}, real=False),
    "clip_spm without=spm": Case("clip_spm", {"without": "spm"}, real=False),
    "clip_spm without=padm protocol=joint": Case(
        "clip_spm", {"without": "padm", "protocol": "joint"}, real=False
    ),
    "clip_spm alpha=0.7 smoothing=0.1 heads=2 head_width=4 hidden=32": Case(
        "clip_spm",
        {"guide_weight": 0.7, "smoothing": 0.1, "heads": 2, "head_width": 4, "hidden": 32},
        real=False,
    ),
    "clip_spm text of another length": Case("clip_spm", text_width=TEXT, real=False),
    "clip_spm seed=5": Case("clip_spm", {"seed": 5}, real=False),
    "clip_spm losses=paper filled weights": Case("clip_spm", {"losses": "paper"}, "filled"),
    # clip_fsar
    "clip_fsar default": Case("clip_fsar"),
    "clip_fsar mode=combined": Case("clip_fsar", {"mode": "combined"}),
    "clip_fsar mode=text": Case("clip_fsar", {"mode": "text"}),
    "clip_fsar merge=before": Case("clip_fsar", {"merge": "before"}),
    "clip_fsar mode=combined share=0.5 scale=None": Case(
        "clip_fsar",
        {
            "mode": "combined",
            "text_weight": 0.5,
            "text_temperature": None,
            "contrast_temperature": 1 / 3,
        },
    ),
    "clip_fsar smoothing=0.1 eps=0 heads=2 hidden=32": Case(
        "clip_fsar", {"smoothing": 0.1, "eps": 0.0, "heads": 2, "hidden": 32}
    ),
    "clip_fsar text of another length": Case("clip_fsar", text_width=TEXT),
    "clip_fsar filled weights": Case("clip_fsar", {}, "filled"),
    # semantic_prompt
    "semantic_prompt default": Case("semantic_prompt"),
    "semantic_prompt scoring=otam": Case("semantic_prompt", {"alignment": "otam"}),
    "semantic_prompt scoring=bi_mhm text_norm=as_given": Case(
        "semantic_prompt", {"alignment": "bi_mhm", "text_norm": "unscaled"}
    ),
    "semantic_prompt pool=frames temperature=0.7": Case(
        "semantic_prompt", {"pool": "frames", "temperature": 0.7}
    ),
    "semantic_prompt text of another length": Case("semantic_prompt", text_width=TEXT),
    "semantic_prompt filled weights": Case("semantic_prompt", {}, "filled"),
    # zero_shot
    "zero_shot default": Case("zero_shot"),
    "zero_shot scale=10": Case("zero_shot", {"temperature": 0.1}),
    "zero_shot text of another length": Case("zero_shot", text_width=TEXT),
    "zero_shot text of another length filled weights": Case(
        "zero_shot", {}, "filled", text_width=TEXT
    ),
    "zero_shot frames=4": Case("zero_shot", {"frames": 4}, real=False),
}
"""What is computed, by the label that begins its keys."""

BASELINE_NAMES: dict[str, str] = {"motion_weight": "mu"}
"""Names of weights as they were when the golden file was written, by today's names where these are
others. Filled weights are drawn by these names."""

BACKBONES: dict[str, tuple[str, str]] = {
    "efficientnet-lite0": ("efficientnet-lite0", "default"),
    "mobilenet-v2": (
        "mobilenet-v2",
        "weights/mobilenet_v2_1.0_imagenet_fp16.safetensors",
    ),
}
"""Name and weights of each backbone; weights that are no "default" lie in the assets."""

Features = dict[str, Tensor]
"""Features of videos by the text of their tap, such as "middle:16:auto"."""


def method_names() -> tuple[str, ...]:
    """Names of all registered methods."""
    return methods.names()


def made_up_card(shapes: Mapping[str, tuple[int, ...]], *, maps: bool) -> Card:
    """The card of a backbone whose features have these shapes.

    Args:
        shapes: By the tap's name.
        maps: Whether there are maps and a middle stage.
    """
    (vectors,) = shapes["vectors"]
    channels, *size = (shapes["maps"], shapes["middle"]) if maps else (None, None)
    last, middle = (channels, size[0]) if maps else (None, None)
    return Card(
        name="made-up",
        input_size=(shapes["pixels"][1], shapes["pixels"][2]),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        vectors=vectors,
        maps=last,  # type: ignore[arg-type]
        middle=middle,  # type: ignore[arg-type]
        shallow=None,
        parameters=0,
        licence="none",
        weights="none",
        weights_sha256="",
        trained_on=(),
    )


def tap_texts(request: Request) -> tuple[str, ...]:
    """Names of the golden features that a request stands for; camera motion is two of them."""
    if isinstance(request, CameraMotionRequest):
        return f"camera:{request.frames}:off", f"bolder:{request.frames}:off"
    return (f"{request.level}:{request.frames}:{request.view.stabilise}",)


def request_of(text: str) -> Request:
    """The request that a golden feature is part of."""
    level, frames, stabilise = text.split(":")
    if level in ("camera", "bolder"):
        return CameraMotionRequest(View(int(frames), "auto"))
    return FeatureRequest(level, View(int(frames), stabilise))  # type: ignore[arg-type]


def by_text(request: Request, value: Tensor) -> Features:
    """The golden features of one request."""
    texts = tap_texts(request)
    if isinstance(request, CameraMotionRequest):
        parts = value[..., :1], value[..., 1:].unflatten(-1, (2, 3))
        return dict(zip(texts, parts, strict=True))
    return {texts[0]: value}


def by_request(request: Request, features: Features) -> Tensor:
    """One request's features from the golden ones."""
    first, *rest = (features[text] for text in tap_texts(request))
    return torch.cat([first, rest[0].flatten(-2)], -1) if rest else first


@dataclass(frozen=True)
class Made:
    """A method that was made for the features of a card.

    Args:
        method: In evaluation mode.
        card: Of the backbone.
    """

    method: Any
    card: Card

    @property
    def module(self) -> nn.Module:
        """Where the weights are."""
        module: nn.Module = self.method
        return module

    @property
    def uses_text(self) -> bool:
        """Whether it reads text embeddings."""
        return bool(self.method.uses_text)

    @property
    def taps(self) -> list[str]:
        """The features that it asks for."""
        return [text for one in self.method.requests(self.card) for text in tap_texts(one)]

    def fit(self, features: Features) -> None:
        """Fit its principal directions."""
        self.method.fit_reduction(self._by_tap(features))

    def encode(self, features: Features) -> dict[str, Tensor]:
        """What it keeps of videos."""
        return dict(self.method.encode(self._by_tap(features)))

    def score(
        self,
        support: dict[str, Tensor],
        labels: Tensor,
        n: int,
        query: dict[str, Tensor],
        text: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Logits (b q n), and similarities (b q s) with the support videos where there are any."""
        state = support_state(self.method, support, labels, n, text)
        logits, pairs = score_and_pairs(self.method, state, query)
        if not torch.equal(logits, self.method.score(state, query)):
            raise ValueError("score and score_and_pairs differ")
        return logits, pairs

    def losses(
        self,
        support: Features,
        labels: Tensor,
        query: Features,
        query_labels: Tensor,
        n: int,
        text: Tensor | None,
    ) -> dict[str, Tensor]:
        """What training minimises, by name."""
        batch = TrainingBatch(
            self._by_tap(support), labels, self._by_tap(query), query_labels, n, text
        )
        return dict(self.method.losses(batch))

    def _by_tap(self, features: Features) -> dict[Request, Tensor]:
        return {one: by_request(one, features) for one in self.method.requests(self.card)}


def make(case: Case, card: Card) -> Made:
    """The method of a case, for a backbone."""
    channels = {
        "channels of maps": (card.maps or (0,))[0],
        "channels of middle": (card.middle or (0,))[0],
    }
    given = {
        name: channels[value] if isinstance(value, str) and value in channels else value
        for name, value in case.options.items()
    }
    fitting = methods.fitting(case.method, card, case.text_width)
    method = methods.create(case.method, **{**fitting, **given}).eval()
    if isinstance(method, Fusion):
        stride_16_alone(method)
    if case.change is not None:
        case.change(method)
    return Made(method, card)


def make_backbone(name: str, assets: Path, precision: str = "float32") -> Any:
    """A backbone with real weights, on the CPU."""
    kind, weights = BACKBONES[name]
    where = weights if weights == "default" else str(assets / weights)
    return backbones.create(kind, weights=where, device="cpu", precision=precision, engine="torch")


def features_of_clips(
    backbone: Any, clips: Sequence[tuple[Path, str]], taps: Sequence[str]
) -> Iterator[Features]:
    """The features of each clip, which is a file and its class."""
    requests = list(dict.fromkeys(request_of(text) for text in taps))
    with camera_in_torch():
        for found in extract([Clip(*clip) for clip in clips], backbone, requests):
            if found.features is None:
                raise ValueError(f"{found.clip.path} cannot be read")
            split = (by_text(one, value) for one, value in found.features.items())
            yield {text: value for part in split for text, value in part.items()}


def camera_in_torch() -> AbstractContextManager[object]:
    """Stabilise without compiled code inside of ``with``: it rounds some bytes of frames otherwise.

    ``tests/camera/test_native.py`` compares the two.
    """
    return patch.object(_native, "library", return_value=None)


def usual_precision() -> str:
    """What backbones compute in on this CPU where nothing else is asked for."""
    return resolve_precision("auto", torch.device("cpu"))


def taught(
    teach: Sequence[tuple[Path, str]],
    test: Sequence[tuple[Path, str]],
    *,
    method: str = "auto",
    precision: str = "float32",
) -> tuple[NDArray[np.float64], float]:
    """Probabilities of clips by a classifier that was taught others, and its temperature."""
    if method == "auto":
        method = methods.create("fusion", **FORMER)
        stride_16_alone(method)
    classifier = FewShotClassifier(method=method, device="cpu", precision=precision)
    with camera_in_torch():
        classifier.fit([Clip(*clip) for clip in teach])
        found = classifier.predict_proba([path for path, _ in test])
    return found, float(classifier.calibration_.temperature)


def _list(split: str | None, labels: Sequence[str]) -> VideoList:
    """A list with a video for each label, of one split."""
    videos = (Video(f"{label}/{i}", label, split) for i, label in enumerate(labels))  # type: ignore[arg-type]
    return VideoList("made up", tuple(videos))


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation has found.

    Args:
        accuracy: In per cent.
        interval: Half of its 95 % interval.
        per_episode: Accuracy of each episode, in per cent.
        per_class: Accuracy of each class, in per cent.
    """

    accuracy: float
    interval: float
    per_episode: tuple[float, ...]
    per_class: tuple[float, ...]


def drawn(
    labels: Sequence[str], ways: int, shots: int, queries: int, count: int
) -> tuple[VideoList, Any, NDArray[np.int64]]:
    """A list of videos, its episodes, and their videos (count, ways·(shots + queries))."""
    videos = _list(None, labels)
    episodes = draw(videos, Protocol(ways, shots, queries, count))
    both = np.concatenate([episodes.support, episodes.query], 1).astype(np.int64)
    return videos, episodes, both


def evaluated(
    label: str,
    vectors: NDArray[np.float32],
    videos: VideoList,
    episodes: Any,
    text: Callable[[int], Tensor],
) -> Evaluated:
    """Evaluate a case on vectors (v t d).

    Args:
        label: Of the case.
        vectors: Of all videos.
        videos: Their list.
        episodes: Drawn from it.
        text: Gives embeddings of so many classes.
    """
    source = ArrayFeatures(vectors, "made up")
    made = make(CASES[label], source.card)
    texts = text(len(videos.classes)) if made.uses_text else None
    result = evaluate_method(made.method, source, videos, episodes, text=texts)
    per_class = tuple(facts.accuracy for facts in result.per_class.values())
    return Evaluated(result.accuracy, result.ci95, result.per_episode, per_class)


RECIPE: dict[str, Any] = {
    "name": "golden",
    "summary": "A short run.",
    "data": "made up",
    "method": {
        "name": "a2m2",
        "options": {
            "moments.level": "vectors",
            "moments.lengths": [2, 4],
            "moments.reduction": "learned",
            "moments.attention": True,
            "moments.width": 4,
        },
    },
    "backbone": {"name": "efficientnet-lite0", "weights": "random"},
    "stages": [
        {"kind": "classify", "inputs": "stored", "steps": 3, "batch": 8, "lr": 0.01},
        {
            "kind": "episodes",
            "inputs": "stored",
            "steps": 5,
            "ways": 3,
            "shots": 1,
            "queries": 2,
            "lr": 0.01,
            "ema": 0.8,
            "accumulate": 2,
            "loss_weights": {"base_class": 0.5},
        },
    ],
    "validation": {"every": 2, "ways": 3, "queries": 2, "count": 20},
    "keep_every": 2,
}
"""A run on stored vectors; the sizes of the vectors are put in."""

Table = tuple[Sequence[str], NDArray[np.float32]]
"""Labels of videos, and their vectors (v t d)."""


@dataclass(frozen=True)
class TrainedRun:
    """What a run has left.

    Args:
        series: The metrics of each step, by the stage and their name.
        accuracies: The looks at the validation episodes, in per cent.
        chosen: The method that validation has chosen.
        last: The method as it was after the last step.
    """

    series: dict[str, list[float]]
    accuracies: list[float]
    chosen: Made
    last: Made


def trained(learn: Table, validate: Table) -> TrainedRun:
    """Train by ``RECIPE`` on vectors of training and validation classes."""
    parts = []
    for split, (labels, vectors) in (("train", learn), ("val", validate)):
        parts.append((_list(split, labels), ArrayFeatures(vectors, "made up")))
    (train_list, train_source), (val_list, val_source) = parts
    _, t, d = learn[1].shape
    options = RECIPE["method"]["options"] | {"frames": t, "moments.in_channels": d}
    content = RECIPE | {"method": {"name": RECIPE["method"]["name"], "options": options}}
    data = TrainingData(train_list, val_list, train_source, val_source)
    # When the golden file was written, method and head drew their initial weights one after the
    # other, by the seed of the recipe.
    not_seeded = patch("fewact.methods.a2m2.seeded", nullcontext)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        with not_seeded:
            train(parse(content, "golden"), data, run, device="cpu")
        lines = read_metrics(run)
        chosen, last = checkpoint.load(run), checkpoint.load(run)
        state = load_file(run / "state.safetensors")
    own = "learner/method."
    last.load_state_dict(
        {name.removeprefix(own): v for name, v in state.items() if name.startswith(own)}
    )
    series: dict[str, list[float]] = {}
    for line in lines:
        for name in ("base_class", "cross_entropy", "gradient"):
            if name in line:
                series.setdefault(f"stage {line['stage']} {name}", []).append(float(line[name]))
    looks = [float(line["accuracy"]) for line in lines if "accuracy" in line]
    card = val_source.card
    return TrainedRun(series, looks, Made(chosen, card), Made(last.eval(), card))
