"""Training recipes, and their files."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from fewact.core.bounded import KIB, FileType
from fewact.core.errors import RecipeError, UnknownNameError, did_you_mean, invalid_value
from fewact.core.paths import user_path
from fewact.data.videos import GroupScope
from fewact.lab.evaluation.episodes import LARGEST_SEED
from fewact.networks import BackboneSpec, TextSpec

Fraction = Annotated[float, Field(gt=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Ways = Annotated[int, Field(ge=2)]


def _check_finite(options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse numbers that the recipe's JSON file in the run's folder could not hold."""
    try:
        json.dumps(options, allow_nan=False)
    except ValueError:
        raise ValueError("a number is not finite") from None
    return options


Options = Annotated[dict[str, JsonValue], AfterValidator(_check_finite)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MethodPart(_Part):
    """Method to train.

    Args:
        name: Registry name of the method.
        options: Options of the method.
    """

    name: str
    options: Options = Field(default_factory=dict)


class Augment(_Part):
    """Augmentation of training videos on the device, the same for all frames of a video.

    Args:
        read_size: Side in pixels to which frames are resized when they are read, without keeping
            the aspect ratio; None for the network's input size.
        area: Range of the random crop's area, as a fraction of the frame's.
        aspect: Range of the crop's aspect ratio, relative to the frame's.
        flip: Horizontal flip of half of the videos. ``auto`` flips on benchmarks whose classes do
            not distinguish left and right (Kinetics, UCF-101, HMDB-51) only.
        brightness: Range of the brightness factor, 1 ± this value.
        contrast: Range of the contrast factor about the video's mean grey, 1 ± this value.
        saturation: Range of the saturation factor about each pixel's grey, 1 ± this value.
    """

    read_size: PositiveInt | None = None
    area: tuple[Fraction, Fraction] = (1.0, 1.0)
    aspect: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.0)
    flip: Literal["auto", "never", "always"] = "auto"
    brightness: Fraction | Literal[0] = 0
    contrast: Fraction | Literal[0] = 0
    saturation: Fraction | Literal[0] = 0


class Group(_Part):
    """Parameter group with its own learning rate.

    Args:
        match: Pattern of parameter names, such as ``backbone.*`` or ``*.bias``.
        lr: Learning rate.
        weight_decay: Weight decay; None for the stage's.
    """

    match: str
    lr: NonNegativeFloat
    weight_decay: NonNegativeFloat | None = None


class TrainingStage(_Part):
    """Options that both stage types have.

    Args:
        inputs: Source of the inputs. ``frames``: videos are decoded and augmented, and the network
            is trained unless it is frozen. ``stored``: features are read from a store, or extracted
            once, and only the method is trained.
        steps: Number of optimiser steps.
        batch: Number of videos (``classify``) or episodes (``episodes``) per device and batch.
        accumulate: Number of batches per device whose mean gradient makes one step.
        optimiser: Optimiser.
        lr: Learning rate of parameters that match no group.
        weight_decay: Weight decay of parameters that match no group.
        momentum: Momentum of ``sgd``.
        betas: Betas of ``adam`` and ``adamw``.
        groups: Parameter groups with their own rates; the first that matches applies.
        schedule: Schedule of all learning rates after the warm-up: ``constant``; ``cosine`` or
            ``linear``, which would be zero one step after the last; ``steps``, times ``factor`` at
            each milestone.
        warmup: Number of steps in which the rates rise from zero.
        milestones: Steps at which the schedule ``steps`` lowers the rates, in rising order.
        factor: Factor by which the schedule ``steps`` lowers the rates.
        factors: Factors of the full rates after each milestone, instead of powers of ``factor``:
            one for each milestone.
        clip_norm: Largest norm of the gradient; None for no limit.
        freeze: Patterns of the names of parameters that are not trained.
        freeze_bn: Batch norms with fixed statistics.
        ema: Decay of the exponential moving average of the weights. The average is validated,
            saved, and passed to the next stage. None for no average.
    """

    inputs: Literal["frames", "stored"]
    steps: PositiveInt
    batch: PositiveInt = 1
    accumulate: PositiveInt = 1
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: NonNegativeFloat
    weight_decay: NonNegativeFloat = 0.0
    momentum: NonNegativeFloat = 0.9
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    groups: tuple[Group, ...] = ()
    schedule: Literal["constant", "cosine", "linear", "steps"] = "constant"
    warmup: NonNegativeInt = 0
    milestones: tuple[PositiveInt, ...] = ()
    factor: Fraction = 0.1
    factors: tuple[Fraction, ...] = ()
    clip_norm: PositiveFloat | None = None
    freeze: tuple[str, ...] = ()
    freeze_bn: Literal["none", "backbone", "all"] = "none"
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        names = ("milestones", "factor", "factors")
        fields = type(self).model_fields
        changed = [name for name in names if getattr(self, name) != fields[name].default]
        if changed and self.schedule != "steps":
            raise ValueError(f"schedule {self.schedule} has no {changed[0]}; schedule steps has")
        if self.schedule == "steps" and not self.milestones:
            raise ValueError("schedule steps needs milestones")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError("milestones must rise: each belongs to the factor of its position")
        if self.factors and "factor" in changed:
            raise ValueError("factors are used instead of factor: set one of them")
        if self.factors and len(self.factors) != len(self.milestones):
            raise ValueError(
                f"{len(self.factors)} factors for {len(self.milestones)} milestones; "
                "each milestone needs one"
            )
        return self


