"""Build the backbone and the method of a classifier."""

from dataclasses import dataclass
from pathlib import Path

from fewact import backbones, methods
from fewact.backbones import Backbone
from fewact.backbones.devices import Device
from fewact.core.errors import OptionError
from fewact.data import AnyClip, FeatureClip
from fewact.features.precomputed import Precomputed
from fewact.methods.base import Method
from fewact.video.steps import TrimMode, check_trim


@dataclass(frozen=True)
class Pipeline:
    """Backbone and method that turn clips into nodes; both are on one device.

    Args:
        backbone: Network for videos, or the size of precomputed features.
        method: Method in evaluation mode.
        trim: Whether still ends of videos are left out.
        choice: What a user chose, if it was built from that.
    """

    backbone: Backbone | Precomputed
    method: Method
    trim: TrimMode = "auto"
    choice: "Choice | None" = None

    @property
    def precomputed(self) -> bool:
        """Whether the pipeline reads precomputed features instead of videos."""
        return isinstance(self.backbone, Precomputed)


@dataclass(frozen=True)
class Choice:
    """Backbone and method that a user chose, by name or as objects.

    Args:
        backbone: Backbone, or its registry name.
        method: Method, or its registry name.
        device: Device to run on.
        weights: Weights of a backbone that is given by name.
        precision: Precision of a backbone that is given by name.
        engine: Inference engine of a backbone that is given by name.
        trim: Whether still ends of videos are left out.
    """

    backbone: str | Backbone
    method: str | Method
    device: Device
    weights: str | Path
    precision: str
    engine: str
    trim: TrimMode = "auto"

    def build(self, clip: AnyClip) -> Pipeline:
        """Build a pipeline for clips like this one.

        Raises:
            OptionError: The method or the backbone is neither a name nor an object of its type; the
                method compares with class names, is not trained, or needs more than the
                precomputed features; or a backbone is chosen for precomputed features.
        """
        check_trim(self.trim)
        _check_type("backbone", self.backbone, Backbone)
        _check_type("method", self.method, Method)
        if isinstance(clip, FeatureClip):
            return self._for_features(*clip.vectors.shape)
        method, backbone = self._build_method(None), self.backbone
        if isinstance(backbone, str):
            backbone = backbones.create(
                backbone,
                weights=self.weights,
                device=self.device,
                precision=self.precision,
                engine=self.engine,
            )
        if isinstance(self.method, str) and (
            fitting := methods.fitting(self.method, backbone.card)
        ):
            method = methods.create(self.method, **fitting)
        return Pipeline(backbone, method.to(backbone.device).eval(), self.trim, self)

    def _for_features(self, frames: int, width: int) -> Pipeline:
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
        size = Precomputed(frames, width, self.device)
        method = self._build_method(size)
        size.check_requests(method.requests(size.card))
        return Pipeline(size, method.to(size.device).eval(), self.trim, self)

    def _build_method(self, size: Precomputed | None) -> Method:
        """Build the method; a method given by name gets options that fit the features."""
        method = self.method
        if isinstance(method, str):
            fitting = {}
            if size is not None:
                fitting = methods.fitting(method, size.card, frames=size.frames)
            method = methods.create(method, **fitting)
        if method.uses_text:
            raise OptionError(
                "the method compares clips with class names as text, not with training clips",
                where="method",
                got=type(method).__name__,
            )
        if not method.trained:
            raise OptionError(
                "the method is not trained: its weights are random, its predictions mean nothing",
                where="method",
                got=methods.name_of(method) or type(method).__name__,
                expected="a method without random weights, or a trained one",
                hint="Train it with `fewact train`, and pass the folder of the run as the method.",
            )
        return method


def _check_type(argument: str, value: object, expected: type) -> None:
    """Refuse a value that is neither a name nor an object of a type.

    Raises:
        OptionError: It is such a value.
    """
    if not isinstance(value, str | expected):
        raise OptionError(
            f"not a {argument}",
            where=argument,
            got=repr(value)[:80],
            expected=f"a name, or an object of {expected.__module__}.{expected.__name__}",
        )
