"""The backbone and the method of a classifier: chosen by a user, or those of a saved model."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError, model_validator
from torch import Tensor

from fewact import methods, networks
from fewact.core.bounded import reason_of
from fewact.core.errors import (
    DamagedModelError,
    ModelError,
    OptionError,
    UnknownNameError,
    UserError,
    WeightsError,
    warn,
)
from fewact.core.paths import user_path
from fewact.data import AnyClip, FeatureClip
from fewact.features.sources import PRECOMPUTED, Precomputed
from fewact.methods.base import Method
from fewact.methods.files import package_of
from fewact.networks import Backbone, Card
from fewact.networks.engines import resolve_device
from fewact.networks.spec import BackboneSpec, Device
from fewact.networks.weights import were_read
from fewact.video.source import TrimMode

NOT_IN_FEATURES = ("weights", "licence", "trained_on", "engine")
"""Fields of the card that a model does not depend on: features of two engines differ by rounding,
so it can be used with either."""


@dataclass(frozen=True)
class Pipeline:
    """Backbone and method, in evaluation mode, that turn clips into nodes; both on one device.

    Args:
        backbone: Network for videos, or the size of precomputed features.
        method: The method.
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

    Weights, precision and engine are those of a backbone that is given by name.
    """

    backbone: str | Backbone
    method: str | Method
    device: Device
    weights: str | Path
    precision: str
    engine: str

    def build(self, clip: AnyClip) -> Pipeline:
        """Build a pipeline for clips like this one."""
        _check_type("backbone", self.backbone, Backbone)
        _check_type("method", self.method, Method)
        if isinstance(clip, FeatureClip):
            return self._for_features(clip)
        method, backbone = self._build_method(None), self.backbone
        if isinstance(backbone, str):
            backbone = networks.create(
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
        return Pipeline(backbone, method.to(backbone.device).eval(), choice=self)

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
        size = Precomputed(frames, width, self.device, clip.joints)
        method = self._build_method(size)
        size.check_requests(method.requests(size.card))
        return Pipeline(size, method.to(size.device).eval(), choice=self)

    def _build_method(self, size: Precomputed | None) -> Method:
        """Build the method; a method given by name gets options that fit precomputed features."""
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
    if not isinstance(value, str | expected):
        raise OptionError(
            f"not a {argument}",
            where=argument,
            got=repr(value)[:80],
            expected=f"a name, or an object of {expected.__module__}.{expected.__name__}",
        )


CARD = TypeAdapter(Card)


class SavedBackbone(BaseModel):
    """The backbone of a saved model.

    Args:
        spec: How it is created; ``~`` in its weights is the home folder, and its name is
            ``precomputed`` if the examples are precomputed features.
        card: Fields of its card that the features depend on; for precomputed features also their
            number of ``frames``.
        licence: Licence of its weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: BackboneSpec
    card: dict[str, JsonValue]
    licence: str = ""

    @classmethod
    def of(cls, pipeline: Pipeline) -> "SavedBackbone":
        """Return what a model remembers of the backbone of a pipeline."""
        backbone, choice = pipeline.backbone, pipeline.choice
        card = backbone.card
        by_name = choice is not None and isinstance(choice.backbone, str)
        weights = str(choice.weights) if choice is not None and by_name else card.weights
        values: dict[str, Any] = {"precision": card.precision, **card.reading}
        spec = BackboneSpec(name=card.name, weights=portable(weights), **values)
        return cls(spec=spec, card=_facts(backbone), licence=card.licence)

    @property
    def precomputed(self) -> bool:
        """Whether the examples are precomputed features."""
        return self.spec.name == PRECOMPUTED

    @cached_property
    def _card(self) -> Card:
        facts = {"weights": self.spec.weights, "licence": self.licence, "trained_on": ()}
        return CARD.validate_python(self.card | facts)

    @model_validator(mode="after")
    def _consistent(self) -> "SavedBackbone":
        if self.precomputed:
            return self
        try:
            card = self._card
        except ValidationError as error:
            raise ValueError(f"card: {reason_of(error)}") from None
        if not all(abs(mean) <= 10 for mean in card.mean) or not all(
            1e-3 <= std <= 10 for std in card.std
        ):
            raise ValueError("card: no mean or standard deviation of frames from 0 to 1")
        return self

    def create(self, weights: str | None, device: Device, engine: str, where: str) -> "AnyBackbone":
        """Build the backbone, or the size of precomputed features, of the model ``where``.

        Without ``weights``, those that the model names. If these are a file or folder, it is opened
        only if weights were read from there before: a model of someone else could name any file.

        It normalises frames as the model's backbone did: other versions may do it otherwise.
        """
        if self.precomputed:
            return self._size(weights, device, where)
        values = {"weights": weights or self.spec.weights, "device": str(device), "engine": engine}
        try:
            if weights is None and not were_read(self.spec.weights):
                raise WeightsError(
                    "never used on this machine, so not opened", where=values["weights"]
                )
            built = BackboneSpec(**self.spec.requested | values).create()
        except UserError as error:
            if isinstance(error, OptionError) and error.where in ("device", "engine"):
                raise  # an argument of the caller: not the model's fault
            raise ModelError(
                f"the backbone {self.spec.name} cannot be built: {error}",
                where=where,
                hint="If the weights have moved, pass their new location: weights=… in Python, "
                "--weights on the command line. In Python, backbone=… takes the backbone itself.",
            ) from error
        if self.spec.precision == "int8":
            return built  # Its arithmetic is that of one normalisation.
        card = replace(built.card, mean=self._card.mean, std=self._card.std)
        if card == built.card:
            return built
        return Backbone(built.network, card, built.engine, built.why)

    def check(self, backbone: "AnyBackbone", where: str) -> None:
        """Refuse a backbone whose card differs from the one of the model."""
        facts = _facts(backbone)
        differ = [name for name, value in self.card.items() if facts.get(name) != value]
        if differ:
            raise ModelError(
                f"the model needs another backbone: it differs in {', '.join(differ)}",
                where=where,
                got="; ".join(f"{name} {facts.get(name)}" for name in differ),
                expected="; ".join(f"{name} {self.card[name]}" for name in differ),
                hint="Load the model with its original weights: weights=…, or teach again.",
            )

    def deferred(self, where: str) -> "DeferredBackbone | None":
        """Return the backbone, which is built when its network is first needed.

        None for precomputed features.
        """

        def build() -> Backbone:
            # Its frames are not computed: graphs for another engine would be made for nothing.
            engine = "auto" if self.spec.precision == "int8" else "torch"
            built = self.create(None, "auto", engine, where)
            self.check(built, where)
            if isinstance(built, Precomputed):
                raise TypeError("precomputed features have no network")
            return built

        return None if self.precomputed else DeferredBackbone(self._card, build)

    def _size(self, weights: str | None, device: Device, where: str) -> Precomputed:
        if weights is not None:
            raise ModelError(
                "the model uses precomputed features, which need no weights",
                where=where,
                got=weights,
            )
        frames, width = self.card.get("frames"), self.card.get("vectors")
        if not isinstance(frames, int) or not isinstance(width, int) or min(frames, width) < 1:
            raise DamagedModelError(
                "the number and length of the feature vectors are missing",
                where=where,
                got=f"{frames} vectors of length {width}",
            )
        return Precomputed(frames, width, device, str(self.card.get("joints", "")))


