"""Facts that identify nodes: facts of the method that encoded, and of the features it read."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from fewact import methods
from fewact.core.options import flatten_options
from fewact.lab.methods.base import TorchMethod
from fewact.lab.methods.combined import Combined
from fewact.lab.networks.torch_weights import digest
from fewact.lab.store.sources import FeatureSource
from fewact.methods import package_of


class Facts(BaseModel):
    """Base of all that a result or a checkpoint records."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MethodFacts(Facts):
    """Facts of a method with its options and weights.

    Args:
        name: Registry name.
        package: Package and version of a method that is not fewact's own, and the file of its class
            with the file's SHA-256; empty otherwise.
        options: All options.
        changed: Names of the options that differ from the default.
        weights_sha256: SHA-256 of the weights; empty for a method without weights.
        transductive: Whether a query's logits depend on the other queries.
        uses_text: Whether the method reads the names of the classes.
        trained: False where learnable parts have random initial weights.
        validation: Accuracy in per cent on the validation episodes that selected the weights; None
            for a method that is not trained, and for a converted one.
    """

    name: str
    package: str = ""
    options: dict[str, JsonValue]
    changed: tuple[str, ...]
    weights_sha256: str
    transductive: bool
    uses_text: bool
    trained: bool
    validation: float | None = None

    @property
    def label(self) -> str:
        """Name and changed options, for tables."""
        return self.label_with(())

    def label_with(self, names: Iterable[str]) -> str:
        """Return the label with the values of further options; defaults are marked.

        Args:
            names: Options to show; names that are no option of the method are left out.
        """
        changed = [f"{name}={_short(self.options.get(name))}" for name in self.changed]
        defaults = [
            f"{name}={_short(self.options[name])} (default)"
            for name in names
            if name in self.options and name not in self.changed
        ]
        return " ".join((self.name, *changed, *defaults))


class FeatureFacts(Facts):
    """Facts of features.

    Args:
        name: Name of their source, for people.
        sha256: SHA-256 of the features, or of all that decides them.
        backbone_sha256: SHA-256 of the backbone's card.
        trained_on: Data sets that the backbone's weights were trained on.
        modalities: Number of sources that are compared together, such as depth and colour.
    """

    name: str
    sha256: str
    backbone_sha256: str
    trained_on: tuple[str, ...]
    modalities: int = 1


def method_facts(method: TorchMethod) -> MethodFacts:
    """Return the facts of a method; the options of a combined method's parts are numbered."""
    if isinstance(method, Combined):
        return _facts_of_parts(method)
    weights = {name: value for name, value in method.state_dict().items() if value.numel()}
    options, defaults = flatten_options(method.options), _defaults(method.options)
    name = methods.name_of(method) or type(method).__name__
    return MethodFacts(
        name=name,
        package=package_of(method),
        options=options,
        changed=tuple(name for name, value in options.items() if value != defaults[name]),
        weights_sha256=f"{digest(weights) if weights else ''} {method.packaged_weights}".strip(),
        transductive=method.transductive,
        uses_text=method.uses_text,
        trained=method.trained,
        validation=method.validation,
    )


def _facts_of_parts(method: Combined) -> MethodFacts:
    """Return the facts of a combined method: its own options, and the options of its parts."""
    options, defaults = flatten_options(method.options), _defaults(method.options)
    parts = [method_facts(part) for part in method.methods]
    changed = [name for name, value in options.items() if value != defaults[name]]
    numbered = list(enumerate(parts, 1))
    return MethodFacts(
        name=" + ".join(dict.fromkeys(part.name for part in parts)),
        package=" ".join(dict.fromkeys(part.package for part in parts if part.package)),
        options=options
        | {f"{i}.{name}": v for i, part in numbered for name, v in part.options.items()},
        changed=(*changed, *(f"{i}.{name}" for i, part in numbered for name in part.changed)),
        weights_sha256=" ".join(part.weights_sha256 for part in parts).strip(),
        transductive=method.transductive,
        uses_text=method.uses_text,
        trained=method.trained,
    )


def encoding_facts(method: TorchMethod) -> MethodFacts:
    """Return the facts that decide a method's nodes; methods with equal facts share nodes."""
    facts = method_facts(method)
    options = {name: value for name, value in facts.options.items() if name not in method.scoring}
    changed = tuple(name for name in facts.changed if name in options)
    return facts.model_copy(update={"options": options, "changed": changed, "transductive": False})


def feature_facts(source: FeatureSource) -> FeatureFacts:
    """Return the facts of a source's features."""
    return FeatureFacts(
        name=source.name,
        sha256=source.digest,
        backbone_sha256=source.card.digest,
        trained_on=source.card.trained_on,
    )


def _defaults(options: Any) -> dict[str, JsonValue]:
    """Return the defaults of all options; a preset decides the defaults of the other options."""
    defaults = flatten_options(type(options)())
    preset = getattr(options, "preset", None)
    if preset is not None:
        defaults = {**flatten_options(type(options)(preset=preset)), "preset": defaults["preset"]}
    return defaults


def _short(value: JsonValue) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
