"""The backbone and the method of a saved model, as its header describes them."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError, model_validator

from fewact import methods
from fewact.classifier.pipeline import AnyBackbone, Pipeline
from fewact.core.bounded import reason_of
from fewact.core.errors import (
    DamagedModelError,
    ExtraError,
    ModelError,
    OptionError,
    UnknownNameError,
    UserError,
    WeightsError,
    warn,
)
from fewact.core.paths import user_path
from fewact.features.precomputed import PRECOMPUTED, Precomputed
from fewact.methods import package_of
from fewact.methods.base import Method
from fewact.methods.protocols import LearnedWeights
from fewact.networks import Backbone, Card
from fewact.networks.spec import BackboneSpec
from fewact.networks.weights import were_read

LARGEST_NUMBER = 8
"""Largest size of a learned number, in bytes."""

Made = TypeVar("Made")

NOT_IN_FEATURES = ("weights", "licence", "trained_on", "engine")
"""Fields of the card that a model does not depend on: features of two engines differ by rounding,
so it can be used with either."""

CARD_TYPE = TypeAdapter(Card)


class SavedBackbone(BaseModel):
    """The backbone of a saved model.

    Args:
        spec: How it is created; In its weights ``~`` is the home folder. For precomputed features
            its name is ``precomputed``.
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
        return CARD_TYPE.validate_python(self.card | facts)

    @model_validator(mode="after")
    def _consistent(self) -> "SavedBackbone":
        if self.precomputed:
            return self
        try:
            _ = self._card
        except ValidationError as error:
            raise ValueError(f"card: {reason_of(error)}") from None
        return self

    def create(self, weights: str | None, device: str, engine: str, where: str) -> AnyBackbone:
        """Build the backbone of the model ``where``, or the size of its precomputed features.

        Without ``weights``, the model names them. If these are a file or folder, it is opened
        only if weights were read from there before: a model of someone else could name any file.
        """
        if self.precomputed:
            return self._size(weights, where)
        values = {"weights": weights or self.spec.weights, "device": device, "engine": engine}
        try:
            if weights is None and not were_read(self.spec.weights):
                raise WeightsError(
                    "never used on this machine, so not opened", where=values["weights"]
                )
            return BackboneSpec(**self.spec.requested | values).create()
        except ExtraError:
            raise
        except UserError as error:
            if isinstance(error, OptionError) and error.where in ("device", "engine"):
                raise  # an argument of the caller: not the model's fault
            raise ModelError(
                f"the backbone {self.spec.name} cannot be built: {error}",
                where=where,
                hint="If the weights have moved, pass their new location: weights=… in Python, "
                "--weights on the command line. In Python, backbone=… takes the backbone itself.",
            ) from error

    def check(self, backbone: AnyBackbone, where: str) -> None:
        """Refuse a backbone whose card differs from the model's card."""
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
            built = self.create(None, "auto", "auto", where)
            self.check(built, where)
            if isinstance(built, Precomputed):
                raise TypeError("precomputed features have no network")
            return built

        return None if self.precomputed else DeferredBackbone(self._card, build)

    def _size(self, weights: str | None, where: str) -> Precomputed:
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
        return Precomputed(frames, width, joints=str(self.card.get("joints", "")))


class DeferredBackbone(Backbone):
    """Backbone that is built when its network is first needed.

    Corrections of a model compute with the features that it stores. They need the card of the
    backbone, and its network only where a new class name is embedded.
    """

    def __init__(self, card: Card, build: Callable[[], Backbone]) -> None:
        self.card = card
        self._build = build

    @cached_property
    def _built(self) -> Backbone:
        built = self._build()
        self.card = built.card
        return built

    def __getattr__(self, name: str) -> Any:
        """Build the backbone if its network is needed; only called for missing attributes."""
        if name not in ("engine", "why"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._built, name)

    @property
    def text(self) -> Any:
        """Text encoder that was trained with the network."""
        return self._built.text


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
    """The method of a saved model; its learned numbers are arrays of the file.

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
        """Return what a model remembers of a method; refuse an unregistered method."""
        name, options = methods.registered(method, ModelError)
        package = package_of(method)
        return cls(name=name, package=package, options=options, trained=method.trained)

    def create(self, weights: Mapping[str, NDArray[Any]], where: str) -> Method:
        """Return the method with its learned numbers; warn if its code differs from the model's."""
        if self._shapes(where) != {name: value.shape for name, value in weights.items()}:
            raise self._refusal(RuntimeError("its weights are not those of its options"), where)
        method = self._made(lambda: methods.create(self.name, **self.options), where)
        if isinstance(method, LearnedWeights):
            try:
                method.load_weights(weights)
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

    def weight_bytes(self, where: str) -> int:
        """Return the largest size of the learned numbers; no memory is allocated for them."""
        return sum(LARGEST_NUMBER * math.prod(shape) for shape in self._shapes(where).values())

    def _shapes(self, where: str) -> dict[str, tuple[int, ...]]:
        return self._made(lambda: methods.weight_shapes(self.name, self.options), where)

    def _made(self, make: Callable[[], Made], where: str) -> Made:
        try:
            return make()
        except ExtraError:
            raise
        except (UserError, RuntimeError, TypeError) as error:
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


def weights_of(method: Method) -> dict[str, NDArray[Any]]:
    """Return the learned numbers of a method; a method without any has none."""
    return method.weights() if isinstance(method, LearnedWeights) else {}