class ClassifyStage(TrainingStage):
    """Classification of all training classes by a linear head on the mean of a video's nodes.

    A batch has videos of as many classes as possible, drawn class by class.
    """

    kind: Literal["classify"]


class EpisodesStage(TrainingStage):
    """Episodes of the training classes.

    Args:
        ways: Number of classes of an episode.
        shots: Number of support videos per class.
        queries: Number of query videos per class.
        query_loss: Aggregation of an episode's loss over its queries. Published code uses either,
            with learning rates to match.
        loss_weights: Weights of the losses by name (default: 1). ``base_class``, the classification
            of the episode's videos among all training classes, has default weight 0.
    """

    kind: Literal["episodes"]
    ways: Ways = 5
    shots: PositiveInt = 1
    queries: PositiveInt = 1
    query_loss: Literal["mean", "sum"] = "mean"
    loss_weights: dict[str, NonNegativeFloat] = Field(default_factory=dict)


class Validation(_Part):
    """Fixed episodes of validation classes; they alone choose the checkpoint.

    Args:
        every: Steps between two validations, in addition to the start and each stage's last step.
        ways: Number of classes of an episode.
        shots: Number of support videos per class.
        queries: Number of query videos per class.
        count: Number of episodes.
        seed: Seed of the episodes.
    """

    every: PositiveInt
    ways: Ways = 5
    shots: PositiveInt = 1
    queries: PositiveInt = 1
    count: PositiveInt = 2000
    seed: Seed = 0


class Recipe(_Part):
    """Recipe of a training run.

    Args:
        name: Name of the recipe.
        summary: One-line description.
        data: Benchmark that the recipe was written for.
        method: Method to train.
        backbone: Backbone that computes the features, with its initial weights; the run decides
            its precision, engine and device.
        text: Text encoder for class names, for methods that use text.
        stages: Stages in order; each continues from the end of the previous one.
        validation: Validation that chooses the checkpoint.
        augment: Augmentation of frames.
        seed: Seed; all draws depend on the seed and the step alone.
        groups: Rule that keeps recordings or persons apart in episodes; ``auto`` for the list's.
        precision: Precision of the networks. Moments, transport and losses are always float32.
        keep_every: Steps between two saved states; an interrupted run continues from the last.
        largest_loss: Largest loss; a larger one, or NaN, stops the run.
    """

    name: str
    summary: str
    data: str
    method: MethodPart
    backbone: BackboneSpec
    stages: tuple[Annotated[ClassifyStage | EpisodesStage, Field(discriminator="kind")], ...] = (
        Field(min_length=1)
    )
    validation: Validation
    text: TextSpec = TextSpec()
    augment: Augment = Augment()
    seed: Seed = 0
    groups: GroupScope | Literal["auto"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    keep_every: PositiveInt = 500
    largest_loss: PositiveFloat = 1000.0

    @field_validator("backbone")
    @classmethod
    def _check_backbone(cls, backbone: BackboneSpec) -> BackboneSpec:
        decided = {"precision": backbone.precision, "engine": backbone.engine}
        for name, value in (decided | {"device": backbone.device}).items():
            if value != "auto":
                raise ValueError(f"the run decides the {name} of the backbone")
        _check_finite(backbone.options)
        return backbone


RECIPES = "recipes"
# A parser of TOML needs time that grows with the square of the depth of a name.
RECIPE_FILE = FileType("recipe", RecipeError, 64 * KIB)

ON, WITH, LIKE = "on", "with", "like"
"""Tables of a recipe file with its changes for a benchmark, ``[on.hmdb51]``, for a backbone,
``[with.videomae]``, and for both, ``[with.videomae.on.hmdb51]``. With ``like = "NAME"``, the
changes for the backbone NAME are made first."""


@dataclass(frozen=True)
class RecipeName:
    """Name of a recipe of the package, such as ``trx-hmdb51-resnet50``, ``trx-hmdb51`` or ``trx``.

    Args:
        file: Name of the recipe's file.
        data: Benchmark that the recipe is adapted to; empty for none.
        backbone: Backbone that the recipe is adapted to; empty for none.
    """

    file: str
    data: str = ""
    backbone: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.file, self.data, self.backbone)))