AnyBackbone = Backbone | Precomputed


class DeferredBackbone(Backbone):
    """Backbone that is built when its network is first needed.

    Corrections of a model compute with the features that it stores. They need the card of the
    backbone, and its network only where a new class name is embedded.
    """

    def __init__(self, card: Card, build: Callable[[], Backbone]) -> None:
        self.card = card
        self._build = build

    @property
    def device(self) -> torch.device:
        """Device on which the network is, or will be."""
        return resolve_device("auto")

    def __getattr__(self, name: str) -> Any:
        """Build the backbone if its network is needed; only called for missing attributes."""
        if name not in ("network", "engine", "why"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        built = self._build()
        self.network, self.engine = built.network, built.engine
        self.card, self.why = built.card, built.why
        return getattr(self, name)


def _facts(backbone: AnyBackbone) -> dict[str, JsonValue]:
    """Return the fields of the card that the features depend on, with lists for tuples."""
    fields = {k: v for k, v in asdict(backbone.card).items() if k not in NOT_IN_FEATURES}
    if isinstance(backbone, Precomputed):
        fields["frames"] = backbone.frames
    facts: dict[str, JsonValue] = json.loads(json.dumps(fields))
    return facts


def portable(weights: str) -> str:
    """Return the location of weights as an absolute path, with ``~`` for the home folder."""
    scheme, local, location = weights.rpartition("local-dir:")
    if not local and not location.endswith(".safetensors"):
        remembered = weights == "random" or weights.startswith("hf-hub:")
        return weights if remembered else "default"
    path = user_path(location, ModelError).absolute()
    home = Path.home()
    short = f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)
    return scheme + local + short


class SavedMethod(BaseModel):
    """The method of a saved model; its parameters are tensors of the file.

    Args:
        name: Registry name.
        package: Package of a method that is not fewact's own, and the SHA-256 of its file.
        options: All options.
        trained: False if learnable parts have random initial weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    package: str = ""
    options: dict[str, JsonValue]
    trained: bool = True

    @classmethod
    def of(cls, method: Method) -> "SavedMethod":
        """Return what a model remembers of a method; refuse one that is not registered."""
        name, options = methods.registered(method, ModelError)
        package = package_of(method)
        return cls(name=name, package=package, options=options, trained=method.trained)

    def create(self, parameters: Mapping[str, Tensor], where: str) -> Method:
        """Return the method with its parameters; warn if its code is not that of the model."""
        shapes = {name: value.shape for name, value in self._without_memory(where).items()}
        if shapes != {name: value.shape for name, value in parameters.items()}:
            raise self._refusal(RuntimeError("its parameters are not those of its options"), where)
        method = self._build(where)
        try:
            method.load_state_dict(dict(parameters))
        except RuntimeError as error:
            raise self._refusal(error, where) from error
        method.trained = self.trained
        package = package_of(method)
        if self.package and self.package != package:
            warn(
                f"{where}: the code of the method {self.name} is not that with which the model was "
                f"taught (got {package or 'no file'}; expected: {self.package}). Its answers may "
                "be wrong: teach again.",
            )
        return method

    def parameter_bytes(self, where: str) -> int:
        """Return the size of the parameters; no memory is allocated for them."""
        return sum(value.nbytes for value in self._without_memory(where).values())

    def _without_memory(self, where: str) -> dict[str, Tensor]:
        with torch.device("meta"):
            parameters: dict[str, Tensor] = self._build(where).state_dict()
        return parameters

    def _build(self, where: str) -> Method:
        try:
            return methods.create(self.name, **self.options)
        except (UserError, RuntimeError) as error:
            raise self._refusal(error, where) from error

    def _refusal(self, error: Exception, where: str) -> ModelError:
        what = f"the method {self.name} cannot be built"
        if isinstance(error, UnknownNameError):
            return ModelError(
                f"{what}: {error.what}",
                where=where,
                expected=error.expected,
                hint=f"{error.hint} {methods.IMPORT}".lstrip(),
            )
        return ModelError(f"{what}: {' '.join(str(error).split())}", where=where)
