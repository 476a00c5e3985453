"""What a training is made of: one model for the files, the command line and the card."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from fewact.data.videos import Groups
from fewact.episodes.protocol import LARGEST_SEED

Share = Annotated[float, Field(gt=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Ways = Annotated[int, Field(ge=2)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MethodPart(_Part):
    """The method that learns.

    Args:
        name: Of a registered method.
        options: Its options.
    """

    name: str
    options: dict[str, JsonValue] = Field(default_factory=dict)


class BackbonePart(_Part):
    """The network that gives the features.

    Args:
        name: Of a registered backbone.
        weights: That it begins with, as in ``backbones.create``.
        options: Its options.
    """

    name: str
    weights: str = "default"
    options: dict[str, JsonValue] = Field(default_factory=dict)


class TextPart(_Part):
    """What class names are embedded with, for a method that reads them.

    Args:
        encoder: ``backbone``, the one in the backbone's weights, or a name of
            ``backbones.text_names()``.
        weights: Of the text encoder, as in ``backbones.create_text``; None for the backbone's, or
            those that come with it.
        prompts: Templates by name, or one's own; None for the method's.
    """

    encoder: str = "backbone"
    weights: str | None = None
    prompts: str | tuple[str, ...] | None = None


class Augment(_Part):
    """How frames are changed in training, on the device, each video as a whole.

    Args:
        read_size: Side in pixels that frames are squashed to when they are read; None for the
            network's own size.
        area: Least and most share of the picture's area that a random crop keeps.
        aspect: Least and most width of the crop over its height, as shares of the picture's.
        flip: Mirror half of the videos. ``auto`` does so on benchmarks whose classes know no left
            and right (Kinetics, UCF-101, HMDB-51), and nowhere else.
        brightness: Factors of 1 ± this.
        contrast: The same, about the video's mean grey.
        saturation: The same, about each place's grey.
    """

    read_size: PositiveInt | None = None
    area: tuple[Share, Share] = (1.0, 1.0)
    aspect: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.0)
    flip: Literal["auto", "never", "always"] = "auto"
    brightness: Share | Literal[0] = 0
    contrast: Share | Literal[0] = 0
    saturation: Share | Literal[0] = 0


class Group(_Part):
    """Parameters with a learning rate of their own.

    Args:
        match: Pattern of their names, such as ``backbone.*`` or ``*.bias``.
        lr: Learning rate.
        weight_decay: None for the stage's.
    """

    match: str
    lr: NonNegativeFloat
    weight_decay: NonNegativeFloat | None = None


class Stage(_Part):
    """What the two kinds of stages have in common.

    Args:
        inputs: ``frames``: videos are decoded and augmented, and the network learns unless it is
            frozen. ``stored``: features are read from a store, or extracted once, and only the
            method learns.
        steps: Of the optimiser.
        batch: Videos (``classify``) or episodes (``episodes``) that a device sees at once.
        accumulate: Batches of a device whose mean gradient makes a step.
        optimiser: ``momentum`` is of ``sgd`` alone.
        lr: Learning rate of what no group matches.
        weight_decay: The same.
        momentum: Of ``sgd``.
        betas: Of ``adam`` and ``adamw``.
        groups: Parameters with rates of their own; of several that match the first counts.
        schedule: Of all rates after the warm-up: ``constant``; ``cosine`` or ``linear`` to zero at
            the last step; ``steps``, times ``factor`` at each milestone.
        warmup: Steps in which rates rise from zero.
        milestones: Steps at which ``steps`` lowers the rates.
        factor: By which.
        clip_norm: Longest gradient; None for no limit.
        freeze: Patterns of the names of parameters that don't learn.
        freeze_bn: Batch norms whose statistics stay as they are.
        ema: Decay of an average of the weights over the steps, which then is what is validated,
            kept, and handed to the next stage; None for none.
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
    factor: Share = 0.1
    clip_norm: PositiveFloat | None = None
    freeze: tuple[str, ...] = ()
    freeze_bn: Literal["none", "backbone", "all"] = "none"
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None


class ClassifyStage(Stage):
    """Classification of the training classes by a linear head on the mean of a video's nodes.

    The videos of a batch are of as many classes as there are, drawn class by class.
    """

    kind: Literal["classify"]


class EpisodesStage(Stage):
    """Episodes of the training classes.

    Args:
        ways: Classes of an episode.
        shots: Support videos of a class.
        queries: Query videos of a class.
        query_loss: Whether an episode's loss is the ``mean`` over its queries or their ``sum``:
            published code has both, and its learning rates go with it.
        loss_weights: By name of the loss; 1 where there is none. ``base_class``, the classification
            of the episode's videos among all training classes, is 0 where it isn't named.
    """

    kind: Literal["episodes"]
    ways: Ways = 5
    shots: PositiveInt = 1
    queries: PositiveInt = 1
    query_loss: Literal["mean", "sum"] = "mean"
    loss_weights: dict[str, NonNegativeFloat] = Field(default_factory=dict)


class Validation(_Part):
    """The fixed episodes of validation classes that alone choose the checkpoint.

    Args:
        every: Steps between two looks; a stage's last step is looked at, too, and the beginning.
        ways: Classes of an episode.
        shots: Support videos of a class.
        queries: Query videos of a class.
        count: Episodes.
        seed: Of the draw.
    """

    every: PositiveInt
    ways: Ways = 5
    shots: PositiveInt = 1
    queries: PositiveInt = 1
    count: PositiveInt = 2000
    seed: Seed = 0


class Recipe(_Part):
    """A training from its first step to its last.

    Args:
        name: Of the recipe.
        summary: For people, one line.
        data: The benchmark that it was written for.
        method: What learns.
        backbone: What gives the features.
        text: What class names become, where the method reads them.
        stages: In their order; each goes on from where the one before ended.
        validation: What chooses the checkpoint.
        augment: Of frames.
        seed: All draws depend on it and on the step alone.
        groups: How recordings or persons are kept apart in episodes; ``auto`` by the list's own.
        precision: Of the networks. Moments, transport and losses are float32 in any case.
        keep_every: Steps between two saved states, from which a killed run goes on.
        largest_loss: A loss above, or one that is no number, stops the run.
    """

    name: str
    summary: str
    data: str
    method: MethodPart
    backbone: BackbonePart
    stages: tuple[Annotated[ClassifyStage | EpisodesStage, Field(discriminator="kind")], ...] = (
        Field(min_length=1)
    )
    validation: Validation
    text: TextPart = TextPart()
    augment: Augment = Augment()
    seed: Seed = 0
    groups: Groups | Literal["auto"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    keep_every: PositiveInt = 500
    largest_loss: PositiveFloat = 1000.0
