"""The backbone and the method of a classifier: chosen by a user, they turn clips into nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from fewact import methods, networks
from fewact.classifier.examples import Nodes, as_float32
from fewact.core.errors import DataError, OptionError, UserError, warn
from fewact.core.options import AUTO, OFF
from fewact.data.clips import AnyClip, FeatureClip
from fewact.features.precomputed import Precomputed
from fewact.features.request import FeatureRequest, Features, JointRequest, Request, View
from fewact.methods.base import Method
from fewact.methods.protocols import LabMethod, unwrapped
from fewact.networks import Backbone
from fewact.video.source import TrimMode

if TYPE_CHECKING:
    from fewact.poses.base import PoseEstimator

AnyBackbone: TypeAlias = Backbone | Precomputed
"""Network for videos, or the size of precomputed features."""

AnyMethod: TypeAlias = Method | LabMethod
"""Method over arrays, or one of the lab."""

Pose: TypeAlias = "str | PoseEstimator"
"""Estimator of joints, or its name: ``off``, ``auto`` for the first that is installed, a name of
``fewact.poses.names()``, or ``module:function``."""


TextMode = Literal["auto", "off", "on"]
"""Whether class names are used: if they improve held-out accuracy, never, or always."""

IMAGE_REQUEST: Final = FeatureRequest("vectors", View(8))
"""Features whose mean vector is compared with the class names."""

IMAGE_EMBEDDING: Final = "image_embedding"
"""Name of the node that is compared with the class names: the mean vector (d) of a clip."""


@dataclass(frozen=True)
class Pipeline:
    """Backbone and method that turn clips into nodes.

    Args:
        backbone: Network for videos, or the size of precomputed features.
        method: The method.
        trim: Whether still ends of videos are left out.
        image_embedding: Whether class names are used: the nodes have the mean vector of a clip.
        choice: What a user chose, if it was built from that.
        pose: Estimator of the joints of clips that have none beside their frames, or its name;
            ``off`` to leave them without.
    """

    backbone: AnyBackbone
    method: Method
    trim: TrimMode = "auto"
    image_embedding: bool = False
    choice: "Choice | None" = None
    pose: "Pose" = OFF

    @property
    def joints(self) -> str:
        """Layout of the joints that are compared beside the picture; empty if none are."""
        return next((r.layout for r in self.requests if isinstance(r, JointRequest)), "")

    @property
    def precomputed(self) -> bool:
        """Whether the pipeline reads precomputed features instead of videos."""
        return isinstance(self.backbone, Precomputed)

    @cached_property
    def requests(self) -> tuple[Request, ...]:
        """Features of a clip that are needed."""
        embedding: tuple[Request, ...] = (IMAGE_REQUEST,) if self.image_embedding else ()
        return tuple(dict.fromkeys((*self._requests_of_method, *embedding)))

    @cached_property
    def _requests_of_method(self) -> tuple[Request, ...]:
        return self.method.requests(self.backbone.card)

    @np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused
    def encode(self, features: Features) -> Nodes:
        """Return the nodes of one clip, given its features (t …): (1 …) float32."""
        requested = {request: features[request][None] for request in self._requests_of_method}
        nodes = dict(self.method.encode(requested))
        if self.image_embedding:
            nodes[IMAGE_EMBEDDING] = features[IMAGE_REQUEST].mean(0, keepdims=True)  # (1 d)
        return as_float32(nodes)


@dataclass(frozen=True)
class Choice:
    """Backbone and method that a user chose, by name or as objects.

    Weights, precision and engine are those of a backbone that is given by name; options those of
    such a method. ``pose`` estimates the joints of clips that have none beside their frames.
    """

    backbone: str | Backbone
    method: str | AnyMethod
    device: str
    weights: str | Path
    precision: str
    engine: str
    options: Mapping[str, Any] = field(default_factory=dict)
    pose: Pose = OFF

    def build(self, clip: AnyClip, joints: str = "") -> Pipeline:
        """Build a pipeline for clips like this one.

        Args:
            clip: One of them.
            joints: Layout of the joints beside their frames; empty if they have none.
        """
        _check_type("backbone", self.backbone, Backbone)
        _check_type("method", self.method, Method, LabMethod)
        if isinstance(clip, FeatureClip):
            return self._for_features(clip)
        joints = self._layout(joints)
        method = self._build_method()  # Before the network, which takes longer.
        backbone = self.backbone
        if isinstance(backbone, str):
            backbone = networks.create(
                backbone,
                weights=self.weights,
                device=self.device,
                precision=self.precision,
                engine=self.engine,
            )
        if isinstance(self.method, str):
            name = methods.resolve(self.method, backbone.card)
            options = dict(self.options)
            if joints and compares_joints(name):
                options = {"joints": joints, **options}
            method = methods.create(name, backbone.card, **options)
        pipeline = Pipeline(backbone, method, choice=self, pose=self.pose)
        if joints and pipeline.joints != joints:
            warn(
                f"the method {name_of(method)} compares "
                + (f"joints of the layout {pipeline.joints}" if pipeline.joints else "no joints")
                + f": those of the clips, {joints}, are not used"
            )
        return pipeline

    def _layout(self, joints: str) -> str:
        """Return the layout of the joints beside the clips, or of those that are estimated."""
        estimator = None if self.pose == OFF else find_estimator(self.pose)
        if estimator is None or estimator.layout == joints:
            return joints
        if joints:
            raise DataError(
                "the estimator finds other joints than those beside the clips",
                where=f"pose {estimator.name}",
                got=estimator.layout,
                expected=joints,
                hint="Leave out one of them.",
            )
        return estimator.layout

    def _for_features(self, clip: FeatureClip) -> Pipeline:
        name = self.backbone if isinstance(self.backbone, str) else self.backbone.card.name
        got = (name, str(self.weights), self.precision, self.engine)
        expected = ("auto", "default", "auto", "auto")
        if got != expected:
            raise OptionError(
                "precomputed features need no backbone",
                where="backbone, weights, precision, engine",
                got=", ".join(got),
                expected=", ".join(expected),
            )
        frames, width = clip.vectors.shape
        size = Precomputed(frames, width, joints=clip.joints)
        method = self._build_method(size)
        size.check_requests(method.requests(size.card))
        return Pipeline(size, method, choice=self)

    def _build_method(self, size: Precomputed | None = None) -> Method:
        """Build the method; a method given by name gets options that fit precomputed features."""
        if not isinstance(self.method, str):
            if self.options:
                raise OptionError(
                    "the method has its options already",
                    where="options",
                    got=", ".join(self.options),
                    hint="Pass the name of the method, or the method with these options.",
                )
            method = methods.on_arrays(self.method)
        elif size is None:
            method = methods.create(self.method, **self.options)
        else:
            fitting = methods.fitting(
                self.method, size.card, frames=size.frames, options=self.options
            )
            method = methods.create(self.method, size.card, **{**fitting, **self.options})
        if method.uses_text:
            raise OptionError(
                "the method compares clips with class names as text, not with training clips",
                where="method",
                got=name_of(method),
            )
        if not method.trained:
            raise OptionError(
                "the method is not trained: its weights are random, its predictions mean nothing",
                where="method",
                got=name_of(method),
                expected="a method without random weights, or a trained one",
                hint="Train it with `fewact train`, and pass the folder of the run as the method.",
            )
        return method


def compares_joints(method: str) -> bool:
    """Return whether the method of a name has an option for joints beside the picture."""
    options = methods.REGISTRY.get(method).Options
    return any(option.name == "joints" for option in fields(options))


class PoseOfModel(str):
    """Name of the estimator that a saved model was taught with.

    A model of someone else could name any module, which would be imported, and any file: only
    registered estimators are loaded by it.
    """

    __slots__ = ()


def find_estimator(pose: Pose) -> "PoseEstimator | None":
    """Return an estimator of joints; None for ``off``, and if ``auto`` finds none installed.

    Raises:
        UserError: It is unknown, or its package or its weights are missing; the hint is the command
            that gets them.
    """
    if not isinstance(pose, str):
        return pose
    if pose == OFF:
        return None
    if isinstance(pose, PoseOfModel):
        from fewact import poses

        if pose not in poses.names():
            raise OptionError(
                "the model was taught with an estimator of joints that is not loaded by itself",
                where=pose,
                hint=f"If you trust it, name it: --pose {pose}, in Python pose={str(pose)!r}.",
            )
    return _named_estimator(str(pose))


@lru_cache(maxsize=8)
def _named_estimator(name: str) -> "PoseEstimator | None":
    from fewact import poses  # few classifiers estimate joints

    return poses.find(name)


def pose_name(pipeline: Pipeline) -> str:
    """Return the name of the estimator whose joints are compared; ``off`` without one."""
    pose = pipeline.pose if pipeline.joints else OFF
    if isinstance(pose, str) and pose != AUTO:
        return str(pose)
    estimator = find_estimator(pose)
    return OFF if estimator is None else estimator.name


def installed_estimator(pipeline: Pipeline) -> "PoseEstimator | None":
    """Return the estimator of joints; None without, or if it is missing, which a warning says.

    Raises:
        OptionError: It finds other joints than those that are compared.
    """
    if not pipeline.joints:
        return None
    try:
        estimator = find_estimator(pipeline.pose)
    except UserError as error:
        warn(f"joints are not estimated, and clips without them compared by the picture: {error}")
        return None
    if estimator is not None and estimator.layout != pipeline.joints:
        raise OptionError(
            "the estimator finds other joints than those of the training clips",
            where=f"pose {estimator.name}",
            got=estimator.layout,
            expected=pipeline.joints,
        )
    return estimator


def name_of(method: Method) -> str:
    """Return the name of a method, or its class's name if it is not registered."""
    return methods.name_of(method) or unwrapped(method).__name__.lower()


def _check_type(argument: str, value: object, *expected: type) -> None:
    if not isinstance(value, (str, *expected)):
        first = expected[0]
        raise OptionError(
            f"not a {argument}",
            where=argument,
            got=repr(value)[:80],
            expected=f"a name, or an object of {first.__module__}.{first.__name__}",
        )