def names() -> tuple[str, ...]:
    """Return the names of the package's recipe files."""
    folder = files("fewact.lab.training") / RECIPES
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir()))


def adaptations(name: str) -> tuple[RecipeName, ...]:
    """Return the recipes that a file of the package makes, for its benchmarks and backbones."""
    content = _shipped(name)
    backbones = (content["backbone"]["name"], *content.get(WITH, {})) if ON in content else ("",)
    benchmarks = content.get(ON, {"": {}})
    return tuple(RecipeName(name, data, backbone) for data in benchmarks for backbone in backbones)


def text_of(name: str) -> str:
    """Return the text of one of the package's recipe files, with its comments.

    Raises:
        UnknownNameError: The name is unknown.
    """
    return _text(_parsed(name).file)


def read(
    recipe: str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    data: str = "",
    backbone: str = "",
) -> Recipe:
    """Read a recipe.

    A recipe with ``extends = "NAME"`` contains only its differences from that recipe: tables are
    merged, lists and values are replaced; options of another method or backbone are not inherited.

    Args:
        recipe: Recipe: a name of ``names()``, or one of ``adaptations`` such as
            ``trx-hmdb51-resnet50``; a .toml file; or the recipe.json of a run.
        changes: Changed values by dotted name, such as ``stages.1.lr`` for the second stage.
        data: Benchmark or other data that the recipe is adapted to (default: the benchmark in the
            name, or the recipe's first). Data that the recipe does not know change nothing else.
        backbone: Backbone that the recipe is adapted to (default: the backbone in the name, or the
            recipe's own).

    Raises:
        UnknownNameError: The name is unknown.
        RecipeError: The file is not a valid recipe, or it does not know the backbone; the message
            names the invalid value.
    """
    content = _adapted(*_load(str(recipe), ()), data, backbone, str(recipe))
    for key, value in (changes or {}).items():
        _change(content, key, value)
    return parse(content, str(recipe))


def parse(content: Mapping[str, Any], where: str) -> Recipe:
    """Return a recipe from the parsed content of its file, whose name ``where`` is for errors.

    Raises:
        RecipeError: The content is not a valid recipe.
    """
    try:
        return Recipe.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        # A misspelt name comes before the value that is missing because of it.
        first = min(error.errors(), key=lambda failure: failure["type"] != "extra_forbidden")
        tag = 2 if first["loc"][:1] == ("stages",) else None  # `classify` or `episodes`
        parts = [str(part) for i, part in enumerate(first["loc"]) if i != tag]
        path = ".".join(parts)
        fault, expected = invalid_value(first["msg"])
        unknown = first["type"] == "extra_forbidden"
        raise RecipeError(
            fault,
            where=f"{where}, {path}" if path else where,
            got=repr(first["input"]) if not isinstance(first["input"], dict) else "",
            expected=expected,
            hint=did_you_mean(parts[-1], _names()) if unknown else "",
        ) from None


def _names() -> set[str]:
    """Return the names of all values that a recipe can have."""
    schema = Recipe.model_json_schema()
    parts = (schema, *schema["$defs"].values())
    return {name for part in parts for name in part.get("properties", ())}


