"""Options of ``a2m2``: presets, two groups, and which options have an effect with which others."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from fewact import align
from fewact.backbones.card import Card, Level
from fewact.core.errors import OptionError, UnknownNameError, did_you_mean
from fewact.features.request import Stabilise
from fewact.methods.common.effects import Effect, refuse_without_effect
from fewact.methods.common.matching import MEAN_NODES, Weights
from fewact.methods.common.reduction import Reduction
from fewact.moments.third_order import LARGEST

Preset = Literal["training_free", "paper"]

PAPER: Mapping[str, Any] = MappingProxyType(
    {
        "moments.level": "maps",
        "moments.reduction": "learned",
        "moments.subtract_clip_mean": False,
        "alignment.time_weight": 0.0,
        "shot_aggregation": "prototype",
        "intra_class_weight": 0.0,
    }
)
"""Defaults of A²M²-Net as published, where they are not those of the training-free preset."""

PRESETS: Mapping[Preset, Mapping[str, Any]] = MappingProxyType(
    {"training_free": MappingProxyType({}), "paper": PAPER}
)


class _Group(BaseModel):
    # A model, not a dataclass: it knows which options were set, and the preset fills the others.
    model_config = ConfigDict(extra="forbid", frozen=True)


class MomentOptions(_Group):
    """How a video becomes nodes: moments of its features over windows of several lengths.

    Args:
        level: Features that the moments are computed of: ``maps`` of the last stage, ``middle`` at
            stride 16, or ``vectors``. ``auto``: ``middle`` where the backbone has it; for a learned
            reduction ``maps``.
        lengths: Window lengths in frames; (1, 2, 4) on 8 frames gives 14 nodes.
        grid: 2 adds the four quarters of the maps as nodes of each window.
        descriptor: Descriptor of a window: ``sqrt``, the square root of the covariance;
            ``covariance``; ``mean``, first order; ``third``, a sketch of the third-order moment.
        sketch: Length of the sketch of ``third``.
        steps: Newton–Schulz steps of ``sqrt``.
        reduction: Reduction of the channels, see ``ChannelReduction``.
        width: Channels after the reduction; ``none`` and ``auto`` have a fixed width.
        in_channels: Channels before a reduction with weights (``learned``, ``linear``, ``pca``);
            training takes them from the backbone.
        subtract_clip_mean: Subtract the clip's mean map from each frame, so that motion remains.
        linear_detrend: Remove the linear change over time first, such as the effect of a slow pan.
        attention: Temporal attention before the moments; for a reduction with trained weights.
        cross_frame: Weight γ of the change from a window to the next, which is appended to its
            descriptor; see ``fewact.moments.cross_frame``.
        normalise: Normalisation of the nodes: ``layernorm`` of each; ``support_mean`` subtracts
            the mean node of the episode's support, in which all classes count alike.
    """

    level: Literal["auto", "maps", "middle", "vectors"] = "auto"
    lengths: tuple[PositiveInt, ...] = (1, 2, 4)
    grid: Literal[1, 2] = 1
    descriptor: Literal["sqrt", "covariance", "mean", "third"] = "sqrt"
    sketch: Annotated[int, Field(ge=1, le=LARGEST)] = 2048
    steps: PositiveInt = 3
    reduction: Reduction = "auto"
    width: PositiveInt = 128
    in_channels: PositiveInt | None = None
    subtract_clip_mean: bool = True
    linear_detrend: bool = False
    attention: bool = False
    cross_frame: NonNegativeFloat = 0.0
    normalise: Literal["none", "layernorm", "support_mean"] = "none"

    def level_of(self, card: Card) -> Level:
        """Return the level whose features are used of a backbone."""
        if self.level != "auto":
            return self.level
        levels: tuple[Level, ...] = ("middle", "maps", "vectors")
        usable = levels[1:] if self.reduction == "learned" else levels
        return next((level for level in usable if card.has(level)), usable[0])

    def channels_of(self, card: Card) -> int | None:
        """Return the channels for a trained reduction; None if they are set or not needed."""
        if self.reduction not in ("learned", "linear") or self.in_channels is not None:
            return None
        return card.shape_of(self.level_of(card))[0]


def _add_names(schema: dict[str, Any]) -> None:
    schema["enum"] = [*align.names(), *MEAN_NODES]


class AlignmentOptions(_Group):
    """How the nodes of two videos are compared.

    Args:
        name: Aligner of ``fewact.align``, registered ones included; or ``cosine`` or ``euclidean``
            of the mean nodes, which aligns nothing.
        weights: Weights of the nodes, for aligners that take weights: ``cross``, the similarity of
            a node to the other video; ``self``, to its own video; ``uniform``.
        time_weight: Weight β of time in the cost 1 − cos + β·|t_i − t_j|, with t in [0, 1].
    """

    name: Annotated[str, Field(json_schema_extra=_add_names)] = "emd"
    weights: Weights = "cross"
    time_weight: NonNegativeFloat = 0.5

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        known = (*align.names(), *MEAN_NODES)
        if name not in known:
            raise UnknownNameError(
                "unknown aligner",
                where='option "alignment.name"',
                got=repr(name),
                expected=", ".join(known),
                hint=did_you_mean(name, known),
            )
        return name


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class A2M2Options:
    """Options of ``a2m2``; the defaults need no training.

    Args:
        preset: Defaults of the other options: ``training_free``, or ``paper`` for A²M²-Net as
            published: maps of the last stage, learned reduction, no subtraction of the clip's mean,
            no time in the cost, averaged support videos.
        frames: Frames of a video.
        stabilise: Compensate camera motion; ``auto`` compensates detected camera motion.
        moments: Group of options: how a video becomes nodes.
        alignment: Group of options: how the nodes of two videos are compared.
        shot_aggregation: Aggregation over the shots of a class: ``mean`` averages the scores;
            ``prototype`` averages the videos node by node; ``union`` aligns with the nodes of all.
        intra_class_weight: Weight of the mean score inside a class, which is subtracted from the
            class's score; for ``mean``.
        temperature: Temperature of the logits: logits = similarity / temperature.
        learn_temperature: Train the temperature.
        text_weight: Weight α of the class names in p_text^α · p_visual^(1−α); 0 ignores the names,
            published is 0.9. Vectors and class embeddings must share a space, as in CLIP.
        text_temperature: Temperature of the cosines of mean frame and class embeddings.
        contrast_weight: Weight of the training loss that classifies each video among the names of
            all training classes, by these cosines.
        seed: Seed of the initial weights.
    """

    preset: Preset = "training_free"
    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    moments: MomentOptions = MomentOptions()
    alignment: AlignmentOptions = AlignmentOptions()
    shot_aggregation: Literal["mean", "prototype", "union"] = "mean"
    intra_class_weight: NonNegativeFloat = 0.5
    temperature: PositiveFloat = 0.08
    learn_temperature: bool = False
    text_weight: Annotated[float, Field(ge=0, le=1)] = 0.0
    text_temperature: PositiveFloat = 0.01
    contrast_weight: NonNegativeFloat = 1.0
    seed: NonNegativeInt = 0

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, inputs: Any) -> Any:
        values = dict((inputs.kwargs or {}) if isinstance(inputs, ArgsKwargs) else inputs)
        for name, value in PRESETS.get(values.get("preset", ""), {}).items():
            group, _, option = name.rpartition(".")
            if not group:
                values.setdefault(option, value)
                continue
            own = values.get(group, {})
            own = own.model_dump(exclude_unset=True) if isinstance(own, _Group) else own
            values[group] = {option: value, **own}
        return ArgsKwargs(inputs.args, values) if isinstance(inputs, ArgsKwargs) else values

    def __post_init__(self) -> None:
        _refuse_conflicts(self)
        refuse_without_effect(self, _effects(self), PRESETS[self.preset])


def _effects(options: A2M2Options) -> list[Effect]:
    """Return the options that have an effect under conditions."""
    moments, alignment = options.moments, options.alignment
    aligned = alignment.name not in MEAN_NODES
    card = align.card(alignment.name) if aligned else align.AlignerCard()
    weighted = " or ".join(name for name in align.names() if align.card(name).weights)
    mean = options.shot_aggregation == "mean"
    by_name = f"alignment.name={alignment.name}"
    by_reduction = f"moments.reduction={moments.reduction}"
    by_descriptor = f"moments.descriptor={moments.descriptor}"
    return [
        Effect("alignment.weights", card.weights, by_name, f"alignment.name {weighted}"),
        Effect(
            "alignment.time_weight",
            aligned and not card.paired,
            by_name,
            "an aligner of nodes at different times",
            off=0,
        ),
        Effect(
            "moments.sketch",
            moments.descriptor == "third",
            by_descriptor,
            "moments.descriptor third",
        ),
        Effect(
            "moments.steps", moments.descriptor == "sqrt", by_descriptor, "moments.descriptor sqrt"
        ),
        Effect(
            "moments.width",
            moments.reduction not in ("none", "auto"),
            by_reduction,
            "moments.reduction orthogonal, pca, linear or learned",
        ),
        Effect(
            "moments.in_channels",
            moments.reduction in ("learned", "linear", "pca"),
            by_reduction,
            "moments.reduction learned, linear or pca",
        ),
        Effect(
            "moments.attention",
            moments.reduction in ("learned", "linear"),
            by_reduction,
            "moments.reduction learned or linear, which are trained too",
            off=False,
        ),
        Effect(
            "moments.normalise",
            moments.normalise != "support_mean" or alignment.name != "euclidean",
            by_name,
            "another alignment.name: a distance ignores a common shift",
        ),
        Effect(
            "intra_class_weight",
            mean,
            f"shot_aggregation={options.shot_aggregation}",
            "shot_aggregation mean",
            off=0,
        ),
        *(
            Effect(name, options.text_weight > 0, "text_weight=0", "text_weight above 0")
            for name in ("text_temperature", "contrast_weight")
        ),
        Effect(
            "seed",
            moments.reduction == "learned" or moments.attention,
            by_reduction,
            "moments.reduction learned, or linear with moments.attention",
        ),
    ]


def _refuse_conflicts(options: A2M2Options) -> None:
    """Refuse options that contradict each other."""
    moments, name = options.moments, options.alignment.name
    card = align.AlignerCard() if name in MEAN_NODES else align.card(name)
    union, grid = options.shot_aggregation == "union", moments.grid > 1
    conflicts = (
        (
            "alignment.name",
            name,
            (union and (card.ordered or card.paired)) or (grid and card.ordered),
            "compares nodes in order, which a union of shots or a grid does not have",
            "shot_aggregation mean or prototype, moments.grid 1",
        ),
        (
            "moments.cross_frame",
            moments.cross_frame,
            moments.cross_frame > 0 and (grid or moments.descriptor not in ("sqrt", "covariance")),
            "does not fit the other options",
            "moments.grid 1, moments.descriptor sqrt or covariance",
        ),
        (
            "moments.descriptor",
            moments.descriptor,
            moments.descriptor == "third" and grid,
            "does not fit the other options",
            "moments.grid 1",
        ),
    )
    for option, value, conflict, what, expected in conflicts:
        if conflict:
            raise OptionError(what, where=f'option "{option}"', got=str(value), expected=expected)