def _load(recipe: str, above: tuple[str, ...]) -> tuple[dict[str, Any], RecipeName]:
    """Return the content of a recipe, merged into the recipe that it extends, and its name."""
    if recipe in above:
        raise RecipeError("circular extends", where=" → ".join(above))
    path = user_path(recipe, RecipeError)
    if path.suffix == ".json":
        return _table(RECIPE_FILE.json(path), recipe), RecipeName(recipe)
    name = RecipeName(recipe) if path.suffix == ".toml" else _parsed(recipe)
    content = RECIPE_FILE.toml(path) if path.suffix == ".toml" else tomllib.loads(_text(name.file))
    base = content.pop("extends", None)
    if base is None:
        return content, name
    if path.suffix == ".toml" and str(base).endswith(".toml"):
        base = path.parent / str(base)
    extended, base_name = _load(str(base), (*above, recipe))
    if base_name.data or base_name.backbone:
        extended = _adapted(extended, base_name, "", "", str(base))
    return _merge(extended, content), name


def _adapted(
    content: dict[str, Any], name: RecipeName, data: str, backbone: str, where: str
) -> dict[str, Any]:
    """Return a recipe for a benchmark and a backbone, without its tables of changes."""
    on, with_ = content.pop(ON, {}), content.pop(WITH, {})
    default = content.get("backbone", {}).get("name", "")
    backbone = backbone or name.backbone or default
    if backbone not in (default, *with_):
        raise RecipeError(
            "the recipe has no settings for this backbone",
            where=where,
            got=backbone,
            expected=", ".join((default, *with_)),
            hint=did_you_mean(backbone, with_),
        )
    benchmark = _benchmark(on, data) or name.data or next(iter(on), "")
    networks = [] if backbone == default else [with_[backbone]]
    while networks and LIKE in networks[0]:
        networks.insert(0, with_[networks[0][LIKE]])
    changes = [
        *networks,
        on.get(benchmark, {}),
        *(n.get(ON, {}).get(benchmark, {}) for n in networks),
    ]
    for change in changes:
        content = _merge(content, {k: v for k, v in change.items() if k not in (ON, LIKE)})
    if on:
        content["name"] = str(RecipeName(content["name"], benchmark, backbone))
    return content


def _benchmark(on: Mapping[str, Any], data: str) -> str:
    """Return the benchmark among a recipe's that data are of; empty if they are of none."""
    return next((key for key in on if re.match(rf"{re.escape(key)}([_:]|$)", data)), "")


def _parsed(name: str) -> RecipeName:
    """Return the parts of the name of a shipped recipe."""
    if name in names():
        return RecipeName(name)
    adapted = {str(variant): variant for file in names() for variant in adaptations(file)}
    adapted |= {
        f"{variant.file}-{variant.data}": replace(variant, backbone="")
        for variant in adapted.values()
    }
    if name in adapted:
        return adapted[name]
    near = [variant for variant in adapted if variant.startswith(name.partition("-")[0] + "-")]
    listed = f"one of: {', '.join(near)}" if near else "a name that `fewact recipes` lists"
    raise UnknownNameError(
        "unknown recipe",
        got=repr(name),
        expected=listed if name.endswith(".toml") else f"a .toml file, or {listed}",
        hint=did_you_mean(name, (*names(), *adapted)),
    )


def _text(file: str) -> str:
    return (files("fewact.lab.training") / RECIPES / f"{file}.toml").read_text(encoding="utf-8")


@cache
def _shipped(file: str) -> dict[str, Any]:
    """Return the content of a file of the package, with its tables of changes."""
    return _load(file, ())[0]


def _table(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise RecipeError("not a recipe", where=where)
    return content


def _merge(base: Any, changes: Mapping[str, Any]) -> Any:
    """Return a table with changes, or a list with changes of its items by number."""
    if isinstance(base, list):
        return [_merge(item, changes.get(str(i), {})) for i, item in enumerate(base)]
    merged = dict(base)
    # Changes for backbones belong to the method; those for benchmarks do not.
    if _other(base.get("method"), changes.get("method")):
        merged.pop(WITH, None)
    for key, value in changes.items():
        current = merged.get(key)
        if isinstance(value, dict) and isinstance(current, dict | list):
            value = value if _other(current, value) else _merge(current, value)
        merged[key] = value
    return merged


def _other(base: Any, changes: Any) -> bool:
    """Return whether changes name another method or backbone."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return False
    return bool(changes.get("name", base.get("name")) != base.get("name"))


def _change(content: dict[str, Any], key: str, value: Any) -> None:
    """Set one value by its dotted name."""
    at: Any = content
    *path, last = key.split(".")
    try:
        for part in path:
            at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
        if isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value
    except (ValueError, IndexError, TypeError, AttributeError):
        raise RecipeError("the recipe has no such value", got=key) from None
